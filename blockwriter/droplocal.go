package blockwriter

import (
	"math"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/benchkeep/benchkeep/archive"
)

// dropLocal gives up the local copy of blocks that are complete in the bucket
// and that no late sample can reach. Younger ones stay, to merge late samples
// into.
//
// The database's logs may have the samples of such a block for a while yet, and
// a restart finds them there. So the oldest blocks go first, and none before all
// that is older is in the bucket: then whatever turns up again from before the
// end of the last one is there already.
func (r *Run) dropLocal() error {
	blocks, err := r.localBlocks()
	if err != nil {
		return err
	}
	givenUp, reach := r.givenUp.Load(), r.lateReach()
	var drop []ulid.ULID
	for i, b := range blocks {
		end := r.windowAfter(b.meta.MinTime)
		waits := i+1 < len(blocks) && blocks[i+1].meta.MinTime < end // for a merge
		if end > reach || waits || len(r.unshipped(blocks[i:i+1])) > 0 {
			break
		}
		givenUp, drop = end, append(drop, b.meta.ULID)
	}
	if len(drop) == 0 {
		return nil
	}
	if err := r.update(func(rec *record) { rec.Dropped = append(rec.Dropped, drop...) }); err != nil {
		return err
	}
	// The database removes them the next time it loads its blocks.
	r.givenUp.Store(givenUp)
	return nil
}

// lateReach is the time, in ms, before which there is no late sample that is not
// in a block, and none can come any more.
func (r *Run) lateReach() int64 {
	r.appendMu.Lock() // a batch moves the two times one after the other
	defer r.appendMu.Unlock()
	reach := r.newest() - r.opts.OutOfOrderWindow.Milliseconds() - r.opts.BlockDuration.Milliseconds()
	return min(reach, r.db.Head().MinOOOTime())
}

// deletable tells the database which blocks to remove from disk: those that were
// given up, and what a restart has made of their samples in the logs. It asks when
// it has loaded new blocks, right before it truncates the head.
func (r *Run) deletable(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	r.pause.begin()
	gone := map[ulid.ULID]struct{}{}
	for _, b := range blocks {
		if b.Meta().Compaction.Deletable || b.MinTime() < r.givenUp.Load() {
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

// restoreGivenUp finds out how far earlier sessions gave up local blocks.
func (r *Run) restoreGivenUp() {
	r.givenUp.Store(math.MinInt64)
	for _, b := range r.rec.droppedBlocks() {
		r.givenUp.Store(max(r.givenUp.Load(), r.windowAfter(b.MinTime)))
	}
}
