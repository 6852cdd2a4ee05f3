package blockwriter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	// In this order: without its log the head would begin to number series anew,
	// and a chunk that is still there would go to another series.
	for _, log := range []string{"chunks_head", "wbl", "wal"} {
		if err := os.RemoveAll(filepath.Join(r.opts.Dir, tsdbDir, log)); err != nil {
			return fmt.Errorf("remove old log: %w", err)
		}
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
