package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/query"
)

// A member is a run that is looked at.
type member struct {
	Opened
	run *archive.Run
	// zero and end are Unix ms: t=0, and the last sample.
	zero, end int64
	// external are the names of the labels that the run's blocks add to series.
	external []string
	metrics  *metricQueries // nil where the user named the queries

	mu      sync.Mutex
	found   map[key]*measured
	remarks []string
	skipped []Skipped
}

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

func openMember(ctx context.Context, run *archive.Run, open Open, align string) (_ *member, err error) {
	opened, err := open(ctx, run)
	if err != nil {
		return nil, err
	}
	_, last := run.TimeRange()
	m := &member{Opened: opened, run: run, zero: run.Start(), end: last, external: externalNames(run), found: map[key]*measured{}}
	if align != "" {
		if m.zero, err = m.marker(ctx, align); err != nil {
			return nil, errors.Join(fmt.Errorf("run %s: %w", run.ID, err), m.Source.Close())
		}
	}
	return m, nil
}

// externalNames are the names of all external labels that series of the run
// may have.
func externalNames(run *archive.Run) []string {
	names := []string{archive.LabelRun, archive.LabelReceiver}
	for _, b := range run.Blocks {
		for name := range b.Labels {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// markerSteps is into how many steps a run is divided to find a marker in it.
const markerSteps = 10_000

// marker is the first time at which the query has a result other than zero.
func (m *member) marker(ctx context.Context, align string) (int64, error) {
	step := max((m.end-m.zero)/markerSteps, 1)
	result, err := m.Source.Range(ctx, align, m.zero, m.end, time.Duration(step)*time.Millisecond)
	if err != nil {
		return 0, fmt.Errorf("--align: %w", err)
	}
	first := int64(math.MaxInt64)
	for _, s := range result.Series {
		for _, p := range s.Points {
			if p.H != nil || p.V != 0 && !math.IsNaN(p.V) {
				first = min(first, p.T)
				break
			}
		}
	}
	if first == math.MaxInt64 {
		return 0, fmt.Errorf("--align: %s has no result other than zero in the run", align)
	}
	return first, nil
}

// seconds is how long the run went on from t=0.
func (m *member) seconds() float64 { return float64(m.end-m.zero) / 1000 }

func (m *member) brief() Run {
	return Run{ID: m.run.ID, Labels: m.run.Labels(), Zero: time.UnixMilli(m.zero).UTC(), Seconds: m.seconds()}
}

// scrapeInterval is the distance of samples: what most targets have or, where
// there are none, that of all series on average, which is no shorter.
func (m *member) scrapeInterval(ctx context.Context) (time.Duration, error) {
	length := time.Duration(m.end-m.zero) * time.Millisecond
	result, err := m.Source.Instant(ctx, fmt.Sprintf("quantile(0.5, count_over_time(up[%s]))", model.Duration(length+time.Millisecond)), m.end)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", m.run.ID, err)
	}
	if len(result.Series) == 1 && result.Series[0].Points[0].V > 1 {
		return twoDigits(float64(length) / (result.Series[0].Points[0].V - 1)), nil
	}
	return meanInterval(m.run), nil
}

// meanInterval is the distance of a run's samples as its record tells it.
func meanInterval(run *archive.Run) time.Duration {
	_, last := run.TimeRange()
	return time.Duration((last-run.Start())*run.Series()/max(run.Samples(), 1)) * time.Millisecond
}

// twoDigits rounds what was estimated to what is likely to have been configured.
func twoDigits(ns float64) time.Duration {
	unit := math.Pow(10, math.Floor(math.Log10(ns))-1)
	return time.Duration(math.Round(ns/unit) * unit)
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
	step := int64(w.Step * 1000)
	start := m.zero + int64(w.From*1000)
	end := min(m.end, m.zero+int64(w.To*1000))
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

// wholes evaluates a query over a time at once, by the hash of the labels.
func (m *member) wholes(ctx context.Context, q probe, start, end int64) (map[uint64]Number, error) {
	if q.template == "" {
		return nil, nil
	}
	result, err := m.Source.Instant(ctx, q.whole(time.Duration(end-start)*time.Millisecond), end)
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
