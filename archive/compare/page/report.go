package page

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/compare"
)

// Curves make most of a page. The rows come sorted by how much they matter, so
// the first ones get theirs.
const (
	maxRowsWithCurves = 500
	maxPoints         = 2_000_000 // some 20 MB
)

// A reportView is what report.html shows.
type reportView struct {
	frame
	*compare.Report
	counts     map[compare.Verdict]int
	Differing  []labelValues
	Common     []labelValues
	WithCurves int // rows, the first ones
	Gate       *gateView
}

// reportData is what report.js makes its rows of.
type reportData struct {
	Base   []compare.Run  `json:"base"`
	New    []compare.Run  `json:"new"`
	Window compare.Window `json:"window"`
	Signs  []sign         `json:"signs"`
	Rows   []row          `json:"rows"`
}

// A row is a row with its curves rounded, or without.
type row struct {
	*compare.Row
	Title  string  `json:"title"`
	Curves []curve `json:"curves"`
}

type curve struct {
	Run    string `json:"run"`
	Values values `json:"values"`
}

// Values are numbers of which six digits are enough: a chart has fewer.
type values []compare.Number

func (v values) MarshalJSON() ([]byte, error) {
	text := append(make([]byte, 0, 10*len(v)+2), '[')
	for i, n := range v {
		if i > 0 {
			text = append(text, ',')
		}
		if n.Known() {
			text = strconv.AppendFloat(text, float64(n), 'g', 6, 64)
		} else {
			text = append(text, "null"...)
		}
	}
	return append(text, ']'), nil
}

func newReportView(r *compare.Report) (*reportView, error) {
	data := reportData{Base: r.Base.Runs, New: r.New.Runs, Window: r.Window, Signs: signs, Rows: make([]row, 0, len(r.Rows))}
	view := &reportView{Report: r, counts: map[compare.Verdict]int{}}
	points := 0
	for i, of := range r.Rows {
		view.counts[of.Verdict]++
		shown := row{Row: of, Title: of.Title()}
		for _, c := range of.Curves {
			points += len(c.Values)
		}
		if i < maxRowsWithCurves && points <= maxPoints {
			view.WithCurves++
			for _, c := range of.Curves {
				shown.Curves = append(shown.Curves, curve{c.Run, values(c.Values)})
			}
		}
		data.Rows = append(data.Rows, shown)
	}
	view.Differing, view.Common = compareLabels(r.Base.Runs, r.New.Runs)
	view.Gate = newGateView(r)
	var err error
	view.frame, err = newFrame(r.Base.Asked+" against "+r.New.Asked, "report.js", data)
	return view, err
}

// Count is how many rows have the verdict.
func (v *reportView) Count(of compare.Verdict) int { return v.counts[of] }

// A gateView is a gate of which the broken rows are known by their places.
type gateView struct {
	*compare.Gate
	Broken []brokenView
}

type brokenView struct {
	compare.Broken
	Anchor string // of the row; empty if there is none
}

func newGateView(r *compare.Report) *gateView {
	if r.Gate == nil {
		return nil
	}
	anchors := map[string]string{}
	for i, of := range r.Rows {
		anchors[of.Title()] = fmt.Sprintf("#row-%d", i)
	}
	view := &gateView{Gate: r.Gate}
	for _, b := range r.Gate.Broken {
		view.Broken = append(view.Broken, brokenView{b, anchors[b.Name]})
	}
	return view
}

// Passed reports whether nothing speaks against it.
func (g *gateView) Passed() bool { return len(g.Broken) == 0 && len(g.Unjudged) == 0 }

// LabelValues are the values that a label has in the runs of either side, each
// once and sorted. A run without the label has an empty one.
type labelValues struct {
	Name      string
	Base, New []string
}

// compareLabels parts the labels of the runs into those of which the two sides
// have different values, and those of which they have the same.
func compareLabels(base, of []compare.Run) (differing, common []labelValues) {
	for _, name := range labelNames(slices.Concat(base, of)) {
		l := labelValues{name, valuesOf(name, base), valuesOf(name, of)}
		if slices.Equal(l.Base, l.New) {
			common = append(common, l)
		} else {
			differing = append(differing, l)
		}
	}
	return differing, common
}

func labelNames(runs []compare.Run) []string {
	found := map[string]bool{}
	for _, run := range runs {
		for name := range run.Labels {
			found[name] = true
		}
	}
	delete(found, archive.LabelRun) // every page has the ids anyway
	return slices.Sorted(maps.Keys(found))
}

func valuesOf(label string, runs []compare.Run) []string {
	found := map[string]bool{}
	for _, run := range runs {
		found[run.Labels[label]] = true
	}
	return slices.Sorted(maps.Keys(found))
}
