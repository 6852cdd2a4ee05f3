package receiver

import (
	"fmt"
	"slices"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
)

// A benchLoad makes the requests of a sender that scrapes a number of series,
// of ten labels each, every 15 s, and sends them 2,000 samples at a time.
type benchLoad struct {
	version    version
	series     int
	churn      int // of the series are new in each round
	histograms bool

	start  int64 // Unix ms
	points []benchPoint
	bodies [][]byte

	v1      prompb.WriteRequest
	v2      writev2.Request
	symbols *writev2.SymbolsTable
	encoded []byte
}

// A benchPoint is a sample of the current round.
type benchPoint struct {
	labels labels.Labels
	isNew  bool // the series was not in the round before
	t      int64
	v      float64
	h      *histogram.Histogram
}

// round makes the requests of a round, and its points. Both are valid until the
// next round. Making them leaves next to no garbage behind, which would be
// collected on the receiver's account.
func (l *benchLoad) round(b *testing.B, round int) [][]byte {
	if round == 0 {
		*l = benchLoad{version: l.version, series: l.series, churn: l.churn, histograms: l.histograms, start: l.start}
		l.points = make([]benchPoint, l.series)
		l.bodies = make([][]byte, l.series/benchSeries)
	}
	for at := range l.points {
		p, id := &l.points[at], at
		if at < l.churn {
			id = l.series + round*l.churn + at
		}
		if p.isNew = round == 0 || at < l.churn; p.isNew {
			p.labels = benchLabelsOf(id)
		}
		p.t = l.start + int64(round)*15_000
		if l.histograms {
			p.h = benchHistogram(id, round)
		} else {
			p.v = float64(id%1000 + round*(1+id%7))
		}
	}
	for i := range l.bodies {
		points := l.points[i*benchSeries : (i+1)*benchSeries]
		if l.version == version2 {
			l.encodeV2(b, points)
		} else {
			l.encodeV1(b, points)
		}
		l.bodies[i] = snappy.Encode(l.bodies[i][:cap(l.bodies[i])], l.encoded)
	}
	return l.bodies
}

func (l *benchLoad) encodeV1(b *testing.B, points []benchPoint) {
	series := l.v1.Timeseries
	if series == nil {
		series = make([]prompb.TimeSeries, benchSeries)
	}
	for i, p := range points {
		ts := &series[i]
		ts.Labels = prompb.FromLabels(p.labels, ts.Labels[:0])
		if p.h != nil {
			ts.Histograms = append(ts.Histograms[:0], prompb.FromIntHistogram(p.t, p.h))
		} else {
			ts.Samples = append(ts.Samples[:0], prompb.Sample{Timestamp: p.t, Value: p.v})
		}
	}
	l.v1.Timeseries = series
	l.encoded = slices.Grow(l.encoded[:0], l.v1.Size())[:l.v1.Size()]
	_, err := l.v1.MarshalToSizedBuffer(l.encoded)
	require.NoError(b, err)
}

func (l *benchLoad) encodeV2(b *testing.B, points []benchPoint) {
	if l.symbols == nil {
		table := writev2.NewSymbolTable()
		l.symbols = &table
	}
	l.symbols.Reset()
	series := l.v2.Timeseries
	if series == nil {
		series = make([]writev2.TimeSeries, benchSeries)
	}
	for i, p := range points {
		ts := &series[i]
		ts.LabelsRefs = l.symbols.SymbolizeLabels(p.labels, ts.LabelsRefs)
		if p.h != nil {
			ts.Histograms = append(ts.Histograms[:0], writev2.FromIntHistogram(0, p.t, p.h))
		} else {
			ts.Samples = append(ts.Samples[:0], writev2.Sample{Timestamp: p.t, Value: p.v})
		}
	}
	l.v2.Timeseries, l.v2.Symbols = series, l.symbols.Symbols()
	var err error
	l.encoded, err = l.v2.OptimizedMarshal(l.encoded)
	require.NoError(b, err)
}

// benchLabelsOf are labels of a typical container metric.
func benchLabelsOf(id int) labels.Labels {
	return labels.FromStrings(
		"__name__", fmt.Sprintf("container_network_receive_bytes_%d_total", id/100%500),
		"container", "benchmark-runner",
		"cluster", "ci-europe-west",
		"endpoint", "https-metrics",
		"id", fmt.Sprintf("/kubepods/burstable/pod%08x", id),
		"instance", fmt.Sprintf("10.0.%d.%d:10250", id/250%250, id%250),
		"job", "kubelet",
		"namespace", "benchmark",
		"node", fmt.Sprintf("worker-%d", id%20),
		"pod", fmt.Sprintf("runner-%d", id%100),
	)
}

// benchHistogram is a native histogram of 30 buckets that counts up.
func benchHistogram(id, round int) *histogram.Histogram {
	h := tsdbutil.GenerateTestHistogram(int64(id%100 + round))
	h.PositiveSpans = []histogram.Span{{Offset: 0, Length: 30}}
	h.PositiveBuckets = make([]int64, 30)
	h.NegativeSpans, h.NegativeBuckets = nil, nil
	count := uint64(0)
	for i := range h.PositiveBuckets {
		absolute := int64(id%10 + round*(1+i%3))
		h.PositiveBuckets[i] = absolute
		if i > 0 {
			h.PositiveBuckets[i] -= int64(id%10 + round*(1+(i-1)%3))
		}
		count += uint64(absolute)
	}
	h.ZeroCount, h.Count, h.Sum = 0, count, float64(count)*1.5
	return h
}
