package blockwriter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// blockOf finishes a run of the given series and returns the folder of its one
// block.
func blockOf(t *testing.T, series ...sent) string {
	t.Helper()
	w := newWorld(t)
	r := w.open()
	write(t, r, series...)
	w.finish(r)
	blocks := w.blocks()
	require.Len(t, blocks, 1)
	return filepath.Join(w.dir, blocks[0].ULID.String())
}

// series of all sizes: with few samples and many, of few labels and many.
func manySizes() (series []sent) {
	for i := range 40 {
		s := one(fmt.Sprintf("m%02d", i))
		for j := range int64(i * i) {
			s.samples = append(s.samples, at(base+j*1000, math.Sqrt(float64(j*int64(i)))))
		}
		for j := range i % 7 {
			s.labels = append(s.labels, fmt.Sprintf("label%d", j), strings.Repeat("x", i*j))
		}
		s.samples = append(s.samples, at(base+hour, 1))
		series = append(series, s)
	}
	return append(series, sent{
		labels:     []string{"__name__", "histogram"},
		histograms: []Histogram{{Timestamp: base, Int: tsdbutil.GenerateTestHistogram(1)}, {Timestamp: base + 1, Int: tsdbutil.GenerateTestHistogram(2)}},
	})
}

// entries is what the index says of a block: where the entry of each series
// begins in it, and where the chunks begin in each segment.
func entries(t *testing.T, dir string) (series []int, chunkStarts map[int][]int) {
	t.Helper()
	r, err := index.NewFileReader(filepath.Join(dir, archive.IndexFile), index.DecodePostingsRaw)
	require.NoError(t, err)
	defer r.Close()
	name, value := index.AllPostingsKey()
	postings, err := r.Postings(t.Context(), name, value)
	require.NoError(t, err)
	chunkStarts = map[int][]int{}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	for postings.Next() {
		series = append(series, int(postings.At())*16)
		require.NoError(t, r.Series(postings.At(), &builder, &metas))
		for _, m := range metas {
			segment, at := chunks.BlockChunkRef(m.Ref).Unpack()
			chunkStarts[segment] = append(chunkStarts[segment], at)
		}
	}
	require.NoError(t, postings.Err())
	for _, starts := range chunkStarts {
		slices.Sort(starts)
	}
	slices.Sort(series)
	return series, chunkStarts
}

// largest is the greatest distance from one entry to the next, or to the end.
func largest(starts []int, end int) (most int64) {
	for i, at := range append(slices.Clone(starts[1:]), end) {
		most = max(most, int64(at-starts[i]))
	}
	return most
}

func TestSizesOfTheLargestEntries(t *testing.T) {
	for name, series := range map[string][]sent{
		"one series":          {one("a", at(base, 1))},
		"many sizes":          manySizes(),
		"largest series last": {one("a", at(base, 1)), one("b", at(base, 1)), {labels: []string{"__name__", "z", "l", strings.Repeat("z", 3)}, samples: manySizes()[39].samples}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := blockOf(t, series...)
			starts, chunkStarts := entries(t, dir)
			require.Len(t, starts, len(series))
			data, err := os.ReadFile(filepath.Join(dir, archive.IndexFile))
			require.NoError(t, err)
			// The last entry's own length tells where it ends; entries are padded.
			last := starts[len(starts)-1]
			length, n := binary.Uvarint(data[last:])
			end := last + (n+int(length)+4+15)/16*16

			segment, err := os.ReadFile(filepath.Join(dir, archive.ChunksDir, "000001"))
			require.NoError(t, err)
			bf, err := inspectBlock(dir)
			require.NoError(t, err)
			require.Equal(t, archive.IndexStats{
				SeriesMaxSize: largest(starts, end), ChunkMaxSize: largest(chunkStarts[0], len(segment)),
			}, bf.stats)
		})
	}
}

func TestInspectBlockListsFilesWithSizesAndHashes(t *testing.T) {
	dir := blockOf(t, manySizes()...)
	// More segments than one, as blocks of more than 512 MiB have.
	more, starts := writeSegments(t, 1<<10)
	require.Greater(t, len(more), 1)
	segments := []string{"000001"}
	for i, segment := range more {
		segments = append(segments, fmt.Sprintf("%06d", i+2))
		require.NoError(t, os.WriteFile(filepath.Join(dir, archive.ChunksDir, segments[i+1]), segment, 0o600))
	}
	bf, err := inspectBlock(dir)
	require.NoError(t, err)
	require.Equal(t, segments, bf.segments)
	var want, names []string
	for _, s := range segments {
		want = append(want, "chunks/"+s)
	}
	for _, f := range bf.files {
		names = append(names, f.RelPath)
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.RelPath)))
		require.NoError(t, err)
		require.EqualValues(t, len(data), f.SizeBytes)
		sum := sha256.Sum256(data)
		require.Equal(t, &archive.Hash{Func: "SHA256", Value: hex.EncodeToString(sum[:])}, f.Hash)
	}
	require.Equal(t, append(want, "index"), names, "the index after the chunks that it refers to")

	_, own := entries(t, dir)
	first, err := os.ReadFile(filepath.Join(dir, archive.ChunksDir, "000001"))
	require.NoError(t, err)
	most := largest(own[0], len(first))
	for i, segment := range more {
		most = max(most, largest(starts[i], len(segment)))
	}
	require.Equal(t, most, bf.stats.ChunkMaxSize)
}

// writeSegments writes chunks of growing size with the database's own writer,
// and returns its segments and where the chunks begin in each.
func writeSegments(t *testing.T, size int64) (segments [][]byte, starts [][]int) {
	t.Helper()
	dir := t.TempDir()
	w, err := chunks.NewWriter(dir, chunks.WithSegmentSize(size))
	require.NoError(t, err)
	metas := make([]chunks.Meta, 30)
	for i := range metas {
		c := chunkenc.NewXORChunk()
		app, err := c.Appender()
		require.NoError(t, err)
		for j := range int64(i + 1) {
			app.Append(0, j*1000, math.Sqrt(float64(j)))
		}
		metas[i] = chunks.Meta{Chunk: c, MinTime: 0, MaxTime: int64(i) * 1000}
		require.NoError(t, w.WriteChunks(metas[i:i+1]...))
	}
	require.NoError(t, w.Close())
	bySegment := map[int][]int{}
	for _, m := range metas {
		segment, at := chunks.BlockChunkRef(m.Ref).Unpack()
		bySegment[segment] = append(bySegment[segment], at)
	}
	for _, i := range slices.Sorted(maps.Keys(bySegment)) {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%06d", i+1)))
		require.NoError(t, err)
		segments, starts = append(segments, data), append(starts, bySegment[i])
	}
	return segments, starts
}

// A segment that ends anywhere but between two chunks is cut short.
func TestTruncatedSegment(t *testing.T) {
	segments, starts := writeSegments(t, 1<<20)
	segment := segments[0]
	for n := chunks.SegmentHeaderSize; n <= len(segment); n++ {
		size, err := maxChunkSize(segment[:n])
		before, found := slices.BinarySearch(starts[0], n)
		if !found && n < len(segment) {
			require.ErrorIs(t, err, errTruncatedFile, "after %d bytes", n)
			continue
		}
		require.NoError(t, err, "after %d bytes", n)
		if before > 0 {
			require.Equal(t, largest(starts[0][:before], n), size)
		} else {
			require.Zero(t, size)
		}
	}
	_, err := maxChunkSize(append(bytes.Clone(segment), bytes.Repeat([]byte{0xff}, 20)...))
	require.ErrorIs(t, err, errTruncatedFile, "a length that no file has")
}

func TestInspectBlockThatIsNotWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		file  string
		spoil func(data []byte) []byte
	}{
		"segment cut short":    {"chunks/000001", func(data []byte) []byte { return data[:len(data)-1] }},
		"segment with a tail":  {"chunks/000001", func(data []byte) []byte { return append(data, 5) }},
		"index cut short":      {"index", func(data []byte) []byte { return data[:len(data)-1] }},
		"index that is a stub": {"index", func(data []byte) []byte { return data[:5] }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := blockOf(t, one("a", at(base, 1)))
			path := filepath.Join(dir, filepath.FromSlash(tc.file))
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, tc.spoil(data), 0o600))
			_, err = inspectBlock(dir)
			require.ErrorContains(t, err, "inspect "+path)
		})
	}
	t.Run("series longer than the index", func(t *testing.T) {
		dir := blockOf(t, one("a", at(base, 1)))
		series, _ := entries(t, dir)
		path := filepath.Join(dir, archive.IndexFile)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		binary.PutUvarint(data[series[0]:], math.MaxUint32)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		_, err = inspectBlock(dir)
		require.ErrorIs(t, err, errTruncatedFile)
	})
	t.Run("no index", func(t *testing.T) {
		dir := blockOf(t, one("a", at(base, 1)))
		require.NoError(t, os.Remove(filepath.Join(dir, archive.IndexFile)))
		_, err := inspectBlock(dir)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("no block", func(t *testing.T) {
		_, err := inspectBlock(t.TempDir())
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}
