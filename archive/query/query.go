package query

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/benchkeep/benchkeep/archive"
)

// A SyntaxError says what of a query cannot be understood, and shows the place.
type SyntaxError = archive.SyntaxError

// A Source answers PromQL about one run. It may be used by several goroutines.
//
// Series have the external labels of their blocks, as a Thanos Query shows them.
// A query that cannot be understood is a [SyntaxError].
type Source interface {
	// Instant evaluates a query at a time in Unix ms.
	Instant(ctx context.Context, expr string, at int64) (*Result, error)
	// Range evaluates a query at start, start+step and so on up to end, in
	// Unix ms and both inclusive.
	Range(ctx context.Context, expr string, start, end int64, step time.Duration) (*Result, error)
	// MetricNames are the names of all metrics of the run, sorted.
	MetricNames(ctx context.Context) ([]string, error)
	Close() error
}

// A Result is the answer to a query. It is the caller's.
type Result struct {
	// Type is that of the answer: a range query gives a matrix; an instant one a
	// vector, a scalar, a string, or, for a range selector, a matrix.
	Type parser.ValueType
	// Series are sorted by labels in a matrix, and in the engine's order in a
	// vector, where every series has one point. A scalar is one without labels.
	Series []Series
	// Text is the answer to a query for a string.
	Text string
	// Warnings and Infos are remarks of whoever evaluated it.
	Warnings, Infos []string
}

// A Series is the points of one label set, in the order of time.
type Series struct {
	Labels labels.Labels
	Points []Point
}

// A Point is one value at a time.
type Point struct {
	T int64 // Unix ms
	V float64
	H *Histogram // in place of V, unless nil
}

// A Histogram is a native histogram as the Prometheus API shows it.
type Histogram struct {
	Count, Sum float64
	Buckets    []Bucket // by boundaries; without empty ones
}

// A Bucket is one bucket of a native histogram.
type Bucket struct {
	// Boundaries says which ends belong to the bucket: 0 the upper, 1 the lower,
	// 2 none, 3 both.
	Boundaries   int
	Lower, Upper float64
	Count        float64
}
