package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// NothingInCommonError says that there is nothing to compare, or to follow.
type NothingInCommonError struct {
	What    string
	Skipped []Skipped
}

func (e *NothingInCommonError) Error() string {
	text := e.What
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
	c := &comparison{Options: o}
	defer func() { err = errors.Join(err, closeAll(c.base), closeAll(c.fresh)) }()
	if c.base, err = c.openAll(ctx, base, open); err != nil {
		return nil, err
	}
	if c.fresh, err = c.openAll(ctx, fresh, open); err != nil {
		return nil, err
	}
	members := c.members()
	c.doubts = append(incomplete(members), c.doubts...)
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
	c.report = Report{
		Base: Side{base.Asked, briefs(c.base)}, New: Side{fresh.Asked, briefs(c.fresh)},
		Window: w, Alpha: o.Alpha, MinChange: o.MinChange, Skipped: []Skipped{}, Remarks: []string{},
	}
	c.adjust(c.makeRows())
	if len(c.report.Rows) == 0 {
		return nil, &NothingInCommonError{"nothing to compare: no query or metric has values on both sides", c.report.Skipped}
	}
	c.judge()
	c.remark()
	if len(o.Thresholds) > 0 {
		c.report.Gate = c.gate()
	}
	return &c.report, nil
}

// openAll opens the runs of a side. Those of several that never came to the
// marker are left out.
func (c *comparison) openAll(ctx context.Context, p Population, open Open) (members []*member, err error) {
	var unmarked *noMarkerError
	for _, run := range p.Runs {
		m, err := openMember(ctx, run, open, c.Align)
		switch {
		case errors.As(err, &unmarked) && len(p.Runs) > 1:
			c.doubts = append(c.doubts, unmarked.Error())
		case err != nil:
			return members, err
		default:
			members = append(members, m)
		}
	}
	if len(members) == 0 {
		return nil, unmarked
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
	doubts      []string // of which runs there is not everything, or nothing
	report      Report
}

// members are those of both sides, the base's first.
func (c *comparison) members() []*member { return slices.Concat(c.base, c.fresh) }

// makeRows brings together what both sides have, and gives the rows by family.
func (c *comparison) makeRows() map[string][]*Row {
	bases, fresh := byKey(c.base), byKey(c.fresh)
	common := map[string][]key{}
	for k, b := range bases {
		switch n := fresh[k]; {
		case n == nil:
			c.report.Skipped = append(c.report.Skipped, skipped(&b.first().Subject, "only in the base"+c.pairing(k)))
		case b.first().Query != n.first().Query:
			c.report.Skipped = append(c.report.Skipped, skipped(&n.first().Subject, "of another type on each side: "+b.first().Query+" and "+n.first().Query))
		default:
			common[c.family(k)] = append(common[c.family(k)], k)
		}
	}
	families := map[string][]*Row{}
	for family, keys := range common {
		for _, k := range keys {
			families[family] = append(families[family], c.row(bases[k], fresh[k], len(keys)))
		}
		c.report.Rows = append(c.report.Rows, families[family]...)
	}
	for k, n := range fresh {
		if bases[k] == nil {
			c.report.Skipped = append(c.report.Skipped, skipped(&n.first().Subject, "only in the new"+c.pairing(k)))
		}
	}
	for _, m := range c.members() {
		c.report.Skipped = append(c.report.Skipped, m.skipped...)
	}
	for _, m := range c.members() {
		for k, found := range m.found {
			if bases[k] == nil && fresh[k] == nil && !told(c.report.Skipped, k.name) {
				c.report.Skipped = append(c.report.Skipped, skipped(&found.Subject, "it has no value that is a number"))
			}
		}
	}
	c.report.Skipped = tidy(withUnanswered(c.report.Skipped, c.Queries, bases))
	return families
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

func (m *measured) hasValues() bool {
	return m.whole.Known() || slices.ContainsFunc(m.values, Number.Known)
}

func (s side) first() *measured {
	return s[slices.IndexFunc(s, func(m *measured) bool { return m != nil })]
}

func told(list []Skipped, name string) bool {
	return slices.ContainsFunc(list, func(s Skipped) bool { return s.of == name })
}

// withUnanswered adds the queries that have nothing among the subjects, and of
// which nothing was said.
func withUnanswered[T any](list []Skipped, queries []Query, subjects map[key]T) []Skipped {
	for _, q := range queries {
		if !anyOf(subjects, q.Name) && !told(list, q.Name) {
			list = append(list, skipped(&q.Subject, "no result in any run"))
		}
	}
	return list
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
	add := func(format string, args ...any) {
		c.report.Remarks = append(c.report.Remarks, fmt.Sprintf(format, args...))
	}
	c.report.Remarks = append(c.report.Remarks, c.doubts...)
	if slices.ContainsFunc(c.report.Rows, func(r *Row) bool { return r.Basis == WithinRuns }) {
		add("P of batches is of %d against %d runs: what differs may differ from run to run of the same build; several runs a side tell builds apart",
			len(c.base), len(c.fresh))
	}
	var lengths []float64
	for _, m := range c.members() {
		lengths = append(lengths, min(m.seconds(), c.report.Window.To))
	}
	if shortest, longest := slices.Min(lengths), slices.Max(lengths); longest > 1.1*shortest {
		add("runs go on for %s to %s: --to compares the same part of each", seconds(shortest), seconds(longest))
	}
	for _, r := range c.report.Rows {
		if r.lacking != "" && c.Queries != nil {
			add("%s: %s", r.Title(), r.lacking)
		}
	}
	for _, m := range c.members() {
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
