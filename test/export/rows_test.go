package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A row is a row of an export, as docs/export.md describes it.
type row struct {
	Metric    string            `parquet:"metric"`
	Labels    map[string]string `parquet:"labels"`
	Timestamp time.Time         `parquet:"timestamp,timestamp(millisecond)"`
	Value     *float64          `parquet:"value,optional"`
	Stale     bool              `parquet:"stale"`
	Histogram *nativeHistogram  `parquet:"histogram,optional"`
}

type nativeHistogram struct {
	Count         float64   `parquet:"count"`
	Sum           float64   `parquet:"sum"`
	Schema        int32     `parquet:"schema"`
	ZeroThreshold float64   `parquet:"zero_threshold"`
	ZeroCount     float64   `parquet:"zero_count"`
	Integer       bool      `parquet:"integer"`
	CustomBounds  []float64 `parquet:"custom_bounds,list"`
	Buckets       []bucket  `parquet:"buckets,list"`
}

type bucket struct {
	Index *int32  `parquet:"index,optional"`
	Lower float64 `parquet:"lower"`
	Upper float64 `parquet:"upper"`
	Count float64 `parquet:"count"`
}

// readParquet reads a file with the library's generic reader.
func readParquet(t *testing.T, path string) harness.Set {
	t.Helper()
	rows, err := parquet.ReadFile[row](path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return setOf(t, rows)
}

// readCSV reads a file as encoding/csv and encoding/json do.
func readCSV(t *testing.T, path string) harness.Set {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	if head := strings.Join(lines[0], " "); head != "metric labels timestamp value stale count sum histogram" {
		t.Fatalf("columns are %s", head)
	}
	rows := make([]row, len(lines)-1)
	for i, fields := range lines[1:] {
		if err := rows[i].parse(fields); err != nil {
			t.Fatalf("line %d, %q: %v", i+2, fields, err)
		}
	}
	return setOf(t, rows)
}

func (r *row) parse(fields []string) (err error) {
	r.Metric = fields[0]
	if err = json.Unmarshal([]byte(fields[1]), &r.Labels); err != nil {
		return err
	}
	if r.Timestamp, err = time.Parse(time.RFC3339, fields[2]); err != nil {
		return err
	}
	if r.Stale, err = strconv.ParseBool(fields[4]); err != nil {
		return err
	}
	if fields[3] != "" {
		v, err := strconv.ParseFloat(fields[3], 64)
		r.Value = &v
		return err
	}
	if fields[7] == "" {
		return nil
	}
	var in struct {
		Schema        int32
		ZeroThreshold float64 `json:"zero_threshold"`
		ZeroCount     float64 `json:"zero_count"`
		Integer       bool
		CustomBounds  []float64 `json:"custom_bounds"`
		Buckets       []struct {
			Index        *int32
			Lower, Upper any // infinities are texts
			Count        float64
		}
	}
	if err := json.Unmarshal([]byte(fields[7]), &in); err != nil {
		return err
	}
	r.Histogram = &nativeHistogram{
		Schema: in.Schema, ZeroThreshold: in.ZeroThreshold, ZeroCount: in.ZeroCount, Integer: in.Integer, CustomBounds: in.CustomBounds,
	}
	for _, b := range in.Buckets {
		out := bucket{Index: b.Index, Count: b.Count}
		for text, to := range map[string]*float64{fmt.Sprint(b.Lower): &out.Lower, fmt.Sprint(b.Upper): &out.Upper} {
			if *to, err = strconv.ParseFloat(text, 64); err != nil {
				return err
			}
		}
		r.Histogram.Buckets = append(r.Histogram.Buckets, out)
	}
	if r.Histogram.Count, err = strconv.ParseFloat(fields[5], 64); err != nil {
		return err
	}
	r.Histogram.Sum, err = strconv.ParseFloat(fields[6], 64)
	return err
}

// setOf checks the order of rows, and makes a set of them.
func setOf(t *testing.T, rows []row) harness.Set {
	t.Helper()
	set := harness.Set{}
	var last labels.Labels
	seen := map[string]bool{}
	for i, r := range rows {
		b := labels.NewBuilder(labels.FromMap(r.Labels)).Set("__name__", r.Metric)
		series := b.Labels()
		if !labels.Equal(series, last) {
			if seen[series.String()] || i > 0 && rows[i-1].Metric > r.Metric {
				t.Errorf("row %d: series %s is not where it belongs", i, series)
			}
			seen[series.String()], last = true, series
		} else if !rows[i-1].Timestamp.Before(r.Timestamp) {
			t.Errorf("row %d: series %s goes back in time", i, series)
		}
		set.Add(series, r.point(t))
	}
	return set
}

func (r *row) point(t *testing.T) harness.Point {
	t.Helper()
	at := r.Timestamp.UnixMilli()
	switch {
	case r.Stale:
		if r.Value != nil || r.Histogram != nil {
			t.Errorf("%s has a staleness marker and a value", r.Metric)
		}
		return harness.FloatPoint(at, math.Float64frombits(value.StaleNaN))
	case r.Histogram == nil:
		return harness.FloatPoint(at, *r.Value)
	case r.Histogram.Integer:
		return harness.HistogramPoint(at, r.Histogram.integers())
	default:
		return harness.FloatHistogramPoint(at, r.Histogram.floats())
	}
}

// floats is the histogram as Prometheus has it.
func (h *nativeHistogram) floats() *histogram.FloatHistogram {
	out := &histogram.FloatHistogram{
		Schema: h.Schema, Count: h.Count, Sum: h.Sum, ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount, CustomValues: h.CustomBounds,
	}
	out.PositiveSpans, out.PositiveBuckets = h.side(true)
	out.NegativeSpans, out.NegativeBuckets = h.side(false)
	return out
}

// integers is the same with counts that are integers, each but the first of a
// side as the difference to the one before.
func (h *nativeHistogram) integers() *histogram.Histogram {
	f := h.floats()
	deltas := func(counts []float64) (out []int64) {
		last := 0.0
		for _, n := range counts {
			out = append(out, int64(n-last))
			last = n
		}
		return out
	}
	return &histogram.Histogram{
		Schema: f.Schema, Count: uint64(f.Count), Sum: f.Sum, ZeroThreshold: f.ZeroThreshold, ZeroCount: uint64(f.ZeroCount), CustomValues: f.CustomValues,
		PositiveSpans: f.PositiveSpans, PositiveBuckets: deltas(f.PositiveBuckets),
		NegativeSpans: f.NegativeSpans, NegativeBuckets: deltas(f.NegativeBuckets),
	}
}

// side is what the buckets of one side of zero come from: spans of one bucket
// each. Bounds of a histogram's own are all on the positive side.
func (h *nativeHistogram) side(positive bool) (spans []histogram.Span, counts []float64) {
	next := int32(0)
	for i := range h.Buckets {
		b := h.Buckets[i]
		if !positive {
			b = h.Buckets[len(h.Buckets)-1-i] // away from zero
		}
		if b.Index == nil || positive != (h.Schema == histogram.CustomBucketsSchema || b.Upper > 0) {
			continue
		}
		spans = append(spans, histogram.Span{Offset: *b.Index - next, Length: 1})
		counts = append(counts, b.Count)
		next = *b.Index + 1
	}
	return spans, counts
}
