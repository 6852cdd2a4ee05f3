package doors

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

func TestMain(m *testing.M) {
	harness.ConfineIfAsked()
	syscall.Umask(0o022) // the usual one, which programs inherit
	os.Exit(m.Run())
}

// cutWindows sends enough for blocks to be cut while the run goes on, with
// late samples, and waits for one: then every kind of file is there.
func cutWindows(t *testing.T, r *harness.Receiver, s *harness.Sender) {
	t.Helper()
	const minute = int64(time.Minute / time.Millisecond)
	now := time.Now().UnixMilli()
	for at := now - 400*minute; at < now; at += minute {
		s.Send(one("up", at, float64(at), "i", "0"), one("late", at-30*minute+1, 1))
	}
	harness.Until(t, "a block to be shipped", func() error {
		n, err := r.Metric("benchkeep_blocks_shipped_total")
		if err == nil && n == 0 {
			err = errors.New("none yet")
		}
		return err
	})
}

// TestModes looks at the modes of all that a run leaves on disk, in the middle
// of it. Below the storage path everything is its owner's only, even where the
// process was started with a generous umask. A directory bucket is for others
// to read: it is as open as the folder that it was given.
func TestModes(t *testing.T) {
	t.Parallel()
	const run = "modes"
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	r := receive(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	cutWindows(t, r, sender)
	seen := checkModes(t, r.Storage, 0o700, 0o600)
	for _, want := range []string{"run.json", "tsdb/wal/00000000", "tsdb/wbl/00000000", "tsdb/chunks_head/000001", "meta.json"} {
		if !seen[want] && !seen[filepath.Base(want)] {
			t.Errorf("no %s was there to be looked at", want)
		}
	}
	sender.Close()
	terminate(t, r.Process)
	checkArchived(t, dir, bucket, run, sender)
	checkModes(t, bucket.Dir, 0o755, 0o644)
}

// checkModes checks all files and folders below a folder, and itself, and
// gives the names of the files.
func checkModes(t *testing.T, top string, folders, files fs.FileMode) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the run goes on meanwhile
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return nil // as above
		}
		rel, _ := filepath.Rel(top, path)
		want := files
		if e.IsDir() {
			want = folders
		} else {
			seen[rel], seen[filepath.Base(rel)] = true, true
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %v, want %v", rel, got, want)
		}
		return nil
	})
	if err != nil {
		t.Errorf("look at %s: %v", top, err)
	}
	return seen
}

// TestConfined runs as a user that is not root, where nothing can be written
// but the storage path and the bucket: a whole run works, temporary files and
// all, and so does another process on what a crash has left.
func TestConfined(t *testing.T) {
	t.Parallel()
	const run = "confined"
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	storage := harness.Sub(t, dir, "storage")
	address := harness.FreeAddress(t)
	elsewhere := harness.StartConfined(t, dir, "elsewhere", []string{storage, bucket.Dir}, "receive", "--storage.path="+filepath.Join(dir, "elsewhere"),
		"--objstore.config-file="+bucket.ConfigFile, "--web.listen-address="+address)
	if code := elsewhere.Wait(); code != 1 {
		t.Fatalf("a read-only storage path ended in exit code %d, want 1: is it confined?", code)
	}
	launch := func() *harness.Receiver {
		p := harness.StartConfined(t, dir, "benchkeep", []string{storage, bucket.Dir}, "receive", "--run.id="+run,
			"--storage.path="+storage, "--objstore.config-file="+bucket.ConfigFile, "--web.listen-address="+address, "--finish.quiet=100ms")
		r := &harness.Receiver{Process: p, Address: address, URL: "http://" + address, Storage: storage}
		r.WaitReady()
		return r
	}
	r := launch()
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	cutWindows(t, r, sender)
	r.Kill()
	r.Wait()
	sender.Close()
	r = launch()
	sender.Send(one("after", time.Now().UnixMilli(), 1))
	sender.Close()
	terminate(t, r.Process)
	checkArchived(t, dir, bucket, run, sender)
	checkOwner(t, storage, bucket.Dir)
}

// checkOwner checks that the run was really somebody else's.
func checkOwner(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != harness.Nobody {
				t.Errorf("%s is of user %d, want %d", path, stat.Uid, harness.Nobody)
			}
			return nil
		})
		if err != nil {
			t.Errorf("look at %s: %v", dir, err)
		}
	}
}
