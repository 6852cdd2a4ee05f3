package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestDirectoryBucketHoldsObjectsWholeOrNotAtAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	bkt, err := NewDirectoryBucket(dir, 0o027)
	require.NoError(t, err)
	require.NoError(t, bkt.Upload(t.Context(), "a/b/index", strings.NewReader("old")))

	broken := errors.New("broken")
	half := iotest.TimeoutReader(strings.NewReader("new content"))
	require.Error(t, bkt.Upload(t.Context(), "a/b/index", half))
	require.ErrorIs(t, bkt.Upload(t.Context(), "a/b/other", iotest.ErrReader(broken)), broken)

	data, err := os.ReadFile(filepath.Join(dir, "a", "b", "index"))
	require.NoError(t, err)
	require.Equal(t, "old", string(data))
	require.NoFileExists(t, filepath.Join(dir, "a", "b", "other"))
	left, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(uploadsDir)))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDirectoryBucketFollowsItsOwnUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	bkt, err := NewDirectoryBucket(dir, 0o027)
	require.NoError(t, err)
	require.NoError(t, bkt.Upload(t.Context(), "a/b/index", strings.NewReader("x")))
	for path, want := range map[string]fs.FileMode{"": 0o750, "a": 0o750, "a/b": 0o750, "a/b/index": 0o640} {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(path)))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}

// The provider's own Delete removes a folder that it has found empty, with all
// that another process has put there since.
func TestDirectoryBucketDeletesNothingElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bucket")
	bkt, err := NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	for _, name := range []string{"a/b/one", "a/b/two", "c/d/three"} {
		require.NoError(t, bkt.Upload(t.Context(), name, strings.NewReader("x")))
	}
	require.NoError(t, bkt.Delete(t.Context(), "a/b/one"))
	require.FileExists(t, filepath.Join(dir, "a", "b", "two"))
	require.NoError(t, bkt.Delete(t.Context(), "a/b/two"))
	require.NoDirExists(t, filepath.Join(dir, "a"), "folders that are empty go")
	require.Error(t, os.Remove(filepath.Join(dir, "c")), "others do not")
	err = bkt.Delete(t.Context(), "a/b/two")
	require.True(t, bkt.IsObjNotFoundErr(err))
	require.False(t, bkt.IsAccessDeniedErr(err))
}

// Uploads find their folder whoever empties and removes it at the same time.
func TestDirectoryBucketUploadsBesideDeletions(t *testing.T) {
	bkt, err := NewDirectoryBucket(t.TempDir(), 0o022)
	require.NoError(t, err)
	var group sync.WaitGroup
	for _, name := range []string{"a/b/one", "a/b/two"} {
		group.Go(func() {
			for range 50 {
				err := bkt.Upload(t.Context(), name, strings.NewReader("x"))
				if err == nil {
					err = bkt.Delete(t.Context(), name)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}
