package blockwriter

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

func TestEstimateFollowsWhatWasMeasured(t *testing.T) {
	const series, samples = 100_000, 10_000_000
	var p pace
	requireEstimate := func(want time.Duration) {
		t.Helper()
		require.InDelta(t, want.Seconds(), p.estimate(series, samples).Seconds(), 0.001)
	}
	const usualBytes = 839 * time.Millisecond // 44 MB at 50 MiB/s
	requireEstimate(usualCut(series, samples) + usualBytes)

	// A cut that took five times the usual, of whatever size.
	p.sawCut(tsdb.BlockStats{NumSeries: 50_000}, 5*50_000*cutPerSeries)
	requireEstimate(5*usualCut(series, samples) + usualBytes)
	p.sawUpload(10_000_000, time.Second)
	requireEstimate(5*usualCut(series, samples) + 4400*time.Millisecond)

	// What is small says nothing.
	p.sawCut(tsdb.BlockStats{NumSeries: 1}, time.Hour)
	p.sawUpload(1, time.Hour)
	require.Less(t, p.estimate(series, samples), time.Minute)
	require.Zero(t, p.estimate(0, 0))
}

func TestStatusEstimatesTheFinish(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	require.Zero(t, r.Status().EstimatedFinishSeconds, "there is nothing yet")
	write(t, r, wide(0, 1000, base)...)
	one := r.Status().EstimatedFinishSeconds
	require.Positive(t, one)
	write(t, r, wide(1000, 1000, base)...)
	require.InDelta(t, 2*one, r.Status().EstimatedFinishSeconds, one/1000)
	w.finish(r)
	require.Zero(t, r.Status().EstimatedFinishSeconds, "it is over")
}

func TestForeseesAFinishThatWillNotFit(t *testing.T) {
	w := newWorld(t)
	w.opts.FinishTimeout = 50 * time.Millisecond
	var log bytes.Buffer
	r, err := New(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry(), w.opts)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context()))
	r.stopLoop()
	write(t, r, wide(0, 1000, base)...)
	r.foresee()
	require.NotContains(t, log.String(), "--finish.timeout")
	r.pace.sawCut(tsdb.BlockStats{NumSeries: 1_000_000}, time.Hour)
	r.foresee()
	r.foresee()
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("is expected to take longer than it may")), "once")
	require.NoError(t, r.Close())
}
