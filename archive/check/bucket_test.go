package check_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
)

var errInjected = errors.New("injected")

// failingBucket fails the operation whose number is failAt, counted from 1.
// Reading an object is an operation of its own.
type failingBucket struct {
	objstore.Bucket
	operations atomic.Int64
	failAt     int64
}

func (b *failingBucket) fail() error {
	if b.operations.Add(1) == b.failAt {
		return errInjected
	}
	return nil
}

func (b *failingBucket) Iter(ctx context.Context, dir string, f func(string) error, opts ...objstore.IterOption) error {
	if err := b.fail(); err != nil {
		return err
	}
	return b.Bucket.Iter(ctx, dir, f, opts...)
}

func (b *failingBucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := b.fail(); err != nil {
		return nil, err
	}
	r, err := b.Bucket.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := b.fail(); err != nil { // half of it is read before
		broken := io.MultiReader(io.LimitReader(r, 20), iotest.ErrReader(err))
		return struct {
			io.Reader
			io.Closer
		}{broken, r}, nil
	}
	return r, nil
}

func (b *failingBucket) Exists(ctx context.Context, name string) (bool, error) {
	if err := b.fail(); err != nil {
		return false, err
	}
	return b.Bucket.Exists(ctx, name)
}

// TestBucketThatFails fails one operation after the other until none is left to
// fail. A check that could not see everything calls nothing good, nor broken.
func TestBucketThatFails(t *testing.T) {
	w := twoWindows(t)
	run := w.run()
	for i := int64(1); ; i++ {
		bkt := &failingBucket{Bucket: w.bucket, failAt: i}
		report, err := check.Run(t.Context(), bkt, run, nil)
		if err == nil {
			require.Equal(t, check.Good, report.Verdict)
			require.Greater(t, i, bkt.operations.Load(), "every operation failed once")
			require.Greater(t, i, int64(12))
			return
		}
		require.ErrorIs(t, err, errInjected)
		require.Nil(t, report)
	}
}

func TestCheckThatIsCancelled(t *testing.T) {
	w := twoWindows(t)
	run := w.run()
	t.Setenv("TMPDIR", t.TempDir())
	for _, after := range []int64{0, 1, 1000, 2000} { // bytes read
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		report, err := check.Run(ctx, w.bucket, run, func(p check.Progress) {
			if p.BytesDone >= after {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, report)
		left, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestProgressIsTold(t *testing.T) {
	w := twoWindows(t)
	var last check.Progress
	report, err := check.Run(t.Context(), w.bucket, w.run(), func(p check.Progress) {
		require.GreaterOrEqual(t, p.BytesDone, last.BytesDone)
		require.GreaterOrEqual(t, p.BlocksDone, last.BlocksDone)
		last = p
	})
	require.NoError(t, err)
	require.Equal(t, check.Progress{Blocks: 2, BlocksDone: 2, Bytes: w.dataBytes(), BytesDone: w.dataBytes()}, last)
	require.Equal(t, w.dataBytes(), report.Bytes)
}

func TestTemporaryFolderThatCannotBeUsed(t *testing.T) {
	w := twoWindows(t)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	_, err := check.Run(t.Context(), w.bucket, w.run(), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "TMPDIR")
}

// vanishingBucket deletes a block as soon as its index is asked for.
type vanishingBucket struct {
	objstore.Bucket
	once sync.Once
	w    *world
}

func (b *vanishingBucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if strings.HasSuffix(name, "/"+archive.IndexFile) {
		b.once.Do(func() { b.w.remove(strings.TrimSuffix(name, "/"+archive.IndexFile)) })
	}
	return b.Bucket.Get(ctx, name)
}

// A run that goes on replaces blocks by merged ones while they are checked.
func TestBlockThatGoesAwayMeanwhile(t *testing.T) {
	for state, want := range map[archive.State][]check.Kind{
		archive.StateRunning:  nil,
		archive.StateArchived: {check.BlockMissing},
	} {
		t.Run(string(state), func(t *testing.T) {
			w := twoWindows(t)
			w.editManifest(func(m *archive.Manifest) {
				m.State, m.Complete = state, state == archive.StateArchived
			})
			report, err := check.Run(t.Context(), &vanishingBucket{Bucket: w.bucket, w: w}, w.run(), nil)
			require.NoError(t, err)
			require.Equal(t, want, kinds(report), "%v", report.Findings)
			require.Equal(t, 1, report.Blocks)
		})
	}
}

// An object that meta.json lists under any name stays out of the file system.
func TestNothingIsWrittenOutsideTheTemporaryFolder(t *testing.T) {
	w := twoWindows(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", filepath.Join(tmp, "within"))
	require.NoError(t, os.Mkdir(os.TempDir(), 0o700))
	block := w.blocks()[0]
	w.editMeta(block, func(m *meta) {
		m.Thanos.Files = append(m.Thanos.Files, archive.File{RelPath: "../../outside"}, archive.File{RelPath: "chunks/../../../outside"})
	})
	w.put("outside", []byte("x"))
	report, err := check.Run(t.Context(), w.bucket, w.run(), func(check.Progress) {
		entries, err := os.ReadDir(tmp)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
	require.NoError(t, err)
	require.Contains(t, kinds(report), check.MetaWrong)
}
