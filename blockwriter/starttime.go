package blockwriter

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage"
)

// startTimestamp stores a zero sample at the time a counter says it started,
// which is how every reader of today's blocks understands a start timestamp.
// It must be newer than what the series has, and fall where the head still
// takes samples in order: a counter that started long before the run begins
// with the run for its readers. No sample is lost without it, so that only the
// storage's own errors count.
func (a *appending) startTimestamp(i int, e *entry, p *point) error {
	half := a.run.opts.BlockDuration.Milliseconds() / 2
	if p.st == 0 || p.st >= p.t || p.st <= e.maxTime || p.st < max(a.minValid, a.earliest, p.t-half) {
		return nil
	}
	zero := point{t: p.st}
	// The hint says that counting begins here; the layout is the sample's own,
	// so that both fit one chunk.
	switch {
	case p.h != nil:
		if p.h.Validate() != nil {
			return nil
		}
		zero.h = &histogram.Histogram{
			CounterResetHint: histogram.CounterReset,
			Schema:           p.h.Schema,
			ZeroThreshold:    p.h.ZeroThreshold,
			CustomValues:     p.h.CustomValues,
		}
	case p.fh != nil:
		if p.fh.Validate() != nil {
			return nil
		}
		zero.fh = &histogram.FloatHistogram{
			CounterResetHint: histogram.CounterReset,
			Schema:           p.fh.Schema,
			ZeroThreshold:    p.fh.ZeroThreshold,
			CustomValues:     p.fh.CustomValues,
		}
	}
	err := a.put(i, e, &zero, storage.AOptions{RejectOutOfOrder: true})
	if err == nil {
		a.tally.startTimestamps++
		return nil
	}
	if _, ok := reasonOf(err); ok {
		return nil
	}
	return err
}
