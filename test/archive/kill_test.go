package archive

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestPruneKilledAtAnyOperation kills a prune at the i-th request that changes
// something in the bucket, for i = 0, 1, 2, … until one gets through. Each run
// is whole or gone then, and another prune completes the first.
func TestPruneKilledAtAnyOperation(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	start := time.Now().Truncate(2 * time.Hour).Add(-10 * time.Hour)
	archived(t, dir, server, "first", "first", 2, start, 3*time.Hour, time.Hour)
	archived(t, dir, server, "second", "second", 2, start, time.Hour, time.Hour)
	archived(t, dir, server, "kept", "kept", 2, start, time.Hour, time.Hour)
	newCommands(t, dir, server).run(0, "note", "first", "goes with it")

	for i := 0; ; i++ {
		bucket := server.Another(t, dir, fmt.Sprintf("kill-%d", i))
		if err := os.CopyFS(bucket.Dir, os.DirFS(server.Dir)); err != nil {
			t.Fatal(err)
		}
		killed := pruneAndKill(t, dir, bucket, i)
		c := newCommands(t, harness.Sub(t, dir, fmt.Sprintf("after-%d", i)), bucket)
		for run := range c.list("--scan") {
			c.run(0, "verify", run)
		}
		if !killed {
			t.Logf("a prune changes something %d times", i)
			checkOnly(t, bucket, "kept")
			return
		}
		c.run(0, "prune", "--keep-last=1", "--yes")
		checkOnly(t, bucket, "kept")
		if rows := c.list("--scan"); len(rows) != 1 {
			t.Errorf("after another prune %d runs are listed", len(rows))
		}
		if t.Failed() {
			t.Fatalf("killed at operation %d", i)
		}
	}
}

// pruneAndKill tells whether the prune got as far as the n-th operation.
func pruneAndKill(t *testing.T, dir string, bucket harness.Bucket, n int) (killed bool) {
	t.Helper()
	proxy, through := harness.StartProxy(t, harness.Sub(t, dir, fmt.Sprintf("proxy-%d", n)), bucket)
	var prune atomic.Pointer[harness.Process]
	changes := 0
	proxy.On(func(req harness.Request) harness.Fault {
		if req.Method != http.MethodPut && req.Method != http.MethodDelete {
			return nil
		}
		if changes++; changes <= n {
			return nil
		}
		return harness.Kill(prune.Load())
	})
	p := harness.StartBenchkeep(t, dir, fmt.Sprintf("prune-%d", n), nil,
		"runs", "prune", "--keep-last=1", "--yes", "--objstore.config-file="+through.ConfigFile)
	prune.Store(p)
	return p.Wait() != 0
}

// checkOnly checks that the bucket has nothing of any other run.
func checkOnly(t *testing.T, bucket harness.Bucket, run string) {
	t.Helper()
	for _, b := range bucket.Blocks(t) {
		if b.Thanos.Labels["run"] != run {
			t.Errorf("block %s of run %s is left", b.ULID, b.Thanos.Labels["run"])
		}
	}
	if folders, blocks := bucket.Folders(t), bucket.Blocks(t); len(folders) != len(blocks) {
		t.Errorf("%d blocks have a meta.json, of %d folders", len(blocks), len(folders))
	}
	err := filepath.WalkDir(filepath.Join(bucket.Dir, "benchkeep"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.Contains(path, "/runs/"+run+"/") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
