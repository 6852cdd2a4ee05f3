package export

import (
	"io"
	"maps"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/benchkeep/benchkeep/archive"
)

const (
	// rowsPerGroup is how many rows a reader has to take at a time, and how many
	// the writer keeps, encoded and compressed.
	rowsPerGroup = 1 << 20
	// rowsAtOnce are handed to the library together.
	rowsAtOnce = 64
)

// A parquetRow is the schema; rows are not made of it.
type parquetRow struct {
	Metric    string            `parquet:"metric,dict"`
	Labels    map[string]string `parquet:"labels" parquet-key:",dict" parquet-value:",dict"`
	Timestamp int64             `parquet:"timestamp,timestamp(millisecond),delta"`
	Value     *float64          `parquet:"value,optional"`
	Stale     bool              `parquet:"stale"`
	Histogram *parquetHistogram `parquet:"histogram,optional"`
}

type parquetHistogram struct {
	Count         float64         `parquet:"count"`
	Sum           float64         `parquet:"sum"`
	Schema        int32           `parquet:"schema"`
	ZeroThreshold float64         `parquet:"zero_threshold"`
	ZeroCount     float64         `parquet:"zero_count"`
	Integer       bool            `parquet:"integer"`
	CustomBounds  []float64       `parquet:"custom_bounds,list"`
	Buckets       []parquetBucket `parquet:"buckets,list"`
}

type parquetBucket struct {
	Index *int32  `parquet:"index,optional"`
	Lower float64 `parquet:"lower"`
	Upper float64 `parquet:"upper"`
	Count float64 `parquet:"count"`
}

// Columns are the leaves of the schema, in its order.
const (
	columnMetric = iota
	columnLabel
	columnLabelValue
	columnTimestamp
	columnValue
	columnStale
	columnHistogram    // the first of them
	columnCustomBounds = columnHistogram + 6
	columnBucketIndex  = columnHistogram + 7
	columns            = columnHistogram + 11
)

// parquetWriter writes a row for each sample. Rows are put together by hand:
// those of a series have their beginning in common, and that is most of them.
type parquetWriter struct {
	out     *parquet.GenericWriter[parquetRow]
	prefix  parquet.Row // of the series: metric and labels
	none    parquet.Row // a histogram that is not there
	rows    []parquet.Row
	buckets []bucket
}

func newParquetWriter(out io.Writer, o *Options) *parquetWriter {
	metrics := o.Metadata
	if metrics == nil {
		metrics = map[string]archive.Metadata{}
	}
	w := &parquetWriter{rows: make([]parquet.Row, 0, rowsAtOnce)}
	w.out = parquet.NewGenericWriter[parquetRow](out,
		parquet.NewSchema("sample", parquet.SchemaOf(parquetRow{})),
		parquet.CreatedBy("benchkeep", "", ""),
		parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("metric"))),
		parquet.KeyValueMetadata("benchkeep.run", o.Run),
		parquet.KeyValueMetadata("benchkeep.labels", string(encodeJSON(o.Labels))),
		parquet.KeyValueMetadata("benchkeep.start", o.Start.UTC().Format(time.RFC3339Nano)),
		parquet.KeyValueMetadata("benchkeep.metrics", string(encodeJSON(metrics))),
	)
	for column := columnHistogram; column < columns; column++ {
		w.none = append(w.none, parquet.NullValue().Level(0, 0, column))
	}
	return w
}

func (w *parquetWriter) series(metric string, labels map[string]string) {
	w.prefix = append(w.prefix[:0], parquet.ByteArrayValue([]byte(metric)).Level(0, 0, columnMetric))
	names := slices.Sorted(maps.Keys(labels))
	if len(names) == 0 {
		w.prefix = append(w.prefix, parquet.NullValue().Level(0, 0, columnLabel), parquet.NullValue().Level(0, 0, columnLabelValue))
	}
	for i, name := range names {
		w.prefix = append(w.prefix, parquet.ByteArrayValue([]byte(name)).Level(repeated(i), 1, columnLabel))
	}
	for i, name := range names {
		w.prefix = append(w.prefix, parquet.ByteArrayValue([]byte(labels[name])).Level(repeated(i), 1, columnLabelValue))
	}
}

// repeated is the repetition level of an element of a list.
func repeated(i int) int { return min(i, 1) }

func (w *parquetWriter) sample(s *sample) error {
	value := parquet.NullValue().Level(0, 0, columnValue)
	if s.h == nil && !s.stale {
		value = parquet.DoubleValue(s.v).Level(0, 1, columnValue)
	}
	row := append(w.next(), w.prefix...)
	row = append(row, parquet.Int64Value(s.t).Level(0, 0, columnTimestamp), value, parquet.BooleanValue(s.stale).Level(0, 0, columnStale))
	if s.h == nil || s.stale {
		row = append(row, w.none...)
	} else {
		row = w.appendHistogram(row, s.h, s.integer)
	}
	w.rows = append(w.rows, row)
	if len(w.rows) < rowsAtOnce {
		return nil
	}
	return w.flush()
}

// next gives the room of a row that was written before.
func (w *parquetWriter) next() parquet.Row {
	if len(w.rows) == cap(w.rows) {
		return nil
	}
	return w.rows[:len(w.rows)+1][len(w.rows)][:0]
}

func (w *parquetWriter) flush() error {
	_, err := w.out.WriteRows(w.rows)
	w.rows = w.rows[:0]
	return err
}

func (w *parquetWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.out.Close()
}

// appendHistogram adds a histogram's columns: what it has once, the bounds, and
// the buckets, column by column.
func (w *parquetWriter) appendHistogram(row parquet.Row, h *histogram.FloatHistogram, integer bool) parquet.Row {
	for i, v := range [...]parquet.Value{
		parquet.DoubleValue(h.Count), parquet.DoubleValue(h.Sum), parquet.Int32Value(h.Schema),
		parquet.DoubleValue(h.ZeroThreshold), parquet.DoubleValue(h.ZeroCount), parquet.BooleanValue(integer),
	} {
		row = append(row, v.Level(0, 1, columnHistogram+i))
	}
	row = appendList(row, columnCustomBounds, len(h.CustomValues), func(i int) parquet.Value { return parquet.DoubleValue(h.CustomValues[i]) })
	w.buckets = appendBuckets(w.buckets[:0], h)
	row = appendList(row, columnBucketIndex, len(w.buckets), func(i int) parquet.Value {
		if w.buckets[i].around {
			return parquet.NullValue()
		}
		return parquet.Int32Value(w.buckets[i].index).Level(0, 1, 0)
	})
	for i, of := range [...]func(*bucket) float64{
		func(b *bucket) float64 { return b.lower }, func(b *bucket) float64 { return b.upper }, func(b *bucket) float64 { return b.count },
	} {
		row = appendList(row, columnBucketIndex+1+i, len(w.buckets), func(j int) parquet.Value { return parquet.DoubleValue(of(&w.buckets[j])) })
	}
	return row
}

// appendList adds a column of a list in a histogram. An element's definition
// level is how much of it is optional and there.
func appendList(row parquet.Row, column, n int, element func(int) parquet.Value) parquet.Row {
	if n == 0 {
		return append(row, parquet.NullValue().Level(0, 1, column))
	}
	for i := range n {
		v := element(i)
		row = append(row, v.Level(repeated(i), 2+v.DefinitionLevel(), column))
	}
	return row
}
