package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

// countedBucket does something at its i-th operation, counted from 0.
type countedBucket struct {
	objstore.Bucket
	n      atomic.Int64
	before func(i int64) error
	after  func(i int64) error
}

func (b *countedBucket) do(op func() error) error {
	i := b.n.Add(1) - 1
	if err := b.before(i); err != nil {
		return err
	}
	err := op()
	return errors.Join(err, b.after(i))
}

func (b *countedBucket) Upload(ctx context.Context, name string, r io.Reader, opts ...objstore.ObjectUploadOption) error {
	return b.do(func() error { return b.Bucket.Upload(ctx, name, r, opts...) })
}

func (b *countedBucket) Delete(ctx context.Context, name string) error {
	return b.do(func() error { return b.Bucket.Delete(ctx, name) })
}

func (b *countedBucket) Iter(ctx context.Context, dir string, f func(string) error, opts ...objstore.IterOption) error {
	return b.do(func() error { return b.Bucket.Iter(ctx, dir, f, opts...) })
}

func (b *countedBucket) Exists(ctx context.Context, name string) (ok bool, err error) {
	err = b.do(func() (err error) { ok, err = b.Bucket.Exists(ctx, name); return err })
	return ok, err
}

func (b *countedBucket) Attributes(ctx context.Context, name string) (a objstore.ObjectAttributes, err error) {
	err = b.do(func() (err error) { a, err = b.Bucket.Attributes(ctx, name); return err })
	return a, err
}

func never(int64) error { return nil }

// faultySource is a run with everything a finish can meet: an uploaded block that a
// merge replaces, several windows, and late samples. It returns what has to be
// in the bucket in the end.
func faultySource(w *world) (*Run, stored) {
	r := w.open()
	want := stored{}
	send := func(metric string, ts int64) {
		write(w.t, r, one(metric, at(ts, float64(ts))))
		want.add(`{__name__="`+metric+`", job="test"}`, ts, float(float64(ts)))
	}
	for ts := base; ts < base+4*hour; ts += 10 * minute {
		send("steady", ts)
	}
	require.NoError(w.t, r.Maintain(w.t.Context()))
	require.Len(w.t, w.blocks(), 1)
	send("steady", base+1)           // into the uploaded block
	send("late", base+2*hour+minute) // into the window that is still open
	return r, want
}

// requireArchived checks bucket and manifest against each other and the truth.
func (w *world) requireArchived(want stored, msg string) {
	w.t.Helper()
	require.Equal(w.t, want, w.read(), msg)
	m := w.manifest()
	require.Equal(w.t, archive.StateArchived, m.State, msg)
	require.Equal(w.t, want.count(), m.Archived, msg)
	var listed, there []string
	for _, b := range m.Blocks {
		listed = append(listed, b.ULID.String())
	}
	for _, b := range w.blocks() {
		there = append(there, b.ULID.String())
	}
	require.ElementsMatch(w.t, there, listed, msg)
}

// TestEveryBucketOperationMayFailOnce lets the i-th operation of a finish fail,
// for each i, once without and once with its effect.
func TestEveryBucketOperationMayFailOnce(t *testing.T) {
	for _, lie := range []bool{false, true} {
		for fault := int64(0); ; fault++ {
			w := newWorld(t)
			bkt := &countedBucket{Bucket: w.bucket, before: never, after: never}
			w.opts.Bucket = bkt
			r, want := faultySource(w)
			failing := func(i int64) error {
				if i == fault {
					return errDown
				}
				return nil
			}
			r.stopLoop() // or its operations would count
			bkt.n.Store(0)
			if lie {
				bkt.after = failing
			} else {
				bkt.before = failing
			}
			w.finish(r)
			w.requireArchived(want, fmt.Sprintf("operation %d, lie %v", fault, lie))
			if bkt.n.Load() <= fault {
				break // the finish got through before the fault
			}
		}
	}
}

// Environment of the process that dies.
const (
	dieStorage = "BENCHKEEP_TEST_STORAGE"
	dieBucket  = "BENCHKEEP_TEST_BUCKET"
	dieAt      = "BENCHKEEP_TEST_DIE_AT"
	dieAfter   = "BENCHKEEP_TEST_DIE_AFTER"
)

// dieNever is the operation of a process that does not die by itself.
const dieNever = -1

// dyingProcess is what TestMain runs instead of tests where the environment
// says so: a finish that kills its own process at some operation.
func dyingProcess() error {
	fault, err := strconv.ParseInt(os.Getenv(dieAt), 10, 64)
	if err != nil {
		return err
	}
	die := func(i int64) error {
		if i == fault {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	dir, err := archive.NewDirectoryBucket(os.Getenv(dieBucket), 0o022)
	if err != nil {
		return err
	}
	bkt := &countedBucket{Bucket: dir, before: die, after: never}
	if os.Getenv(dieAfter) != "" {
		bkt.before, bkt.after = never, die
	}
	r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), Options{Dir: os.Getenv(dieStorage), Bucket: bkt, Resume: true})
	if err != nil {
		return err
	}
	ctx := context.Background()
	return errors.Join(r.Start(ctx), r.Finish(ctx, TriggerSignal), r.Close())
}

// TestEveryBucketOperationMayBeTheLast kills the process before, and in another
// round after, the i-th operation of a finish, for each i, and resumes.
func TestEveryBucketOperationMayBeTheLast(t *testing.T) {
	source := newWorld(t)
	r, want := faultySource(source)
	require.NoError(t, r.Close())
	for _, after := range []string{"", "yes"} {
		for fault := 0; ; fault++ {
			w := source.copy()
			died := finishAndDie(t, w, fault, after)
			if died {
				w.opts.Resume = true
				w.finish(w.open())
			}
			w.requireArchived(want, fmt.Sprintf("operation %d, after %q", fault, after))
			if !died {
				break
			}
		}
	}
}

func finishAndDie(t *testing.T, w *world, fault int, after string) (died bool) {
	t.Helper()
	out, err := dying(t, w, fault, after).CombinedOutput()
	if err == nil {
		return false
	}
	require.Equal(t, "signal: killed", err.Error(), strings.TrimSpace(string(out)))
	require.NoFileExists(t, filepath.Join(w.opts.Dir, recordFile+".tmp"))
	return true
}

// dying is a process that finishes the world's run and dies at some operation.
func dying(t *testing.T, w *world, fault int, after string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), dieStorage+"="+w.opts.Dir, dieBucket+"="+w.dir, dieAt+"="+strconv.Itoa(fault), dieAfter+"="+after)
	return cmd
}
