package blockwriter

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
)

// openTSDB opens the database below the storage path and replays its logs.
func (r *Run) openTSDB() error {
	for repairs := 0; ; repairs++ {
		db, metrics, err := r.tryOpenTSDB()
		if err != nil {
			return err
		}
		repaired, err := sumOf(metrics, "prometheus_tsdb_wal_corruptions_total")
		if err != nil {
			return errors.Join(err, db.Close())
		}
		// A log whose last record is torn is repaired, but then what comes
		// after it was not replayed, the log of out-of-order samples for one.
		// With the repaired log another replay gets everything.
		if repaired == 0 || repairs == maxRepairs {
			r.mu.Lock()
			r.db = db
			r.mu.Unlock()
			r.metrics.tsdb.Store(metrics)
			return nil
		}
		r.logger.Warn("write-ahead log ended in a torn record, which was never acknowledged; it is cut off and the log replayed again")
		if err := db.Close(); err != nil {
			return err
		}
	}
}

// maxRepairs bounds the replays: one for either log is what a crash can cause.
const maxRepairs = 3

func (r *Run) tryOpenTSDB() (*tsdb.DB, *prometheus.Registry, error) {
	o := tsdb.DefaultOptions()
	o.MinBlockDuration = r.opts.BlockDuration.Milliseconds()
	o.MaxBlockDuration = o.MinBlockDuration
	o.RetentionDuration = 0
	_, disk := diskSpace(r.opts.Dir)
	o.MaxBlockChunkSegmentSize = segmentSize(disk)
	o.OutOfOrderTimeWindow = r.opts.OutOfOrderWindow.Milliseconds()
	o.EnableOverlappingCompaction = true
	// Isolation keeps readers from seeing half a batch. Nobody reads here but
	// the run itself, which knows what it has appended.
	o.IsolationDisabled = true
	o.NoLockfile = true // the storage path as a whole is locked
	o.SeriesLifecycleCallback = &r.dropped
	o.NewCompactorFunc = r.pause.newCompactor
	// The database's own timer would map chunks and load blocks while the run
	// cuts; Maintain does both instead.
	o.BlockReloadInterval = math.MaxInt64
	o.BlocksToDelete = r.deletable
	metrics := prometheus.NewRegistry()
	db, err := tsdb.Open(filepath.Join(r.opts.Dir, tsdbDir), slog.New(quiet{r.logger.Handler()}), metrics, o, nil)
	if err != nil {
		return nil, nil, err
	}
	db.DisableCompactions() // the run cuts at times of its own
	return db, metrics, nil
}

// sumOf adds up a counter over its labels.
func sumOf(g prometheus.Gatherer, name string) (sum float64, err error) {
	families, err := g.Gather()
	if err != nil {
		return 0, fmt.Errorf("read metrics of the database: %w", err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum, nil
}
