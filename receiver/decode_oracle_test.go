package receiver

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// What a request says, in a form in which the decoder and the code generated
// for Prometheus can be compared: floats are their bits, since NaNs carry
// meaning, and empty lists are nil.
type (
	flatRequest struct {
		Series    []flatSeries
		Metadata  []flatMetadata
		Exemplars int
	}
	flatSeries struct {
		Labels     [][2]string
		Samples    []flatSample
		Histograms []flatHistogram
		Metadata   flatMetadata
	}
	flatSample struct {
		T, ST int64
		V     uint64
	}
	flatMetadata struct {
		Name, Help, Unit, Type string
	}
	flatHistogram struct {
		T, ST                        int64
		Float                        bool
		Hint                         histogram.CounterResetHint
		Schema                       int32
		Sum, ZeroThreshold           uint64
		Count, ZeroCount             uint64
		Positive, Negative           []uint64
		PositiveSpans, NegativeSpans []histogram.Span
		CustomValues                 []uint64
	}
)

// flatten reads all of a decoded request, labels included.
func flatten(r *request) (flatRequest, error) {
	f := flatRequest{Exemplars: r.Exemplars}
	for i, s := range r.Series {
		labels, err := r.AppendLabels(nil, i)
		if err != nil {
			return flatRequest{}, err
		}
		var fs flatSeries
		for _, l := range labels {
			fs.Labels = append(fs.Labels, [2]string{string(l.Name), string(l.Value)})
		}
		for _, p := range r.Samples[s.Samples.From:s.Samples.To] {
			fs.Samples = append(fs.Samples, flatSample{p.Timestamp, p.StartTimestamp, math.Float64bits(p.Value)})
		}
		for _, h := range r.Histograms[s.Histograms.From:s.Histograms.To] {
			fs.Histograms = append(fs.Histograms, flattenHistogram(h))
		}
		fs.Metadata = flatMetadata{Type: "unknown"}
		if s.Metadata >= 0 {
			fs.Metadata = flattenMetadata(r.Metadata[s.Metadata])
		}
		f.Series = append(f.Series, fs)
	}
	for _, d := range r.Metadata {
		if !r.v2 {
			f.Metadata = append(f.Metadata, flattenMetadata(d))
		}
	}
	return f, nil
}

func flattenMetadata(d blockwriter.Metadata) flatMetadata {
	return flatMetadata{Name: string(d.Name), Help: string(d.Help), Unit: string(d.Unit), Type: d.Type.String()}
}

func flattenHistogram(s blockwriter.Histogram) flatHistogram {
	f := flatHistogram{T: s.Timestamp, ST: s.StartTimestamp, Float: s.Float != nil}
	if h := s.Float; h != nil {
		f.Hint, f.Schema, f.PositiveSpans, f.NegativeSpans = h.CounterResetHint, h.Schema, nilIfEmpty(h.PositiveSpans), nilIfEmpty(h.NegativeSpans)
		f.Sum, f.ZeroThreshold, f.CustomValues = math.Float64bits(h.Sum), math.Float64bits(h.ZeroThreshold), floatBits(h.CustomValues)
		f.Count, f.ZeroCount = math.Float64bits(h.Count), math.Float64bits(h.ZeroCount)
		f.Positive, f.Negative = floatBits(h.PositiveBuckets), floatBits(h.NegativeBuckets)
		return f
	}
	h := s.Int
	f.Hint, f.Schema, f.PositiveSpans, f.NegativeSpans = h.CounterResetHint, h.Schema, nilIfEmpty(h.PositiveSpans), nilIfEmpty(h.NegativeSpans)
	f.Sum, f.ZeroThreshold, f.CustomValues = math.Float64bits(h.Sum), math.Float64bits(h.ZeroThreshold), floatBits(h.CustomValues)
	f.Count, f.ZeroCount = h.Count, h.ZeroCount
	for _, b := range h.PositiveBuckets {
		f.Positive = append(f.Positive, uint64(b))
	}
	for _, b := range h.NegativeBuckets {
		f.Negative = append(f.Negative, uint64(b))
	}
	return f
}

func floatBits(fs []float64) (bits []uint64) {
	for _, f := range fs {
		bits = append(bits, math.Float64bits(f))
	}
	return bits
}

// nilIfEmpty is s, nil if it is empty.
func nilIfEmpty[T any](s []T) []T { return append([]T(nil), s...) }

// oracleV1 reads a request of remote write 1.0 as Prometheus does.
func oracleV1(body []byte) (flatRequest, error) {
	var (
		req prompb.WriteRequest
		f   flatRequest
	)
	if err := req.Unmarshal(body); err != nil {
		return f, err
	}
	for _, ts := range req.Timeseries {
		fs := flatSeries{Metadata: flatMetadata{Type: "unknown"}}
		for _, l := range ts.Labels {
			fs.Labels = append(fs.Labels, [2]string{l.Name, l.Value})
		}
		for _, s := range ts.Samples {
			fs.Samples = append(fs.Samples, flatSample{s.Timestamp, 0, math.Float64bits(s.Value)})
		}
		for _, h := range ts.Histograms {
			fs.Histograms = append(fs.Histograms, oracleHistogram(h, h.Timestamp, 0))
		}
		f.Series = append(f.Series, fs)
		f.Exemplars += len(ts.Exemplars)
	}
	for _, d := range req.Metadata {
		f.Metadata = append(f.Metadata, flatMetadata{d.MetricFamilyName, d.Help, d.Unit, oracleType(int32(d.Type))})
	}
	return f, nil
}

// oracleV2 reads a request of remote write 2.0 as Prometheus does, and checks
// and reads in addition what the generated code knows nothing of: the
// references, and the created timestamp that series once had.
func oracleV2(body []byte) (flatRequest, error) {
	var (
		req writev2.Request
		f   flatRequest
	)
	if err := req.Unmarshal(body); err != nil {
		return f, err
	}
	if len(req.Symbols)+len(req.Timeseries) > 0 && (len(req.Symbols) == 0 || req.Symbols[0] != "") {
		return f, errors.New("bad symbols table")
	}
	for _, ts := range req.Timeseries {
		for _, ref := range append([]uint32{ts.Metadata.HelpRef, ts.Metadata.UnitRef}, ts.LabelsRefs...) {
			if int(ref) >= len(req.Symbols) {
				return f, errors.New("bad reference")
			}
		}
		if len(ts.LabelsRefs)%2 != 0 {
			return f, errors.New("odd number of references")
		}
		var fs flatSeries
		for i := 0; i < len(ts.LabelsRefs); i += 2 {
			fs.Labels = append(fs.Labels, [2]string{req.Symbols[ts.LabelsRefs[i]], req.Symbols[ts.LabelsRefs[i+1]]})
		}
		created := oracleCreated(ts.XXX_unrecognized)
		for _, s := range ts.Samples {
			fs.Samples = append(fs.Samples, flatSample{s.Timestamp, cmp.Or(s.StartTimestamp, created), math.Float64bits(s.Value)})
		}
		for _, h := range ts.Histograms {
			fs.Histograms = append(fs.Histograms, oracleHistogram(h, h.Timestamp, cmp.Or(h.StartTimestamp, created)))
		}
		fs.Metadata = flatMetadata{
			Help: req.Symbols[ts.Metadata.HelpRef],
			Unit: req.Symbols[ts.Metadata.UnitRef],
			Type: oracleType(int32(ts.Metadata.Type)),
		}
		f.Series = append(f.Series, fs)
		f.Exemplars += len(ts.Exemplars)
	}
	return f, nil
}

// oracleCreated finds field 6 among the fields of a series that are unknown to
// the generated code, which has checked them.
func oracleCreated(unknown []byte) (created int64) {
	for m := (message{body: unknown}); m.next(); {
		if m.num == 6 && m.typ == varintType {
			created = int64(m.uint())
		} else {
			m.skip()
		}
	}
	return created
}

func oracleType(t int32) string {
	names := map[int32]string{
		1: "counter", 2: "gauge", 3: "histogram", 4: "gaugehistogram", 5: "summary", 6: "info", 7: "stateset",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return "unknown"
}

func oracleHistogram(h interface {
	IsFloatHistogram() bool
	ToIntHistogram() *histogram.Histogram
	ToFloatHistogram() *histogram.FloatHistogram
}, t, st int64,
) flatHistogram {
	s := blockwriter.Histogram{Timestamp: t, StartTimestamp: st}
	if h.IsFloatHistogram() {
		s.Float = h.ToFloatHistogram()
	} else {
		s.Int = h.ToIntHistogram()
	}
	return flattenHistogram(s)
}

// requireAgreement decodes the body and compares with the oracle of its version.
func requireAgreement(tb testing.TB, r *request, v2 bool, body []byte) {
	tb.Helper()
	decode, oracle := r.decodeV1, oracleV1
	if v2 {
		decode, oracle = r.decodeV2, oracleV2
	}
	// With a bound on its memory decoding says less, but does not panic.
	r.maxSize = int64(4 * len(body))
	_ = decode(body)
	r.maxSize = 0

	want, wantErr := oracle(body)
	var got flatRequest
	err := decode(body)
	if err == nil {
		got, err = flatten(r)
	}
	if errors.Is(err, blockwriter.ErrTooManyLabels) {
		return // the oracle knows no such bound
	}
	if wantErr != nil {
		require.ErrorIs(tb, err, errMalformed, "Prometheus says: %v", wantErr)
		return
	}
	require.NoError(tb, err)
	require.Equal(tb, want, got)
	requireDistinctHashes(tb, r, got)
}

// requireDistinctHashes makes sure that series of other labels have other
// hashes. In 2.0, where equal labels are spelt in one way only, those of equal
// labels must be equal, too.
func requireDistinctHashes(tb testing.TB, r *request, f flatRequest) {
	tb.Helper()
	for i := range r.Series {
		for j := range i {
			same := r.Series[i].Hash == r.Series[j].Hash
			equal := slices.Equal(f.Series[i].Labels, f.Series[j].Labels)
			if same && !equal || r.v2 && equal && !same {
				tb.Fatalf("series %d and %d: equal hashes: %v, equal labels: %v", i, j, same, equal)
			}
		}
	}
}

// The helpers below write protobuf by hand, for what no encoder would write.

// pbField is a field of type bytes that holds the parts one after the other.
func pbField(num int, parts ...[]byte) []byte {
	value := slices.Concat(parts...)
	return slices.Concat(binary.AppendUvarint(nil, uint64(num)<<3|2), binary.AppendUvarint(nil, uint64(len(value))), value)
}

func pbText(num int, s string) []byte { return pbField(num, []byte(s)) }

func pbVarint(num int, v uint64) []byte {
	return slices.Concat(binary.AppendUvarint(nil, uint64(num)<<3), binary.AppendUvarint(nil, v))
}

func pbDouble(num int, v float64) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(nil, uint64(num)<<3|1), math.Float64bits(v))
}

// pbPacked is a packed list of varints.
func pbPacked(num int, vs ...uint64) []byte {
	var value []byte
	for _, v := range vs {
		value = binary.AppendUvarint(value, v)
	}
	return pbField(num, value)
}

func pbLabel(name, value string) []byte { return pbField(1, pbText(1, name), pbText(2, value)) }

// pbSymbols is a table of the empty string and the given ones.
func pbSymbols(symbols ...string) []byte {
	table := pbText(4, "")
	for _, s := range symbols {
		table = append(table, pbText(4, s)...)
	}
	return table
}
