package headcut

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/stretchr/testify/require"
)

// smallHead has some series with several chunks each.
func smallHead(t testing.TB) *tsdb.Head {
	head := newHead(t)
	b := newBatch(t, head)
	for i := range 20 {
		b.add(metric("m", "i", fmt.Sprint(i), "even", fmt.Sprint(i%2 == 0)), every(10_000, 0, 200, counting)...)
	}
	b.commit()
	return head
}

// TestReadBack reads a block as everybody else will.
func TestReadBack(t *testing.T) {
	head := smallHead(t)
	dir := writeBlock(t, own(t, Options{SegmentSize: 3000}), head, 0, head.MaxTime(), nil)
	block, err := tsdb.OpenBlock(nil, dir, chunkenc.NewPool(), nil)
	require.NoError(t, err)
	defer block.Close()
	require.EqualValues(t, 20*200, block.Meta().Stats.NumSamples)

	q, err := tsdb.NewBlockQuerier(block, math.MinInt64, math.MaxInt64)
	require.NoError(t, err)
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "even", "true"))
	series := 0
	for set.Next() {
		series++
		it := set.At().Iterator(nil)
		for i := range 200 {
			require.Equal(t, chunkenc.ValFloat, it.Next())
			ts, v := it.At()
			require.Equal(t, int64(i)*10_000, ts)
			require.Equal(t, float64(i), v)
		}
		require.Equal(t, chunkenc.ValNone, it.Next())
		require.NoError(t, it.Err())
	}
	require.NoError(t, set.Err())
	require.Equal(t, 10, series)

	x, err := block.Index()
	require.NoError(t, err)
	defer x.Close()
	values, err := x.SortedLabelValues(t.Context(), "even", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"false", "true"}, values)
}

func TestParentsAndHints(t *testing.T) {
	head := smallHead(t)
	base := &tsdb.BlockMeta{ULID: ulid.MustNew(7, nil), MinTime: 1, MaxTime: 2}
	base.Compaction.SetOutOfOrder()
	base.Compaction.SetStaleSeries()
	base.Compaction.SetSelectedSeries()
	requireSameFiles(t,
		writeBlock(t, library(t, 0), head, 0, head.MaxTime(), base),
		writeBlock(t, own(t, Options{}), head, 0, head.MaxTime(), base))
}

// TestFileDone compares what is told of the files with what they are.
func TestFileDone(t *testing.T) {
	head := smallHead(t)
	var mu sync.Mutex
	var told []File
	w := own(t, Options{SegmentSize: 3000, FileDone: func(f File) {
		mu.Lock()
		defer mu.Unlock()
		info, err := os.Stat(f.Path)
		require.NoError(t, err)
		require.Equal(t, f.Size, info.Size())
		told = append(told, f)
	}})
	dir := writeBlock(t, w, head, 0, head.MaxTime(), nil)
	require.Equal(t, indexName, told[len(told)-1].RelPath)
	files := contents(t, dir)
	require.Len(t, told, len(files)-2, "all but meta.json and tombstones")
	for _, f := range told {
		data := files[f.RelPath]
		sum := sha256.Sum256(data)
		require.Equal(t, sum[:], f.SHA256)
		require.Equal(t, filepath.Base(dir), f.Block.String())
		if f.RelPath == indexName {
			require.Equal(t, largestSeries(t, data), f.LargestEntry)
		} else {
			require.Equal(t, largestChunk(data), f.LargestEntry)
		}
	}
}

func largestChunk(segment []byte) (most int64) {
	for at := 8; at < len(segment); {
		length, n := binary.Uvarint(segment[at:])
		size := n + 1 + int(length) + 4
		most, at = max(most, int64(size)), at+size
	}
	return most
}

func largestSeries(t *testing.T, data []byte) (most int64) {
	toc, err := index.NewTOCFromByteSlice(bytesOf(data))
	require.NoError(t, err)
	for at := (toc.Series + 15) / 16 * 16; at < toc.LabelIndices; {
		length, n := binary.Uvarint(data[at:])
		size := (uint64(n) + length + 4 + 15) / 16 * 16
		most, at = max(most, int64(size)), at+size
	}
	return most
}

// bytesOf is an index.ByteSlice.
type bytesOf []byte

func (b bytesOf) Len() int                    { return len(b) }
func (b bytesOf) Range(start, end int) []byte { return b[start:end] }

// TestInDatabase has a database cut everything it can with a Writer, samples
// out of order included, which are left to the library.
func TestInDatabase(t *testing.T) {
	fallback := 0
	dir := t.TempDir()
	db := openDB(t, dir, func(o *tsdb.Options) {
		o.WALSegmentSize = 0
		o.OutOfOrderTimeWindow = blockRange
		o.EnableOverlappingCompaction = true
		o.NewCompactorFunc = compactorFunc(t, &fallback)
	})
	b := newBatch(t, db.Head())
	for i := range 10 {
		b.add(metric("m", "i", fmt.Sprint(i)), every(60_000, 0, 300, counting)...)
	}
	b.commit()
	for i := range 10 {
		write(t, db.Head(), metric("m", "i", fmt.Sprint(i)), every(60_000, 180*60_000+1, 20, counting)...)
	}
	for mint := int64(0); mint <= 299*60_000; mint += blockRange {
		require.NoError(t, db.CompactHead(tsdb.NewRangeHead(db.Head(), mint, min(mint+blockRange-1, 299*60_000))))
	}
	require.Zero(t, fallback)
	require.NoError(t, db.CompactOOOHead(t.Context()))
	require.Positive(t, fallback)
	var samples uint64
	for _, b := range db.Blocks() {
		samples += b.Meta().Stats.NumSamples
	}
	require.EqualValues(t, 10*(300+20), samples)
}

func compactorFunc(t *testing.T, fallback *int) tsdb.NewCompactorFunc {
	return func(ctx context.Context, _ prometheus.Registerer, _ *slog.Logger, ranges []int64, pool chunkenc.Pool, _ *tsdb.Options) (tsdb.Compactor, error) {
		c, err := tsdb.NewLeveledCompactorWithOptions(ctx, nil, promslog.NewNopLogger(), ranges, pool, tsdb.LeveledCompactorOptions{EnableOverlappingCompaction: true})
		require.NoError(t, err)
		return &plugged{c, New(ctx, promslog.NewNopLogger(), counts{c, fallback}, Options{})}, nil
	}
}

// plugged is a compactor that writes with a Writer.
type plugged struct {
	tsdb.Compactor
	writer *Writer
}

func (p *plugged) Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	return p.writer.Write(dest, b, mint, maxt, base)
}

type counts struct {
	BlockWriter
	n *int
}

func (c counts) Write(dest string, b tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	*c.n++
	return c.BlockWriter.Write(dest, b, mint, maxt, base)
}

// TestRangeBeforeHead cuts a range that ends before the head begins, which still
// has a chunk that reaches into it. The head does not give its labels then.
func TestRangeBeforeHead(t *testing.T) {
	head := newHead(t)
	write(t, head, metric("m"), every(10_000, 0, 100, counting)...)
	require.NoError(t, head.Truncate(500_000))
	require.EqualValues(t, 500_000, head.MinTime())
	called := 0
	dest := t.TempDir()
	ids, err := New(t.Context(), promslog.NewNopLogger(), counts{library(t, 0), &called}, Options{}).
		Write(dest, tsdb.NewRangeHead(head, 0, 400_000), 0, 400_001, nil)
	require.NoError(t, err)
	require.Equal(t, 1, called)
	entries, err := os.ReadDir(dest)
	require.NoError(t, err)
	require.Len(t, entries, len(ids))
}

// TestAppendsMeanwhile cuts a window while the head is given samples of the
// next one, and new series.
func TestAppendsMeanwhile(t *testing.T) {
	head := smallHead(t)
	last := head.MaxTime()
	ctx, stop := context.WithCancel(t.Context())
	var appender sync.WaitGroup
	appender.Go(func() {
		for i := int64(1); ctx.Err() == nil; i++ {
			app := head.AppenderV2(ctx)
			for j := range 20 {
				_, err := app.Append(0, metric("m", "i", fmt.Sprint(j), "even", fmt.Sprint(j%2 == 0)), 0, last+i, 1, nil, nil, storage.AOptions{})
				require.NoError(t, err)
			}
			_, err := app.Append(0, metric("new", "i", fmt.Sprint(i)), 0, last+i, 1, nil, nil, storage.AOptions{})
			require.NoError(t, err)
			require.NoError(t, app.Commit())
		}
	})
	for range 20 {
		dir := writeBlock(t, own(t, Options{}), head, 0, last, nil)
		block, err := tsdb.OpenBlock(nil, dir, chunkenc.NewPool(), nil)
		require.NoError(t, err)
		require.EqualValues(t, 20*200, block.Meta().Stats.NumSamples)
		require.EqualValues(t, 20, block.Meta().Stats.NumSeries)
		require.NoError(t, block.Close())
	}
	stop()
	appender.Wait()
}

func TestSortIDs(t *testing.T) {
	texts := []string{"", "a", "a\x00", "a\x00\x00", "aaaaaaa", "aaaaaaaa", "aaaaaaa\x00", "b", "ab", "aaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaab", "a"}
	for range 12 {
		texts = append(texts, texts...) // more than one goroutine sorts
	}
	for _, workers := range []int{1, 4} {
		order := sortIDs(nil, len(texts), workers, func(id uint32, depth int) uint64 { return textWord(texts[id], depth) })
		got := make([]string, len(order))
		for i, o := range order {
			got[i] = texts[o.id]
		}
		require.True(t, slices.IsSorted(got))
		require.Equal(t, slices.Sorted(slices.Values(texts)), got)
	}
}

func TestOrdinals(t *testing.T) {
	refs := []storage.SeriesRef{5, 6, 68, 69, 70, 1000, 1 << 20}
	known := newOrdinals(refs)
	for want, ref := range refs {
		got, ok := known.of(ref)
		require.True(t, ok)
		require.EqualValues(t, want, got)
	}
	for _, ref := range []storage.SeriesRef{0, 4, 7, 67, 71, 999, 1<<20 - 1, 1<<20 + 1, 1 << 30, math.MaxUint64} {
		_, ok := known.of(ref)
		require.False(t, ok, ref)
	}
}

func TestUvarintSize(t *testing.T) {
	for shift := range 64 {
		for _, n := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			require.Len(t, binary.AppendUvarint(nil, n), uvarintSize(n), n)
		}
	}
}
