package blockwriter

import (
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// droppedSeries is a series that was in the head.
type droppedSeries struct {
	ref       storage.SeriesRef
	labelHash uint64
}

// drops collects the series that the head drops after a cut, for the next
// append to forget: the head calls from inside its garbage collection, where
// the append lock cannot be taken. It is a tsdb.SeriesLifecycleCallback.
type drops struct {
	mu     sync.Mutex
	series []droppedSeries
}

func (*drops) PreCreation(labels.Labels) error { return nil }
func (*drops) PostCreation(labels.Labels)      {}

func (d *drops) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ref, lset := range gone {
		d.series = append(d.series, droppedSeries{storage.SeriesRef(ref), lset.Hash()})
	}
}

// take returns what was collected since the last call.
func (d *drops) take() []droppedSeries {
	d.mu.Lock()
	defer d.mu.Unlock()
	series := d.series
	d.series = nil
	return series
}

// forgetDropped clears the cache of dropped series. The caller holds appendMu.
func (r *Run) forgetDropped() {
	if dropped := r.dropped.take(); len(dropped) > 0 {
		r.series.sweep(dropped, r.newest())
	}
}

// newest is the newest timestamp ever stored, in ms.
func (r *Run) newest() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.totals.maxTime
}
