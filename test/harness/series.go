package harness

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
)

// stale is the value of a staleness marker, of whichever type of sample.
const stale = "stale"

// maxDifferences is how many differences a failed comparison shows.
const maxDifferences = 12

// A Point is one sample of a series. Values are compared by what they say, so
// that samples from blocks, from a WAL and from a query's JSON can be compared.
type Point struct {
	T int64
	// Value says everything that is stored: for a histogram its type, layout
	// and every bucket.
	Value string
	// Brief is what a query's JSON says: for a histogram count and sum. It is
	// empty for staleness markers, which queries never show.
	Brief string
}

// FloatPoint is a float sample, or a staleness marker.
func FloatPoint(t int64, v float64) Point {
	if value.IsStaleNaN(v) {
		return Point{T: t, Value: stale}
	}
	s := formatFloat(v)
	return Point{T: t, Value: s, Brief: s}
}

// HistogramPoint is a native histogram with integer counts, or its staleness
// marker.
func HistogramPoint(t int64, h *histogram.Histogram) Point {
	return histogramPoint(t, "int", h.ToFloat(nil))
}

// FloatHistogramPoint is a native histogram with float counts, or its
// staleness marker.
func FloatHistogramPoint(t int64, h *histogram.FloatHistogram) Point {
	return histogramPoint(t, "float", h)
}

// histogramPoint leaves out what storage may change without changing the
// meaning: empty buckets, how buckets are split into spans, and the hint
// whether the counter was reset.
func histogramPoint(t int64, kind string, h *histogram.FloatHistogram) Point {
	if value.IsStaleNaN(h.Sum) {
		return Point{T: t, Value: stale}
	}
	brief := histogramBrief(h.Count, h.Sum)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s schema=%d zero=%g/%g custom=%v", kind, brief, h.Schema, h.ZeroThreshold, h.ZeroCount, h.CustomValues)
	buckets := func(sign string, it histogram.BucketIterator[float64]) {
		for it.Next() {
			if bucket := it.At(); bucket.Count != 0 {
				fmt.Fprintf(&b, " %s%d:%g", sign, bucket.Index, bucket.Count)
			}
		}
	}
	buckets("+", h.PositiveBucketIterator())
	buckets("-", h.NegativeBucketIterator())
	return Point{T: t, Value: b.String(), Brief: brief}
}

func histogramBrief(count, sum float64) string {
	return "histogram count=" + formatFloat(count) + " sum=" + formatFloat(sum)
}

func formatFloat(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// A Series is a label set and its samples in order of time.
type Series struct {
	Labels labels.Labels
	Points []Point
}

// A Set is series by their labels as text.
type Set map[string]*Series

// Add adds samples to a series.
func (s Set) Add(l labels.Labels, points ...Point) {
	key := l.String()
	series := s[key]
	if series == nil {
		series = &Series{Labels: l}
		s[key] = series
	}
	series.Points = append(series.Points, points...)
}

// AddSet adds all samples of another set.
func (s Set) AddSet(other Set) {
	for _, series := range other {
		s.Add(series.Labels, series.Points...)
	}
}

// Sort puts each series' samples in order of time. Two samples of one time
// stay two: they are one too many.
func (s Set) Sort() {
	for _, series := range s {
		slices.SortStableFunc(series.Points, func(a, b Point) int { return int(a.T - b.T) })
	}
}

// Samples is the number of samples of all series.
func (s Set) Samples() int {
	n := 0
	for _, series := range s {
		n += len(series.Points)
	}
	return n
}

// Where is the part of the set whose label has the value.
func (s Set) Where(name, value string) Set {
	part := Set{}
	for _, series := range s {
		if series.Labels.Get(name) == value {
			part.Add(series.Labels, series.Points...)
		}
	}
	return part
}

// Archived is the set as the archive has to show it: each series with the
// run's external labels. A label of the series' own that is also an external
// label gives way; where it says something else it is kept as exported_<label>.
func (s Set) Archived(external map[string]string) Set {
	archived := Set{}
	for _, series := range s {
		b := labels.NewBuilder(series.Labels)
		for name, value := range external {
			if own := series.Labels.Get(name); own != "" && own != value {
				b.Set("exported_"+name, own)
			}
			b.Set(name, value)
		}
		archived.Add(b.Labels(), series.Points...)
	}
	return archived
}

// AsQueried is the set as a query's JSON shows it: without staleness markers,
// histograms by count and sum.
func (s Set) AsQueried() Set {
	queried := Set{}
	for _, series := range s {
		for _, p := range series.Points {
			if p.Brief != "" {
				queried.Add(series.Labels, Point{T: p.T, Value: p.Brief, Brief: p.Brief})
			}
		}
	}
	return queried
}

// WithoutTimes is the set with only the values and their order.
func (s Set) WithoutTimes() Set {
	timeless := Set{}
	for _, series := range s {
		for _, p := range series.Points {
			p.T = 0
			timeless.Add(series.Labels, p)
		}
	}
	return timeless
}

// Diff tells how got differs from want; empty means not at all.
func Diff(want, got Set) string {
	var differences []string
	for key, w := range want {
		g, ok := got[key]
		if !ok {
			differences = append(differences, fmt.Sprintf("%s: missing, want %d samples", key, len(w.Points)))
		} else if d := diffPoints(w.Points, g.Points); d != "" {
			differences = append(differences, key+": "+d)
		}
	}
	for key, g := range got {
		if want[key] == nil {
			differences = append(differences, fmt.Sprintf("%s: unexpected, %d samples", key, len(g.Points)))
		}
	}
	if len(differences) == 0 {
		return ""
	}
	slices.Sort(differences)
	head := fmt.Sprintf("%d series differ (want %d series with %d samples, got %d with %d):\n  ",
		len(differences), len(want), want.Samples(), len(got), got.Samples())
	return head + strings.Join(differences[:min(len(differences), maxDifferences)], "\n  ")
}

func diffPoints(want, got []Point) string {
	counts := fmt.Sprintf("want %d samples, got %d", len(want), len(got))
	for i := range min(len(want), len(got)) {
		if want[i].T != got[i].T || want[i].Value != got[i].Value {
			return fmt.Sprintf("%s; sample %d: want %d %s, got %d %s",
				counts, i, want[i].T, want[i].Value, got[i].T, got[i].Value)
		}
	}
	switch {
	case len(want) > len(got):
		return fmt.Sprintf("%s; first missing at %d", counts, want[len(got)].T)
	case len(want) < len(got):
		return fmt.Sprintf("%s; first surplus at %d", counts, got[len(want)].T)
	}
	return ""
}
