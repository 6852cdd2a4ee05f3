package doors

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestExtremesThatAreLegal sends what is unusual, but allowed: it is stored and
// archived like everything else.
func TestExtremesThatAreLegal(t *testing.T) {
	t.Parallel()
	const run = "legal-extremes"
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	r := receive(t, dir, bucket, run)
	good := startGood(t, r)
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	now := time.Now().UnixMilli()

	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64}
	numbers := harness.TimeSeries{Labels: labels.FromStrings("__name__", "numbers")}
	for i, v := range values {
		numbers.Samples = append(numbers.Samples, harness.Sample{T: now + int64(i), V: v})
	}
	crowd := []string{"__name__", "crowd"}
	for i := range 100_000 {
		crowd = append(crowd, fmt.Sprintf("label_%06d", i), "x")
	}
	sender.Send(numbers)
	sender.Send(one("long", now, 1, "value", strings.Repeat("v", 10*mib)))
	sender.Send(one("long", now, 1, strings.Repeat("n", mib), "name"))
	takeOrRefuse(t, sender, harness.TimeSeries{Labels: labels.FromStrings(crowd...), Samples: []harness.Sample{{T: now, V: 1}}})
	sender.Send(one("utf8", now, 1, "naïve λabel.with-all/sorts", "\u0000\u2028\U0001F600"))
	// The same again is no news, and must not cost more than the first time.
	sender.Resend(one("long", now, 1, "value", strings.Repeat("v", 10*mib)))
	sender.Close()
	good.wait(t, 1)
	good.end()
	terminate(t, r.Process)
	checkWords(t, "log", r.Log())
	checkArchived(t, dir, bucket, run, sender, good.Sender)
}

// takeOrRefuse sends a series of one sample that the receiver may store or
// refuse for good, as long as it says which.
func takeOrRefuse(t *testing.T, s *harness.Sender, series harness.TimeSeries) {
	t.Helper()
	switch response := s.Try(series); response.Status {
	case http.StatusNoContent:
		s.Acknowledged.Add(series.Labels, harness.FloatPoint(series.Samples[0].T, series.Samples[0].V))
	case http.StatusBadRequest:
		checkWords(t, "refusal", response.Body)
	default:
		t.Errorf("answer %d, want 204 or 400: %.300s", response.Status, response.Body)
	}
}

// TestLongLabelsInRefusals sends series with labels of megabytes of which
// every sample is refused: what is said of them stays short, and saying it
// does not keep the good sender waiting.
func TestLongLabelsInRefusals(t *testing.T) {
	t.Parallel()
	const run = "long-labels-refused"
	const samples = 200_000
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	limits := limits{requestBytes: 32 * mib, concurrent: 8}
	r := limits.receive(t, dir, bucket, run)
	good := startGood(t, r)
	good.wait(t, 1)
	bad := attacker(t)
	for name, at := range map[string]int64{"future": math.MaxInt64, "past": math.MinInt64} {
		body := snap(seriesV1("bad", label("value", strings.Repeat("v", 10*mib)), many(sample(at, 1), samples*len(sample(at, 1)))))
		got, err := do(bad, http.MethodPost, r.URL+"/api/v1/write", headersV1(), bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: no answer: %v", name, err)
		}
		if got.status != http.StatusBadRequest {
			t.Errorf("%s: answer %d, want 400: %.300s", name, got.status, got.body)
		}
		checkWords(t, name, got.body)
	}
	bad.CloseIdleConnections()
	good.wait(t, 1)
	good.end()
	limits.check(t, r)
	terminate(t, r.Process)
	checkWords(t, "log", r.Log())
	checkArchived(t, dir, bucket, run, good.Sender)
}

// TestExtremeTimesFirst sends samples of extreme times before any other, when
// the head is empty and any time could be its first. Those that are refused
// must not stand in the way of the ones of now; what is taken is archived.
func TestExtremeTimesFirst(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{
		"first": math.MinInt64, "second": math.MinInt64 + 1, "last": math.MaxInt64,
		"a-long-time-ago": -1 << 50, "before-1970": -1, "1970": 0, "seconds": time.Now().Unix(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "times-" + name
			dir := harness.Dir(t)
			bucket := harness.DirectoryBucket(t, dir)
			r := receive(t, dir, bucket, run, "--finish.timeout=60s")
			extreme := harness.NewSender(t, r, harness.RemoteWriteV2)
			takeOrRefuse(t, extreme, one("extreme", at, 1))
			extreme.Close()
			good := startGood(t, r)
			good.wait(t, 5)
			good.end()
			terminate(t, r.Process)
			checkArchived(t, dir, bucket, run, extreme, good.Sender)
		})
	}
}
