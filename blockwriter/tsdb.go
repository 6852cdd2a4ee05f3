package blockwriter

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// openTSDB opens the database below the storage path and replays its logs.
func (r *Run) openTSDB() error {
	if err := r.removeGone(); err != nil {
		return err
	}
	for _, log := range []string{"wal", wlog.WblDirName} {
		if err := r.repairLog(filepath.Join(r.opts.Dir, tsdbDir, log)); err != nil {
			return fmt.Errorf("repair log %s: %w", log, err)
		}
	}
	metrics := prometheus.NewRegistry()
	db, err := tsdb.Open(filepath.Join(r.opts.Dir, tsdbDir), slog.New(quiet{r.logger.Handler()}), metrics, r.tsdbOptions(), nil)
	if err != nil {
		return err
	}
	db.DisableCompactions() // the run cuts at times of its own
	r.mu.Lock()
	r.db = db
	r.mu.Unlock()
	r.metrics.tsdb.Store(metrics)
	return nil
}

// repairLog cuts off what a crash in the middle of a write has left at the end
// of a log, if anything. The database would do so as well, but only after it
// has given up the replay, and so without what comes after: where it is the
// write-ahead log that is torn, the whole log of late samples.
func (r *Run) repairLog(dir string) error {
	_, last, err := wlog.Segments(dir)
	if last < 0 || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	torn, err := findTear(dir)
	if torn == nil || err != nil {
		return err
	}
	r.logger.Warn("log ends in a torn record, which was never acknowledged; it is cut off", "log", dir, "err", torn)
	log, err := wlog.New(slog.New(quiet{r.logger.Handler()}), nil, dir, compression.None)
	if err != nil {
		return err
	}
	return errors.Join(log.Repair(torn), log.Close())
}

// findTear reads a log up to the first record that cannot be read, and returns
// what is wrong with it.
func findTear(dir string) (torn, err error) {
	segments, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		return nil, err
	}
	records := wlog.NewReader(segments)
	for records.Next() {
	}
	return records.Err(), segments.Close()
}

func (r *Run) tsdbOptions() *tsdb.Options {
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
	return o
}
