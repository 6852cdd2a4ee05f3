package receiver

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestDecodeV1(t *testing.T) {
	r := &request{seed: 1}
	require.NoError(t, r.decodeV1(slices.Concat(
		pbField(3, pbVarint(1, 2), pbText(2, "up"), pbText(4, "Is it?"), pbText(5, "bool")),
		pbField(1, pbLabel("a", "1"), pbField(2, pbDouble(1, 1.5), pbVarint(2, 10)), pbField(3, pbDouble(2, 1))),
		pbField(1, pbLabel("b", "2"), pbField(2, pbDouble(1, 2.5), pbVarint(2, 20)), pbField(2, pbVarint(2, 21))),
		pbField(1, pbLabel("c", "3"), pbField(4, pbVarint(1, 7), pbVarint(15, 30))),
	)))

	require.Same(t, r, r.Batch.Labels)
	require.Equal(t, []blockwriter.Metadata{{Name: []byte("up"), Help: []byte("Is it?"), Unit: []byte("bool"), Type: 2}}, r.Metadata)
	require.Equal(t, 1, r.Exemplars)
	require.Equal(t, []blockwriter.Sample{{Timestamp: 10, Value: 1.5}, {Timestamp: 20, Value: 2.5}, {Timestamp: 21}}, r.Samples)
	require.Len(t, r.Histograms, 1)
	require.Equal(t, int64(30), r.Histograms[0].Timestamp)
	require.Equal(t, uint64(7), r.Histograms[0].Int.Count)
	for i, want := range []blockwriter.Series{
		{Samples: blockwriter.Range{From: 0, To: 1}, Metadata: -1},
		{Samples: blockwriter.Range{From: 1, To: 3}, Metadata: -1},
		{Samples: blockwriter.Range{From: 3, To: 3}, Histograms: blockwriter.Range{To: 1}, Metadata: -1},
	} {
		want.Hash = r.Series[i].Hash
		require.Equal(t, want, r.Series[i])
	}
	labels, err := r.AppendLabels([]blockwriter.Label{{}}, 1)
	require.NoError(t, err)
	require.Equal(t, []blockwriter.Label{{}, {Name: []byte("b"), Value: []byte("2")}}, labels)
}

// Labels with other fields in between are the same labels.
func TestDecodeV1LabelsInPieces(t *testing.T) {
	sample := pbField(2, pbDouble(1, 1))
	r := &request{seed: 1}
	require.NoError(t, r.decodeV1(slices.Concat(
		pbField(1, pbLabel("a", "1"), pbLabel("b", "2"), pbLabel("c", "3"), sample, sample),
		pbField(1, sample, pbLabel("a", "1"), pbLabel("b", "2"), sample, pbLabel("c", "3")),
		pbField(1, pbLabel("a", "1"), sample, pbLabel("b", "2"), pbVarint(9, 1), pbLabel("c", "3"), sample),
	)))
	want, err := r.AppendLabels(nil, 0)
	require.NoError(t, err)
	require.Len(t, want, 3)
	for i, s := range r.Series {
		require.Equal(t, r.Series[0].Hash, s.Hash)
		require.Equal(t, 2, s.Samples.Len())
		got, err := r.AppendLabels(nil, i)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestDecodeV2(t *testing.T) {
	symbols := pbSymbols("a", "1", "help", "unit")
	series := slices.Concat(
		pbField(5, pbPacked(1, 1, 2), pbField(2, pbVarint(2, 10), pbVarint(3, 5)), pbField(5, pbVarint(1, 1), pbVarint(3, 3), pbVarint(4, 4))),
		pbField(5, pbVarint(1, 1), pbVarint(1, 2), pbField(4, pbDouble(2, 1)), pbField(5)),
		pbField(5, pbField(5, pbVarint(1, 99)), pbField(5, pbVarint(4, 4))),
	)
	// Symbols may follow the series that refer to them.
	for name, body := range map[string][]byte{
		"symbols first": slices.Concat(symbols, series),
		"symbols last":  slices.Concat(series, symbols),
	} {
		t.Run(name, func(t *testing.T) {
			r := &request{seed: 1}
			require.NoError(t, r.decodeV2(body))
			require.Len(t, r.Series, 3)
			require.Equal(t, []int32{0, -1, 1}, []int32{r.Series[0].Metadata, r.Series[1].Metadata, r.Series[2].Metadata})
			require.Equal(t, []blockwriter.Metadata{
				{Help: []byte("help"), Unit: []byte("unit"), Type: 1},
				{Help: []byte{}, Unit: []byte("unit")},
			}, r.Metadata)
			require.Equal(t, []blockwriter.Sample{{Timestamp: 10, StartTimestamp: 5}}, r.Samples)
			require.Equal(t, 1, r.Exemplars)
			require.Equal(t, r.Series[0].Hash, r.Series[1].Hash)
			require.NotEqual(t, r.Series[0].Hash, r.Series[2].Hash)
			labels, err := r.AppendLabels(nil, 1)
			require.NoError(t, err)
			require.Equal(t, []blockwriter.Label{{Name: []byte("a"), Value: []byte("1")}}, labels)
		})
	}
}

// The created timestamp of a series is for what has no start timestamp itself,
// wherever it stands.
func TestDecodeV2CreatedTimestamp(t *testing.T) {
	points := slices.Concat(pbField(2), pbField(2, pbVarint(3, 5)), pbField(3), pbField(3, pbVarint(17, 6)))
	created := pbVarint(6, 9)
	for name, series := range map[string][]byte{
		"first": slices.Concat(created, points),
		"last":  slices.Concat(points, created),
	} {
		t.Run(name, func(t *testing.T) {
			r := &request{seed: 1}
			require.NoError(t, r.decodeV2(slices.Concat(pbSymbols(), pbField(5, pbField(2)), pbField(5, series), pbField(5, pbField(2)))))
			require.Equal(t, []blockwriter.Sample{{}, {StartTimestamp: 9}, {StartTimestamp: 5}, {}}, r.Samples)
			require.Equal(t, int64(9), r.Histograms[0].StartTimestamp)
			require.Equal(t, int64(6), r.Histograms[1].StartTimestamp)
		})
	}
}

// Histograms outlive the request that brought them.
func TestDecodeHistogramsAreOwned(t *testing.T) {
	ints, floats := testHistograms()
	var ts prompb.TimeSeries
	for i := range 3 {
		ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(1, ints[i]), prompb.FromFloatHistogram(2, floats[i]))
	}
	body, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
	require.NoError(t, err)

	r := &request{seed: 1}
	require.NoError(t, r.decodeV1(body))
	kept := slices.Clone(r.Histograms)
	clear(body)
	require.Error(t, r.decodeV1(body))
	for i := range 3 {
		require.True(t, ints[i].Equals(kept[2*i].Int))
		require.True(t, floats[i].Equals(kept[2*i+1].Float))
		require.Nil(t, kept[2*i].Float)
		require.Nil(t, kept[2*i+1].Int)
		require.Equal(t, len(kept[2*i].Int.PositiveBuckets), cap(kept[2*i].Int.PositiveBuckets))
	}
}

func TestDecodeMalformed(t *testing.T) {
	v1, v2 := (*request).decodeV1, (*request).decodeV2
	overlong := slices.Concat([]byte{0x78}, slices.Repeat([]byte{0xff}, 10), []byte{1})
	for _, c := range []struct {
		name   string
		decode func(*request, []byte) error
		body   []byte
		err    string
	}{
		{"text", v1, []byte("<html>"), "end of a group that was not started at byte 0"},
		{"tag cut short", v1, []byte{0x8a}, "varint that is cut short at byte 0"},
		{"field number 0", v1, []byte{0x02, 0x00}, "illegal tag at byte 0"},
		{"series cut short", v1, pbField(1, pbLabel("a", "b"))[:6], "field 1 needs 8 bytes where 4 are left, at byte 0"},
		{"series of the wrong type", v1, pbVarint(1, 1), "field 1 has wire type 0, not 2, at byte 0"},
		{"label of the wrong type", v1, pbField(1, pbVarint(1, 1)), "field 1 has wire type 0, not 2, at byte 2"},
		{"label cut short", v1, pbField(1, pbLabel("a", "b"), []byte{0x0a, 9}), "field 1 needs 9 bytes where 0 are left, at byte 10"},
		{"inside of a label", v1, pbField(1, pbLabel("a", "b"), pbField(1, pbVarint(2, 1))), "field 2 has wire type 0, not 2, at byte 12"},
		{"negative length", v1, slices.Concat([]byte{0x0a}, slices.Repeat([]byte{0xff}, 9), []byte{1}), "field 1 needs 18446744073709551615 bytes where 0 are left, at byte 0"},
		{"varint too long", v1, overlong, "varint of more than 10 bytes at byte 1"},
		{"value cut short", v1, pbField(1, pbField(2, pbDouble(1, 1)[:8])), "field 1 needs 8 bytes where 7 are left, at byte 4"},
		{"timestamp of the wrong type", v1, pbField(1, pbField(2, pbDouble(2, 1))), "field 2 has wire type 1, not 0, at byte 4"},
		{"value of the wrong type", v1, pbField(1, pbField(2, pbVarint(1, 1))), "field 1 has wire type 0, not 1, at byte 4"},
		{"exemplar", v1, pbField(1, pbField(3, pbField(1, pbVarint(1, 1)))), "field 1 has wire type 0, not 2, at byte 6"},
		{"bucket counts cut short", v1, pbField(1, pbField(4, pbField(13, []byte("1234567")))), "field 13 needs 8 bytes where 7 are left, at byte 4"},
		{"group without end", v1, []byte{0x7b, 0x78, 0x01}, "varint that is cut short at byte 3"},
		{"end of no group", v1, []byte{0x7c}, "end of a group that was not started at byte 0"},
		{"illegal wire type", v1, []byte{0x7e}, "field 15 has the illegal wire type 6 at byte 0"},
		{"first symbol", v2, pbText(4, "a"), "symbols table that does not begin with the empty string at byte 0"},
		{"no symbols", v2, slices.Concat(pbVarint(9, 1), pbField(5)), "series without a symbols table at byte 2"},
		{"odd references", v2, slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1, 1, 1))), "odd number of 3 label references in the series at byte 7"},
		{"label reference", v2, slices.Concat(pbSymbols("a"), pbField(5, pbPacked(1, 1, 2))), "reference to symbol 2 of 2 in the series at byte 7"},
		{"help reference", v2, slices.Concat(pbSymbols("a"), pbField(5, pbField(5, pbVarint(3, 3)))), "reference to symbol 3 of 2 in the series at byte 7"},
		{"references of the wrong type", v2, slices.Concat(pbSymbols(), pbField(5, pbDouble(1, 1))), "field 1 has wire type 1, not 0, at byte 4"},
		{"exemplar references", v2, slices.Concat(pbSymbols(), pbField(5, pbField(4, pbField(1, []byte{0x80})))), "varint that is cut short at byte 8"},
		{"start timestamp", v2, slices.Concat(pbSymbols(), pbField(5, pbField(3, pbDouble(17, 1)))), "field 17 has wire type 1, not 0, at byte 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &request{seed: 1}
			err := c.decode(r, c.body)
			if err == nil {
				_, err = flatten(r)
			}
			require.ErrorIs(t, err, errMalformed)
			require.True(t, strings.HasSuffix(err.Error(), c.err), "%v", err)
		})
	}
}

// Hashes tell label sets apart that differ in nothing but where names and
// values begin, and depend on the seed, but not on the rest of the request.
func TestLabelHashes(t *testing.T) {
	sets := [][]string{
		{"", ""}, {"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"bc", "a"},
		{"a", "b", "c", "d"}, {"b", "a", "c", "d"}, {"c", "d", "a", "b"}, {"a", "d", "c", "b"}, {"a", "bc", "d", ""}, {"a", "b"},
		{"a", "b", "a", "b"}, {"a", "a", "b", "b"}, {strings.Repeat("a", 200), strings.Repeat("b", 200)},
	}
	for name, c := range map[string]struct {
		decode func(*request, []byte) error
		encode func(...string) []byte
	}{
		"v1": {(*request).decodeV1, encodeLabelsV1},
		"v2": {(*request).decodeV2, encodeLabelsV2},
	} {
		t.Run(name, func(t *testing.T) {
			seen := map[any][]string{}
			a, b, other := &request{seed: 1}, &request{seed: 1}, &request{seed: 2}
			for _, set := range sets {
				body := c.encode(set...)
				for _, r := range []*request{a, b, other} {
					require.NoError(t, c.decode(r, body))
				}
				hash := a.Series[0].Hash
				require.Empty(t, seen[hash], "%q", set)
				seen[hash] = append(set, "seen")
				require.Equal(t, hash, b.Series[0].Hash)
				require.NotEqual(t, hash, other.Series[0].Hash)
			}
		})
	}
	// The order of the symbols table does not matter.
	r := &request{seed: 1}
	require.NoError(t, r.decodeV2(slices.Concat(pbSymbols("a", "b"), pbField(5, pbPacked(1, 1, 2)))))
	hash := r.Series[0].Hash
	require.NoError(t, r.decodeV2(slices.Concat(pbSymbols("x", "b", "a"), pbField(5, pbPacked(1, 3, 2)))))
	require.Equal(t, hash, r.Series[0].Hash)
}

func encodeLabelsV1(set ...string) []byte {
	var series []byte
	for i := 0; i < len(set); i += 2 {
		series = append(series, pbLabel(set[i], set[i+1])...)
	}
	return pbField(1, series)
}

func encodeLabelsV2(set ...string) []byte {
	var refs []uint64
	for i := range set {
		refs = append(refs, uint64(i+1))
	}
	return slices.Concat(pbSymbols(set...), pbField(5, pbPacked(1, refs...)))
}

func TestRequestReset(t *testing.T) {
	r := &request{seed: 1}
	for _, body := range [][]byte{seedsV1(t)[0], nil} {
		require.NoError(t, r.decodeV1(body))
	}
	require.NoError(t, r.decodeV2(seedsV2(t)[0]))
	r.reset()
	require.Empty(t, r.Series)
	require.Positive(t, cap(r.Samples), "capacity is kept")
	require.Nil(t, r.body)
	require.Nil(t, r.Batch.Labels)
	for _, h := range r.Histograms[:cap(r.Histograms)] {
		require.Zero(t, h, "histograms are let go")
	}
	for _, d := range r.Metadata[:cap(r.Metadata)] {
		require.Zero(t, d)
	}
	for _, s := range r.symbols[:cap(r.symbols)] {
		require.Nil(t, s)
	}

	require.NoError(t, r.decodeV1(pbField(1, slices.Repeat([]byte{0x12, 0x00}, maxKeptBytes/16))))
	require.Len(t, r.Samples, maxKeptBytes/16)
	r.reset()
	require.Zero(t, cap(r.Samples), "a monster is given up")
}

// A float request costs no allocation once the request has grown.
func TestDecodeAllocations(t *testing.T) {
	v1, v2 := benchBody(t)
	r := &request{seed: 1}
	var errs error
	require.Zero(t, testing.AllocsPerRun(20, func() { errs = errors.Join(errs, r.decodeV1(v1)) }))
	require.Zero(t, testing.AllocsPerRun(20, func() { errs = errors.Join(errs, r.decodeV2(v2)) }))
	require.NoError(t, errs)
	require.Len(t, r.Series, benchSeries)
}

func TestMetricTypes(t *testing.T) {
	for number, name := range prompb.MetricMetadata_MetricType_name {
		require.Equal(t, strings.ToLower(name), metricType(uint64(number)).String())
	}
	require.Len(t, prompb.MetricMetadata_MetricType_name, maxMetricType+1)
	for _, number := range []uint64{8, 256, 257, math.MaxUint64} {
		require.Zero(t, metricType(number))
	}
}
