//go:build unix

package blockcache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/blockwriter"
)

func TestMain(m *testing.M) {
	if os.Getenv(childRole) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	minute, hour = int64(60_000), int64(3_600_000)
	runID        = "run-1"
	// perBlock is how many samples a block of the tests has.
	perBlock = 240
	roomy    = int64(1 << 30)
)

// base is the start of a 2h window, some days ago.
var base = time.Now().Add(-72*time.Hour).UnixMilli() / (2 * hour) * 2 * hour

// world is a bucket in a folder with a run of blocks, and a cache.
type world struct {
	t      *testing.T
	dir    string // of the bucket
	bucket *countingBucket
	blocks []*archive.StoredBlock
	cache  string
}

// countingBucket counts what is read, and lets a test look on.
type countingBucket struct {
	objstore.Bucket

	gets   atomic.Int64
	before func(ctx context.Context, object string) error
}

func (b *countingBucket) Get(ctx context.Context, object string) (io.ReadCloser, error) {
	b.gets.Add(1)
	if b.before != nil {
		if err := b.before(ctx, object); err != nil {
			return nil, err
		}
	}
	return b.Bucket.Get(ctx, object)
}

// newWorld archives a run of so many blocks.
func newWorld(t *testing.T, blocks int) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), cache: filepath.Join(t.TempDir(), "cache")}
	bkt, err := archive.NewDirectoryBucket(w.dir, 0o022)
	require.NoError(t, err)
	w.bucket = &countingBucket{Bucket: bkt}
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: runID, FinishTimeout: time.Minute,
	})
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context()))
	defer r.Close()
	batch := &blockwriter.Batch{Labels: twoSeries{}}
	for i := range 2 {
		from := int32(len(batch.Samples))
		for at := base; at < base+int64(blocks)*2*hour; at += minute {
			batch.Samples = append(batch.Samples, blockwriter.Sample{Timestamp: at, Value: math.Sqrt(float64(at))})
		}
		batch.Series = append(batch.Series, blockwriter.Series{
			Hash: xxh3.HashString128(fmt.Sprint(i)), Samples: blockwriter.Range{From: from, To: int32(len(batch.Samples))}, Metadata: -1,
		})
	}
	_, err = r.Append(batch)
	require.NoError(t, err)
	require.NoError(t, r.Finish(t.Context(), blockwriter.TriggerSignal))
	w.blocks = w.run().Current()
	require.Len(t, w.blocks, blocks)
	return w
}

// clone copies the bucket for a test that is going to damage it, or what the
// cache will have of it.
func (w *world) clone(t *testing.T) *world {
	t.Helper()
	c := &world{t: t, dir: t.TempDir(), cache: filepath.Join(t.TempDir(), "cache"), blocks: w.blocks}
	require.NoError(t, os.CopyFS(c.dir, os.DirFS(w.dir)))
	bkt, err := archive.NewDirectoryBucket(c.dir, 0o022)
	require.NoError(t, err)
	c.bucket = &countingBucket{Bucket: bkt}
	return c
}

// twoSeries is a blockwriter.LabelReader.
type twoSeries struct{}

func (twoSeries) AppendLabels(dst []blockwriter.Label, i int) ([]blockwriter.Label, error) {
	return append(dst, blockwriter.Label{Name: []byte("__name__"), Value: fmt.Append(nil, "metric_", i)}), nil
}

func (w *world) run() *archive.Run {
	w.t.Helper()
	catalogue, err := archive.ReadCatalogue(w.t.Context(), w.bucket.Bucket, archive.CatalogueOptions{})
	require.NoError(w.t, err)
	run, err := catalogue.Find(runID, true)
	require.NoError(w.t, err)
	return run
}

// open opens the cache with a bound in bytes.
func (w *world) open(maxBytes int64) *blockcache.Cache {
	w.t.Helper()
	c, err := blockcache.Open(w.cache, maxBytes)
	require.NoError(w.t, err)
	return c
}

// use opens blocks, reads them whole, and closes them.
func (w *world) use(c *blockcache.Cache, blocks ...*archive.StoredBlock) {
	w.t.Helper()
	s, err := c.Blocks(w.t.Context(), w.bucket, blocks, nil)
	require.NoError(w.t, err)
	for i, b := range s.Blocks {
		require.Equal(w.t, blocks[i], b.Stored)
		samples, err := readAll(b.Reader())
		require.NoError(w.t, err)
		require.Equal(w.t, perBlock, samples)
	}
	require.NoError(w.t, s.Close())
}

// readAll counts the samples of a block, all of which it reads.
func readAll(b tsdb.BlockReader) (samples int, err error) {
	q, err := tsdb.NewBlockQuerier(b, math.MinInt64, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() != chunkenc.ValNone {
			if at, v := it.At(); v != math.Sqrt(float64(at)) {
				return 0, fmt.Errorf("%d has the value %g", at, v)
			}
			samples++
		}
		if it.Err() != nil {
			return 0, it.Err()
		}
	}
	return samples, set.Err()
}

// names are what lies in the cache's folder, but the lock.
func (w *world) names() (names []string) {
	w.t.Helper()
	entries, err := os.ReadDir(w.cache)
	require.NoError(w.t, err)
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func (w *world) ids(blocks ...int) (ids []string) {
	for _, i := range blocks {
		ids = append(ids, w.blocks[i].ULID.String())
	}
	return ids
}

// cached is the path of a file of a block in the cache.
func (w *world) cached(i int, rel ...string) string {
	return filepath.Join(append([]string{w.cache, w.blocks[i].ULID.String()}, rel...)...)
}

// stored is the path of a file of a block in the bucket.
func (w *world) stored(id ulid.ULID, rel string) string {
	return filepath.Join(w.dir, id.String(), filepath.FromSlash(rel))
}

// size is the room that a block takes.
func (w *world) size(i int) int64 {
	w.t.Helper()
	info, err := os.Stat(w.stored(w.blocks[i].ULID, archive.MetaFile))
	require.NoError(w.t, err)
	return w.blocks[i].Bytes + info.Size() + 64 // and the hash of meta.json
}

// room is enough for as many of the blocks, whichever, and for no more.
func (w *world) room(blocks int64) (n int64) {
	for i := range w.blocks {
		n = max(n, blocks*w.size(i))
	}
	return n
}

// editMeta changes a block's meta.json in the bucket.
func (w *world) editMeta(i int, edit func(meta map[string]any, files []any) []any) {
	w.t.Helper()
	path := w.stored(w.blocks[i].ULID, archive.MetaFile)
	data, err := os.ReadFile(path)
	require.NoError(w.t, err)
	var meta map[string]any
	require.NoError(w.t, json.Unmarshal(data, &meta))
	thanos := meta["thanos"].(map[string]any)
	thanos["files"] = edit(meta, thanos["files"].([]any))
	data, err = json.Marshal(meta)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(path, data, 0o644))
}

// entry is the entry of a file in thanos.files.
func entry(files []any, rel string) map[string]any {
	for _, f := range files {
		if f := f.(map[string]any); f["rel_path"] == rel {
			return f
		}
	}
	panic("no " + rel)
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	data[(at+len(data))%len(data)] ^= 1
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

func isFetch(name string) bool { return strings.HasPrefix(name, "fetching-") }
