package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// recount counts what earlier sessions left on disk. A session that was killed
// could not write down how far it came; what it acknowledged is in the
// write-ahead log, so that the head and the blocks know. It costs a pass over
// the chunks, and only a restart pays it.
func (r *Run) recount(ctx context.Context) error {
	found, err := r.countLocal(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.rec.droppedBlocks() {
		found.written += int64(b.Stats.NumSamples)
	}
	if lost := r.totals.written - found.written; lost > 0 {
		// The finish will not call this run archived.
		r.logger.Error("samples that an earlier session had acknowledged are gone from the storage path", "samples", lost)
		found.written = r.totals.written
	}
	if found.written == 0 {
		return nil
	}
	// What was not written down was received and written after the last time
	// that it was.
	found.received = found.written - r.totals.written
	found.written = found.received
	r.totals.add(&found)
	r.series.floor = r.totals.maxTime
	r.rec.Manifest.Series = int64(r.series.count())
	return nil
}

// countLocal reads head and local blocks as one, so that a sample that is in two
// places counts once, as it will after the merge; what is from the time that was
// given up does not count. The series count as past ones.
func (r *Run) countLocal(ctx context.Context) (_ tally, err error) {
	var found tally
	q, err := r.db.ChunkQuerier(r.givenUp.Load(), math.MaxInt64)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	every := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")
	set := q.Select(ctx, false, nil, every)
	var it chunks.Iterator
	for set.Next() {
		s := set.At()
		r.series.past[s.Labels().Hash()] = struct{}{}
		it = s.Iterator(it)
		if err := countChunks(it, &found); err != nil {
			return found, err
		}
	}
	return found, set.Err()
}

func countChunks(it chunks.Iterator, into *tally) error {
	for it.Next() {
		c := it.At()
		n := c.Chunk.NumSamples()
		if n == 0 {
			continue
		}
		into.add(&tally{written: int64(n), minTime: c.MinTime, maxTime: c.MaxTime})
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read chunks: %w", err)
	}
	return nil
}
