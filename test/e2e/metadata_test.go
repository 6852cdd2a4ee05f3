package e2e

import (
	"testing"
	"time"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestMetadata sends metadata along with its series, as remote write 2.0 does.
// Blocks cannot hold it; the run's record does.
func TestMetadata(t *testing.T) {
	t.Parallel()
	const run = "metadata"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	now := time.Now().UnixMilli()
	described := floats("described_seconds_total", 0, harness.Sample{T: now, V: 1})
	described.Type = writev2.Metadata_METRIC_TYPE_COUNTER
	described.Help, described.Unit = "Seconds of something.", "seconds"
	other := floats("other", 0, harness.Sample{T: now, V: 1})
	other.Type = writev2.Metadata_METRIC_TYPE_GAUGE
	sender.Send(described, other)
	sender.Close()
	terminate(t, r, 0)

	checkArchived(t, dir, bucket, run, sent(sender))
	metrics := bucket.Manifest(t, run).Metrics
	if got := metrics["described_seconds_total"]; got.Type != "counter" || got.Help != described.Help || got.Unit != described.Unit {
		t.Errorf("manifest: metric described_seconds_total is %+v", got)
	}
	if got := metrics["other"]; got.Type != "gauge" || got.Help != "" || got.Unit != "" {
		t.Errorf("manifest: metric other is %+v", got)
	}
}
