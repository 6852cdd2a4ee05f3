package blockwriter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/fileutil"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/benchkeep/benchkeep/archive"
)

// blockFiles is what a block's meta.json tells of its files.
type blockFiles struct {
	// files are the data files, chunk segments first and the index last, with
	// sizes and hashes: the order in which they are uploaded.
	files    []archive.File
	segments []string
	stats    archive.IndexStats
}

// bytes is the size of all files together.
func (bf *blockFiles) bytes() (n int64) {
	for _, f := range bf.files {
		n += f.SizeBytes
	}
	return n
}

// inspectBlock reads every data file of a block once, for its hash and for the
// sizes that a Thanos Store plans its requests by.
func inspectBlock(dir string) (*blockFiles, error) {
	entries, err := os.ReadDir(filepath.Join(dir, archive.ChunksDir)) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("inspect block: %w", err)
	}
	var bf blockFiles
	for _, e := range entries {
		bf.segments = append(bf.segments, e.Name())
		if err := bf.inspect(dir, path.Join(archive.ChunksDir, e.Name()), maxChunkSize, &bf.stats.ChunkMaxSize); err != nil {
			return nil, err
		}
	}
	if err := bf.inspect(dir, archive.IndexFile, maxSeriesSize, &bf.stats.SeriesMaxSize); err != nil {
		return nil, err
	}
	return &bf, nil
}

// inspect hashes one file and raises *most to the largest entry measured in it.
func (bf *blockFiles) inspect(dir, rel string, measure func([]byte) (int64, error), most *int64) (err error) {
	f, err := fileutil.OpenMmapFile(filepath.Join(dir, filepath.FromSlash(rel)))
	if err != nil {
		return fmt.Errorf("inspect block: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data := f.Bytes()
	largest, err := measure(data)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", filepath.Join(dir, rel), err)
	}
	*most = max(*most, largest)
	sum := sha256.Sum256(data)
	bf.files = append(bf.files, archive.File{
		RelPath:   rel,
		SizeBytes: int64(len(data)),
		Hash:      &archive.Hash{Func: "SHA256", Value: hex.EncodeToString(sum[:])},
	})
	return nil
}

var errTruncatedFile = errors.New("file ends in the middle of an entry")

const crcSize = 4

// maxChunkSize is the size in bytes of the largest chunk of a segment file,
// its length, encoding and checksum included. A segment is a header and then
// one chunk after the other: uvarint length, encoding byte, data, CRC32.
//
// Source: Prometheus' tsdb/docs/format/chunks.md.
func maxChunkSize(segment []byte) (int64, error) {
	var most int
	for at := chunks.SegmentHeaderSize; at < len(segment); {
		length, n := binary.Uvarint(segment[at:])
		if n <= 0 || length > uint64(len(segment)) {
			return 0, errTruncatedFile
		}
		size := n + chunks.ChunkEncodingSize + int(length) + crcSize
		if at += size; at > len(segment) {
			return 0, errTruncatedFile
		}
		most = max(most, size)
	}
	return int64(most), nil
}

// maxSeriesSize is the size in bytes of the largest entry in the series
// section of an index file, padding included. Entries begin at multiples of 16
// bytes: uvarint length, data, CRC32.
//
// Source: Prometheus' tsdb/docs/format/index.md.
func maxSeriesSize(data []byte) (int64, error) {
	const align = 16
	toc, err := index.NewTOCFromByteSlice(byteSlice(data))
	if err != nil {
		return 0, err
	}
	end := uint64(len(data))
	for _, section := range []uint64{toc.LabelIndices, toc.LabelIndicesTable, toc.Postings, toc.PostingsTable} {
		if section > toc.Series {
			end = min(end, section)
		}
	}
	padded := func(n uint64) uint64 { return (n + align - 1) / align * align }
	var most uint64
	for at := padded(toc.Series); at < end; {
		length, n := binary.Uvarint(data[at:end])
		if n <= 0 || length == 0 { // what is left is padding
			break
		}
		if length > end-at {
			return 0, errTruncatedFile
		}
		size := padded(uint64(n) + length + crcSize)
		most = max(most, size)
		at += size
	}
	return int64(most), nil
}

// byteSlice is an index.ByteSlice.
type byteSlice []byte

func (b byteSlice) Len() int                    { return len(b) }
func (b byteSlice) Range(start, end int) []byte { return b[start:end] }
