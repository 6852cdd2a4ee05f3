package browser

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/page"
	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

var zero = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// The curves of the reports have a value every five seconds, for five minutes.
const (
	step   = 5.0
	points = 61
)

// A kind is something to compare, with a level and how much it differs.
type kind struct {
	name, statistic, unit string
	better                compare.Direction
	level, change         float64
}

var kinds = []kind{
	{"http_request_duration_seconds", "p99", "seconds", compare.Lower, 0.0431, 0.203},
	{"http_request_duration_seconds", "p90", "seconds", compare.Lower, 0.0211, 0.161},
	{"process_cpu_seconds_total", "rate", "seconds/s", compare.Lower, 1.62, 0.118},
	{"go_gc_pause_seconds_total", "rate", "seconds/s", compare.Lower, 0.0021, -0.31},
	{"http_requests_total", "rate", "/s", compare.Higher, 12410, 0.046},
	{"process_resident_memory_bytes", "value", "bytes", "", 512 << 20, 0.27},
	{"go_goroutines", "value", "", "", 214, -0.12},
	{"cache_hit_ratio", "value", "ratio", compare.Higher, 0.934, 0},
}

// comparison is a report of 40 rows over as many runs on either side, sorted as
// reports are: what moved first.
func comparison(runs int) *compare.Report {
	random := rand.New(rand.NewPCG(1, uint64(runs)))
	r := &compare.Report{
		Base:      compare.Side{Asked: `{branch="main"} --last 10`, Runs: someRuns("main", runs, "8f3c21a")},
		New:       compare.Side{Asked: "pr-1187", Runs: someRuns("pr-1187", runs, "c04be9d")},
		Window:    compare.Window{From: 30, To: 30 + step*(points-1), Step: step},
		Alpha:     0.05,
		MinChange: 0.02,
		Remarks:   []string{"Warm-up is left out: the first 30 s of each run."},
		Skipped:   []compare.Skipped{{Name: "go_info", Why: "text, not a quantity"}, {Name: "process_start_time_seconds", Why: "a point in time"}},
		Gate:      &compare.Gate{Thresholds: []string{"http_request_duration_seconds p99=10%"}},
	}
	for i := range 40 {
		k := kinds[i%len(kinds)]
		row := &compare.Row{Subject: compare.Subject{Name: k.name, Statistic: k.statistic, Unit: k.unit, Better: k.better}}
		if i >= len(kinds) { // the same of some handlers, of which none differs
			row.Labels = map[string]string{"handler": []string{"/api/v1/query", "/api/v1/labels", "/-/ready", "/metrics"}[i/len(kinds)-1]}
			k.change = 0
		}
		row.Query = fmt.Sprintf("sum by (handler) (rate(%s{handler=%q}[20s]))", k.name, row.Labels["handler"])
		row.Curves = append(curves(random, r.Base.Runs, k.level), curves(random, r.New.Runs, k.level*(1+k.change))...)
		judge(row, k, runs)
		r.Rows = append(r.Rows, row)
	}
	slices.SortStableFunc(r.Rows, func(a, b *compare.Row) int { return rank(a) - rank(b) })
	r.Gate.Broken = []compare.Broken{{Threshold: r.Gate.Thresholds[0], Name: r.Rows[0].Title(), Change: r.Rows[0].Change}}
	return r
}

func someRuns(name string, n int, commit string) []compare.Run {
	var runs []compare.Run
	for i := range n {
		id := name
		if n > 1 {
			id = fmt.Sprintf("%s-%02d", name, i+1)
		}
		runs = append(runs, compare.Run{
			ID:      id,
			Labels:  map[string]string{"run": id, "branch": name, "commit": commit, "machine": "c6i.4xlarge", "scenario": "steady-state"},
			Zero:    zero.Add(time.Duration(i) * 3 * time.Hour),
			Seconds: 331,
		})
	}
	return runs
}

// curves are noise around a level which each run has its own of, with a gap.
func curves(random *rand.Rand, runs []compare.Run, level float64) []compare.Curve {
	var of []compare.Curve
	for _, run := range runs {
		own := level * (1 + 0.01*random.NormFloat64())
		c := compare.Curve{Run: run.ID}
		for i := range points {
			wave := 0.04 * math.Sin(float64(i)/6)
			c.Values = append(c.Values, compare.Number(own*(1+wave+0.025*random.NormFloat64())))
		}
		c.Values[40] = compare.Number(math.NaN())
		of = append(of, c)
	}
	return of
}

// judge gives a row numbers that fit its curves.
func judge(row *compare.Row, k kind, runs int) {
	row.Base, row.New = summary(row.Curves[:runs]), summary(row.Curves[runs:])
	row.Change = row.New.Center/row.Base.Center - 1
	row.ChangeLow, row.ChangeHigh = row.Change-0.015, row.Change+0.018
	row.P, row.AdjustedP = 0.41, 0.83
	row.Basis, row.Method = compare.ByRun, stats.RankSum
	if runs == 1 {
		row.Basis = compare.WithinRuns
	}
	up := compare.Higher
	switch {
	case k.name == "cache_hit_ratio" && row.Labels != nil:
		row.Verdict, row.Why = compare.Undecided, "too few values"
		nan := compare.Number(math.NaN())
		row.P, row.AdjustedP, row.ChangeLow, row.ChangeHigh = nan, nan, nan, nan
		row.Base.Low, row.Base.High, row.New.Low, row.New.High = nan, nan, nan, nan
	case k.change == 0:
		row.Verdict = compare.Unchanged
		return
	case k.better == "":
		row.Verdict = compare.Changed
	case (k.change > 0) == (k.better == up):
		row.Verdict = compare.Improvement
	default:
		row.Verdict = compare.Regression
	}
	if row.P.Known() {
		row.P, row.AdjustedP = 0.0000108, 0.0004
	}
}

func summary(of []compare.Curve) compare.Summary {
	var all []float64
	for _, c := range of {
		for _, v := range c.Values {
			if v.Known() {
				all = append(all, float64(v))
			}
		}
	}
	center := median(all)
	return compare.Summary{Center: compare.Number(center), Low: compare.Number(center * 0.991), High: compare.Number(center * 1.008), N: len(of)}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func rank(row *compare.Row) int {
	return slices.Index([]compare.Verdict{compare.Regression, compare.Improvement, compare.Changed, compare.Unchanged, compare.Undecided}, row.Verdict)
}

// past is a history of 60 runs, of which the first line steps up at the 36th and
// the second down at the 21st.
func past() *compare.History {
	random := rand.New(rand.NewPCG(3, 4))
	h := &compare.History{Asked: `{branch="main"}`, Window: compare.Window{From: 30, To: 330, Step: step}, Alpha: 0.05}
	for i := range 60 {
		h.Runs = append(h.Runs, compare.Run{
			ID:      fmt.Sprintf("main-%03d", i+1),
			Labels:  map[string]string{"branch": "main", "commit": fmt.Sprintf("%07x", 0x1a2b3c+i*7919), "machine": "c6i.4xlarge"},
			Zero:    zero.Add(time.Duration(i*i) * time.Hour),
			Seconds: 330,
		})
	}
	for i, l := range []struct {
		kind
		at int
	}{{kinds[0], 35}, {kinds[5], 20}, {kinds[7], 0}} {
		line := &compare.Line{Subject: compare.Subject{Name: l.name, Statistic: l.statistic, Unit: l.unit, Better: l.better, Query: l.name + "[5m]"}}
		for j := range h.Runs {
			v := l.level * (1 + 0.012*random.NormFloat64())
			if l.at > 0 && j >= l.at {
				v *= 1 + l.change*float64(1-2*i)
			}
			line.Values = append(line.Values, compare.Number(v))
		}
		line.Values[50] = compare.Number(math.NaN())
		if l.at > 0 {
			line.ChangePoints = []compare.ChangePoint{changePoint(h, line, l.at)}
		}
		h.Lines = append(h.Lines, line)
	}
	return h
}

func changePoint(h *compare.History, line *compare.Line, at int) compare.ChangePoint {
	before := summary([]compare.Curve{{Values: line.Values[:at]}})
	after := summary([]compare.Curve{{Values: line.Values[at:]}})
	before.N, after.N = at, len(line.Values)-at
	p := compare.ChangePoint{Run: h.Runs[at].ID, Index: at, P: 0.001, Before: before, After: after, Change: after.Center/before.Center - 1, Verdict: compare.Changed}
	if line.Better == compare.Lower {
		p.Verdict = compare.Regression
	}
	return p
}

func reportPage(t testing.TB, r *compare.Report) []byte {
	t.Helper()
	var html bytes.Buffer
	require.NoError(t, page.WriteReport(&html, r))
	return html.Bytes()
}

func historyPage(t testing.TB, h *compare.History) []byte {
	t.Helper()
	var html bytes.Buffer
	require.NoError(t, page.WriteHistory(&html, h))
	return html.Bytes()
}
