package headcut

import (
	"bytes"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blockRange is the range of the heads in ms.
const blockRange = int64(7_200_000)

// openDB opens a database that cuts only when it is told to, and closes it with
// the test.
func openDB(t testing.TB, dir string, change func(*tsdb.Options)) *tsdb.DB {
	t.Helper()
	opts := tsdb.DefaultOptions()
	opts.MinBlockDuration, opts.MaxBlockDuration = blockRange, blockRange
	opts.RetentionDuration = 0
	opts.NoLockfile = true
	opts.IsolationDisabled = true
	opts.WALSegmentSize = -1 // none
	opts.BlockReloadInterval = time.Duration(math.MaxInt64)
	if change != nil {
		change(opts)
	}
	db, err := tsdb.Open(dir, promslog.NewNopLogger(), nil, opts, nil)
	require.NoError(t, err)
	db.DisableCompactions()
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func newHead(t testing.TB) *tsdb.Head { return openDB(t, t.TempDir(), nil).Head() }

// sample is one of three kinds: floats have neither histogram.
type sample struct {
	st, t int64
	v     float64
	h     *histogram.Histogram
	fh    *histogram.FloatHistogram
}

// batch appends to a head. What is in one batch may lie as far apart in time as
// it likes.
type batch struct {
	t   testing.TB
	app storage.AppenderV2
}

func newBatch(t testing.TB, head *tsdb.Head) *batch {
	return &batch{t: t, app: head.AppenderV2(t.Context())}
}

func (b *batch) add(lset labels.Labels, samples ...sample) {
	b.t.Helper()
	for _, s := range samples {
		_, err := b.app.Append(0, lset, s.st, s.t, s.v, s.h, s.fh, storage.AOptions{})
		require.NoError(b.t, err)
	}
}

func (b *batch) commit() {
	b.t.Helper()
	require.NoError(b.t, b.app.Commit())
}

// write appends samples to one series.
func write(t testing.TB, head *tsdb.Head, lset labels.Labels, samples ...sample) {
	t.Helper()
	b := newBatch(t, head)
	b.add(lset, samples...)
	b.commit()
}

// every gives n samples that lie step ms apart.
func every(step, from int64, n int, what func(i int) sample) []sample {
	samples := make([]sample, n)
	for i := range samples {
		samples[i] = what(i)
		samples[i].t = from + int64(i)*step
	}
	return samples
}

// counting is a float.
func counting(i int) sample { return sample{v: float64(i)} }

func metric(name string, more ...string) labels.Labels {
	return labels.FromStrings(append([]string{"__name__", name}, more...)...)
}

// library is the writer whose blocks are the measure of all things.
func library(t testing.TB, segmentSize int64) BlockWriter {
	t.Helper()
	c, err := tsdb.NewLeveledCompactorWithOptions(t.Context(), nil, promslog.NewNopLogger(), []int64{blockRange}, chunkenc.NewPool(), tsdb.LeveledCompactorOptions{
		MaxBlockChunkSegmentSize: segmentSize, EnableOverlappingCompaction: true,
	})
	require.NoError(t, err)
	return c
}

// own is a writer that fails the test when it leaves a block to the library.
func own(t testing.TB, opts Options) *Writer {
	return New(t.Context(), promslog.NewNopLogger(), refuses{t}, opts)
}

type refuses struct{ t testing.TB }

func (r refuses) Write(string, tsdb.BlockReader, int64, int64, *tsdb.BlockMeta) ([]ulid.ULID, error) {
	r.t.Helper()
	require.Fail(r.t, "block left to the library")
	return nil, nil
}

// writeBlock writes what a head has between mint and maxt, both inclusive, and
// returns the block's folder, or nothing where there is none.
func writeBlock(t testing.TB, w BlockWriter, head *tsdb.Head, mint, maxt int64, base *tsdb.BlockMeta) string {
	t.Helper()
	dest := t.TempDir()
	ids, err := w.Write(dest, tsdb.NewRangeHead(head, mint, maxt), mint, maxt+1, base)
	require.NoError(t, err)
	entries, err := os.ReadDir(dest)
	require.NoError(t, err)
	require.Len(t, entries, len(ids), "folders and blocks")
	if len(ids) == 0 {
		return ""
	}
	return filepath.Join(dest, ids[0].String())
}

// requireSame has the library and the package write the same samples, and holds
// one block against the other, byte for byte. It returns the package's, if there
// is one.
func requireSame(t testing.TB, head *tsdb.Head, mint, maxt int64, opts Options) string {
	t.Helper()
	wantDir := writeBlock(t, library(t, opts.SegmentSize), head, mint, maxt, nil)
	gotDir := writeBlock(t, own(t, opts), head, mint, maxt, nil)
	require.Equal(t, wantDir == "", gotDir == "", "%d to %d ms: empty", mint, maxt)
	if wantDir != "" {
		requireSameFiles(t, wantDir, gotDir)
	}
	return gotDir
}

func requireSameFiles(t testing.TB, wantDir, gotDir string) {
	t.Helper()
	want, got := contents(t, wantDir), contents(t, gotDir)
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	want[metaName] = bytes.ReplaceAll(want[metaName], []byte(filepath.Base(wantDir)), []byte(filepath.Base(gotDir)))
	require.Equal(t, string(want[metaName]), string(got[metaName]))
	for name := range want {
		at := 0
		for at < min(len(want[name]), len(got[name])) && want[name][at] == got[name][at] {
			at++
		}
		require.True(t, at == len(want[name]) && at == len(got[name]),
			"%s: %d bytes, not %d, and others from %d on", name, len(got[name]), len(want[name]), at)
	}
}

// contents reads all files of a block.
func contents(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	}))
	return files
}
