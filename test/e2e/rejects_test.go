package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestRejects sends batches with a bad sample in them. The good samples are
// kept, the sender is told of the bad one, and the record of the run says that
// something was left out.
func TestRejects(t *testing.T) {
	t.Parallel()
	const run = "rejects"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	now := time.Now().UnixMilli()
	sender.Send(floats("good", 0, harness.Sample{T: now - second, V: 1}))

	bad := map[string]harness.TimeSeries{
		"another value at the time": floats("good", 0, harness.Sample{T: now - second, V: 2}),
		"too far in the future":     floats("future", 0, harness.Sample{T: now + time.Hour.Milliseconds(), V: 1}),
		"no metric name":            {Labels: labels.FromStrings("i", "0"), Samples: []harness.Sample{{T: now, V: 1}}},
	}
	at := now
	for name, series := range bad {
		at++
		good := floats("good", 0, harness.Sample{T: at, V: 1})
		response := sender.Try(series, good)
		if response.Status != http.StatusBadRequest {
			t.Errorf("%s: answer %d: %s", name, response.Status, response.Body)
		}
		if metric := series.Labels.Get("__name__"); response.Body == "" || !strings.Contains(response.Body, metric) {
			t.Errorf("%s: the answer does not name the series: %q", name, response.Body)
		}
		if got := response.Header.Get("X-Prometheus-Remote-Write-Samples-Written"); got != "1" {
			t.Errorf("%s: %q samples written, want 1", name, got)
		}
		sender.Acknowledged.Add(good.Labels, harness.FloatPoint(at, 1))
	}
	sender.Close()
	terminate(t, r, 0)

	want := sent(sender)
	if diff := harness.Diff(want.Archived(external(run)), bucket.Samples(t, dir)); diff != "" {
		t.Errorf("run %s in the bucket: %s", run, diff)
	}
	m := bucket.Manifest(t, run)
	rejected := int64(0)
	for _, n := range m.Rejected {
		rejected += n
	}
	if m.State != "archived" || m.Complete || rejected != int64(len(bad)) {
		t.Errorf("manifest: state %q, complete %t, rejected %v; want archived, not complete, %d rejected",
			m.State, m.Complete, m.Rejected, len(bad))
	}
}
