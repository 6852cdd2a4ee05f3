package headcut

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"sync"
)

const (
	// seriesPerShard is a compromise: turns are to be few, and buffers small.
	seriesPerShard = 1024
	// seriesAlign is what the offsets of series entries are multiples of, and the
	// unit in which postings count.
	seriesAlign = 16
)

// writeSeries writes the chunks and the index entries of all series, and puts
// the places of the entries into the postings.
//
// The series are divided into shards, which are encoded in parallel. They take
// turns where the place of what they write depends on the shards before: once
// with their chunks, once with their entries, which tell where the chunks are.
func writeSeries(ctx context.Context, src *source, x *indexFile, segs *segments) error {
	x.toc.Series = uint64(x.size)
	shards := (len(src.order) + seriesPerShard - 1) / seriesPerShard
	chunkTurns, entryTurns := newTurns(shards), newTurns(shards)
	var mu sync.Mutex
	err := parallel(ctx, src.workers, shards, func(ctx context.Context, jobs iter.Seq[int]) error {
		sh := shard{source: src}
		for job := range jobs {
			sh.encodeChunks(src.order[job*seriesPerShard : min((job+1)*seriesPerShard, len(src.order))])
			if err := chunkTurns.take(ctx, job, func() error { return segs.write(sh.data, sh.chunks) }); err != nil {
				return err
			}
			sh.encodeEntries()
			if err := entryTurns.take(ctx, job, func() error { return sh.writeEntries(x) }); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		x.largestEntry = max(x.largestEntry, sh.largest)
		return nil
	})
	if err == nil {
		segs.finish()
	}
	return err
}

// shard is a number of series that stand beside each other in the block. Its
// buffers are used again for the next one.
type shard struct {
	*source
	part []keyed // of the source's order

	chunks []placedChunk
	data   []byte // of the chunks, encoded

	places  []uint32 // of the series in entries, in units of seriesAlign
	entries []byte
	entry   []byte // under construction
	largest int64  // entry with its padding, bytes
}

// encodeChunks encodes the chunks of series.
func (sh *shard) encodeChunks(part []keyed) {
	sh.part, sh.chunks, sh.data = part, sh.chunks[:0], sh.data[:0]
	for _, s := range part {
		for i, c := range sh.series.of(s.id) {
			sh.chunks = append(sh.chunks, placedChunk{chunk: c, at: len(sh.data), first: i == 0})
			sh.data = c.append(sh.data)
		}
	}
}

// encodeEntries makes the index entries of the series.
func (sh *shard) encodeEntries() {
	sh.places, sh.entries = sh.places[:0], sh.entries[:0]
	chunks, end := sh.chunks, 0
	for _, s := range sh.part {
		labels := sh.rows.of(s.id)[allSeries+1:]
		b := binary.AppendUvarint(sh.entry[:0], uint64(len(labels)))
		for _, p := range labels {
			pair := &sh.labels.pairs[p]
			b = binary.AppendUvarint(b, uint64(sh.labels.names[pair.name].symbol))
			b = binary.AppendUvarint(b, uint64(pair.symbol))
		}
		n := 1 + chunks[0].more
		b = appendChunkMetas(b, chunks[:n])
		sh.entry, chunks = b, chunks[n:]

		at := len(sh.entries)
		sh.places = append(sh.places, uint32(at/seriesAlign))
		sh.entries = binary.AppendUvarint(sh.entries, uint64(len(b)))
		sh.entries = append(sh.entries, b...)
		sh.entries = binary.BigEndian.AppendUint32(sh.entries, crc32.Checksum(b, castagnoli))
		end = len(sh.entries)
		sh.entries = append(sh.entries, make([]byte, -end&(seriesAlign-1))...)
		sh.largest = max(sh.largest, int64(len(sh.entries)-at))
	}
	sh.entries = sh.entries[:end] // what comes next pads the last one
}

// appendChunkMetas encodes what a series entry tells of the series' chunks:
// their number, times, and references. All but the first are told by their
// distance to the one before.
func appendChunkMetas(b []byte, chunks []placedChunk) []byte {
	first := &chunks[0]
	b = binary.AppendUvarint(b, uint64(len(chunks)))
	b = binary.AppendVarint(b, first.mint)
	b = binary.AppendUvarint(b, uint64(first.maxt-first.mint))
	b = binary.AppendUvarint(b, first.ref)
	for i := range chunks[1:] {
		before, c := &chunks[i], &chunks[i+1]
		b = binary.AppendUvarint(b, uint64(c.mint-before.maxt))
		b = binary.AppendUvarint(b, uint64(c.maxt-c.mint))
		b = binary.AppendVarint(b, int64(c.ref)-int64(before.ref))
	}
	return b
}

// writeEntries appends the entries to the index, and their places to the
// postings.
func (sh *shard) writeEntries(x *indexFile) error {
	if err := x.pad(seriesAlign); err != nil {
		return err
	}
	base := uint32(x.size / seriesAlign)
	for i, s := range sh.part {
		sh.postings.add(sh.labels, sh.rows.of(s.id), base+sh.places[i])
	}
	return x.append(sh.entries)
}
