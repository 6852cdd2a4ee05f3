package headcut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// failing makes the n-th operation on files fail.
type failing struct {
	left  atomic.Int64
	err   error
	short bool // a write that fails has written something
}

func (f *failing) fails() bool { return f.left.Add(-1) == 0 }

func (f *failing) create(path string) (osFile, error) {
	if f.fails() {
		return nil, f.err
	}
	file, err := createFile(path)
	return &failingFile{osFile: file, failing: f}, err
}

type failingFile struct {
	osFile
	failing *failing
}

func (f *failingFile) Write(p []byte) (int, error) {
	if !f.failing.fails() {
		return f.osFile.Write(p)
	}
	if !f.failing.short {
		return 0, f.failing.err
	}
	n, err := f.osFile.Write(p[:len(p)/2])
	return n, errors.Join(f.failing.err, err)
}

func (f *failingFile) Sync() error {
	if f.failing.fails() {
		return f.failing.err
	}
	return f.osFile.Sync()
}

func (f *failingFile) Close() error {
	if f.failing.fails() {
		return errors.Join(f.failing.err, f.osFile.Close())
	}
	return f.osFile.Close()
}

// TestFaults lets every operation on a file fail, one after the other: the
// first, the second, up to the last. What is left is nothing, and the next
// block is as it should be.
func TestFaults(t *testing.T) {
	head := smallHead(t)
	want := writeBlock(t, library(t, 3000), head, 0, head.MaxTime(), nil)
	for _, f := range []struct {
		name string
		*failing
	}{
		{"disk full", &failing{err: syscall.ENOSPC}},
		{"short write", &failing{err: io.ErrShortWrite, short: true}},
	} {
		t.Run(f.name, func(t *testing.T) {
			for n := int64(1); ; n++ {
				f.left.Store(n)
				w := own(t, Options{SegmentSize: 3000, Workers: 2})
				w.create = f.create
				dest := t.TempDir()
				ids, err := w.Write(dest, tsdb.NewRangeHead(head, 0, head.MaxTime()), 0, head.MaxTime()+1, nil)
				if err == nil {
					require.Positive(t, f.left.Load(), "a failure went unseen")
					require.Greater(t, n, int64(20))
					requireSameFiles(t, want, filepath.Join(dest, ids[0].String()))
					break
				}
				require.ErrorIs(t, err, f.err)
				require.Empty(t, ids)
				entries, err := os.ReadDir(dest)
				require.NoError(t, err)
				require.Empty(t, entries, "operation %d", n)
			}
		})
	}
}

// TestNoDestination writes into a folder that cannot be made.
func TestNoDestination(t *testing.T) {
	head := smallHead(t)
	dest := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(dest, nil, 0o666))
	_, err := own(t, Options{}).Write(dest, tsdb.NewRangeHead(head, 0, head.MaxTime()), 0, head.MaxTime()+1, nil)
	require.Error(t, err)
}

// TestCancel ends the context before the block is begun, and when each of its
// files is.
func TestCancel(t *testing.T) {
	head := smallHead(t)
	for n := 0; ; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := New(ctx, promslog.NewNopLogger(), refuses{t}, Options{SegmentSize: 3000})
		files := 0
		w.create = func(path string) (osFile, error) {
			if files++; files == n {
				cancel()
			}
			return createFile(path)
		}
		if n == 0 {
			cancel()
		}
		dest := t.TempDir()
		ids, err := w.Write(dest, tsdb.NewRangeHead(head, 0, head.MaxTime()), 0, head.MaxTime()+1, nil)
		if err == nil {
			require.NotEmpty(t, ids)
			require.Positive(t, n)
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		entries, err := os.ReadDir(dest)
		require.NoError(t, err)
		require.Empty(t, entries, fmt.Sprint("file ", n))
	}
}

// TestCrash leaves behind what a process does that dies right before the block
// gets its name: the database removes it.
func TestCrash(t *testing.T) {
	head := smallHead(t)
	dir := t.TempDir()
	w := own(t, Options{FileDone: func(f File) {
		if f.RelPath == indexName {
			from := filepath.Dir(f.Path)
			require.NoError(t, os.CopyFS(filepath.Join(dir, filepath.Base(from)), os.DirFS(from)))
		}
	}})
	writeBlock(t, w, head, 0, head.MaxTime(), nil)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	db := openDB(t, dir, nil)
	require.Empty(t, db.Blocks())
	require.NoDirExists(t, filepath.Join(dir, entries[0].Name()))
}
