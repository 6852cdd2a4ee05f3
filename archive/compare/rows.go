package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

// row compares a subject that both sides have, as one of so many rows.
func (c *comparison) row(base, fresh side, rows int) *Row {
	r := &Row{Subject: fresh.first().Subject, Basis: ByRun, AdjustedP: Number(math.NaN())}
	b, f := base.runValues(), fresh.runValues()
	r.constant = allEqual(slices.Concat(b, f))
	r.lacking = c.lacking(base, fresh)
	found := stats.CompareOneOf(rows, b, f, c.Alpha)
	switch {
	case found.Enough:
	case min(len(b), len(f)) == 1:
		within := stats.CompareOneOf(rows, base.batches(), fresh.batches(), c.Alpha)
		// One value of a run against many of another tells nothing of the runs.
		if within.Enough && within.Method == stats.RankSum {
			r.Basis, found = WithinRuns, within
		} else {
			r.Why = c.why(found, base, fresh)
		}
	default: // how far runs differ is known better than what is within them
		r.Why = found.Why
	}
	r.Method, r.P = found.Method, Number(found.P)
	r.Base, r.New = summary(found.Base), summary(found.New)
	r.Change, r.ChangeLow, r.ChangeHigh = Number(found.Change), Number(found.ChangeLow), Number(found.ChangeHigh)
	if c.Curves {
		r.Curves = slices.Concat(curves(c.base, base), curves(c.fresh, fresh))
	}
	return r
}

// why says why a subject can be compared neither by runs nor within them.
func (c *comparison) why(byRun stats.Comparison, base, fresh side) string {
	for i, s := range slices.Concat(base, fresh) {
		if s == nil {
			continue
		}
		if _, ok, why := stats.Batches(s.independent()); !ok {
			return fmt.Sprintf("too few runs; and within %s, %s", c.members()[i].run.ID, why)
		}
	}
	return byRun.Why + "; and within a run it hardly varies"
}

func allEqual(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
}

// lacking says which runs have no value where others of their side do.
func (c *comparison) lacking(base, fresh side) string {
	var runs []string
	for i, m := range slices.Concat(base, fresh) {
		if m == nil {
			runs = append(runs, c.members()[i].run.ID)
		}
	}
	if len(runs) == 0 {
		return ""
	}
	return "no value in " + brief(runs)
}

// brief names a few of many runs.
func brief(runs []string) string {
	const shown = 3
	text := strings.Join(runs[:min(len(runs), shown)], ", ")
	if more := len(runs) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// runValues has one value of each run.
func (s side) runValues() (values []float64) {
	for _, m := range s {
		if m != nil {
			values = append(values, m.value())
		}
	}
	return values
}

// batches has several values of each run that are as good as independent.
func (s side) batches() (means []float64) {
	for _, m := range s {
		if m == nil {
			continue
		}
		if of, ok, _ := stats.Batches(m.independent()); ok {
			means = append(means, of...)
		}
	}
	return means
}

// known are the values that there are.
func (m *measured) known() (values []float64) {
	for _, v := range m.values {
		if v.Known() {
			values = append(values, float64(v))
		}
	}
	return values
}

// independent are values that look back over nothing in common.
func (m *measured) independent() (values []float64) {
	for i := (len(m.values) - 1) % m.apart; i < len(m.values); i += m.apart {
		if v := m.values[i]; v.Known() {
			values = append(values, float64(v))
		}
	}
	return values
}

// value is what stands for the whole run.
func (m *measured) value() (mean float64) {
	if m.whole.Known() {
		return float64(m.whole)
	}
	known := m.known()
	for _, v := range known {
		mean += v / float64(len(known))
	}
	return mean
}

func curves(members []*member, s side) (curves []Curve) {
	for i, m := range s {
		if m != nil {
			curves = append(curves, Curve{members[i].run.ID, m.values})
		}
	}
	return curves
}

func summary(s stats.Summary) Summary {
	return Summary{Number(s.Center), Number(s.Low), Number(s.High), s.N}
}

// family are the rows that were not asked for one by one, so that some of them
// would seem to move by chance: all metrics, or all series of one query.
func (c *comparison) family(k key) string {
	if c.Queries == nil {
		return ""
	}
	return k.name
}

// adjust regards how many rows there are in each family.
func (c *comparison) adjust(families map[string][]*Row) {
	for _, rows := range families {
		p := make([]float64, len(rows))
		for i, r := range rows {
			p[i] = float64(r.P)
			if r.constant {
				p[i] = math.NaN() // it cost no chance
			}
		}
		p = stats.Adjust(p)
		for i, r := range rows {
			if r.AdjustedP = Number(p[i]); r.constant {
				r.AdjustedP = r.P
			}
		}
	}
}

// judge gives every row its verdict, and sorts the rows.
func (c *comparison) judge() {
	for _, r := range c.report.Rows {
		r.Verdict = c.verdict(r)
	}
	order := []Verdict{Regression, Improvement, Changed, Unchanged, Undecided}
	slices.SortFunc(c.report.Rows, func(a, b *Row) int {
		return cmp.Or(
			slices.Index(order, a.Verdict)-slices.Index(order, b.Verdict),
			cmp.Compare(math.Abs(b.moved()), math.Abs(a.moved())),
			cmp.Compare(a.Title(), b.Title()))
	})
}

func (c *comparison) verdict(r *Row) Verdict {
	switch {
	case r.Why != "":
		return Undecided
	case !c.significant(r) || math.Abs(r.moved()) < c.threshold(r.Name):
		return Unchanged
	default:
		return direction(r.Better, r.moved())
	}
}

// direction judges a change by its sign.
func direction(better Direction, change float64) Verdict {
	switch {
	case better == "":
		return Changed
	case (better == Lower) == (change > 0):
		return Regression
	default:
		return Improvement
	}
}

func (c *comparison) significant(r *Row) bool { return float64(r.AdjustedP) <= c.Alpha }

// threshold is the change from which the subject with the name matters.
func (o *Options) threshold(name string) float64 {
	for _, q := range o.Queries {
		if q.Name == name && q.Threshold > 0 {
			return q.Threshold
		}
	}
	return o.MinChange
}

// moved is the change of a row; away from zero it is infinite.
func (r *Row) moved() float64 { return change(r.Base.Center, r.New.Center) }

func change(from, to Number) float64 {
	switch difference := float64(to - from); {
	case difference == 0:
		return 0
	case from == 0:
		return math.Inf(int(math.Copysign(1, difference)))
	default:
		return difference / math.Abs(float64(from))
	}
}
