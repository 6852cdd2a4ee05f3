package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// cutAll turns everything in the head into blocks: one per aligned window, the
// newest millisecond included, and more for the out-of-order samples, which the
// caller merges. Nothing may be appended meanwhile, nor afterwards before new
// logs have begun: what is in blocks stays in the head as well, since to take it
// out would take longer than the cut. Doing it again after it stopped half-way
// goes on where it stopped, and a restart knows by the blocks.
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
	return nil
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
	if merged, err := r.mergeWindows(r.firstOpen()); err != nil || !merged {
		return err
	}
	// With next to nothing in the out-of-order head, what is left of this is that
	// the database loads the merged blocks, and deletes those they were merged from.
	if err := r.cutLate(ctx); err != nil {
		return err
	}
	// What has come late meanwhile must not keep its window from being shipped.
	_, err := r.mergeWindows(r.firstOpen())
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

// mergeWindows makes one block of those that share a window and begin before the
// given time, in ms: late samples were cut beside what was in order, or an
// earlier session left one. The merged block may reach to the end of the window,
// and a restart has the head take nothing in order before that: while a window is
// open, its blocks stay as they are.
func (r *Run) mergeWindows(before int64) (merged bool, err error) {
	blocks, err := r.localBlocks()
	if err != nil {
		return false, err
	}
	windows := map[int64][]string{}
	for _, b := range blocks {
		if start := r.windowStart(b.meta.MinTime); start < before {
			windows[start] = append(windows[start], b.dir)
		}
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

// windowAfter is the start of the window after the one that t falls into.
func (r *Run) windowAfter(t int64) int64 {
	return r.windowStart(t) + r.opts.BlockDuration.Milliseconds()
}

// windowEnd is the last millisecond of the window that t falls into, or last, if
// that is earlier. Block ranges are half-open, but ranges of the head closed.
func (r *Run) windowEnd(t, last int64) int64 {
	return min(r.windowAfter(t)-1, last)
}

// firstOpen is the start of the first window that in-order samples can reach.
func (r *Run) firstOpen() int64 {
	head := r.db.Head()
	open := head.MinTime()
	if t, ok := head.AppendableMinValidTime(); ok {
		open = min(open, t)
	}
	return r.windowStart(open)
}

// closedBlocks are the local blocks whose windows no in-order sample can reach
// any more. A late sample still can: then a merge replaces the block. A window
// that has several blocks yet waits for their merge.
func (r *Run) closedBlocks() ([]localBlock, error) {
	blocks, err := r.localBlocks()
	if err != nil {
		return nil, err
	}
	open := r.firstOpen()
	inWindow := map[int64]int{}
	for _, b := range blocks {
		inWindow[r.windowStart(b.meta.MinTime)]++
	}
	return slices.DeleteFunc(blocks, func(b localBlock) bool {
		return b.meta.MaxTime > open || inWindow[r.windowStart(b.meta.MinTime)] > 1
	}), nil
}
