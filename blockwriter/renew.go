package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// renewLogs puts everything in memory into blocks and begins new logs.
//
// It is for when the logs on disk cannot be relied on any more: a write to them
// did not succeed, and what is written behind it might not be found again; or
// an earlier session left them, and a series that has come back under another
// number since would lose late samples if they were replayed once more. Blocks
// have none of these weaknesses.
//
// The caller holds workMu, and nothing may be appended meanwhile. It is safe to
// stop anywhere and to begin again.
func (r *Run) renewLogs(ctx context.Context) error {
	if err := r.cutAll(ctx); err != nil {
		return err
	}
	if _, err := r.mergeWindows(r.windowStart(r.newest())); err != nil { // the newest window goes on
		return err
	}
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	if r.series.stored > 0 {
		// The series count after they have left the cache.
		if _, err := r.countLocal(ctx); err != nil {
			return fmt.Errorf("count series: %w", err)
		}
	}
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	if err := r.takeLogsAway(); err != nil {
		return err
	}
	if err := r.openTSDB(); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	r.cutTo = nil
	r.dropped.take() // references of the head that is gone
	r.series.clear()
	r.series.floor = r.newest()
	r.logFailed = false
	return nil
}

// goneSuffix marks a log that was taken away and waits to be removed.
const goneSuffix = ".gone"

// logs are the folders of the database's logs, in the order in which they are
// taken away: without its log the head would begin to number series anew, and a
// chunk that is still there would go to another series.
func (r *Run) logs() []string {
	dir := filepath.Join(r.opts.Dir, tsdbDir)
	return []string{filepath.Join(dir, "chunks_head"), filepath.Join(dir, wlog.WblDirName), filepath.Join(dir, "wal")}
}

// takeLogsAway takes each log away whole, in a moment: one that has lost some of
// its segments, as in the middle of being removed, cannot be read any more.
func (r *Run) takeLogsAway() error {
	for _, log := range r.logs() {
		// It syncs the folder as well. An attempt before this one may have taken it.
		if err := fileutil.Rename(log, log+goneSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take old log away: %w", err)
		}
	}
	return nil
}

// removeGone removes the logs that were taken away.
func (r *Run) removeGone() error {
	for _, log := range r.logs() {
		if err := os.RemoveAll(log + goneSuffix); err != nil {
			return fmt.Errorf("remove old log: %w", err)
		}
	}
	return nil
}
