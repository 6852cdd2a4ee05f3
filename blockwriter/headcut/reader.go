package headcut

import (
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// reader reads the chunks of series that a block is to have. Each goroutine
// has its own.
type reader struct {
	block      tsdb.BlockReader
	mint, maxt int64 // of the block's samples in ms, both inclusive

	index  tsdb.IndexReader
	chunks chunkReader
	stones tombstones.Reader

	labels   labels.ScratchBuilder
	metas    []chunks.Meta
	iterator chunks.Iterator
}

// chunkReader is what the head's chunk reader can do beyond others.
type chunkReader interface {
	tsdb.ChunkReader
	tsdb.ChunkReaderWithCopy
	EnableChunkCache()
}

func openReader(block tsdb.BlockReader, mint, maxt int64) (_ *reader, err error) {
	r := &reader{block: block, mint: mint, maxt: maxt}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.index, err = block.Index(); err != nil {
		return nil, err
	}
	c, err := block.Chunks()
	if err != nil {
		return nil, err
	}
	var ok bool
	if r.chunks, ok = c.(chunkReader); !ok {
		return nil, errors.Join(fmt.Errorf("chunk reader %T does not copy chunks", c), c.Close())
	}
	r.chunks.EnableChunkCache()
	r.stones, err = block.Tombstones()
	return r, err
}

func (r *reader) Close() error {
	var errs []error
	if r.index != nil {
		errs = append(errs, r.index.Close())
	}
	if r.chunks != nil {
		errs = append(errs, r.chunks.Close())
	}
	if r.stones != nil {
		errs = append(errs, r.stones.Close())
	}
	return errors.Join(errs...)
}

// read returns the chunks of a series, which are valid until the next call.
func (r *reader) read(ref storage.SeriesRef) ([]chunks.Meta, error) {
	err := r.index.Series(ref, &r.labels, &r.metas)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil // the head has dropped it meanwhile
	}
	if len(r.metas) == 0 || err != nil {
		return nil, err
	}
	whole, err := r.takeWhole(ref)
	if err != nil {
		return nil, err
	}
	if !whole {
		err = r.trim(ref)
	}
	return r.metas, err
}

// takeWhole fills in the chunks as they are in memory or in a mapped file, and
// reports whether that is what the block is to have.
//
// The chunk that the head is appending to says that it has no end, so that the
// library trims it, which is to encode all of its samples anew. Of floats, that
// gives the bytes which are there already; of histograms it may not, as the
// first one's hint depends on what came before.
func (r *reader) takeWhole(ref storage.SeriesRef) (bool, error) {
	deleted, err := r.stones.Get(ref)
	if len(deleted) > 0 || err != nil {
		return false, err
	}
	for i := range r.metas {
		m := &r.metas[i]
		open := m.MaxTime == math.MaxInt64
		if m.MinTime < r.mint || m.MinTime > r.maxt || m.MaxTime > r.maxt && !open {
			return false, nil
		}
		chunk, _, last, err := r.chunks.ChunkOrIterableWithCopy(*m)
		if err != nil {
			return false, err
		}
		if open && (chunk.Encoding() != chunkenc.EncXOR || last > r.maxt) {
			return false, nil
		}
		m.Chunk, m.MaxTime = chunk, last
	}
	return true, nil
}

// trim has the library leave out what is deleted or outside of the block.
func (r *reader) trim(ref storage.SeriesRef) error {
	r.metas = r.metas[:0]
	one := index.NewListPostings([]storage.SeriesRef{ref})
	set := tsdb.NewBlockChunkSeriesSet(r.block.Meta().ULID, r.index, r.chunks, r.stones, one, r.mint, r.maxt, false)
	for set.Next() {
		r.iterator = set.At().Iterator(r.iterator)
		for r.iterator.Next() {
			r.metas = append(r.metas, r.iterator.At())
		}
		if err := r.iterator.Err(); err != nil {
			return err
		}
	}
	return set.Err()
}
