package query

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// maxRemarks is how many warnings, and how many other remarks, an answer has:
// as many as the Prometheus API gives.
const maxRemarks = 10

// newResult copies what the engine takes back when the query is closed.
func newResult(expr string, answer *promql.Result) *Result {
	r := &Result{Type: answer.Value.Type()}
	r.Warnings, r.Infos = answer.Warnings.AsStrings(expr, maxRemarks, maxRemarks)
	slices.Sort(r.Warnings)
	slices.Sort(r.Infos)
	switch v := answer.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			r.Series = append(r.Series, Series{Labels: s.Metric, Points: []Point{newPoint(s.T, s.F, s.H)}})
		}
	case promql.Matrix:
		for _, s := range v {
			r.Series = append(r.Series, Series{Labels: s.Metric, Points: newPoints(s)})
		}
		r.sort()
	case promql.Scalar:
		r.Series = []Series{{Points: []Point{{T: v.T, V: v.V}}}}
	case promql.String:
		r.Text = v.V
	}
	return r
}

// sort puts a matrix into the order that it is to have.
func (r *Result) sort() {
	if r.Type == parser.ValueTypeMatrix {
		slices.SortFunc(r.Series, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
	}
}

// newPoints has the points of a series in the order of time, floats and
// histograms alike.
func newPoints(s promql.Series) []Point {
	points := make([]Point, 0, len(s.Floats)+len(s.Histograms))
	for _, p := range s.Floats {
		points = append(points, Point{T: p.T, V: p.F})
	}
	for _, p := range s.Histograms {
		points = append(points, newPoint(p.T, 0, p.H))
	}
	sortPoints(points)
	return points
}

func sortPoints(points []Point) {
	slices.SortFunc(points, func(a, b Point) int { return cmp.Compare(a.T, b.T) })
}

func newPoint(t int64, v float64, h *histogram.FloatHistogram) Point {
	if h == nil {
		return Point{T: t, V: v}
	}
	out := &Histogram{Count: h.Count, Sum: h.Sum}
	for it := h.AllBucketIterator(); it.Next(); {
		if b := it.At(); b.Count != 0 {
			out.Buckets = append(out.Buckets, Bucket{boundaries(b), b.Lower, b.Upper, b.Count})
		}
	}
	return Point{T: t, H: out}
}

// boundaries numbers the ends that belong to a bucket as the Prometheus API does.
//
// Source: Prometheus' util/jsonutil/marshal.go.
func boundaries(b histogram.Bucket[float64]) int {
	switch {
	case b.LowerInclusive && b.UpperInclusive:
		return 3
	case b.LowerInclusive:
		return 1
	case b.UpperInclusive:
		return 0
	default:
		return 2
	}
}
