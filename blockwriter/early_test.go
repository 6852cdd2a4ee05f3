package blockwriter

import (
	"context"
	"io"
	"path"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

// watchedBucket remembers in which state of the run each object was uploaded,
// and fails those that it is told to.
type watchedBucket struct {
	objstore.Bucket
	run  *Run
	fail func(name string) error

	mu       sync.Mutex
	uploaded map[State][]string
}

func (b *watchedBucket) Upload(ctx context.Context, name string, r io.Reader, opts ...objstore.ObjectUploadOption) error {
	state := b.run.State()
	if err := b.fail(name); err != nil {
		return err
	}
	b.mu.Lock()
	b.uploaded[state] = append(b.uploaded[state], path.Base(name))
	b.mu.Unlock()
	return b.Bucket.Upload(ctx, name, r, opts...)
}

// watched is a run with two windows in its head, behind a watched bucket.
func watched(t *testing.T) (*world, *Run, *watchedBucket, stored) {
	w := newWorld(t)
	bkt := &watchedBucket{Bucket: w.bucket, uploaded: map[State][]string{}, fail: func(string) error { return nil }}
	w.opts.Bucket = bkt
	bkt.run = &Run{}
	r := w.open()
	r.stopLoop()
	bkt.run = r
	want := stored{}
	for ts := base; ts < base+3*hour; ts += 10 * minute {
		write(t, r, one("m", at(ts, float64(ts))))
		want.add(`{__name__="m", job="test"}`, ts, float(float64(ts)))
	}
	return w, r, bkt, want
}

func TestFilesAreUploadedWhileTheCutGoesOn(t *testing.T) {
	w, r, bkt, want := watched(t)
	w.finish(r)
	w.requireArchived(want, "")
	require.ElementsMatch(t, []string{"000001", "index", "000001", "index"}, bkt.uploaded[StateCutting], "data files, and nothing that completes a block")
	require.NotContains(t, bkt.uploaded[StateUploading], "index", "once is enough")
}

func TestAnEarlyUploadMayFail(t *testing.T) {
	w, r, bkt, want := watched(t)
	bkt.fail = func(name string) error {
		if path.Base(name) == archive.IndexFile && r.State() == StateCutting {
			return errDown
		}
		return nil
	}
	w.finish(r)
	w.requireArchived(want, "")
	require.ElementsMatch(t, []string{"000001", "000001"}, bkt.uploaded[StateCutting])
}

// TestNothingRemainsOfABlockThatCameToNothing has late samples replace a block
// whose files are in the bucket already.
func TestNothingRemainsOfABlockThatCameToNothing(t *testing.T) {
	w, r, bkt, want := watched(t)
	write(t, r, one("m", at(base+1, 1)))
	want.add(`{__name__="m", job="test"}`, base+1, float(1))
	w.finish(r)
	require.NotEmpty(t, bkt.uploaded[StateCutting])
	w.requireArchived(want, "")
	var objects []string
	require.NoError(t, w.bucket.Iter(t.Context(), "", func(name string) error {
		objects = append(objects, name)
		return nil
	}))
	require.Len(t, objects, 3, "two blocks and the manifest's folder: %v", objects)
}
