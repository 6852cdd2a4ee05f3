package e2e

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestHistograms sends every kind of native histogram, and staleness markers
// as floats and as histograms, and reads them back exactly.
func TestHistograms(t *testing.T) {
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "histograms-" + name
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			r := startRun(t, dir, bucket, run)
			sender := harness.NewSender(t, r, message)
			start := time.Now().Add(-10 * time.Minute)
			for n := range 20 {
				sendHistograms(sender, start.Add(time.Duration(n)*15*time.Second).UnixMilli(), uint64(n+1))
			}
			sendStale(sender, start.Add(time.Minute*6).UnixMilli())
			sender.Close()
			terminate(t, r, 0)

			want := sent(sender)
			checkArchived(t, dir, bucket, run, want)
			checkThanos(t, harness.StartThanos(t, dir, bucket), run, "1h", want)
		})
	}
}

// sendHistograms sends the n-th state of all histograms and of a float.
func sendHistograms(s *harness.Sender, at int64, n uint64) {
	s.Send(
		histograms("int", harness.Histogram{T: at, Int: intHistogram(n)}),
		histograms("float", harness.Histogram{T: at, Float: floatHistogram(n)}),
		histograms("custom", harness.Histogram{T: at, Int: customHistogram(n)}),
		histograms("custom_float", harness.Histogram{T: at, Float: customHistogram(n).ToFloat(nil)}),
		floats("plain", 0, harness.Sample{T: at, V: float64(n)}),
	)
}

// sendStale ends all series of sendHistograms. An agent marks histograms with
// a float, a server with a histogram.
func sendStale(s *harness.Sender, at int64) {
	stale := math.Float64frombits(value.StaleNaN)
	s.Send(
		histograms("int", harness.Histogram{T: at, Int: &histogram.Histogram{Sum: stale}}),
		histograms("float", harness.Histogram{T: at, Float: &histogram.FloatHistogram{Sum: stale}}),
		floats("custom", 0, harness.Sample{T: at, V: stale}),
		floats("custom_float", 0, harness.Sample{T: at, V: stale}),
		floats("plain", 0, harness.Sample{T: at, V: stale}),
	)
}

// histograms is a series with histogram samples.
func histograms(name string, samples ...harness.Histogram) harness.TimeSeries {
	return harness.TimeSeries{Labels: labelled(name, 0), Histograms: samples}
}

// intHistogram is a histogram with buckets on both sides of zero that grows
// with n.
func intHistogram(n uint64) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema:          3,
		ZeroThreshold:   0.001,
		ZeroCount:       n,
		Count:           8 * n,
		Sum:             1.5 * float64(n),
		PositiveSpans:   []histogram.Span{{Offset: -4, Length: 2}, {Offset: 3, Length: 1}},
		PositiveBuckets: []int64{d, 0, d}, // deltas: n, n, 2n
		NegativeSpans:   []histogram.Span{{Offset: 2, Length: 2}},
		NegativeBuckets: []int64{d, d}, // deltas: n, 2n
	}
}

// floatHistogram is a histogram with counts that no integer can hold.
func floatHistogram(n uint64) *histogram.FloatHistogram {
	f := float64(n)
	return &histogram.FloatHistogram{
		Schema:          1,
		ZeroThreshold:   0.001,
		ZeroCount:       0.5 * f,
		Count:           2.25 * f,
		Sum:             -3 * f,
		PositiveSpans:   []histogram.Span{{Offset: 0, Length: 2}},
		PositiveBuckets: []float64{0.25 * f, f},
		NegativeSpans:   []histogram.Span{{Offset: 1, Length: 1}},
		NegativeBuckets: []float64{0.5 * f},
	}
}

// customHistogram is a histogram with bucket bounds of its own.
func customHistogram(n uint64) *histogram.Histogram {
	return &histogram.Histogram{
		Schema:          histogram.CustomBucketsSchema,
		Count:           4 * n,
		Sum:             12 * float64(n),
		PositiveSpans:   []histogram.Span{{Offset: 0, Length: 1}, {Offset: 1, Length: 2}},
		PositiveBuckets: []int64{int64(n), int64(n), -int64(n)}, // deltas: n, 2n, n
		CustomValues:    []float64{0.1, 1, 10},
	}
}
