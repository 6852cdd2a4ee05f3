package e2e

import (
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestStartTimestamps sends start timestamps in both spellings of remote write
// 2.0. Where a counter says that it began after its last sample, a zero is
// stored for that time; everywhere else a start timestamp changes nothing.
func TestStartTimestamps(t *testing.T) {
	t.Parallel()
	const run = "start-timestamps"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	base := time.Now().Add(-20 * time.Minute).UnixMilli()
	zeros := harness.Set{}
	sendCounters(sender, base, zeros)
	sendIgnored(sender, base)
	sendStartedHistograms(sender, base, zeros)
	sender.Close()
	terminate(t, r, 0)

	want := sent(sender)
	want.AddSet(zeros)
	want.Sort()
	checkArchived(t, dir, bucket, run, want)
	checkThanos(t, harness.StartThanos(t, dir, bucket), run, "1h", want)
}

const second = int64(1000)

// sendCounters sends counters that start, and one that starts again.
func sendCounters(s *harness.Sender, base int64, zeros harness.Set) {
	for n := range int64(5) {
		at := base + n*15*second
		// The same start with every sample, as a healthy counter has it.
		s.Send(floats("counter", 0, harness.Sample{T: at, Start: base - second, V: float64(n + 1)}))
		created := floats("created", 0, harness.Sample{T: at, V: float64(n + 1)})
		created.Created = base - 2*second
		// Exemplars come with counters; blocks have no place for them.
		created.Exemplars = 3
		s.Send(created)
	}
	restart := base + 70*second
	s.Send(floats("counter", 0,
		harness.Sample{T: restart + 5*second, Start: restart, V: 1},
		harness.Sample{T: restart + 20*second, Start: restart, V: 2}))
	zeros.Add(labelled("counter", 0), harness.FloatPoint(base-second, 0), harness.FloatPoint(restart, 0))
	zeros.Add(labelled("created", 0), harness.FloatPoint(base-2*second, 0))
}

// sendIgnored sends start timestamps that make no zero.
func sendIgnored(s *harness.Sender, base int64) {
	long := 12 * time.Hour.Milliseconds()
	s.Send(floats("at_the_sample", 0, harness.Sample{T: base, Start: base, V: 7}))
	s.Send(floats("after_the_sample", 0, harness.Sample{T: base, Start: base + second, V: 7}))
	s.Send(floats("long_before_the_run", 0, harness.Sample{T: base, Start: base - long, V: 7}))
	s.Send(floats("at_the_last_sample", 0, harness.Sample{T: base, V: 7}))
	s.Send(floats("at_the_last_sample", 0, harness.Sample{T: base + second, Start: base, V: 8}))
}

// sendStartedHistograms sends histograms with start timestamps.
func sendStartedHistograms(s *harness.Sender, base int64, zeros harness.Set) {
	begin := base - second
	for n := range uint64(3) {
		at := base + int64(n)*15*second
		s.Send(
			histograms("started_int", harness.Histogram{T: at, Start: begin, Int: intHistogram(n + 1)}),
			histograms("started_float", harness.Histogram{T: at, Start: begin, Float: floatHistogram(n + 1)}),
			histograms("started_custom", harness.Histogram{T: at, Start: begin, Int: customHistogram(n + 1)}),
		)
	}
	i, f, c := intHistogram(1), floatHistogram(1), customHistogram(1)
	zeros.Add(labelled("started_int", 0), harness.HistogramPoint(begin,
		&histogram.Histogram{Schema: i.Schema, ZeroThreshold: i.ZeroThreshold}))
	zeros.Add(labelled("started_float", 0), harness.FloatHistogramPoint(begin,
		&histogram.FloatHistogram{Schema: f.Schema, ZeroThreshold: f.ZeroThreshold}))
	zeros.Add(labelled("started_custom", 0), harness.HistogramPoint(begin,
		&histogram.Histogram{Schema: c.Schema, CustomValues: c.CustomValues}))
}
