//go:build unix

package blockcache_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/blockcache"
)

func TestBlocksAreFetchedOnce(t *testing.T) {
	w := newWorld(t, 2)
	c := w.open(roomy)
	var done, total int64
	s, err := c.Blocks(t.Context(), w.bucket, w.blocks, func(d, of int64) {
		require.GreaterOrEqual(t, d, done)
		done, total = d, of
	})
	require.NoError(t, err)
	require.Equal(t, w.blocks[0].Bytes+w.blocks[1].Bytes, total)
	require.Equal(t, total, done)
	require.EqualValues(t, 6, w.bucket.gets.Load(), "meta.json, index and a segment of each")
	for i, b := range s.Blocks {
		samples, err := readAll(b.Reader())
		require.NoError(t, err)
		require.Equal(t, perBlock, samples)
		for _, rel := range []string{"meta.json", "index", "chunks/000001"} {
			want, err := os.ReadFile(w.stored(w.blocks[i].ULID, rel))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(b.Dir(), rel))
			require.NoError(t, err)
			require.Equal(t, want, got, rel)
		}
	}
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice is no harm")
	w.use(w.open(roomy), w.blocks...)
	require.EqualValues(t, 6, w.bucket.gets.Load(), "nothing anew")
	require.Equal(t, w.ids(0, 1), w.names())
	info, err := os.Stat(w.cached(0, "block", "index"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestLeastRecentlyUsedMakesRoom(t *testing.T) {
	w := newWorld(t, 4)
	c := w.open(w.room(3))
	old := time.Now().Add(-time.Hour)
	for i := range 3 {
		w.use(c, w.blocks[i])
		require.NoError(t, os.Chtimes(w.cached(i, "lock"), old.Add(time.Duration(i)*time.Minute), old.Add(time.Duration(i)*time.Minute)))
	}
	w.use(c, w.blocks[0]) // from the oldest it becomes the newest
	w.use(c, w.blocks[3])
	require.Equal(t, w.ids(0, 2, 3), w.names())
	w.use(c, w.blocks[1])
	require.Equal(t, w.ids(0, 1, 3), w.names())
	w.use(w.open(w.room(1)), w.blocks[2])
	require.Equal(t, w.ids(2), w.names(), "a smaller bound makes more go")
}

func TestBlocksInUseStay(t *testing.T) {
	w := newWorld(t, 3)
	c := w.open(w.room(2))
	held, err := c.Blocks(t.Context(), w.bucket, w.blocks[:1], nil)
	require.NoError(t, err)
	w.use(c, w.blocks[1])
	w.use(c, w.blocks[2])
	require.Equal(t, w.ids(0, 2), w.names(), "the first is older, and in use")
	samples, err := readAll(held.Blocks[0].Reader())
	require.NoError(t, err)
	require.Equal(t, perBlock, samples)
	require.DirExists(t, held.Blocks[0].Dir())

	_, err = w.open(w.room(2)).Blocks(t.Context(), w.bucket, w.blocks[1:], nil)
	requireDiskError(t, err, "are in use: give at least --cache.size=")
	require.Equal(t, w.ids(0, 2), w.names(), "the third was asked for, too")
	require.NoError(t, held.Close())
	w.use(c, w.blocks[1:]...)
}

func requireDiskError(t *testing.T, err error, text string) {
	t.Helper()
	var ofDisk *blockcache.DiskError
	require.ErrorAs(t, err, &ofDisk)
	require.ErrorContains(t, err, text)
}

func TestSetLargerThanTheBound(t *testing.T) {
	w := newWorld(t, 2)
	w.use(w.open(roomy), w.blocks[0])
	_, err := w.open(w.size(0)+w.size(1)-1).Blocks(t.Context(), w.bucket, w.blocks, nil)
	requireDiskError(t, err, "more than --cache.size=")
	require.ErrorContains(t, err, "give at least --cache.size=")
	require.Equal(t, w.ids(0), w.names(), "nothing was removed for it")
	_, err = w.open(w.size(0)-1).Blocks(t.Context(), w.bucket, w.blocks[:1], nil)
	requireDiskError(t, err, "more than --cache.size=")
}

func TestFolderThatCannotBeUsed(t *testing.T) {
	w := newWorld(t, 1)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := blockcache.Open(filepath.Join(file, "cache"), roomy)
	requireDiskError(t, err, "--cache.dir="+file)

	c := w.open(roomy)
	require.NoError(t, os.RemoveAll(w.cache))
	_, err = c.Blocks(t.Context(), w.bucket, w.blocks, nil)
	requireDiskError(t, err, "--cache.dir="+w.cache)
}

// TestDamagedBlockIsFetchedAgain damages one thing after the other of a block in
// the cache.
func TestDamagedBlockIsFetchedAgain(t *testing.T) {
	whole := newWorld(t, 2)
	for name, damage := range map[string]func(w *world){
		"meta.json missing": func(w *world) { require.NoError(w.t, os.Remove(w.cached(0, "block", "meta.json"))) },
		"meta.json torn":    func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "meta.json"), 50)) },
		"meta.json empty":   func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "meta.json"), 0)) },
		"meta.json edited": func(w *world) {
			path := w.cached(0, "block", "meta.json")
			raw, err := os.ReadFile(path)
			require.NoError(w.t, err)
			edited := bytes.Replace(raw, []byte(`"run"`), []byte(`"ran"`), 1)
			require.NotEqual(w.t, raw, edited)
			require.NoError(w.t, os.WriteFile(path, edited, 0o600))
		},
		"index missing":     func(w *world) { require.NoError(w.t, os.Remove(w.cached(0, "block", "index"))) },
		"index cut":         func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "index"), 100)) },
		"index empty":       func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "index"), 0)) },
		"index's TOC":       func(w *world) { flip(w.t, w.cached(0, "block", "index"), -1) },
		"index's head":      func(w *world) { flip(w.t, w.cached(0, "block", "index"), 0) },
		"segment missing":   func(w *world) { require.NoError(w.t, os.Remove(w.cached(0, "block", "chunks", "000001"))) },
		"segment cut":       func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "chunks", "000001"), 9)) },
		"segment longer":    func(w *world) { require.NoError(w.t, os.Truncate(w.cached(0, "block", "chunks", "000001"), 1<<20)) },
		"segment's head":    func(w *world) { flip(w.t, w.cached(0, "block", "chunks", "000001"), 0) },
		"chunks missing":    func(w *world) { require.NoError(w.t, os.RemoveAll(w.cached(0, "block", "chunks"))) },
		"all files missing": func(w *world) { require.NoError(w.t, os.RemoveAll(w.cached(0, "block"))) },
		"lock missing":      func(w *world) { require.NoError(w.t, os.Remove(w.cached(0, "lock"))) },
		"nothing but folder": func(w *world) {
			require.NoError(w.t, os.RemoveAll(w.cached(0, "block")))
			require.NoError(w.t, os.Remove(w.cached(0, "lock")))
		},
		"another's content": func(w *world) {
			require.NoError(w.t, os.RemoveAll(w.cached(0)))
			require.NoError(w.t, os.CopyFS(w.cached(0), os.DirFS(w.cached(1))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			c := w.open(roomy)
			w.use(c, w.blocks...)
			damage(w)
			before := w.bucket.gets.Load()
			w.use(c, w.blocks...)
			require.EqualValues(t, 3, w.bucket.gets.Load()-before, "the damaged block alone, once")
			w.use(c, w.blocks...)
			require.EqualValues(t, 3, w.bucket.gets.Load()-before)
			require.Equal(t, w.ids(0, 1), w.names())
		})
	}
}

// A chunk is read when a query asks for it, and only then is found damaged.
func TestDiscardedBlockIsFetchedAgain(t *testing.T) {
	w := newWorld(t, 1)
	c := w.open(roomy)
	w.use(c, w.blocks...)
	flip(t, w.cached(0, "block", "chunks", "000001"), 100)
	s, err := c.Blocks(t.Context(), w.bucket, w.blocks, nil)
	require.NoError(t, err)
	_, err = readAll(s.Blocks[0].Reader())
	require.ErrorContains(t, err, "checksum")
	also, err := w.open(roomy).Blocks(t.Context(), w.bucket, w.blocks, nil)
	require.NoError(t, err)
	require.NoError(t, s.Blocks[0].Discard(t.Context()))
	require.Empty(t, w.names())
	w.use(c, w.blocks...)
	require.NoError(t, also.Blocks[0].Discard(t.Context()), "it is another by now")
	require.Equal(t, w.ids(0), w.names())
	require.NoError(t, errors.Join(s.Close(), also.Close()))
}

// TestDamageInTheBucket is told as such, and leaves nothing in the cache.
func TestDamageInTheBucket(t *testing.T) {
	whole := newWorld(t, 1)
	for name, c := range map[string]struct {
		damage func(w *world, path func(rel string) string)
		want   string
	}{
		"segment missing": {func(w *world, path func(string) string) { require.NoError(w.t, os.Remove(path("chunks/000001"))) }, "chunks/000001 is not in the bucket any more"},
		"block gone":      {func(w *world, path func(string) string) { require.NoError(w.t, os.RemoveAll(path(""))) }, "meta.json is not in the bucket any more"},
		"meta.json torn":  {func(w *world, path func(string) string) { require.NoError(w.t, os.Truncate(path("meta.json"), 99)) }, "meta.json: unexpected end of JSON input"},
		"index cut":       {func(w *world, path func(string) string) { require.NoError(w.t, os.Truncate(path("index"), 99)) }, "damaged in the bucket: index has 99 bytes, meta.json says"},
		"segment longer": {func(w *world, path func(string) string) {
			require.NoError(w.t, os.Truncate(path("chunks/000001"), 1<<20))
		}, "damaged in the bucket: chunks/000001 has more than"},
		"segment flipped": {func(w *world, path func(string) string) { flip(w.t, path("chunks/000001"), 100) }, "damaged in the bucket: SHA-256 of chunks/000001 is"},
		"index forged": {func(w *world, path func(string) string) {
			flip(w.t, path("index"), -1)
			w.editMeta(0, func(_ map[string]any, files []any) []any { delete(entry(files, "index"), "hash"); return files })
		}, "damaged in the bucket: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := whole.clone(t)
			c.damage(w, func(rel string) string { return w.stored(w.blocks[0].ULID, rel) })
			_, err := w.open(roomy).Blocks(t.Context(), w.bucket, w.blocks, nil)
			var ofBlock *blockcache.BlockError
			require.ErrorAs(t, err, &ofBlock)
			require.Equal(t, w.blocks[0].ULID, ofBlock.Block)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, w.names())
		})
	}
}

// TestNamesFromTheBucketAreNoPaths has a meta.json that lists what is no file of
// a block.
func TestNamesFromTheBucketAreNoPaths(t *testing.T) {
	whole := newWorld(t, 1)
	for _, hostile := range []string{
		"../../../../../../tmp/x", "..", ".", "", "/etc/passwd", "chunks/../../x", "chunks/000001/x", "chunks/0000010", "chunks", "lock",
		"chunks\\000001", "tombstones", "INDEX", "index/", "./index", "chunks/00000١", "chunks/000001\n",
	} {
		w := whole.clone(t)
		w.editMeta(0, func(_ map[string]any, files []any) []any {
			return append(files, map[string]any{"rel_path": hostile, "size_bytes": 1})
		})
		_, err := w.open(roomy).Blocks(t.Context(), w.bucket, w.blocks, nil)
		require.ErrorContains(t, err, "which is no file of a block", hostile)
		require.Empty(t, w.names())
	}
	for want, edit := range map[string]func(meta map[string]any, files []any) []any{
		"it is of block 0": func(meta map[string]any, files []any) []any { meta["ulid"] = strings.Repeat("0", 26); return files },
		"twice":            func(_ map[string]any, files []any) []any { return append(files, files[0]) },
		"lists no index":   func(map[string]any, []any) []any { return nil },
		"has 9000000000000000000 bytes": func(_ map[string]any, files []any) []any {
			entry(files, "index")["size_bytes"] = 9000000000000000000
			return files
		},
		"has -1 bytes": func(_ map[string]any, files []any) []any { entry(files, "index")["size_bytes"] = -1; return files },
	} {
		w := whole.clone(t)
		w.editMeta(0, edit)
		_, err := w.open(roomy).Blocks(t.Context(), w.bucket, w.blocks, nil)
		require.ErrorContains(t, err, want)
		require.Empty(t, w.names())
	}
}

// A Compactor's meta.json has sizes, and no hashes.
func TestBlockWithoutHashes(t *testing.T) {
	w := newWorld(t, 1)
	w.editMeta(0, func(_ map[string]any, files []any) []any {
		for _, f := range files {
			delete(f.(map[string]any), "hash")
		}
		return files
	})
	w.use(w.open(roomy), w.blocks...)
}

func TestFetchThatFailsLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(context.Context, context.CancelFunc) error
		want error
	}{
		"bucket fails": {func(context.Context, context.CancelFunc) error { return errBucket }, errBucket},
		"interrupted": {func(ctx context.Context, cancel context.CancelFunc) error {
			cancel()
			return ctx.Err()
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 2)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.bucket.before = func(ctx context.Context, object string) error {
				if !strings.HasPrefix(object, w.blocks[1].ULID.String()) || !strings.HasSuffix(object, "index") {
					return nil
				}
				return c.fail(ctx, cancel)
			}
			cache := w.open(roomy)
			_, err := cache.Blocks(ctx, w.bucket, w.blocks, nil)
			require.ErrorIs(t, err, c.want)
			require.False(t, slices.ContainsFunc(w.names(), isFetch), "%v", w.names())
			w.bucket.before = nil
			w.use(w.open(w.room(1)), w.blocks[1]) // what came of the first is not held
			w.use(cache, w.blocks...)
		})
	}
}

var errBucket = errors.New("the bucket is on fire")

func TestForeignFilesAreLeftAlone(t *testing.T) {
	w := newWorld(t, 1)
	c := w.open(w.size(0))
	theirs := filepath.Join(w.cache, "notes.txt")
	require.NoError(t, os.WriteFile(theirs, []byte("x"), 0o600))
	w.use(c, w.blocks...)
	require.FileExists(t, theirs)
}
