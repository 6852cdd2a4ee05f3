package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

const (
	manyRuns = 10_000
	// listPage is how many names a page of a listing has in S3.
	listPage = 1000
)

// largeBucket has manyRuns runs of two blocks each, every tenth of which Thanos
// has compacted into one. It makes up its objects as they are read, counts the
// requests that an S3 server would see, and how many are open at a time.
type largeBucket struct {
	objstore.Bucket
	manifestSize int

	lists, gets, open, mostOpen atomic.Int64
}

func runName(i int) string { return fmt.Sprintf("run-%05d", i) }

func largeManifest(i int) *Manifest {
	m := manifest(runName(i), "a", map[string]string{"branch": "main", "commit": fmt.Sprint(i)}, id(10*i), id(10*i+1))
	m.Started = start.Add(time.Duration(i) * time.Minute)
	return m
}

func compactedRun(i int) bool { return i%10 == 0 }

func (b *largeBucket) IterWithAttributes(_ context.Context, dir string, f func(objstore.IterObjectAttributes) error, _ ...objstore.IterOption) error {
	if dir != runsDir {
		return fmt.Errorf("listing of %q", dir)
	}
	b.lists.Add(manyRuns / listPage)
	for i := range manyRuns {
		attrs := objstore.IterObjectAttributes{Name: ManifestObject(runName(i), "a")}
		attrs.SetLastModified(start)
		if err := f(attrs); err != nil {
			return err
		}
	}
	return nil
}

func (b *largeBucket) Iter(_ context.Context, dir string, f func(string) error, _ ...objstore.IterOption) error {
	if dir != "" {
		return fmt.Errorf("listing of %q", dir)
	}
	b.lists.Add(2 * manyRuns / listPage)
	for i := range manyRuns {
		folders := []ulid.ULID{id(10 * i), id(10*i + 1)}
		if compactedRun(i) {
			folders = []ulid.ULID{id(10*i + 2)}
		}
		for _, folder := range folders {
			if err := f(folder.String() + objstore.DirDelim); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *largeBucket) Get(_ context.Context, name string) (io.ReadCloser, error) {
	b.gets.Add(1)
	for open := b.open.Add(1); ; {
		most := b.mostOpen.Load()
		if open <= most || b.mostOpen.CompareAndSwap(most, open) {
			break
		}
	}
	var run int
	if _, err := fmt.Sscanf(name, runsDir+"/run-%05d/a.json", &run); err == nil {
		m := largeManifest(run)
		m.Metrics = map[string]Metadata{"up": {Help: strings.Repeat("x", b.manifestSize)}}
		return b.body(m)
	}
	block, err := ulid.ParseStrict(strings.TrimSuffix(name, "/"+MetaFile))
	if err != nil {
		return nil, err
	}
	run = int(block.Time()-uint64(start.UnixMilli())) / 10
	joined := compacted(largeManifest(run), block, 2)
	return b.body(map[string]any{
		"minTime": joined.MinTime, "maxTime": joined.MaxTime, "stats": BlockStats{NumSamples: joined.Samples, NumSeries: joined.Series},
		"compaction": map[string]any{"sources": joined.Sources},
		"thanos":     map[string]any{"labels": joined.Labels, "files": []File{{RelPath: IndexFile, SizeBytes: joined.Bytes}}},
	})
}

func (b *largeBucket) body(v any) (io.ReadCloser, error) {
	data, err := json.Marshal(v)
	return &openObject{strings.NewReader(string(data)), &b.open}, err
}

type openObject struct {
	io.Reader
	open *atomic.Int64
}

func (o *openObject) Close() error {
	o.open.Add(-1)
	return nil
}

func (b *largeBucket) reset() { b.lists.Store(0); b.gets.Store(0) }

// TestTenThousandRuns lists a large bucket in a bounded number of requests and
// bounded memory and, the second time, without reading a single object.
func TestTenThousandRuns(t *testing.T) {
	bkt := &largeBucket{Bucket: objstore.NewInMemBucket(), manifestSize: 4 << 10}
	path := filepath.Join(t.TempDir(), "cache", "runs.json")
	var told int64
	read := func() *Catalogue {
		cache := OpenCache(path)
		c, err := ReadCatalogue(t.Context(), bkt, CatalogueOptions{Cache: cache, Progress: func(done, _ int64) { told = done }})
		require.NoError(t, err)
		require.NoError(t, cache.Save())
		return c
	}
	before := liveHeap()
	cold := read()
	heap := liveHeap() - before
	require.Len(t, cold.Runs, manyRuns)
	require.Equal(t, "run-00000 archived parts=1 series=10 samples=200 bytes=1400 blocks=1 missing=0", brief(cold.Runs[0]))
	require.Equal(t, "run-00001 archived parts=1 series=10 samples=200 bytes=2000 blocks=2 missing=0", brief(cold.Runs[1]))
	require.EqualValues(t, manyRuns+manyRuns/10, bkt.gets.Load(), "each manifest, and the block that none lists, once")
	require.EqualValues(t, told, bkt.gets.Load())
	require.EqualValues(t, 3*manyRuns/listPage, bkt.lists.Load())
	require.LessOrEqual(t, bkt.mostOpen.Load(), int64(readsAtOnce))
	require.Less(t, heap, int64(manyRuns*4<<10), "what is kept of a run is a fraction of its manifest")

	bkt.reset()
	warm := read()
	require.Equal(t, briefs(cold), briefs(warm))
	require.Zero(t, bkt.gets.Load())
	require.EqualValues(t, 3*manyRuns/listPage, bkt.lists.Load())
	runtime.KeepAlive(cold)
}

// liveHeap is what is in use, in bytes.
func liveHeap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func BenchmarkTenThousandRuns(b *testing.B) {
	bkt := &largeBucket{Bucket: objstore.NewInMemBucket(), manifestSize: 8 << 10}
	path := filepath.Join(b.TempDir(), "runs.json")
	for _, name := range []string{"cold", "warm"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				cache := OpenCache(path)
				if name == "cold" {
					cache = OpenCache(filepath.Join(b.TempDir(), "none.json"))
					cache.path = path
				}
				_, err := ReadCatalogue(b.Context(), bkt, CatalogueOptions{Cache: cache})
				require.NoError(b, err)
				require.NoError(b, cache.Save())
			}
		})
	}
}
