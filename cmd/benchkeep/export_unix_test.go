//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// What a user makes of samples is for those whom the user's umask lets read
// files; what is kept in the cache is not.
func TestExportGoesByTheUmask(t *testing.T) {
	inArchive(t)
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	dir := filepath.Join(t.TempDir(), "blocks")
	path := filepath.Join(t.TempDir(), "samples")
	for _, line := range []string{"export nightly-42 --output-file=" + path, "export nightly-42 --block-dir=" + dir} {
		syscall.Umask(0o027)
		_, errors, code := command(t, line)
		require.Zero(t, code, errors)
	}
	index, err := filepath.Glob(filepath.Join(dir, "01*", archive.IndexFile))
	require.NoError(t, err)
	require.Len(t, index, 1)
	for path, want := range map[string]os.FileMode{
		path: 0o640, dir: 0o750, filepath.Dir(index[0]): 0o750, index[0]: 0o640, cachedBlocks(t)[0]: 0o700,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}
