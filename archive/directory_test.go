package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
