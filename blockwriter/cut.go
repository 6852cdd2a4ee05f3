package blockwriter

import (
	"context"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// cutAll turns everything in the head into blocks: one per aligned window, the
// newest millisecond and the out-of-order samples included, and merges those
// that overlap. Nothing may be appended meanwhile. Doing it again after it
// stopped half-way is safe: what is in a block has left the head.
func (r *Run) cutAll(ctx context.Context) error {
	head := r.db.Head()
	// The head raises its own bounds as it is cut: the last sample is where it
	// was before the first cut.
	last := head.MaxTime()
	for mint := head.MinTime(); mint <= last; mint = head.MinTime() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.cutWindow(mint, last); err != nil {
			return err
		}
	}
	return r.cutLateAndMerge(ctx)
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
	// Block ranges are half-open and ranges of the head closed, hence the -1.
	maxt := min(r.windowStart(mint)+r.opts.BlockDuration.Milliseconds()-1, last)
	err := r.pause.during(func() error {
		return r.db.CompactHead(tsdb.NewRangeHeadWithIsolationDisabled(r.db.Head(), mint, maxt))
	})
	if err != nil {
		return fmt.Errorf("cut head from %d to %d ms: %w", mint, maxt, err)
	}
	return nil
}

// cutLateAndMerge cuts the out-of-order samples, and merges blocks that overlap.
func (r *Run) cutLateAndMerge(ctx context.Context) error {
	if err := r.pause.throughout(func() error { return r.db.CompactOOOHead(ctx) }); err != nil {
		return fmt.Errorf("cut out-of-order head: %w", err)
	}
	// Compact would cut the head as well, if it spanned enough. It does not, and
	// appends are held back until that has been looked at.
	err := r.pause.during(func() error {
		r.pause.begin()
		if r.windowComplete() {
			return nil // first things first: the loop comes here again
		}
		return r.db.Compact(ctx)
	})
	if err != nil {
		return fmt.Errorf("merge overlapping blocks: %w", err)
	}
	return r.mergeWindows(ctx)
}

// mergeWindows makes one block of those that share a window without overlapping:
// an earlier session left one, and the head has been cut behind it.
func (r *Run) mergeWindows(ctx context.Context) error {
	windows := map[int64][]string{}
	for _, b := range r.db.Blocks() {
		start := r.windowStart(b.Meta().MinTime)
		windows[start] = append(windows[start], b.Dir())
	}
	merged := false
	for _, dirs := range windows {
		if len(dirs) < 2 {
			continue
		}
		if _, err := r.pause.compactor.Compact(r.db.Dir(), dirs, r.db.Blocks()); err != nil {
			return fmt.Errorf("merge blocks of a window: %w", err)
		}
		merged = true
	}
	if !merged {
		return nil
	}
	// With next to nothing in the out-of-order head, what is left of this is that
	// the database loads the merged blocks, and deletes those they were merged from.
	if err := r.pause.throughout(func() error { return r.db.CompactOOOHead(ctx) }); err != nil {
		return fmt.Errorf("load merged blocks: %w", err)
	}
	return nil
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

// closedBlocks are the local blocks whose windows no in-order sample can reach
// any more. A late sample still can: then a merge replaces the block. A window
// that has several blocks yet waits for their merge.
func (r *Run) closedBlocks() []*tsdb.Block {
	head := r.db.Head()
	open := head.MinTime()
	if t, ok := head.AppendableMinValidTime(); ok {
		open = min(open, t)
	}
	open = r.windowStart(open)
	inWindow := map[int64]int{}
	for _, b := range r.db.Blocks() {
		inWindow[r.windowStart(b.Meta().MinTime)]++
	}
	var closed []*tsdb.Block
	for _, b := range r.db.Blocks() {
		if b.Meta().MaxTime <= open && inWindow[r.windowStart(b.Meta().MinTime)] == 1 {
			closed = append(closed, b)
		}
	}
	return closed
}

// dropLocal gives up the local copy of blocks that are complete in the bucket
// and that no late sample can reach. Younger ones stay, to merge late samples
// into.
func (r *Run) dropLocal() error {
	reach := r.db.Head().MaxTime() - r.opts.OutOfOrderWindow.Milliseconds() - r.opts.BlockDuration.Milliseconds()
	var drop []ulid.ULID
	r.mu.Lock()
	for _, b := range r.rec.Manifest.Blocks {
		if b.MaxTime <= reach && !slices.Contains(r.rec.Dropped, b.ULID) {
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
