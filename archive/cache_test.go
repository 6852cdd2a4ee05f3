package archive

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
)

// agedBucket is a directory in which an object can be told when it was last
// changed: so long ago, in whole seconds.
func agedBucket(t *testing.T) (bkt objstore.Bucket, age func(object string, by time.Duration)) {
	dir := t.TempDir()
	bkt, err := filesystem.NewBucket(dir)
	require.NoError(t, err)
	now := time.Now().Truncate(time.Second)
	return bkt, func(object string, by time.Duration) {
		require.NoError(t, os.Chtimes(filepath.Join(dir, object), now.Add(-by), now.Add(-by)))
	}
}

func readBy(t *testing.T, bkt objstore.BucketReader, cache *Cache) *Catalogue {
	t.Helper()
	c, err := ReadCatalogue(t.Context(), bkt, CatalogueOptions{Cache: cache})
	require.NoError(t, err)
	return c
}

func TestCacheTellsTheTruth(t *testing.T) {
	bkt, age := agedBucket(t)
	path := filepath.Join(t.TempDir(), "runs.json")
	list := func() []string {
		cache := OpenCache(path)
		c := readBy(t, bkt, cache)
		require.NoError(t, cache.Save())
		require.Equal(t, briefs(readCatalogue(t, bkt)), briefs(c), "with a cache and without")
		return briefs(c)
	}
	m := manifest("one", "a", nil, id(1), id(2))
	putRun(t, bkt, m)
	age(m.Object(), time.Hour)
	list()

	t.Run("what is old and known is not read", func(t *testing.T) {
		unreadable := troubledBucket{bkt, func(string) error { return errInjected }}
		require.Equal(t, briefs(readCatalogue(t, bkt)), briefs(readBy(t, unreadable, OpenCache(path))))
	})
	t.Run("changed", func(t *testing.T) {
		m.State = StateFailed
		require.NoError(t, WriteManifest(t.Context(), bkt, m))
		require.Contains(t, list()[0], "failed")
	})
	t.Run("changed within the second", func(t *testing.T) {
		for _, state := range []State{StateRunning, StateArchived} {
			m.State = state
			require.NoError(t, WriteManifest(t.Context(), bkt, m))
			age(m.Object(), 0)
			list()
		}
	})
	t.Run("compacted", func(t *testing.T) {
		putBlock(t, bkt, compacted(m, id(5), 2))
		list()
		require.NoError(t, DeleteBlock(t.Context(), bkt, id(1)))
		require.NoError(t, DeleteBlock(t.Context(), bkt, id(2)))
		require.Contains(t, list()[0], "bytes=1400 blocks=1 missing=0")
	})
	t.Run("deleted", func(t *testing.T) {
		require.NoError(t, bkt.Delete(t.Context(), m.Object()))
		require.NoError(t, DeleteBlock(t.Context(), bkt, id(5)))
		require.Empty(t, list())
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(data), "one", "what is gone is forgotten")
	})
}

func TestCacheThatIsNoUse(t *testing.T) {
	bkt, age := agedBucket(t)
	m := manifest("one", "a", nil, id(1))
	putRun(t, bkt, m)
	age(m.Object(), time.Hour)
	path := filepath.Join(t.TempDir(), "runs.json")
	whole := OpenCache(path)
	want := briefs(readBy(t, bkt, whole))
	require.NoError(t, whole.Save())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for name, content := range map[string]string{
		"empty":           "",
		"torn":            string(data[:len(data)/2]),
		"another version": strings.Replace(string(data), `"version":1`, `"version":9`, 1),
		"no JSON":         "\x00\x00",
		"nothing in it":   `{"version":1}`,
		"nulls in it":     `{"version":1,"manifests":{"` + m.Object() + `":{}},"edits":{"x":null},"blocks":null}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			cache := OpenCache(path)
			require.Equal(t, want, briefs(readBy(t, bkt, cache)))
			require.NoError(t, cache.Save())
			require.Equal(t, want, briefs(readBy(t, bkt, OpenCache(path))))
		})
	}
	t.Run("no place for it", func(t *testing.T) {
		cache := OpenCache(filepath.Join(path, "below", "a", "file"))
		require.Equal(t, want, briefs(readBy(t, bkt, cache)))
		require.Error(t, cache.Save())
	})
}

// TestCacheInTheHandsOfMany lets several processes use one file: each finds it
// whole, and no temporary file is left.
func TestCacheInTheHandsOfMany(t *testing.T) {
	bkt, age := agedBucket(t)
	for i := range 20 {
		m := manifest(runName(i), "a", nil, id(i))
		putRun(t, bkt, m)
		age(m.Object(), time.Hour)
	}
	path := filepath.Join(t.TempDir(), "runs.json")
	want := briefs(readCatalogue(t, bkt))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				cache := OpenCache(path)
				c, err := ReadCatalogue(t.Context(), bkt, CatalogueOptions{Cache: cache})
				if err == nil {
					cache.fresh = true // as if there were news each time
					err = cache.Save()
				}
				if err != nil {
					t.Error(err)
					return
				}
				if got := briefs(c); len(got) != len(want) {
					t.Errorf("%d runs", len(got))
				}
			}
		})
	}
	group.Wait()
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Len(t, OpenCache(path).known.Manifests, 20)
}

// Providers that tell no times in a listing are asked object by object.
func TestCacheWhereListingsTellNoTimes(t *testing.T) {
	inner, age := agedBucket(t)
	m := manifest("one", "a", nil, id(1))
	putRun(t, inner, m)
	age(m.Object(), time.Hour)
	path := filepath.Join(t.TempDir(), "runs.json")
	cache := OpenCache(path)
	want := briefs(readBy(t, timelessBucket{inner}, cache))
	require.NoError(t, cache.Save())
	unreadable := timelessBucket{troubledBucket{inner, func(string) error { return errInjected }}}
	require.Equal(t, want, briefs(readBy(t, unreadable, OpenCache(path))))
}

type timelessBucket struct{ objstore.Bucket }

func (timelessBucket) SupportedIterOptions() []objstore.IterOptionType {
	return []objstore.IterOptionType{objstore.Recursive}
}
