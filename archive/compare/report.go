package compare

import (
	"encoding/json"
	"math"
	"time"

	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

// A Number is a float that JSON has as null where it is no finite number:
// where there is none, or where a bound is unknown.
type Number float64

// MarshalJSON implements [json.Marshaler].
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Known reports whether there is a number.
func (n Number) Known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// A Report is what a comparison has found.
type Report struct {
	Base Side `json:"base"`
	New  Side `json:"new"`
	// Window is what was looked at of each run.
	Window Window `json:"window"`
	// Alpha is the level of the tests: how often two equal things may be called
	// different by chance.
	Alpha float64 `json:"alpha"`
	// MinChange is the relative change from which a difference is worth a row's
	// verdict.
	MinChange float64 `json:"minChange"`
	// Rows are sorted: regressions, improvements, other changes, each by how much
	// it moved; then what did not change, then what could not be told.
	Rows []*Row `json:"rows"`
	// Skipped is what was not compared, and why.
	Skipped []Skipped `json:"skipped"`
	// Remarks are to be read with the rows.
	Remarks []string `json:"remarks"`
	// Gate is nil unless thresholds were asked for.
	Gate *Gate `json:"gate,omitempty"`
}

// WithoutCurves gives the report for readers that have no use for values over
// time. It shares everything else with r.
func (r *Report) WithoutCurves() *Report {
	brief := *r
	brief.Rows = nil
	for _, row := range r.Rows {
		row := *row
		row.Curves = nil
		brief.Rows = append(brief.Rows, &row)
	}
	return &brief
}

// A Side is one of the two populations.
type Side struct {
	Asked string `json:"asked"` // as the user named it
	Runs  []Run  `json:"runs"`  // oldest first
}

// A Run is one run that was looked at.
type Run struct {
	ID     string            `json:"run"`
	Labels map[string]string `json:"labels"`
	// Zero is the time that counts as t=0 of the run.
	Zero time.Time `json:"zero"`
	// Seconds is how long the run went on from there.
	Seconds float64 `json:"seconds"`
}

// A Window is a part of a run, in seconds since t=0.
type Window struct {
	From float64 `json:"from"`
	// To is the end of the longest run, or as far as was asked for.
	To   float64 `json:"to"`
	Step float64 `json:"step"`
}

// A Subject is something that has a value at a time.
type Subject struct {
	// Name is that of the user's query, or of the metric.
	Name string `json:"name"`
	// Statistic is what was made of a metric: rate, value, mean, p50, p90, p99.
	// It is empty for a user's query.
	Statistic string `json:"statistic,omitempty"`
	// Labels tell the series of a query apart.
	Labels map[string]string `json:"labels,omitempty"`
	Query  string            `json:"query"` // PromQL
	Unit   string            `json:"unit,omitempty"`
	Better Direction         `json:"better,omitempty"`
}

// A Direction says which values of something are the better ones.
type Direction string

// Directions. The zero value is that it is not known.
const (
	Lower  Direction = "lower"
	Higher Direction = "higher"
)

// A Verdict is what a comparison comes to.
type Verdict string

// Verdicts.
const (
	Regression  Verdict = "regression"
	Improvement Verdict = "improvement"
	// Changed is for what nobody has said of which way is better.
	Changed   Verdict = "changed"
	Unchanged Verdict = "unchanged"
	// Undecided: there are too few values to tell.
	Undecided Verdict = "undecided"
)

// A Basis is what the values are that a test went by.
type Basis string

// Bases.
const (
	// ByRun: one value of each run.
	ByRun Basis = "runs"
	// WithinRuns: the batch means of each run, so that nothing is known of how far
	// runs of the same build differ.
	WithinRuns Basis = "within runs"
)

// A Row is one subject compared.
type Row struct {
	Subject
	Basis  Basis        `json:"basis"`
	Method stats.Method `json:"method,omitempty"`
	// P is how likely as large a difference is where there is none; AdjustedP,
	// with regard to how many rows there are.
	P         Number  `json:"p"`
	AdjustedP Number  `json:"adjustedP"`
	Base      Summary `json:"base"`
	New       Summary `json:"new"`
	// Change is relative to the base: 0.2 is 20 % more. It is null where the base
	// is zero. ChangeLow and ChangeHigh bound it.
	Change     Number  `json:"change"`
	ChangeLow  Number  `json:"changeLow"`
	ChangeHigh Number  `json:"changeHigh"`
	Verdict    Verdict `json:"verdict"`
	// Why says why it is undecided.
	Why string `json:"why,omitempty"`
	// Curves are the values over time, of all runs of the base and then of all
	// the new ones.
	Curves []Curve `json:"curves,omitempty"`

	constant bool   // one and the same value in all runs
	lacking  string // which runs have no value; empty if all do
}

// A Summary is the centre of some values, and how sure it is.
type Summary struct {
	Center Number `json:"center"`
	// Low and High are the bounds of the confidence interval at 1-alpha, null
	// where there are too few values for one.
	Low  Number `json:"low"`
	High Number `json:"high"`
	N    int    `json:"n"`
}

// A Curve is the values of a subject in one run: the first at the window's
// begin, the next a step later and so on; null where there is none.
type Curve struct {
	Run    string   `json:"run"`
	Values []Number `json:"values"`
}

// Skipped is something that was not compared.
type Skipped struct {
	Name string `json:"name"` // as [Subject.Title] gives it
	Why  string `json:"why"`

	of string // the subject's name
}

func skipped(s *Subject, why string) Skipped { return Skipped{s.Title(), why, s.Name} }

// A Gate is what thresholds made of a report.
type Gate struct {
	// Thresholds are as the user gave them.
	Thresholds []string `json:"thresholds"`
	// Broken are the rows beyond a threshold, Unjudged the thresholds that could
	// not be applied. The gate is passed if there is neither.
	Broken   []Broken   `json:"broken"`
	Unjudged []Unjudged `json:"unjudged"`
}

// Broken is a row beyond a threshold.
type Broken struct {
	Threshold string `json:"threshold"`
	Name      string `json:"name"` // the row's, see [Subject.Title]
	Change    Number `json:"change"`
}

// Unjudged is a threshold that could not be applied.
type Unjudged struct {
	Threshold string `json:"threshold"`
	Why       string `json:"why"`
}

// A History is how something went from run to run.
type History struct {
	Asked   string    `json:"asked"` // the selector
	Runs    []Run     `json:"runs"`  // oldest first
	Window  Window    `json:"window"`
	Alpha   float64   `json:"alpha"`
	Lines   []*Line   `json:"lines"`
	Skipped []Skipped `json:"skipped"`
	Remarks []string  `json:"remarks"`
}

// A Line is one subject over all runs of a history.
type Line struct {
	Subject
	// Values has one of each run, null where a run has none.
	Values       []Number      `json:"values"`
	ChangePoints []ChangePoint `json:"changePoints"`
	// Why says why no change points were looked for.
	Why string `json:"why,omitempty"`
}

// A ChangePoint is where a line goes over to another level.
type ChangePoint struct {
	// Run is the first of the new level, Index its place among the runs.
	Run   string  `json:"run"`
	Index int     `json:"index"`
	P     float64 `json:"p"`
	// Before is the level that was last told of, After the one from here on.
	Before  Summary `json:"before"`
	After   Summary `json:"after"`
	Change  Number  `json:"change"`
	Verdict Verdict `json:"verdict"`
}
