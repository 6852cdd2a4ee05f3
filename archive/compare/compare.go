package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/query"
)

// Opened is what it takes to ask a run: what answers queries, which is closed
// at the end, and the metadata of its metrics.
type Opened struct {
	Source   query.Source
	Metadata map[string]archive.Metadata
}

// An Open opens a run.
type Open func(context.Context, *archive.Run) (Opened, error)

// A Population is the runs of one side.
type Population struct {
	Asked string // as the user named it
	Runs  []*archive.Run
}

// NothingInCommonError says that there is nothing to compare.
type NothingInCommonError struct{ Skipped []Skipped }

func (e *NothingInCommonError) Error() string {
	text := "nothing to compare: no query or metric has values on both sides"
	for _, s := range e.Skipped[:min(len(e.Skipped), 5)] {
		text += fmt.Sprintf("\n  %s: %s", s.Name, s.Why)
	}
	if more := len(e.Skipped) - 5; more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

// Runs compares two populations. The error is a [NothingInCommonError], that of
// a query, or that of a run which could not be read.
func Runs(ctx context.Context, base, fresh Population, open Open, o Options) (_ *Report, err error) {
	members, err := openAll(ctx, slices.Concat(base.Runs, fresh.Runs), open, o.Align)
	defer func() { err = errors.Join(err, closeAll(members)) }()
	if err != nil {
		return nil, err
	}
	interval, err := longestInterval(ctx, members)
	if err != nil {
		return nil, err
	}
	w, err := o.window(longest(members), interval)
	if err != nil {
		return nil, err
	}
	if err := o.measure(ctx, members, w, o.grid(w, interval)); err != nil {
		return nil, err
	}
	o.pair(members)
	c := &comparison{Options: o, base: members[:len(base.Runs)], fresh: members[len(base.Runs):]}
	c.report = Report{
		Base: Side{base.Asked, briefs(c.base)}, New: Side{fresh.Asked, briefs(c.fresh)},
		Window: w, Alpha: o.Alpha, MinChange: o.MinChange, Skipped: []Skipped{}, Remarks: []string{},
	}
	c.makeRows()
	if len(c.report.Rows) == 0 {
		return nil, &NothingInCommonError{c.report.Skipped}
	}
	c.adjust()
	c.judge()
	c.remark()
	if len(o.Thresholds) > 0 {
		c.report.Gate = c.gate()
	}
	return &c.report, nil
}

func openAll(ctx context.Context, runs []*archive.Run, open Open, align string) (members []*member, err error) {
	for _, run := range runs {
		m, err := openMember(ctx, run, open, align)
		if err != nil {
			return members, err
		}
		members = append(members, m)
	}
	return members, nil
}

func closeAll(members []*member) (err error) {
	for _, m := range members {
		err = errors.Join(err, m.Source.Close())
	}
	return err
}

func briefs(members []*member) (runs []Run) {
	for _, m := range members {
		runs = append(runs, m.brief())
	}
	return runs
}

// measure evaluates every probe in every member.
func (o *Options) measure(ctx context.Context, members []*member, w Window, g grid) error {
	probes := make([][]probe, len(members))
	p := progress{show: o.Progress}
	for i, m := range members {
		probes[i] = o.userProbes(g)
		if o.Queries == nil {
			var err error
			if probes[i], err = m.metricProbes(ctx, o.By, g); err != nil {
				return err
			}
		}
		p.total += int64(len(probes[i]))
	}
	for i, m := range members {
		if err := m.measure(ctx, probes[i], w, p.step); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) userProbes(g grid) (probes []probe) {
	for _, q := range o.Queries {
		probes = append(probes, newProbe(q.Subject, g))
	}
	return probes
}

// metricProbes are what the run's metrics ask for.
func (m *member) metricProbes(ctx context.Context, by []string, g grid) ([]probe, error) {
	names, err := m.Source.MetricNames(ctx)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", m.run.ID, err)
	}
	m.metrics = newMetricQueries(names, m.Metadata, by, g)
	m.skipped = append(m.skipped, m.metrics.skipped...)
	return m.metrics.found, nil
}

// comparison is a report under way.
type comparison struct {
	Options

	base, fresh []*member
	report      Report
}

// makeRows brings together what both sides have.
func (c *comparison) makeRows() {
	bases, fresh := byKey(c.base), byKey(c.fresh)
	for k, b := range bases {
		if n := fresh[k]; n != nil {
			c.report.Rows = append(c.report.Rows, c.row(b, n))
		} else {
			c.report.Skipped = append(c.report.Skipped, skipped(&b.first().Subject, "only in the base"+c.pairing(k)))
		}
	}
	for k, n := range fresh {
		if bases[k] == nil {
			c.report.Skipped = append(c.report.Skipped, skipped(&n.first().Subject, "only in the new"+c.pairing(k)))
		}
	}
	for _, m := range slices.Concat(c.base, c.fresh) {
		c.report.Skipped = append(c.report.Skipped, m.skipped...)
	}
	for _, q := range c.Queries {
		if !anyOf(bases, q.Name) && !told(c.report.Skipped, q.Name) {
			c.report.Skipped = append(c.report.Skipped, skipped(&q.Subject, "no result in any run"))
		}
	}
	c.report.Skipped = tidy(c.report.Skipped)
}

// tidy sorts by name, and says things once.
func tidy(skipped []Skipped) []Skipped {
	slices.SortFunc(skipped, func(a, b Skipped) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Why, b.Why))
	})
	return slices.Compact(skipped)
}

// side is a subject in all members of one side, nil in those without it.
type side []*measured

func byKey(members []*member) map[key]side {
	all := map[key]side{}
	for i, m := range members {
		for k, found := range m.found {
			if !found.hasValues() {
				continue
			}
			if all[k] == nil {
				all[k] = make(side, len(members))
			}
			all[k][i] = found
		}
	}
	return all
}

func (m *measured) hasValues() bool { return slices.ContainsFunc(m.values, Number.Known) }

func (s side) first() *measured {
	return s[slices.IndexFunc(s, func(m *measured) bool { return m != nil })]
}

func told(list []Skipped, name string) bool {
	return slices.ContainsFunc(list, func(s Skipped) bool { return s.of == name })
}

func anyOf[T any](subjects map[key]T, name string) bool {
	for k := range subjects {
		if k.name == name {
			return true
		}
	}
	return false
}

// pairing says how series of a user's query find each other.
func (c *comparison) pairing(k key) string {
	if k.statistic != "" || k.labels == noLabels {
		return ""
	}
	return "; series are paired by their labels: leave out what differs from run to run, as in sum without (instance) (…)"
}

// remark says what is to be known of the whole.
func (c *comparison) remark() {
	within := slices.ContainsFunc(c.report.Rows, func(r *Row) bool { return r.Basis == WithinRuns })
	if within {
		c.report.Remarks = append(c.report.Remarks, fmt.Sprintf("%d against %d runs: what differs may differ from run to run of the same build; "+
			"4 runs a side, or one against 4, tell builds apart", len(c.base), len(c.fresh)))
	}
	lengths := map[float64]bool{}
	for _, m := range slices.Concat(c.base, c.fresh) {
		lengths[m.seconds()] = true
	}
	all := slices.Sorted(maps.Keys(lengths))
	if shortest, longest := all[0], all[len(all)-1]; c.To == 0 && longest > 1.1*shortest {
		c.report.Remarks = append(c.report.Remarks, fmt.Sprintf("runs go on for %s to %s: --to compares the same part of each", seconds(shortest), seconds(longest)))
	}
	for _, m := range slices.Concat(c.base, c.fresh) {
		c.report.Remarks = appendNew(c.report.Remarks, m.remarks...)
	}
}

// appendNew appends what is not there yet.
func appendNew(list []string, more ...string) []string {
	for _, text := range more {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}
