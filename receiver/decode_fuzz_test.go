package receiver

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"
)

// FuzzDecodeV1 compares the decoder with Prometheus' own for any bytes.
func FuzzDecodeV1(f *testing.F) {
	for _, body := range seedsV1(f) {
		f.Add(body)
	}
	// One request for all bodies, so that one would see what is left of another.
	r := &request{seed: 42}
	f.Fuzz(func(t *testing.T, body []byte) { requireAgreement(t, r, false, body) })
}

// FuzzDecodeV2 is FuzzDecodeV1 for remote write 2.0.
func FuzzDecodeV2(f *testing.F) {
	for _, body := range seedsV2(f) {
		f.Add(body)
	}
	r := &request{seed: 42}
	f.Fuzz(func(t *testing.T, body []byte) { requireAgreement(t, r, true, body) })
}

// testHistograms are one of each kind that Prometheus sends.
func testHistograms() ([]*histogram.Histogram, []*histogram.FloatHistogram) {
	gauge := tsdbutil.GenerateTestGaugeHistogram(3)
	gauge.NegativeSpans, gauge.NegativeBuckets = nil, nil
	return []*histogram.Histogram{
			tsdbutil.GenerateTestHistogram(1), gauge, tsdbutil.GenerateTestCustomBucketsHistogram(2), {Sum: math.Float64frombits(value.StaleNaN)},
		}, []*histogram.FloatHistogram{
			tsdbutil.GenerateTestFloatHistogram(1), tsdbutil.GenerateTestGaugeFloatHistogram(2), tsdbutil.GenerateTestCustomBucketsFloatHistogram(3),
		}
}

// seedsV1 are an encoded request with everything in it, and bodies that only
// a hand can write.
func seedsV1(tb testing.TB) [][]byte {
	series := prompb.TimeSeries{
		Labels:    []prompb.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "überall"}, {Name: "", Value: "\xff"}},
		Samples:   []prompb.Sample{{Value: 1, Timestamp: 1_790_000_000_000}, {Value: math.Float64frombits(value.StaleNaN), Timestamp: -1}, {}},
		Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "1"}}, Value: 2, Timestamp: 3}, {}},
	}
	ints, floats := testHistograms()
	for i, h := range ints {
		series.Histograms = append(series.Histograms, prompb.FromIntHistogram(int64(i), h))
	}
	for i, h := range floats {
		series.Histograms = append(series.Histograms, prompb.FromFloatHistogram(int64(i), h))
	}
	body, err := (&prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{series, {}, {Labels: series.Labels[:1], Samples: series.Samples[:1]}},
		Metadata: []prompb.MetricMetadata{
			{MetricFamilyName: "up", Help: "Is it?", Unit: "bool", Type: prompb.MetricMetadata_GAUGE},
			{Type: 99}, {Type: -1}, {},
		},
	}).Marshal()
	require.NoError(tb, err)

	sample := pbField(2, pbDouble(1, 1), pbVarint(2, 2))
	return append(brokenSeeds(body, 1),
		pbField(1, pbLabel("a", "b"), sample, pbLabel("c", "d"), sample, pbLabel("e", "f")),
		pbField(1, pbLabel("a", "b"), pbVarint(9, 1), pbLabel("c", "d")),
		pbField(1, []byte{0x8a, 0x00, 2, 0x0a, 0}, pbLabel("c", "d"), []byte{0x0a, 0x82, 0x00, 0x12, 0}),
		pbField(1, []byte{0x8a, 0x00, 2, 0x0a, 0}, []byte{0x8a, 0x00, 2, 0x12, 0}),
		pbField(1, pbText(1, "not a label")),
		pbField(1, pbField(1, pbText(1, "a"), pbVarint(2, 1))),
		pbField(1, pbField(3, pbField(1, pbVarint(1, 1)))),
		pbField(1, pbField(2, pbVarint(3, 7)), pbField(2, pbText(3, "unknown"))),
		pbField(1, pbField(4, pbVarint(17, 7)), pbField(4, pbText(17, "unknown"))),
	)
}

// seedsV2 is seedsV1 for remote write 2.0.
func seedsV2(tb testing.TB) [][]byte {
	series := writev2.TimeSeries{
		LabelsRefs: []uint32{1, 2, 3, 4},
		Samples:    []writev2.Sample{{Value: 1, Timestamp: 1_790_000_000_000, StartTimestamp: 5}, {Value: math.Float64frombits(value.StaleNaN)}},
		Exemplars:  []writev2.Exemplar{{LabelsRefs: []uint32{1, 1000}, Value: 2, Timestamp: 3}, {}},
		Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_COUNTER, HelpRef: 5, UnitRef: 2},
	}
	ints, floats := testHistograms()
	for i, h := range ints {
		series.Histograms = append(series.Histograms, writev2.FromIntHistogram(int64(i), 7, h))
	}
	for i, h := range floats {
		series.Histograms = append(series.Histograms, writev2.FromFloatHistogram(int64(i), 7, h))
	}
	body, err := (&writev2.Request{
		Symbols:    []string{"", "__name__", "up", "job", "überall", "Is it?\xff", ""},
		Timeseries: []writev2.TimeSeries{series, {}, {LabelsRefs: []uint32{1, 2}, Samples: series.Samples[:1]}},
	}).Marshal()
	require.NoError(tb, err)

	sample := pbField(2, pbDouble(1, 1), pbVarint(2, 2))
	return append(brokenSeeds(body, 5),
		slices.Concat(pbField(5, pbPacked(1, 1, 2), sample), pbSymbols("a", "b")),
		slices.Concat(pbSymbols("a", "b"), pbField(5, pbVarint(1, 1), pbPacked(1, 2, 2), pbVarint(1, 1), sample, pbVarint(6, 9), sample)),
		slices.Concat(pbSymbols("a", "b"), pbField(5, pbVarint(6, 9), pbField(2, pbVarint(3, 4)), pbField(3), pbField(3, pbVarint(17, 5)))),
		slices.Concat(pbSymbols("a", "b"), pbField(5, pbText(6, "unknown"), pbVarint(6, 1), pbDouble(6, 1), sample)),
		slices.Concat(pbSymbols("a", "b"), pbField(5, pbField(5, pbVarint(1, 2)), pbField(5, pbVarint(3, 1)), pbField(5, pbVarint(4, 2), pbVarint(1, 0)))),
		// The last reference begins in the packed list and ends behind it.
		slices.Concat(pbSymbols("a", "b"), pbField(5, []byte{0x0a, 2, 1, 0x82}, []byte{0x00})),
		slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1, 1<<32+1))),
		slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1))),
		slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1, 2))),
		slices.Concat(pbSymbols("a"), pbField(5, pbField(5, pbVarint(3, 2)))),
		pbField(5), pbSymbols(), pbText(4, "a"), nil,
	)
}

// brokenSeeds are a valid body, the same cut and changed here and there, and
// oddities in a request, series, sample and histogram.
func brokenSeeds(body []byte, series int) [][]byte {
	seeds := [][]byte{body, slices.Concat(body, body), body[:len(body)-1], body[:len(body)/2]}
	for i := 0; i < len(body); i += 1 + len(body)/40 {
		changed := bytes.Clone(body)
		changed[i] ^= 0x81
		seeds = append(seeds, changed)
	}
	histograms, table := 4, []byte(nil)
	if series == 5 {
		histograms, table = 3, pbSymbols("a", "b")
	}
	for _, odd := range append(oddFields(), oddHistograms(histograms)...) {
		seeds = append(seeds,
			slices.Concat(table, odd),
			slices.Concat(table, pbField(series, odd)),
			slices.Concat(table, pbField(series, pbField(2, odd))),
			slices.Concat(table, pbField(series, pbField(histograms, odd))),
		)
	}
	return seeds
}

// oddFields are fields that only a hand can write, valid ones among them. Most
// have number 15, which no message but a histogram knows.
func oddFields() [][]byte {
	ones := slices.Repeat([]byte{0xff}, 9)
	return [][]byte{
		// Illegal tags, ends of no group, wire types that do not exist.
		{0x00}, {0x02, 0x00}, {0x04}, {0x7c}, {0x7e}, {0x7f},
		// Groups: empty, without end, nested with an odd end, with a field cut short.
		{0x7b, 0x7c}, {0x7b}, {0x7b, 0x7b, 0x78, 1, 0x7d, 1, 2, 3, 4, 0x04, 0x7c}, {0x7b, 0x79, 1},
		slices.Concat([]byte{0x7b, 0x7a}, ones, []byte{1}),
		// Fixed-size fields cut short.
		{0x79, 1, 2, 3}, {0x7d, 1, 2},
		// Varints of ten bytes, the last with bits too many, and of eleven.
		slices.Concat([]byte{0x78}, ones, []byte{0x7f}), slices.Concat([]byte{0x78}, ones, []byte{0xff, 1}),
		// Tags of more than 32 bits.
		{0x88, 0x80, 0x80, 0x80, 0x10, 1}, {0x8a, 0x80, 0x80, 0x80, 0x40, 0},
		{0x88, 0x80, 0x80, 0x80, 0x80, 1, 1}, {0x80, 0x80, 0x80, 0x80, 0x40, 1},
		// Samples.
		pbField(2, pbVarint(2, math.MaxUint64)), pbField(2, []byte{0x10}), pbField(2, pbText(1, "12345678")), pbField(2, pbDouble(2, 1)),
	}
}

// oddHistograms are histograms that only a hand can write, as the given field.
func oddHistograms(num int) [][]byte {
	return [][]byte{
		// Both fields of a oneof: the last one counts.
		pbField(num, pbVarint(1, 1), pbDouble(2, 2), pbVarint(6, 3), pbDouble(7, 4), pbDouble(10, 1), pbVarint(9, 5)),
		pbField(num, pbDouble(2, 2), pbVarint(1, 1), pbDouble(7, 4), pbVarint(6, 3), pbVarint(12, 3)),
		pbField(num, pbVarint(1, 1), pbVarint(6, 3), pbDouble(7, 4)), pbField(num, pbDouble(2, 1), pbDouble(7, 4), pbVarint(6, 3)),
		// Lists packed, unpacked, and both.
		pbField(num, pbVarint(9, 1), pbPacked(9, 2, math.MaxUint64), pbVarint(9, 3)),
		pbField(num, pbDouble(2, 1), pbDouble(10, 1), pbField(10, pbDouble(0, 1)[1:], pbDouble(0, 2)[1:]), pbDouble(10, 3)),
		// Numbers wider than their fields.
		pbField(num, pbVarint(14, 3+1<<8), pbVarint(4, 1<<32+1), pbField(8, pbVarint(1, 1<<33+3), pbVarint(2, 1<<32+4))),
		pbField(num, pbVarint(14, math.MaxUint64), pbVarint(4, math.MaxUint64)),
		// Packed lists whose last element ends behind them, or behind the message.
		pbField(num, pbField(16, []byte("123456789")), []byte("1234567")), pbField(num, pbField(16, []byte("1234567"))),
		pbField(num, pbField(13, []byte("1234567")), pbVarint(15, 2)), pbField(num, []byte{0x62, 1, 0x80, 1}),
	}
}
