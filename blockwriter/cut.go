package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/benchkeep/benchkeep/archive"
)

// cutAll turns everything in the head into blocks: one per aligned window, the
// newest millisecond and the out-of-order samples included, and merges those
// that share a window. Nothing may be appended meanwhile, nor afterwards before
// new logs have begun: what is in blocks stays in the head as well, since to
// take it out would take longer than the cut. Doing it again after it stopped
// half-way goes on where it stopped, and a restart knows by the blocks.
func (r *Run) cutAll(ctx context.Context) error {
	head := r.db.Head()
	// The head raises its own bounds as it is truncated: the last sample is where
	// it was before.
	last := head.MaxTime()
	for r.headWindows() > mostWindows && r.cutTo == nil { // which may be mostly gaps
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.cutWindow(head.MinTime(), last); err != nil {
			return err
		}
	}
	if r.cutTo == nil {
		mint := head.MinTime()
		r.cutTo = &mint
	}
	for mint := *r.cutTo; mint <= last; mint = *r.cutTo {
		if err := ctx.Err(); err != nil {
			return err
		}
		maxt := r.windowEnd(mint, last)
		rng := tsdb.NewRangeHeadWithIsolationDisabled(head, mint, maxt)
		if _, err := r.pause.write(r.db.Dir(), rng, mint, maxt+1, nil); err != nil {
			return fmt.Errorf("cut head from %d to %d ms: %w", mint, maxt, err)
		}
		*r.cutTo = maxt + 1
	}
	if late, err := r.holdsLate(); err != nil || late {
		if err := errors.Join(err, r.cutLate(ctx)); err != nil {
			return err
		}
	}
	_, err := r.mergeWindows()
	return err
}

// cutCompleted cuts the windows that no in-order sample can reach any more:
// the head spans one and a half. Late samples are cut with them.
func (r *Run) cutCompleted(ctx context.Context) error {
	cut := false
	for r.windowComplete() {
		if err := ctx.Err(); err != nil {
			return err
		}
		head := r.db.Head()
		if err := r.cutWindow(head.MinTime(), head.MaxTime()); err != nil {
			return err
		}
		cut = true
	}
	if !cut {
		return nil
	}
	return r.cutLateAndMerge(ctx)
}

// windowComplete reports whether the head's first window is.
func (r *Run) windowComplete() bool {
	head := r.db.Head()
	return head.MaxTime()-head.MinTime() > r.opts.BlockDuration.Milliseconds()/2*3
}

// cutWindow cuts what the head has in order between mint and the end of mint's
// window, or last, the newest sample.
func (r *Run) cutWindow(mint, last int64) error {
	maxt := r.windowEnd(mint, last)
	err := r.pause.during(func() error {
		return r.db.CompactHead(tsdb.NewRangeHeadWithIsolationDisabled(r.db.Head(), mint, maxt))
	})
	if err != nil {
		return fmt.Errorf("cut head from %d to %d ms: %w", mint, maxt, err)
	}
	return nil
}

// cutLateAndMerge cuts the out-of-order samples, merges blocks that share a
// window, and has the database load what has come of it.
func (r *Run) cutLateAndMerge(ctx context.Context) error {
	if err := r.cutLate(ctx); err != nil {
		return err
	}
	if merged, err := r.mergeWindows(); err != nil || !merged {
		return err
	}
	// With next to nothing in the out-of-order head, what is left of this is that
	// the database loads the merged blocks, and deletes those they were merged from.
	if err := r.cutLate(ctx); err != nil {
		return err
	}
	// What has come late meanwhile must not keep its window from being shipped.
	_, err := r.mergeWindows()
	return err
}

// cutLate cuts the out-of-order samples.
func (r *Run) cutLate(ctx context.Context) error {
	if err := r.pause.throughout(func() error { return r.db.CompactOOOHead(ctx) }); err != nil {
		return fmt.Errorf("cut out-of-order head: %w", err)
	}
	return nil
}

// holdsLate reports whether there may be samples in the out-of-order head. Its
// log is empty but for those that are there, and its counter knows of those
// that could not be logged.
func (r *Run) holdsLate() (bool, error) {
	segments, err := os.ReadDir(filepath.Join(r.db.Dir(), wlog.WblDirName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, s := range segments {
		if info, err := s.Info(); err != nil || info.Size() > 0 {
			return err == nil, err
		}
	}
	late, err := r.metrics.tsdb.sum("prometheus_tsdb_head_out_of_order_samples_appended_total")
	return late > 0, err
}

// mergeWindows makes one block of those that share a window: late samples were
// cut beside what was in order, or an earlier session left one.
func (r *Run) mergeWindows() (merged bool, err error) {
	blocks, err := r.localBlocks()
	if err != nil {
		return false, err
	}
	windows := map[int64][]string{}
	for _, b := range blocks {
		start := r.windowStart(b.meta.MinTime)
		windows[start] = append(windows[start], b.dir)
	}
	for _, dirs := range windows {
		if len(dirs) < 2 {
			continue
		}
		if _, err := r.pause.compactor.Compact(r.db.Dir(), dirs, nil); err != nil {
			return false, fmt.Errorf("merge blocks of a window: %w", err)
		}
		merged = true
	}
	return merged, nil
}

// windowStart is the start of the aligned window that t, in ms, falls into.
func (r *Run) windowStart(t int64) int64 {
	window := r.opts.BlockDuration.Milliseconds()
	start := t - t%window
	if start > t { // the remainder of a negative time is negative
		start -= window
	}
	return start
}

// windowEnd is the last millisecond of the window that t falls into, or last, if
// that is earlier. Block ranges are half-open, but ranges of the head closed.
func (r *Run) windowEnd(t, last int64) int64 {
	return min(r.windowStart(t)+r.opts.BlockDuration.Milliseconds()-1, last)
}

// closedBlocks are the local blocks whose windows no in-order sample can reach
// any more. A late sample still can: then a merge replaces the block. A window
// that has several blocks yet waits for their merge.
func (r *Run) closedBlocks() ([]localBlock, error) {
	blocks, err := r.localBlocks()
	if err != nil {
		return nil, err
	}
	head := r.db.Head()
	open := head.MinTime()
	if t, ok := head.AppendableMinValidTime(); ok {
		open = min(open, t)
	}
	open = r.windowStart(open)
	inWindow := map[int64]int{}
	for _, b := range blocks {
		inWindow[r.windowStart(b.meta.MinTime)]++
	}
	return slices.DeleteFunc(blocks, func(b localBlock) bool {
		return b.meta.MaxTime > open || inWindow[r.windowStart(b.meta.MinTime)] > 1
	}), nil
}

// dropLocal gives up the local copy of blocks that are complete in the bucket
// and that no late sample can reach. Younger ones stay, to merge late samples
// into; and so does the newest, by which a restart knows what of the log is in
// blocks.
func (r *Run) dropLocal() error {
	blocks, err := r.localBlocks()
	if err != nil {
		return err
	}
	newest := int64(math.MinInt64)
	for _, b := range blocks {
		newest = max(newest, b.meta.MaxTime)
	}
	reach := r.db.Head().MaxTime() - r.opts.OutOfOrderWindow.Milliseconds() - r.opts.BlockDuration.Milliseconds()
	var drop []ulid.ULID
	r.mu.Lock()
	for _, b := range r.rec.Manifest.Blocks {
		if b.MaxTime <= reach && b.MaxTime < newest && !slices.Contains(r.rec.Dropped, b.ULID) {
			drop = append(drop, b.ULID)
		}
	}
	r.mu.Unlock()
	if len(drop) == 0 {
		return nil
	}
	// The database removes them the next time it loads its blocks.
	return r.update(func(rec *record) { rec.Dropped = append(rec.Dropped, drop...) })
}

// deletable tells the database which blocks to remove from disk. It asks when
// it has loaded new blocks, right before it truncates the head.
func (r *Run) deletable(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	r.pause.begin()
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := map[ulid.ULID]struct{}{}
	for _, b := range blocks {
		if b.Meta().Compaction.Deletable || slices.Contains(r.rec.Dropped, b.Meta().ULID) {
			gone[b.Meta().ULID] = struct{}{}
		}
	}
	return gone
}

// droppedBlocks are the blocks of the record that are in the bucket only.
func (rec *record) droppedBlocks() []archive.Block {
	var blocks []archive.Block
	for _, b := range rec.Manifest.Blocks {
		if slices.Contains(rec.Dropped, b.ULID) {
			blocks = append(blocks, b)
		}
	}
	return blocks
}
