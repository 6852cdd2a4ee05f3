package check

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/benchkeep/benchkeep/archive"
)

// segment is a file of chunks.
type segment struct {
	object string
	reader *chunks.Reader // nil if it cannot be read
}

// sampleReader keeps what one chunk can leave to the next.
type sampleReader struct {
	pool     chunkenc.Pool
	iterator chunkenc.Iterator
}

// openSegments opens each of the block's segments for itself, so that one that
// is missing or broken does not hide the others.
func (r *contentReader) openSegments(dir string) {
	r.samples.pool = chunkenc.NewPool()
	r.segments = map[int]*segment{}
	for _, f := range r.meta.dataFiles() {
		if !segmentPath.MatchString(f.RelPath) {
			continue
		}
		number, err := strconv.Atoi(strings.TrimPrefix(f.RelPath, archive.ChunksDir+"/"))
		if err != nil {
			continue // the path is six digits
		}
		s := &segment{object: r.object(f.RelPath)}
		r.segments[number-1] = s
		if _, err := os.Stat(localPath(dir, f.RelPath, r.block)); errors.Is(err, fs.ErrNotExist) {
			continue // that the object is missing is known
		}
		if s.reader, err = chunks.NewDirReader(segmentDir(dir, f.RelPath), r.samples.pool); err != nil {
			r.add(ChunkUnreadable, s.object, "%v", err)
		}
	}
}

func (r *contentReader) closeSegments() error {
	var errs []error
	for _, s := range r.segments {
		if s.reader != nil {
			errs = append(errs, s.reader.Close())
		}
	}
	return errors.Join(errs...)
}

// readChunks checks the chunks of one series.
func (r *contentReader) readChunks(series labels.Labels, metas []chunks.Meta) {
	r.found.stats.NumChunks += uint64(len(metas))
	index := r.object(archive.IndexFile)
	if len(metas) == 0 {
		r.add(IndexWrong, index, "series %s has no chunks", series)
	}
	if r.role == roleDownsampled {
		return
	}
	last := int64(math.MinInt64)
	for i, m := range metas {
		switch {
		case m.MinTime > m.MaxTime || i > 0 && m.MinTime <= last:
			r.add(TimeWrong, index, "series %s has a chunk from %d to %d after one to %d", series, m.MinTime, m.MaxTime, last)
		case m.MinTime < r.meta.MinTime || m.MaxTime >= r.meta.MaxTime:
			r.add(TimeWrong, index, "series %s has a chunk from %d to %d in a block from %d to %d", series, m.MinTime, m.MaxTime, r.meta.MinTime, r.meta.MaxTime)
		}
		last = m.MaxTime
		r.readChunk(series, m)
	}
}

// readChunk checks one chunk and counts its samples.
func (r *contentReader) readChunk(series labels.Labels, m chunks.Meta) {
	number, offset := chunks.BlockChunkRef(m.Ref).Unpack()
	s := r.segments[number]
	if s == nil {
		r.failed = true
		r.add(IndexWrong, r.object(archive.IndexFile), "series %s has a chunk in segment %06d, which is not listed", series, number+1)
		return
	}
	if s.reader == nil {
		r.failed = true
		return
	}
	broken := func(why any) {
		r.failed = true
		r.add(ChunkUnreadable, s.object, "chunk at %d, of series %s: %v", offset, series, why)
	}
	defer func() {
		if p := recover(); p != nil { // as in readContent
			broken(p)
		}
	}()
	// In its folder each segment is the first.
	chunk, _, err := s.reader.ChunkOrIterable(chunks.Meta{Ref: chunks.ChunkRef(chunks.NewBlockChunkRef(0, uint64(offset)))})
	if err != nil {
		broken(err)
		return
	}
	count := &r.found.stats.NumFloatSamples
	switch chunk.Encoding() {
	case chunkenc.EncXOR:
	case chunkenc.EncHistogram, chunkenc.EncFloatHistogram:
		count = &r.found.stats.NumHistogramSamples
	default:
		broken("encoding " + chunk.Encoding().String() + " is not one that every reader of the archive knows")
		return
	}
	n, err := r.readSamples(series, m, s.object, chunk)
	if err == nil && n == 0 {
		err = errors.New("it has no samples")
	}
	if err == nil {
		err = r.samples.pool.Put(chunk)
	}
	if err != nil {
		broken(err)
	}
	*count += uint64(n)
	r.found.stats.NumSamples += uint64(n)
}

// readSamples goes through a chunk's samples and returns how many there are.
func (r *contentReader) readSamples(series labels.Labels, m chunks.Meta, object string, chunk chunkenc.Chunk) (n int, err error) {
	it := chunk.Iterator(r.samples.iterator)
	r.samples.iterator = it
	var first, last int64
	for ; it.Next() != chunkenc.ValNone; n++ {
		t := it.AtT()
		switch {
		case n == 0:
			first = t
		case t <= last:
			r.add(TimeWrong, object, "series %s has a sample at %d after one at %d", series, t, last)
		}
		last = t
	}
	if n == 0 || it.Err() != nil {
		return n, it.Err()
	}
	if first != m.MinTime || last != m.MaxTime {
		r.add(TimeWrong, object, "series %s has a chunk from %d to %d, the index says from %d to %d", series, first, last, m.MinTime, m.MaxTime)
	}
	if r.found.stats.NumSamples == 0 {
		r.found.minTime, r.found.maxTime = first, last
	}
	r.found.minTime, r.found.maxTime = min(r.found.minTime, first), max(r.found.maxTime, last)
	return n, nil
}
