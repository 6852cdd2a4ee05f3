package faults

import (
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	hour   = int64(time.Hour / time.Millisecond)
	minute = hour / 60
	second = minute / 60
	// window is the default block length.
	window = 2 * hour
)

// messages are the two remote-write messages by short names.
var messages = map[string]string{"v1": harness.RemoteWriteV1, "v2": harness.RemoteWriteV2}

func labelled(name string, i int) labels.Labels {
	return labels.FromStrings("__name__", name, "i", strconv.Itoa(i))
}

// float is a series with one sample, whose value tells series and time apart.
func float(name string, i int, at int64) harness.TimeSeries {
	sample := harness.Sample{T: at, V: float64(at)/1000 + float64(i)}
	return harness.TimeSeries{Labels: labelled(name, i), Samples: []harness.Sample{sample}}
}

// floats are n series of a metric with one sample each.
func floats(name string, n int, at int64) []harness.TimeSeries {
	series := make([]harness.TimeSeries, n)
	for i := range series {
		series[i] = float(name, i, at)
	}
	return series
}

// span is one series with a sample for every step of [from, to).
func span(name string, i int, from, to, step int64) harness.TimeSeries {
	series := harness.TimeSeries{Labels: labelled(name, i)}
	for at := from; at < to; at += step {
		series.Samples = append(series.Samples, float(name, i, at).Samples...)
	}
	return series
}

// spans are n such series.
func spans(name string, n int, from, to, step int64) []harness.TimeSeries {
	series := make([]harness.TimeSeries, n)
	for i := range series {
		series[i] = span(name, i, from, to, step)
	}
	return series
}

// windowStart is the start of the window that lies n windows before the one
// that now is in.
func windowStart(n int64) int64 {
	now := time.Now().UnixMilli()
	return now - now%window - n*window
}

const (
	trafficStep   = minute
	trafficLag    = 3 * hour
	inOrderSeries = 20
	lateSeries    = 5
)

// traffic is what a run with everything in it sends, a batch a minute: series
// in order, some of them with samples that come minutes late, a sender that is
// hours behind, and histograms of every kind, in order and late.
type traffic struct {
	start int64
	n     int64
}

// newTraffic makes traffic whose first batch is some hours old.
func newTraffic(hours int64) *traffic {
	return &traffic{start: time.Now().Truncate(time.Second).UnixMilli() - hours*hour}
}

// next is the next batch.
func (tr *traffic) next() []harness.TimeSeries {
	at := tr.start + tr.n*trafficStep
	tr.n++
	// No sample in order has this time: batches are whole minutes apart.
	late := at - 2*trafficStep + 7
	batch := floats("in_order", inOrderSeries, at)
	batch = append(batch, floats("in_order", lateSeries, late)...)
	batch = append(batch, floats("behind", lateSeries, at-trafficLag)...)
	return append(batch, histograms(at, uint64(tr.n))...)
}

// histograms are the n-th state of histograms of all kinds, one of which has
// a late sample, too.
func histograms(at int64, n uint64) []harness.TimeSeries {
	late := intHistogram(n)
	late.Sum = -late.Sum
	return []harness.TimeSeries{
		{Labels: labelled("int", 0), Histograms: []harness.Histogram{{T: at, Int: intHistogram(n)}}},
		{Labels: labelled("int", 0), Histograms: []harness.Histogram{{T: at - 2*trafficStep + 7, Int: late}}},
		{Labels: labelled("float", 0), Histograms: []harness.Histogram{{T: at, Float: intHistogram(n).ToFloat(nil)}}},
		{Labels: labelled("custom", 0), Histograms: []harness.Histogram{{T: at, Int: customHistogram(n)}}},
	}
}

func intHistogram(n uint64) *histogram.Histogram {
	d := int64(n)
	return &histogram.Histogram{
		Schema: 3, ZeroThreshold: 0.001, ZeroCount: n, Count: 5 * n, Sum: 1.5 * float64(n),
		PositiveSpans:   []histogram.Span{{Offset: -4, Length: 2}, {Offset: 3, Length: 1}},
		PositiveBuckets: []int64{d, 0, d}, // deltas: n, n, 2n
	}
}

func customHistogram(n uint64) *histogram.Histogram {
	return &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 4 * n, Sum: 12 * float64(n),
		PositiveSpans:   []histogram.Span{{Offset: 0, Length: 1}, {Offset: 1, Length: 2}},
		PositiveBuckets: []int64{int64(n), int64(n), -int64(n)}, // deltas: n, 2n, n
		CustomValues:    []float64{0.1, 1, 10},
	}
}
