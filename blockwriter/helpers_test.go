package blockwriter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
)

func TestMain(m *testing.M) {
	if os.Getenv(dieStorage) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := dyingProcess(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const minute, hour = int64(60_000), int64(3_600_000)

// base is the start of a 2h window, some days ago.
var base = time.Now().Add(-72*time.Hour).UnixMilli() / (2 * hour) * 2 * hour

// sent is a series of a batch under construction.
type sent struct {
	labels     []string // name, value, …
	samples    []Sample
	histograms []Histogram
	meta       *Metadata
}

func at(t int64, v float64) Sample { return Sample{Timestamp: t, Value: v} }

func one(metric string, samples ...Sample) sent {
	return sent{labels: []string{"__name__", metric, "job", "test"}, samples: samples}
}

// sentLabels is the LabelReader of a test's batch.
type sentLabels []sent

func (s sentLabels) AppendLabels(dst []Label, i int) ([]Label, error) {
	for l := range slices.Chunk(s[i].labels, 2) {
		dst = append(dst, Label{Name: []byte(l[0]), Value: []byte(l[1])})
	}
	return dst, nil
}

func batch(series ...sent) *Batch {
	b := &Batch{Labels: sentLabels(series), Sender: "test/1"}
	for _, s := range series {
		out := Series{
			Hash:       xxh3.HashString128(fmt.Sprintf("%q", s.labels)),
			Samples:    Range{From: int32(len(b.Samples))},
			Histograms: Range{From: int32(len(b.Histograms))},
			Metadata:   -1,
		}
		b.Samples = append(b.Samples, s.samples...)
		b.Histograms = append(b.Histograms, s.histograms...)
		out.Samples.To, out.Histograms.To = int32(len(b.Samples)), int32(len(b.Histograms))
		if s.meta != nil {
			out.Metadata = int32(len(b.Metadata))
			b.Metadata = append(b.Metadata, *s.meta)
		}
		b.Series = append(b.Series, out)
	}
	return b
}

// world is a bucket and a storage path, and the runs opened on them.
type world struct {
	t      *testing.T
	bucket objstore.Bucket
	dir    string // of the bucket
	opts   Options
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	bkt, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	return &world{t: t, bucket: bkt, dir: dir, opts: Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: "run-1", Labels: map[string]string{"branch": "main"},
		Receiver: archive.Receiver{Version: "1.2.3", Host: "ci-host"}, FinishTimeout: time.Minute,
	}}
}

// open starts a run on the world's storage path, and closes it with the test.
func (w *world) open() *Run {
	w.t.Helper()
	r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), w.opts)
	require.NoError(w.t, err)
	require.NoError(w.t, r.Start(w.t.Context()))
	w.t.Cleanup(func() { r.Close() })
	return r
}

// restart closes the run and opens it once more. Nothing happens in the
// background of the new one.
func (w *world) restart(r *Run) *Run {
	w.t.Helper()
	require.NoError(w.t, r.Close())
	r = w.open()
	r.stopLoop()
	return r
}

// copy returns a world with the same options that holds what this one does now,
// as if every process had been killed in this moment.
func (w *world) copy() *world {
	w.t.Helper()
	c := newWorld(w.t)
	require.NoError(w.t, os.CopyFS(c.dir, os.DirFS(w.dir)))
	require.NoError(w.t, os.CopyFS(c.opts.Dir, os.DirFS(w.opts.Dir)))
	opts := w.opts
	opts.Dir, opts.Bucket = c.opts.Dir, c.opts.Bucket
	c.opts = opts
	return c
}

func (w *world) finish(r *Run) {
	w.t.Helper()
	require.NoError(w.t, r.Finish(w.t.Context(), TriggerSignal))
	require.NoError(w.t, r.Close())
}

func write(t *testing.T, r *Run, series ...sent) Result {
	t.Helper()
	res, err := r.Append(batch(series...))
	require.NoError(t, err)
	return res
}

// stored is what blocks hold: series → ms → value.
type stored map[string]map[int64]string

func (s stored) count() (n int64) {
	for _, samples := range s {
		n += int64(len(samples))
	}
	return n
}

func (s stored) add(series string, t int64, v string) {
	if s[series] == nil {
		s[series] = map[int64]string{}
	}
	s[series][t] = v
}

// blocks reads the metas of all blocks in the bucket, oldest first.
func (w *world) blocks() (metas []blockMeta) {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(w.t, err)
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil {
			continue
		}
		data, err := os.ReadFile(filepath.Join(w.dir, e.Name(), archive.MetaFile))
		require.NoError(w.t, err, "every block folder of a finished run has a meta.json")
		var m blockMeta
		require.NoError(w.t, json.Unmarshal(data, &m))
		metas = append(metas, m)
	}
	slices.SortFunc(metas, func(a, b blockMeta) int { return int(a.MinTime - b.MinTime) })
	return metas
}

// read opens every block of the bucket and returns all samples. It fails the
// test where a sample is stored twice, a block leaves its window, or blocks
// overlap.
func (w *world) read() stored {
	w.t.Helper()
	all := stored{}
	last := int64(math.MinInt64)
	for _, m := range w.blocks() {
		require.GreaterOrEqual(w.t, m.MinTime, last, "blocks overlap")
		last = m.MaxTime
		if w.opts.BlockDuration == 0 {
			require.Equal(w.t, windowOf(m.MinTime), windowOf(m.MaxTime-1), "block leaves its window")
		}
		n := all.count()
		w.readBlock(m.ULID, all)
		require.EqualValues(w.t, m.Stats.NumSamples, all.count()-n, "samples of block %s", m.ULID)
	}
	return all
}

// windowOf numbers the windows of two hours.
func windowOf(t int64) int64 { return int64(math.Floor(float64(t) / float64(2*hour))) }

func (w *world) readBlock(id ulid.ULID, into stored) {
	b, err := tsdb.OpenBlock(nil, filepath.Join(w.dir, id.String()), chunkenc.NewPool(), nil)
	require.NoError(w.t, err)
	defer b.Close()
	q, err := tsdb.NewBlockQuerier(b, math.MinInt64, math.MaxInt64)
	require.NoError(w.t, err)
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			into.add(set.At().Labels().String(), it.AtT(), valueOf(it, kind))
		}
		require.NoError(w.t, it.Err())
	}
	require.NoError(w.t, set.Err())
}

func valueOf(it chunkenc.Iterator, kind chunkenc.ValueType) string {
	switch kind {
	case chunkenc.ValHistogram:
		_, h := it.AtHistogram(nil)
		return intHistogram(h)
	case chunkenc.ValFloatHistogram:
		_, fh := it.AtFloatHistogram(nil)
		return fh.String()
	default:
		_, v := it.At()
		return float(v)
	}
}

// float prints the bits of what is no number, and the number otherwise.
func float(v float64) string {
	if math.IsNaN(v) {
		return fmt.Sprintf("%#x", math.Float64bits(v))
	}
	return fmt.Sprint(v)
}

func intHistogram(h *histogram.Histogram) string {
	if math.IsNaN(h.Sum) {
		return float(h.Sum)
	}
	return "int" + h.String()
}

// manifest reads the one manifest of the world's run.
func (w *world) manifest() *archive.Manifest {
	w.t.Helper()
	objects, err := archive.ManifestObjects(w.t.Context(), w.bucket, w.opts.Run)
	require.NoError(w.t, err)
	require.Len(w.t, objects, 1)
	m, err := archive.ReadManifest(w.t.Context(), w.bucket, objects[0])
	require.NoError(w.t, err)
	return m
}
