package headcut

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"

	"github.com/prometheus/prometheus/tsdb/index"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// indexFile writes the index of a block, from its header to its table of
// contents. Small things are collected in a buffer, which flush empties.
type indexFile struct {
	*file
	toc          index.TOC
	postings     int64 // offset of the first list
	largestEntry int64 // of a series, with its padding; bytes

	buf   []byte
	sum   uint32 // of what has left buf since begin
	begun int    // where in buf that goes on which is summed
	err   error  // the first one, after which nothing is written
}

const indexBuffer = 1 << 20

func (c *cut) newIndex() (*indexFile, error) {
	f, err := c.newFile(indexName)
	if err != nil {
		return nil, err
	}
	x := &indexFile{file: f, buf: make([]byte, 0, indexBuffer)}
	x.uint32(index.MagicIndex)
	x.buf = append(x.buf, index.FormatV2)
	return x, x.flush()
}

// append writes without going through the buffer, which must be empty.
func (x *indexFile) append(p []byte) error {
	if x.size+int64(len(p)) > 16*math.MaxUint32 {
		return fmt.Errorf("%q %w", x.path, index.ErrIndexExceeds64GiB)
	}
	_, err := x.Write(p)
	return err
}

// pad makes the file's size a multiple of n.
func (x *indexFile) pad(n int64) error {
	return x.append(make([]byte, (n-x.size%n)%n))
}

func (x *indexFile) uint32(v uint32) {
	x.buf = binary.BigEndian.AppendUint32(x.buf, v)
	x.flushFull()
}

func (x *indexFile) uvarint(v uint64) {
	x.buf = binary.AppendUvarint(x.buf, v)
	x.flushFull()
}

// text writes a string behind its length.
func (x *indexFile) text(text string) {
	x.uvarint(uint64(len(text)))
	x.buf = append(x.buf, text...)
	x.flushFull()
}

// begin tells that what comes is covered by the next checksum.
func (x *indexFile) begin() { x.sum, x.begun = 0, len(x.buf) }

func (x *indexFile) checksum() { x.uint32(crc32.Update(x.sum, castagnoli, x.buf[x.begun:])) }

func (x *indexFile) flushFull() {
	if len(x.buf) > indexBuffer-binary.MaxVarintLen64 {
		x.flush()
	}
}

// flush returns the first error since the file was made.
func (x *indexFile) flush() error {
	if x.err == nil {
		x.sum = crc32.Update(x.sum, castagnoli, x.buf[x.begun:])
		x.err = x.append(x.buf)
	}
	x.buf, x.begun = x.buf[:0], 0
	return x.err
}

func (x *indexFile) writeSymbols(s *symbols) error {
	x.toc.Symbols = uint64(x.size)
	size := 4 + s.size
	if size > math.MaxUint32 {
		return fmt.Errorf("%w: %d", index.ErrSymbolTableTooLarge, size)
	}
	x.uint32(uint32(size))
	x.begin()
	x.uint32(uint32(len(s.order)))
	for text := range s.all() {
		x.text(text)
	}
	x.checksum()
	return x.flush()
}

func (x *indexFile) writeTOC() error {
	x.begin()
	for _, section := range []uint64{
		x.toc.Symbols, x.toc.Series, x.toc.LabelIndices, x.toc.LabelIndicesTable, x.toc.Postings, x.toc.PostingsTable,
	} {
		x.buf = binary.BigEndian.AppendUint64(x.buf, section)
	}
	x.checksum()
	return x.flush()
}

// textSize is the number of bytes that a string takes behind its length.
func textSize(text string) int { return uvarintSize(uint64(len(text))) + len(text) }

// uvarintSize is the number of bytes that binary.AppendUvarint appends.
func uvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }
