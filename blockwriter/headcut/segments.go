package headcut

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path"

	"github.com/prometheus/prometheus/tsdb/chunks"
	"golang.org/x/sync/errgroup"
)

const segmentVersion = 1

// placedChunk is a chunk that has been encoded into a buffer, and gets its
// place in a segment.
type placedChunk struct {
	chunk
	first bool   // of its series
	at    int    // in the buffer
	ref   uint64 // set when it is written
}

// append encodes a chunk behind others.
func (c *chunk) append(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(c.data)))
	checked := len(buf)
	buf = append(buf, byte(c.encoding))
	buf = append(buf, c.data...)
	return binary.BigEndian.AppendUint32(buf, crc32.Checksum(buf[checked:], castagnoli))
}

// size is what a chunk takes in a segment, in bytes.
func (c *chunk) size() int64 {
	return int64(uvarintSize(uint64(len(c.data))) + chunks.ChunkEncodingSize + len(c.data) + crc32.Size)
}

// finishing bounds how many full segments become durable at the same time.
const finishing = 4

// segments writes the chunk files of a block, one after the other. Those that
// are full are made durable while the next is being written.
type segments struct {
	cut     *cut
	limit   int64 // bytes in a segment
	seq     uint64
	file    *file // nil before the first
	largest int64 // chunk in file, bytes
	full    errgroup.Group
}

func (c *cut) newSegments() *segments {
	s := &segments{cut: c, limit: c.opts.SegmentSize}
	s.full.SetLimit(finishing)
	return s
}

// write places the chunks that are in a buffer, and writes them.
func (s *segments) write(buf []byte, placed []placedChunk) error {
	written := 0
	var room room
	for i := range placed {
		c := &placed[i]
		if c.first {
			room = s.room(c.at - written)
		}
		if room.exceeded(c) || s.file == nil {
			if err := s.append(buf[written:c.at]); err != nil {
				return err
			}
			written = c.at
			if err := s.next(); err != nil {
				return err
			}
		}
		c.ref = uint64(chunks.NewBlockChunkRef(s.seq, uint64(s.file.size)+uint64(c.at-written)))
		s.largest = max(s.largest, c.size())
	}
	return s.append(buf[written:])
}

func (s *segments) append(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := s.file.Write(p)
	return err
}

// next begins a new segment.
func (s *segments) next() (err error) {
	if s.file != nil {
		s.finish()
		s.seq++
	}
	if s.file, err = s.cut.newFile(path.Join(chunksDir, fmt.Sprintf("%06d", s.seq+1))); err != nil {
		return err
	}
	s.largest = 0
	header := make([]byte, chunks.SegmentHeaderSize)
	binary.BigEndian.PutUint32(header, chunks.MagicChunks)
	header[chunks.MagicChunksSize] = segmentVersion
	return s.append(header)
}

// finish lets the segment become durable on the side.
func (s *segments) finish() {
	if f, largest := s.file, s.largest; f != nil {
		s.file = nil
		s.full.Go(func() error { return s.cut.finish(f, largest) })
	}
}

// wait returns when all segments that were finished are durable.
func (s *segments) wait() error { return s.full.Wait() }

// close gives up a segment that was not finished, and waits for the others.
func (s *segments) close() {
	if s.file != nil {
		s.file.giveUp()
	}
	s.wait()
}

// room decides which chunks of a series begin a new segment, as the library
// does: it goes by the largest size that chunks may take, never leaves a
// segment empty, and looks at what the segment holds only once per series.
//
// Source: tsdb/chunks/chunks.go, Writer.WriteChunks.
type room struct {
	limit int64
	used  int64 // bytes in the segment before this series
	taken int64 // by this series
}

// room is what there is for a series, if the given number of bytes is yet to be
// written before it.
func (s *segments) room(pending int) room {
	if s.file == nil {
		return room{limit: s.limit}
	}
	return room{limit: s.limit, used: s.file.size + int64(pending)}
}

func (r *room) exceeded(c *placedChunk) bool {
	size := int64(chunks.MaxChunkLengthFieldSize + chunks.ChunkEncodingSize + len(c.data) + crc32.Size)
	r.taken += size
	exceeded := !c.first && chunks.SegmentHeaderSize+r.taken > r.limit
	if r.used > chunks.SegmentHeaderSize {
		exceeded = r.used+r.taken > r.limit
	}
	if exceeded {
		r.used, r.taken = 0, size
	}
	return exceeded
}
