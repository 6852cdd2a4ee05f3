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
		return nil
	}
	result, err := m.Source.Range(ctx, q.Query, first, end, time.Duration(step)*time.Millisecond)
	if err != nil {
		return err
	}
	if holdsHistograms(result) {
		return m.measureHistograms(ctx, q, w)
	}
	whole, err := m.wholes(ctx, q, start, end)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, warning := range result.Warnings {
		m.remarks = append(m.remarks, m.run.ID+": "+warning)
	}
	for _, series := range result.Series {
		found := &measured{Subject: q.Subject, values: make([]Number, (end-start)/step+1), apart: int(q.apart), whole: Number(math.NaN())}
		for i := range found.values {
			found.values[i] = Number(math.NaN())
		}
		for _, p := range series.Points {
			found.values[(p.T-start)/step] = Number(p.V)
		}
		if v, ok := whole[series.Labels.Hash()]; ok {
			found.whole = v
		}
		found.Labels = m.ownLabels(series.Labels)
		m.add(found)
	}
	return nil
}

func millis(seconds float64) int64 { return int64(math.Round(seconds * 1000)) }

// wholes evaluates a query over a time at once, by the hash of the labels.
func (m *member) wholes(ctx context.Context, q probe, start, end int64) (map[uint64]Number, error) {
	if q.template == "" {
		return nil, nil
	}
	length := time.Duration(end-start+1) * time.Millisecond // a range begins after its first instant
	result, err := m.Source.Instant(ctx, q.whole(length), end)
	if err != nil {
		return nil, err
	}
	values := map[uint64]Number{}
	for _, series := range result.Series {
		values[series.Labels.Hash()] = Number(series.Points[0].V)
	}
	return values, nil
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
		m.mu.Lock()
		defer m.mu.Unlock()
		m.skipped = append(m.skipped, skipped(&q.Subject, "it is a histogram: ask for a number of it, as histogram_quantile(0.9, …) does"))
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

func (m *member) add(found *measured) {
	k := key{found.Name, found.Statistic, found.labelsText()}
	if m.found[k] != nil {
		m.skipped = append(m.skipped, skipped(&found.Subject, "several series differ by name or by the run's own labels alone: aggregate them, as in sum without (receiver) (…)"))
		return
	}
	m.found[k] = found
}
