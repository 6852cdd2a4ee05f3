package receiver

import (
	"math"
	"net/http"
	"slices"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"
)

func exponential() *histogram.Histogram {
	return &histogram.Histogram{
		Schema: 2, Count: 6, Sum: 9, ZeroThreshold: 0.01, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{1, 1},
		NegativeSpans: []histogram.Span{{Offset: -3, Length: 1}}, NegativeBuckets: []int64{2},
	}
}

func custom() *histogram.Histogram {
	return &histogram.Histogram{
		Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 4, CustomValues: []float64{1, 2},
		PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 1},
	}
}

func changed(h *histogram.Histogram, change func(*histogram.Histogram)) *histogram.Histogram {
	change(h)
	return h
}

// histogramsIn makes a request with one series for each kind of the histogram.
func histogramsIn(t *testing.T, v version, h *histogram.Histogram, fh *histogram.FloatHistogram) []byte {
	t.Helper()
	if v == version2 {
		return encodeV2(t, []string{"__name__", "ints", "floats"},
			writev2.TimeSeries{LabelsRefs: []uint32{1, 2}, Histograms: []writev2.Histogram{writev2.FromIntHistogram(0, t0, h)}},
			writev2.TimeSeries{LabelsRefs: []uint32{1, 3}, Histograms: []writev2.Histogram{writev2.FromFloatHistogram(0, t0, fh)}})
	}
	ints, floats := labeled(nil, "__name__", "ints"), labeled(nil, "__name__", "floats")
	ints.Histograms = []prompb.Histogram{prompb.FromIntHistogram(t0, h)}
	floats.Histograms = []prompb.Histogram{prompb.FromFloatHistogram(t0, fh)}
	return encode(t, v, ints, floats)
}

func TestConformanceHistograms(t *testing.T) {
	for name, h := range map[string]*histogram.Histogram{
		"exponential":    exponential(),
		"custom buckets": custom(),
		"empty":          {},
		"of a gauge":     changed(exponential(), func(h *histogram.Histogram) { h.CounterResetHint = histogram.GaugeType }),
		"NaN observed":   changed(exponential(), func(h *histogram.Histogram) { h.Sum, h.Count = math.NaN(), 7 }),
		"coarsest":       changed(exponential(), func(h *histogram.Histogram) { h.Schema = histogram.ExponentialSchemaMin }),
		"finest":         changed(exponential(), func(h *histogram.Histogram) { h.Schema = histogram.ExponentialSchemaMax }),
		"empty spans":    changed(exponential(), func(h *histogram.Histogram) { h.PositiveSpans = []histogram.Span{{Length: 0}, {Offset: 1, Length: 2}} }),
	} {
		for _, v := range bothVersions {
			t.Run(name+" "+string(v), func(t *testing.T) {
				k := serveKeeper(t)
				for range 2 { // a second time they are there already
					a := k.write(v, histogramsIn(t, v, h, h.ToFloat(nil)))
					require.Equal(t, http.StatusNoContent, a.status, a.body)
					if v == version2 {
						require.Equal(t, []string{"0", "2", "0"}, a.written())
					}
				}
				require.Equal(t, stored{
					`{__name__="ints"}`:   {t0: intText(h)},
					`{__name__="floats"}`: {t0: floatText(h.ToFloat(nil))},
				}, k.archived())
			})
		}
	}
}

// A histogram that contradicts itself is rejected for good, and alone.
func TestConformanceInvalidHistograms(t *testing.T) {
	spans := func(spans ...histogram.Span) func(*histogram.Histogram) {
		return func(h *histogram.Histogram) { h.PositiveSpans = spans }
	}
	for name, h := range map[string]*histogram.Histogram{
		"count too small":          changed(exponential(), func(h *histogram.Histogram) { h.Count = 1 }),
		"count too large":          changed(exponential(), func(h *histogram.Histogram) { h.Count = 100 }),
		"negative bucket":          changed(exponential(), func(h *histogram.Histogram) { h.PositiveBuckets = []int64{1, -3} }),
		"spans for fewer buckets":  changed(exponential(), spans(histogram.Span{Length: 1})),
		"spans for more buckets":   changed(exponential(), spans(histogram.Span{Length: math.MaxUint32})),
		"span that goes back":      changed(exponential(), spans(histogram.Span{Length: 1}, histogram.Span{Offset: -1, Length: 1})),
		"schema too coarse":        changed(exponential(), func(h *histogram.Histogram) { h.Schema = -10 }),
		"schema too fine":          changed(exponential(), func(h *histogram.Histogram) { h.Schema = 53 }),
		"schema of no kind":        changed(exponential(), func(h *histogram.Histogram) { h.Schema = math.MinInt32 }),
		"bounds on an exponential": changed(exponential(), func(h *histogram.Histogram) { h.CustomValues = []float64{1} }),
		"bounds not in order":      changed(custom(), func(h *histogram.Histogram) { h.CustomValues = []float64{2, 1} }),
		"bounds infinite":          changed(custom(), func(h *histogram.Histogram) { h.CustomValues = []float64{1, math.Inf(1)} }),
		"bounds no number":         changed(custom(), func(h *histogram.Histogram) { h.CustomValues = []float64{1, math.NaN()} }),
		"bounds missing":           changed(custom(), func(h *histogram.Histogram) { h.CustomValues = nil }),
		"custom with a zero count": changed(custom(), func(h *histogram.Histogram) { h.ZeroCount, h.Count = 1, 4 }),
		"custom with negatives": changed(custom(), func(h *histogram.Histogram) {
			h.NegativeSpans, h.NegativeBuckets, h.Count = h.PositiveSpans, h.PositiveBuckets, 6
		}),
	} {
		for _, v := range bothVersions {
			t.Run(name+" "+string(v), func(t *testing.T) {
				k := serveKeeper(t)
				good := exponential().ToFloat(nil)
				a := k.write(v, histogramsIn(t, v, h, good))
				require.Equal(t, http.StatusBadRequest, a.status, a.body)
				require.Contains(t, a.body, `invalid_histogram: series {__name__="ints"}`)
				if v == version2 {
					require.Equal(t, []string{"0", "1", "0"}, a.written())
				}
				require.Equal(t, stored{`{__name__="floats"}`: {t0: floatText(good)}}, k.archived())
			})
		}
	}
}

func TestConformanceSamplesAndHistogramsOfOneSeries(t *testing.T) {
	samples := []writev2.Sample{sampleV2(t0, 1), sampleV2(t0+2, 3)}
	histograms := []writev2.Histogram{writev2.FromIntHistogram(0, t0+1, exponential()), writev2.FromIntHistogram(0, t0+3, exponential())}
	refs := []uint32{1, 2}
	for name, series := range map[string][]writev2.TimeSeries{
		"in one message":      {{LabelsRefs: refs, Samples: samples, Histograms: histograms}},
		"in messages of each": {{LabelsRefs: refs, Samples: samples}, {LabelsRefs: refs, Histograms: histograms}},
	} {
		t.Run(name, func(t *testing.T) {
			k := serveKeeper(t)
			a := k.write(version2, encodeV2(t, []string{"__name__", "m"}, series...))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Equal(t, []string{"2", "2", "0"}, a.written())
			h := intText(exponential())
			require.Equal(t, stored{`{__name__="m"}`: {t0: "1", t0 + 1: h, t0 + 2: "3", t0 + 3: h}}, k.archived())
		})
	}
}

func TestConformanceStartTimestamps(t *testing.T) {
	for name, tc := range map[string]struct {
		t, st, created int64
		want           map[int64]string
	}{
		"none":                   {t0, 0, 0, map[int64]string{t0: "5"}},
		"before the sample":      {t0, t0 - 1000, 0, map[int64]string{t0 - 1000: "0", t0: "5"}},
		"at the sample":          {t0, t0, 0, map[int64]string{t0: "5"}},
		"behind the sample":      {t0, t0 + 1000, 0, map[int64]string{t0: "5"}},
		"long before the sample": {t0, t0 - 3*3_600_000, 0, map[int64]string{t0: "5"}},
		"0 is not set":           {1000, 0, 0, map[int64]string{1000: "5"}},
		"1 for the epoch":        {1000, 1, 0, map[int64]string{1: "0", 1000: "5"}},
		"-1 for the epoch":       {1000, -1, 0, map[int64]string{-1: "0", 1000: "5"}},
		"of the series":          {t0, 0, t0 - 1000, map[int64]string{t0 - 1000: "0", t0: "5"}},
		"of both":                {t0, t0 - 1000, t0 - 2000, map[int64]string{t0 - 1000: "0", t0: "5"}},
		"lowest there is":        {t0, math.MinInt64, 0, map[int64]string{t0: "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := serveKeeper(t)
			body := slices.Concat(pbSymbols("__name__", "m_total"), pbField(5, pbPacked(1, 1, 2), pbVarint(6, uint64(tc.created)),
				pbField(2, pbDouble(1, 5), pbVarint(2, uint64(tc.t)), pbVarint(3, uint64(tc.st)))))
			a := k.write(version2, snappy.Encode(nil, body))
			require.Equal(t, http.StatusNoContent, a.status, a.body)
			require.Equal(t, []string{"1", "0", "0"}, a.written(), "the zero sample is benchkeep's own")
			require.Equal(t, stored{`{__name__="m_total"}`: tc.want}, k.archived())
		})
	}
}
