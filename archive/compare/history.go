package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

// Trace follows queries from run to run, oldest first, and finds where they go
// over to another level. Runs are opened one at a time.
func Trace(ctx context.Context, runs Population, open Open, o Options) (*History, error) {
	t := &trace{Options: o, lines: map[key]*Line{}}
	interval, err := newestInterval(ctx, runs.Runs, open)
	if err != nil {
		return nil, err
	}
	w, err := o.window(longestRun(runs.Runs), interval)
	if err != nil {
		return nil, err
	}
	probes := o.userProbes(o.grid(w, interval))
	t.history = History{Asked: runs.Asked, Window: w, Alpha: o.Alpha, Lines: []*Line{}, Skipped: []Skipped{}, Remarks: []string{}}
	p := progress{show: o.Progress, total: int64(len(runs.Runs) * len(o.Queries))}
	for _, run := range runs.Runs {
		if err := t.add(ctx, run, open, probes, p.step); err != nil {
			return nil, err
		}
	}
	t.draw()
	t.complete()
	if len(t.history.Lines) == 0 {
		return nil, &NothingInCommonError{"nothing to follow: no query has a value in any run", t.history.Skipped}
	}
	return &t.history, nil
}

// longestRun is how many seconds the longest run goes on, by what its record says.
func longestRun(runs []*archive.Run) (longest float64) {
	for _, run := range runs {
		_, last := run.TimeRange()
		longest = max(longest, float64(last-run.Start())/1000)
	}
	return longest
}

// newestInterval is how far samples of the newest run are from each other. Those
// of the others are taken to be no further.
func newestInterval(ctx context.Context, runs []*archive.Run, open Open) (_ time.Duration, err error) {
	m, err := openMember(ctx, runs[len(runs)-1], open, "")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.Source.Close()) }()
	return m.scrapeInterval(ctx)
}

// trace is a history under way.
type trace struct {
	Options

	history History
	members []*member // their sources are closed
	lines   map[key]*Line
}

// add takes the values of a run.
func (t *trace) add(ctx context.Context, run *archive.Run, open Open, probes []probe, done func()) (err error) {
	m, err := openMember(ctx, run, open, t.Align)
	if unmarked := (*noMarkerError)(nil); errors.As(err, &unmarked) {
		t.history.Remarks = append(t.history.Remarks, unmarked.Error())
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Source.Close()) }()
	t.members = append(t.members, m)
	return m.measure(ctx, probes, t.history.Window, done)
}

// draw makes lines of what was measured.
func (t *trace) draw() {
	t.pair(t.members)
	for i, m := range t.members {
		t.history.Runs = append(t.history.Runs, m.brief())
		for k, found := range m.found {
			if !found.hasValues() {
				continue
			}
			if t.lines[k] == nil {
				t.lines[k] = &Line{Subject: found.Subject, Values: unknown(int64(len(t.members))), ChangePoints: []ChangePoint{}}
			}
			t.lines[k].Values[i] = Number(found.value())
		}
		t.history.Skipped = append(t.history.Skipped, m.skipped...)
		t.history.Remarks = appendNew(t.history.Remarks, m.remarks...)
	}
}

// complete looks for change points once all runs are in.
func (t *trace) complete() {
	for _, line := range t.lines {
		t.findChanges(line)
	}
	t.history.Lines = slices.SortedFunc(maps.Values(t.lines), func(a, b *Line) int { return cmp.Compare(a.Title(), b.Title()) })
	t.history.Skipped = tidy(withUnanswered(t.history.Skipped, t.Queries, t.lines))
}

func (t *trace) findChanges(line *Line) {
	var values []float64
	var of []int // indexes of the runs that the values are of
	for i, v := range line.Values {
		if v.Known() {
			values, of = append(values, float64(v)), append(of, i)
		}
	}
	if least := stats.MinValues(t.Alpha); len(values) < least {
		line.Why = fmt.Sprintf("change points need %d runs with a value; there are %d", least, len(values))
		return
	}
	// Small steps may go a long way: what counts is how far it is from the level
	// that was last told of.
	var level *Summary
	for _, found := range stats.ChangePoints(values, t.Alpha) {
		p := ChangePoint{
			Run: t.history.Runs[of[found.Index]].ID, Index: of[found.Index], P: found.P,
			Before: summary(found.Before), After: summary(found.After),
		}
		if level != nil {
			p.Before = *level
		}
		level = &p.Before
		p.Change = Number(change(p.Before.Center, p.After.Center))
		if moved := float64(p.Change); math.Abs(moved) >= t.threshold(line.Name) {
			p.Verdict = direction(line.Better, moved)
			line.ChangePoints = append(line.ChangePoints, p)
			level = &p.After
		}
	}
}
