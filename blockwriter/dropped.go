package blockwriter

import (
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// droppedSeries collects the series that the head drops after a cut, for the
// next append to forget: the head calls from inside its garbage collection,
// where the append lock cannot be taken. It is a tsdb.SeriesLifecycleCallback.
type droppedSeries struct {
	mu   sync.Mutex
	refs []storage.SeriesRef
}

func (*droppedSeries) PreCreation(labels.Labels) error { return nil }
func (*droppedSeries) PostCreation(labels.Labels)      {}

func (d *droppedSeries) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ref := range gone {
		d.refs = append(d.refs, storage.SeriesRef(ref))
	}
}

// take returns what was collected since the last call.
func (d *droppedSeries) take() []storage.SeriesRef {
	d.mu.Lock()
	defer d.mu.Unlock()
	refs := d.refs
	d.refs = nil
	return refs
}

// forgetDropped clears the cache of dropped series. The caller holds appendMu.
func (r *Run) forgetDropped() {
	if refs := r.dropped.take(); len(refs) > 0 {
		r.series.sweep(refs, r.newest())
	}
}

// newest is the newest timestamp ever stored, in ms.
func (r *Run) newest() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.totals.maxTime
}
