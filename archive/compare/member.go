package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/benchkeep/benchkeep/archive"
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

func openMember(ctx context.Context, run *archive.Run, open Open, align string) (_ *member, err error) {
	opened, err := open(ctx, run)
	if err != nil {
		return nil, err
	}
	_, last := run.TimeRange()
	m := &member{Opened: opened, run: run, zero: run.Start(), end: last, external: externalNames(run), found: map[key]*measured{}}
	if align != "" {
		if m.zero, err = m.marker(ctx, align); err != nil {
			return nil, errors.Join(err, m.Source.Close())
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
		return 0, fmt.Errorf("run %s: --align: %w", m.run.ID, err)
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
		return 0, &noMarkerError{m.run.ID, align}
	}
	return first, nil
}

// A noMarkerError says that a run has no time that could be t=0.
type noMarkerError struct{ run, align string }

func (e *noMarkerError) Error() string {
	return fmt.Sprintf("run %s: --align: %s has no result other than zero", e.run, e.align)
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
