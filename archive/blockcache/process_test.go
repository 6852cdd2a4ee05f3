//go:build unix

package blockcache_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
)

// childRole tells a process of this test program what it is to do.
const childRole = "BLOCKCACHE_TEST_CHILD"

const (
	roleHang = "hang" // in the middle of a fetch
	roleUse  = "use"  // blocks, for many times
)

// errand is what a child gets to know, by its standard input.
type errand struct {
	Bucket, Cache string
	MaxBytes      int64
	Blocks        []*archive.StoredBlock
}

// child is what a process of its own does.
func child() {
	var e errand
	bkt, err := archive.NewDirectoryBucket(".", 0o022)
	if err == nil {
		err = json.NewDecoder(os.Stdin).Decode(&e)
	}
	if err == nil {
		bkt, err = archive.NewDirectoryBucket(e.Bucket, 0o022)
	}
	var cache *blockcache.Cache
	if err == nil {
		cache, err = blockcache.Open(e.Cache, e.MaxBytes)
	}
	if err == nil && os.Getenv(childRole) == roleHang {
		hanging := &countingBucket{Bucket: bkt, before: func(_ context.Context, object string) error {
			if strings.HasSuffix(object, archive.IndexFile) {
				fmt.Println("hanging")
				<-time.After(time.Hour) // until it is killed; where nothing is waited for, the runtime ends the process
			}
			return nil
		}}
		_, err = cache.Blocks(context.Background(), hanging, e.Blocks, nil)
	} else if err == nil {
		err = useMany(cache, &countingBucket{Bucket: bkt}, e.Blocks)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// useMany uses blocks picked by chance, and is content where there is no room
// for the moment because of others.
func useMany(c *blockcache.Cache, bkt *countingBucket, blocks []*archive.StoredBlock) error {
	for range 60 {
		first := rand.IntN(len(blocks) - 1)
		s, err := c.Blocks(context.Background(), bkt, blocks[first:first+2], nil)
		var full *blockcache.DiskError
		if errors.As(err, &full) && strings.Contains(err.Error(), "in use") {
			continue
		}
		if err != nil {
			return err
		}
		for _, b := range s.Blocks {
			if n, err := readAll(b.Reader()); err != nil || n != perBlock {
				return errors.Join(err, fmt.Errorf("%d samples", n))
			}
			if _, err := os.Stat(filepath.Join(b.Dir(), archive.IndexFile)); err != nil {
				return err
			}
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) child(role string, maxBytes int64) *exec.Cmd {
	w.t.Helper()
	stdin, err := json.Marshal(errand{w.dir, w.cache, maxBytes, w.blocks})
	require.NoError(w.t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role)
	cmd.Stdin = strings.NewReader(string(stdin))
	cmd.Stderr = os.Stderr
	return cmd
}

// TestKilledInTheMiddleOfAFetch kills a process that is fetching. Nobody touches
// what it has so far while it lives, and afterwards nothing is left of it.
func TestKilledInTheMiddleOfAFetch(t *testing.T) {
	w := newWorld(t, 2)
	killed := w.child(roleHang, roomy)
	stdout, err := killed.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, killed.Start())
	line := make([]byte, len("hanging\n"))
	_, err = stdout.Read(line)
	require.NoError(t, err)
	require.Equal(t, "hanging\n", string(line))

	w.use(w.open(roomy), w.blocks[0])
	fetches := slices.DeleteFunc(w.names(), func(name string) bool { return !isFetch(name) })
	require.Len(t, fetches, 2, "the one that hangs goes on")
	_, err = w.open(w.size(0)+2*w.size(1)-1).Blocks(t.Context(), w.bucket, w.blocks, nil)
	requireDiskError(t, err, "in use")

	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())
	w.use(w.open(w.size(0)+w.size(1)), w.blocks...)
	require.Equal(t, w.ids(0, 1), w.names())
}

// TestManyAtTheSameTime has goroutines and processes use more blocks than there
// is room for.
func TestManyAtTheSameTime(t *testing.T) {
	w := newWorld(t, 6)
	bound := w.room(5)
	var group sync.WaitGroup
	for range 2 {
		cmd := w.child(roleUse, bound)
		require.NoError(t, cmd.Start())
		group.Go(func() {
			if err := cmd.Wait(); err != nil {
				t.Errorf("child: %v", err)
			}
		})
	}
	shared := w.open(bound)
	for i := range 4 {
		cache := shared
		if i%2 == 0 {
			cache = w.open(bound)
		}
		group.Go(func() {
			if err := useMany(cache, w.bucket, w.blocks); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.False(t, slices.ContainsFunc(w.names(), isFetch), "%v", w.names())
	require.LessOrEqual(t, len(w.names()), 5)
}

// A process that was killed while it removed a block has renamed it before.
func TestHalfRemovedBlockIsRemoved(t *testing.T) {
	w := newWorld(t, 1)
	c := w.open(w.size(0))
	left := filepath.Join(w.cache, "removed-1", w.blocks[0].ULID.String(), "block")
	require.NoError(t, os.MkdirAll(left, 0o700))
	unnamed := filepath.Join(w.cache, "fetching-99999999999-1") // killed before it had a lock
	require.NoError(t, os.MkdirAll(unnamed, 0o700))
	w.use(c, w.blocks...)
	require.Equal(t, w.ids(0), w.names())
}

// The lock of the cache is waited for, as long as one cares to wait.
func TestWaitForTheLockEndsWithTheContext(t *testing.T) {
	w := newWorld(t, 1)
	c := w.open(roomy)
	lock, err := os.OpenFile(filepath.Join(w.cache, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Blocks(ctx, w.bucket, w.blocks, nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, lock.Close())
	w.use(c, w.blocks...)
}
