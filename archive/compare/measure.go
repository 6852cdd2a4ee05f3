package compare

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive/query"
)

// A key tells subjects apart, whatever their queries.
type key struct{ name, statistic, labels string }

// noLabels is a key's labels where there are none.
const noLabels = "{}"

// measured is a subject's values in one run, at the steps of the window.
type measured struct {
	Subject
	values []Number
	apart  int // as the probe's
	// whole is the query's one value over the whole window. Where the query has
	// no variables it is not known, and the mean takes its place.
	whole Number
}

// measure evaluates probes over the window, several at a time.
func (m *member) measure(ctx context.Context, probes []probe, w Window, done func()) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, q := range probes {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			defer done()
			if err := m.measureOne(groupCtx, q, w); err != nil {
				return fmt.Errorf("run %s: %s: %w", m.run.ID, q.Title(), err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (m *member) measureOne(ctx context.Context, q probe, w Window) error {
	step := millis(w.Step)
	start := m.zero + millis(w.From)
	end := min(m.end, m.zero+millis(w.To))
	first := start
	if q.template != "" {
		first += q.lookback * step // all of what it looks back at is to be within the window
	}
	if first > end {
		m.skip(q, "run "+m.run.ID+" ends before there is a value")
		return nil
	}
	steps, err := m.Source.Range(ctx, q.Query, first, end, time.Duration(step)*time.Millisecond)
	if err != nil {
		return err
	}
	if holdsHistograms(steps) {
		return m.measureHistograms(ctx, q, w)
	}
	whole := &query.Result{}
	if q.template != "" {
		length := time.Duration(end-start+1) * time.Millisecond // a range begins after its first instant
		if whole, err = m.Source.Instant(ctx, q.whole(length), end); err != nil {
			return err
		}
	}
	// What is scraped less often than most has no value at any step, maybe, and
	// still one of the whole.
	found := map[string]*measured{}
	for _, series := range slices.Concat(steps.Series, whole.Series) {
		found[series.Labels.String()] = &measured{
			Subject: q.with(m.ownLabels(series.Labels)), values: unknown((end-start)/step + 1), apart: int(q.apart), whole: Number(math.NaN()),
		}
	}
	for _, series := range steps.Series {
		values := found[series.Labels.String()].values
		for _, p := range series.Points {
			values[(p.T-start)/step] = Number(p.V)
		}
	}
	for _, series := range whole.Series {
		found[series.Labels.String()].whole = Number(series.Points[0].V)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, warning := range slices.Concat(steps.Warnings, whole.Warnings) {
		m.remarks = appendNew(m.remarks, m.run.ID+": "+warning)
	}
	for _, f := range found {
		m.add(f)
	}
	return nil
}

// with gives the subject of one series of the probe.
func (p *probe) with(labels map[string]string) Subject {
	s := p.Subject
	s.Labels = labels
	return s
}

func unknown(n int64) []Number { return slices.Repeat([]Number{Number(math.NaN())}, int(n)) }

func millis(seconds float64) int64 { return int64(math.Round(seconds * 1000)) }

func (m *member) skip(q probe, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.skipped = append(m.skipped, skipped(&q.Subject, why))
}

func holdsHistograms(result *query.Result) bool {
	return slices.ContainsFunc(result.Series, func(s query.Series) bool {
		return slices.ContainsFunc(s.Points, func(p query.Point) bool { return p.H != nil })
	})
}

// measureHistograms is for a query that turned out to be about native
// histograms. Of a metric that nobody told the type of, that is how it is known.
func (m *member) measureHistograms(ctx context.Context, q probe, w Window) error {
	if q.Statistic == "" {
		m.skip(q, "it is a histogram: ask for a number of it, as histogram_quantile(0.9, …) does")
		return nil
	}
	for _, number := range m.metrics.native(q.Name) {
		if err := m.measureOne(ctx, number, w); err != nil {
			return err
		}
	}
	return nil
}

// ownLabels are the labels of a series that are not the run's.
func (m *member) ownLabels(l labels.Labels) map[string]string {
	own := map[string]string{}
	l.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && !slices.Contains(m.external, l.Name) {
			own[l.Name] = l.Value
		}
	})
	return own
}

// add is for one goroutine at a time.
func (m *member) add(found *measured) {
	k := key{found.Name, found.Statistic, found.labelsText()}
	if _, another := m.found[k]; another {
		m.found[k] = &measured{Subject: found.Subject, whole: Number(math.NaN())} // none of them stands for all
		m.skipped = append(m.skipped, skipped(&found.Subject, "several series differ by name or by the run's own labels alone: aggregate them, as in sum without (receiver) (…)"))
		return
	}
	m.found[k] = found
}
