package blockwriter

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// lookback is how long after its last sample a series still shows in a query:
// PromQL's default.
const lookback = 5 * time.Minute

// appendStaleMarkers ends every series that is live at the run's newest sample,
// one ms after it. Prometheus writes none when it exits, so that graphs would
// show the last value for five minutes more. The caller holds appendMu.
func (r *Run) appendStaleMarkers(ctx context.Context) error {
	end := r.newest()
	live, err := r.liveSeries(ctx, end)
	if err != nil || len(live) == 0 {
		return err
	}
	app := r.db.AppenderV2(ctx)
	var t tally
	stale := math.Float64frombits(value.StaleNaN)
	for _, lset := range live {
		if _, err := app.Append(0, lset, 0, end+1, stale, nil, nil, storage.AOptions{}); err != nil {
			return errors.Join(err, app.Rollback())
		}
		t.wrote(end + 1)
	}
	if err := app.Commit(); err != nil {
		return err
	}
	return r.count(&t)
}

// liveSeries are the series whose newest sample is within the lookback of end
// and is no staleness marker.
func (r *Run) liveSeries(ctx context.Context, end int64) (live []labels.Labels, err error) {
	q, err := r.db.Querier(end-lookback.Milliseconds(), end)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	for set.Next() {
		last, ok, err := lastPoint(set.At())
		if err != nil {
			return nil, err
		}
		if ok && !last.stale() {
			live = append(live, set.At().Labels())
		}
	}
	return live, set.Err()
}

func lastPoint(s storage.Series) (last point, ok bool, err error) {
	it := s.Iterator(nil)
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		ok = true
		last = point{t: it.AtT()}
		switch kind {
		case chunkenc.ValFloat:
			_, last.v = it.At()
		case chunkenc.ValHistogram:
			_, last.h = it.AtHistogram(last.h)
		case chunkenc.ValFloatHistogram:
			_, last.fh = it.AtFloatHistogram(last.fh)
		}
	}
	return last, ok, it.Err()
}
