package archive

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachBucket runs a test on an empty bucket of either kind. They differ in
// that a folder has parents to remove.
func eachBucket(t *testing.T, test func(t *testing.T, bkt objstore.Bucket)) {
	t.Run("memory", func(t *testing.T) { test(t, objstore.NewInMemBucket()) })
	t.Run("folder", func(t *testing.T) {
		bkt, err := filesystem.NewBucket(t.TempDir())
		require.NoError(t, err)
		test(t, bkt)
	})
}

func put(t *testing.T, bkt objstore.Bucket, objects ...string) {
	t.Helper()
	for _, name := range objects {
		require.NoError(t, bkt.Upload(t.Context(), name, strings.NewReader("content of "+name)))
	}
}

// list is all objects of a bucket.
func list(t *testing.T, bkt objstore.Bucket) (objects []string) {
	t.Helper()
	require.NoError(t, bkt.Iter(t.Context(), "", func(name string) error {
		objects = append(objects, name)
		return nil
	}, objstore.WithRecursiveIter()))
	return objects
}

func get(t *testing.T, bkt objstore.Bucket, object string) string {
	t.Helper()
	r, err := bkt.Get(t.Context(), object)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(data)
}

// requireGolden compares with a file below testdata.
func requireGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// recordingBucket keeps the names of what is deleted, in order, and fails the
// operation whose number is failAt, counted from 1.
type recordingBucket struct {
	objstore.Bucket
	deleted    []string
	operations int
	failAt     int
}

var errInjected = errors.New("injected")

func (b *recordingBucket) fail() error {
	if b.operations++; b.operations == b.failAt {
		return errInjected
	}
	return nil
}

func (b *recordingBucket) Exists(ctx context.Context, name string) (bool, error) {
	if err := b.fail(); err != nil {
		return false, err
	}
	return b.Bucket.Exists(ctx, name)
}

func (b *recordingBucket) Iter(ctx context.Context, dir string, f func(string) error, opts ...objstore.IterOption) error {
	if err := b.fail(); err != nil {
		return err
	}
	return b.Bucket.Iter(ctx, dir, f, opts...)
}

func (b *recordingBucket) Delete(ctx context.Context, name string) error {
	if err := b.fail(); err != nil {
		return err
	}
	b.deleted = append(b.deleted, name)
	return b.Bucket.Delete(ctx, name)
}
