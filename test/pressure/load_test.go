package pressure

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	mib    = 1 << 20
	second = int64(time.Second / time.Millisecond)
	minute = 60 * second
	// window is the default block length in milliseconds.
	window = int64(2 * time.Hour / time.Millisecond)

	// firstPause and longestPause are those of Prometheus between two attempts
	// to send a batch.
	firstPause, longestPause = 30 * time.Millisecond, 5 * time.Second
	// perRequest is how many samples Prometheus sends at a time.
	perRequest = 2000
)

// soaking tells whether the long variant of the tests is asked for.
func soaking() bool { return os.Getenv("SOAK") != "" }

// size is a size as it is in make test, or in a soak.
func size[N int | int64](quick, soak N) N {
	if soaking() {
		return soak
	}
	return quick
}

// windowStart is the start of the window that lies n windows before the one
// that now is in.
func windowStart(n int64) int64 {
	now := time.Now().UnixMilli()
	return now - now%window - n*window
}

// start starts a receiver for a run. The tests' senders close their connections
// before the end: little silence is enough.
func start(t *testing.T, dir string, b harness.Bucket, run string, env []string, args ...string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, harness.ReceiverOptions{
		Name: "benchkeep-" + run, Bucket: b, Run: run, Env: env, Args: append(args, "--finish.quiet=100ms"),
	})
}

// terminate tells the receiver to end, and checks that all is archived.
func terminate(t *testing.T, r *harness.Receiver) {
	t.Helper()
	r.Signal(syscall.SIGTERM)
	if code := r.Wait(); code != 0 {
		t.Fatalf("benchkeep exited with code %d, want 0", code)
	}
}

// value is the value of every sample of a series at a time: it tells both
// apart, and moves as a counter does.
func value(id, at int64) float64 { return float64(7*id + at/second) }

// fill makes a request of the series with the ids, with one sample each, in
// the memory of the one before. Labels are made once per series.
func fill(batch []prompb.TimeSeries, ids []int64, at int64, labels func(id int64) []prompb.Label) []prompb.TimeSeries {
	batch = slices.Grow(batch[:0], len(ids))[:len(ids)]
	for i, id := range ids {
		sample := prompb.Sample{Timestamp: at, Value: value(id, at)}
		batch[i].Labels = labels(id)
		batch[i].Samples = append(batch[i].Samples[:0], sample)
	}
	return batch
}

// labelCache makes labels once per series.
type labelCache map[int64][]prompb.Label

func (c labelCache) of(id int64, more ...prompb.Label) []prompb.Label {
	if l, ok := c[id]; ok {
		return l
	}
	l := append([]prompb.Label{
		{Name: "__name__", Value: fmt.Sprintf("pressure_%d_total", id%50)},
		{Name: "id", Value: strconv.FormatInt(id, 10)},
	}, more...)
	c[id] = l
	return l
}

// An outcome is how a batch fared.
type outcome struct {
	status  int // the last answer's
	refused int // answers of 503 before it
	took    time.Duration
}

// deliver posts a batch as Prometheus does: again and again, with growing
// pauses, for as long as the receiver answers 503. Other goroutines than the
// test's may call it.
func deliver(l *harness.Load, batch []prompb.TimeSeries) (outcome, error) {
	var o outcome
	pause := firstPause
	for deadline := time.Now().Add(harness.Patience); ; {
		begin := time.Now()
		answer, err := l.Post(batch)
		o.status, o.took = answer.Status, time.Since(begin)
		switch {
		case err != nil:
			return o, err
		case answer.Status != http.StatusServiceUnavailable:
			return o, nil
		case time.Now().After(deadline):
			return o, fmt.Errorf("a batch was not taken for %s: %s", harness.Patience, answer.Body)
		}
		o.refused++
		time.Sleep(pause) // what a sender does that is asked to try again
		pause = min(2*pause, longestPause)
	}
}

// must delivers a batch that has to be stored as a whole.
func must(t *testing.T, l *harness.Load, batch []prompb.TimeSeries) {
	t.Helper()
	if o, err := deliver(l, batch); err != nil || o.status != http.StatusNoContent {
		t.Fatalf("write was answered %d: %v", o.status, err)
	}
}
