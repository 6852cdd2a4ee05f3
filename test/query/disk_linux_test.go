package query

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestDiskOfTheCacheFillsUp has a cache on a disk with no room for the blocks.
// The command says so, and leaves nothing; with room it goes on.
func TestDiskOfTheCacheFillsUp(t *testing.T) {
	dir := harness.Dir(t)
	a := &archive{t: t, dir: dir, bucket: harness.DirectoryBucket(t, dir), start: time.Now().Add(-6 * time.Hour).Truncate(2 * time.Hour)}
	r := a.receive("full", "benchkeep")
	a.send(r, 1)
	end(t, r)
	disk := harness.MountDisk(t, dir, 1)
	cache := filepath.Join(disk.Path, "cache")
	ask := func(name string) *harness.Process {
		return harness.Benchkeep(t, dir, name, "query", "full", `sum(rate(requests_total[5m]))`, "-o", "csv",
			"--objstore.config-file="+a.bucket.ConfigFile, "--cache.dir="+cache)
	}
	disk.Fill(20 << 10)
	p := ask("without-room")
	if code := p.Wait(); code != 1 || !strings.Contains(p.Log(), "no space left on device; --cache.dir="+cache) {
		t.Fatalf("exit code %d: %s", code, p.Log())
	}
	if left := blocksIn(t, cache); len(left) > 0 {
		t.Fatalf("%v is left", left)
	}
	disk.Empty()
	p = ask("with-room")
	if code := p.Wait(); code != 0 || !strings.Contains(p.Log(), "\ntime,seconds,value\n") {
		t.Fatalf("exit code %d: %s", code, p.Log())
	}
	if got := blocksIn(t, cache); len(got) < 2 {
		t.Fatalf("the cache has %v", got)
	}
}

// blocksIn are the folders in a cache.
func blocksIn(t *testing.T, cache string) (folders []string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	return folders
}
