package headcut

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// series are those of the head that have samples in the block, in the head's
// order. They are numbered by their places here.
type series struct {
	refs   []storage.SeriesRef
	first  []location
	chunks [][]chunk
}

// location is where the first chunk of a series is in series.chunks.
type location struct{ list, at uint32 }

// chunk is what a block needs to know of a chunk. The data is the head's own
// copy, or in a mapped file.
type chunk struct {
	mint, maxt int64 // first and last sample, ms
	data       []byte
	more       uint32 // chunks of the same series that follow
	encoding   chunkenc.Encoding
}

func (s *series) of(number uint32) []chunk {
	first := s.first[number]
	list := s.chunks[first.list][first.at:]
	return list[:1+list[0].more]
}

// readChunks reads which series have chunks in the block, and counts them. It
// goes by the head's order, as series that came one after the other lie so in
// memory: in the order of the block, each would be far from the one before.
func (src *source) readChunks(ctx context.Context, meta *tsdb.BlockMeta) error {
	const perJob = 1 << 12
	refs, err := src.references(ctx)
	if err != nil {
		return err
	}
	parts := slices.Collect(slices.Chunk(refs, perJob))
	s := &series{chunks: make([][]chunk, len(parts)), first: make([]location, len(refs))}
	stats := make([]tsdb.BlockStats, len(parts))
	err = parallel(ctx, src.workers, len(parts), func(_ context.Context, jobs iter.Seq[int]) (err error) {
		r, err := openReader(src.block, meta.MinTime, meta.MaxTime-1)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		var list []chunk
		for job := range jobs {
			list = list[:0]
			part, first := parts[job][:0], s.first[job*perJob:]
			for _, ref := range parts[job] {
				metas, err := r.read(ref)
				if err != nil {
					return fmt.Errorf("series %d: %w", ref, err)
				}
				if len(metas) == 0 {
					continue
				}
				first[len(part)] = location{list: uint32(job), at: uint32(len(list))}
				part = append(part, ref)
				if list, err = appendChunks(list, metas); err != nil {
					return fmt.Errorf("series %d: %w", ref, err)
				}
				countChunks(&stats[job], metas)
			}
			parts[job], s.chunks[job] = part, slices.Clone(list)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for job, part := range parts { // close the gaps that series without chunks have left
		copy(s.first[len(s.refs):], s.first[job*perJob:][:len(part)])
		s.refs = append(refs[:len(s.refs)], part...)
		addStats(&meta.Stats, stats[job])
	}
	s.first = s.first[:len(s.refs)]
	src.series = s
	return nil
}

// references are all series of the head, ascending.
func (src *source) references(ctx context.Context) ([]storage.SeriesRef, error) {
	head, err := src.block.Index()
	if err != nil {
		return nil, err
	}
	defer head.Close()
	name, value := index.AllPostingsKey()
	all, err := head.Postings(ctx, name, value)
	if err != nil {
		return nil, err
	}
	refs := make([]storage.SeriesRef, 0, src.block.Meta().Stats.NumSeries)
	for all.Next() {
		refs = append(refs, all.At())
	}
	if !slices.IsSorted(refs) { // some were being added
		slices.Sort(refs)
	}
	return slices.Compact(refs), all.Err()
}

func appendChunks(list []chunk, metas []chunks.Meta) ([]chunk, error) {
	for i := range metas {
		m := &metas[i]
		if i > 0 && m.MinTime <= metas[i-1].MaxTime {
			return nil, fmt.Errorf("chunk begins at %d ms, the one before ends at %d ms", m.MinTime, metas[i-1].MaxTime)
		}
		list = append(list, chunk{
			mint: m.MinTime, maxt: m.MaxTime,
			data: m.Chunk.Bytes(), encoding: m.Chunk.Encoding(),
			more: uint32(len(metas) - 1 - i),
		})
	}
	return list, nil
}

// countChunks counts the chunks of a series.
func countChunks(s *tsdb.BlockStats, metas []chunks.Meta) {
	s.NumSeries++
	s.NumChunks += uint64(len(metas))
	for i := range metas {
		samples := uint64(metas[i].Chunk.NumSamples())
		s.NumSamples += samples
		switch metas[i].Chunk.Encoding() {
		case chunkenc.EncHistogram, chunkenc.EncFloatHistogram, chunkenc.EncHistogramST, chunkenc.EncFloatHistogramST:
			s.NumHistogramSamples += samples
		case chunkenc.EncXOR, chunkenc.EncXOR2:
			s.NumFloatSamples += samples
		}
	}
}

func addStats(to *tsdb.BlockStats, s tsdb.BlockStats) {
	to.NumSeries += s.NumSeries
	to.NumChunks += s.NumChunks
	to.NumSamples += s.NumSamples
	to.NumFloatSamples += s.NumFloatSamples
	to.NumHistogramSamples += s.NumHistogramSamples
}
