package export

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestParquet(t *testing.T) {
	all := everything()
	data, sum := exported(t, newSource(t, all), Options{
		Format: Parquet, Run: "nightly-42", Labels: map[string]string{"branch": "main"}, Start: time.UnixMilli(base),
	})
	require.Equal(t, &Summary{Series: 18, Samples: 34}, sum)
	file, err := parquet.OpenFile(strings.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	golden(t, "schema.parquet.txt", file.Schema().String()+"\n")
	paths := file.Schema().Columns() // the constants are in its order
	require.Len(t, paths, columns)
	require.Equal(t, []string{"histogram", "buckets", "list", "element", "index"}, paths[columnBucketIndex])
	require.Equal(t, []string{"histogram", "custom_bounds", "list", "element"}, paths[columnCustomBounds])

	rows, err := parquet.Read[parquetRow](strings.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	got := map[string][]parquetRow{}
	for i, row := range rows {
		if i > 0 {
			require.LessOrEqual(t, rows[i-1].Metric, row.Metric)
		}
		got[row.Metric+labels.FromMap(row.Labels).String()] = append(got[row.Metric+labels.FromMap(row.Labels).String()], row)
	}
	require.Len(t, got, len(all))
	for _, c := range all {
		metric, rest := split(c.labels)
		rows := got[metric+labels.FromMap(rest).String()]
		require.Len(t, rows, len(c.values), c.labels)
		for i, v := range c.values {
			require.Equal(t, c.from+int64(i)*15_000, rows[i].Timestamp)
			requireValue(t, v, rows[i])
		}
	}

	for key, want := range map[string]string{
		"benchkeep.run": "nightly-42", "benchkeep.labels": `{"branch":"main"}`, "benchkeep.start": "2025-01-14T09:00:00.123Z",
	} {
		value, _ := file.Lookup(key)
		require.Equal(t, want, value)
	}
	var metrics map[string]archive.Metadata
	text, _ := file.Lookup("benchkeep.metrics")
	require.NoError(t, json.Unmarshal([]byte(text), &metrics))
	require.Equal(t, metadata, metrics)
}

// requireValue checks that a row has the value, every bucket of it.
func requireValue(t *testing.T, want any, row parquetRow) {
	t.Helper()
	var h *histogram.FloatHistogram
	integer := false
	switch v := want.(type) {
	case float64:
		require.Nil(t, row.Histogram)
		require.Equal(t, value.IsStaleNaN(v), row.Stale)
		if row.Stale {
			require.Nil(t, row.Value)
		} else {
			require.Equal(t, math.Float64bits(v), math.Float64bits(*row.Value))
		}
		return
	case *histogram.Histogram:
		h, integer = v.ToFloat(nil), true
	case *histogram.FloatHistogram:
		h = v
	}
	require.Nil(t, row.Value)
	if row.Stale {
		require.True(t, value.IsStaleNaN(h.Sum))
		require.Nil(t, row.Histogram)
		return
	}
	require.Equal(t, integer, row.Histogram.Integer)
	back := rebuilt(row.Histogram)
	require.True(t, h.Copy().Compact(0).Equals(back.Compact(0)), "want %v, got %v", h, back)
}

// rebuilt makes a histogram of a row as documented: nothing of what it says is
// lost.
func rebuilt(p *parquetHistogram) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{
		Schema: p.Schema, Count: p.Count, Sum: p.Sum, ZeroThreshold: p.ZeroThreshold, ZeroCount: p.ZeroCount, CustomValues: p.CustomBounds,
	}
	if len(h.CustomValues) == 0 {
		h.CustomValues = nil
	}
	add := func(spans []histogram.Span, buckets []float64, last *int32, b parquetBucket) ([]histogram.Span, []float64) {
		offset := *b.Index
		if len(spans) > 0 {
			offset -= *last + 1
		}
		*last = *b.Index
		return append(spans, histogram.Span{Offset: offset, Length: 1}), append(buckets, b.Count)
	}
	var lastPositive, lastNegative int32
	for _, b := range p.Buckets {
		if b.Index != nil && (b.Upper > 0 || h.UsesCustomBuckets()) {
			h.PositiveSpans, h.PositiveBuckets = add(h.PositiveSpans, h.PositiveBuckets, &lastPositive, b)
		}
	}
	for i := range p.Buckets { // the lowest has the highest index
		if b := p.Buckets[len(p.Buckets)-1-i]; b.Index != nil && b.Upper <= 0 && !h.UsesCustomBuckets() {
			h.NegativeSpans, h.NegativeBuckets = add(h.NegativeSpans, h.NegativeBuckets, &lastNegative, b)
		}
	}
	return h
}

// Row groups are closed when they are full, and a file of no rows is one.
func TestParquetRowGroups(t *testing.T) {
	var out bytes.Buffer
	w := newParquetWriter(&out, &Options{Run: "x"})
	w.series("m", map[string]string{"a": "b"})
	const rows = rowsPerGroup + 10
	for i := range rows {
		require.NoError(t, w.sample(&sample{t: base + int64(i), v: float64(i)}))
	}
	require.NoError(t, w.close())
	file, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	require.Len(t, file.RowGroups(), 2)
	require.EqualValues(t, rowsPerGroup, file.RowGroups()[0].NumRows())
	require.EqualValues(t, rows, file.NumRows())
	r := parquet.NewGenericReader[parquetRow](file)
	require.NoError(t, r.SeekToRow(rows-1))
	last := make([]parquetRow, 2)
	n, err := r.Read(last)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 1, n)
	require.Equal(t, float64(rows-1), *last[0].Value)
	require.NoError(t, r.Close())

	out.Reset()
	require.NoError(t, newParquetWriter(&out, &Options{}).close())
	file, err = parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(t, err)
	require.Zero(t, file.NumRows())
}
