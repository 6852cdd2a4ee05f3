package archive

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestRunsAcrossCompaction lets a Thanos Compactor join and downsample the
// blocks of an archive, first beside what it has made them of, then in place of
// it. What list, show and verify tell of the runs stays true all the way, and a
// deletion in the end takes one run and nothing of the others.
func TestRunsAcrossCompaction(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	c := newCommands(t, dir, bucket)
	// One of the compactor's windows of two days, all of it: a block as long as
	// that is what gets downsampled.
	const window, more = 48 * time.Hour, 4 * time.Hour
	start := time.UnixMilli(time.Now().Add(-window-more).UnixMilli() / window.Milliseconds() * window.Milliseconds())
	want := map[string]int64{
		"long": archived(t, dir, bucket, "long", "long", 3, start, window+more, 20*time.Minute, "--run.label=branch=main"),
		"sharded": archived(t, dir, bucket, "sharded", "shard-0", 4, start, 10*time.Hour, 10*time.Minute, "--run.label=shard=0") +
			archived(t, dir, bucket, "sharded", "shard-1", 5, start, 10*time.Hour, 10*time.Minute, "--run.label=shard=1"),
	}
	c.run(0, "label", "long", "verdict=good")
	checkRuns(c, want)
	compact(t, dir, bucket, "before-deletion", "--delete-delay=48h")
	checkRuns(c, want)
	if !has(c.show("long"), "superseded", "marked for deletion") {
		t.Error("no block is superseded or marked: the compactor had nothing to do")
	}
	if !downsampled(c.show("long")) {
		t.Error("no block is downsampled: the compactor had nothing to do")
	}
	compact(t, dir, bucket, "deletion", "--delete-delay=0s")
	checkRuns(c, want)
	if has(c.show("long"), "superseded", "marked for deletion") {
		t.Error("the compactor did not delete what it had joined")
	}

	c.run(0, "rm", "sharded", "--yes")
	delete(want, "sharded")
	checkRuns(c, want)
	for _, block := range bucket.Blocks(t) {
		if block.Thanos.Labels["run"] != "long" {
			t.Errorf("block %s of run %s is left", block.ULID, block.Thanos.Labels["run"])
		}
	}
	compact(t, dir, bucket, "after-rm", "--delete-delay=0s")
	checkRuns(c, want)
}

func compact(t *testing.T, dir string, b harness.Bucket, name string, args ...string) {
	t.Helper()
	p := harness.ThanosTool(t, dir, "compact-"+name, b, append([]string{"compact",
		"--data-dir=" + filepath.Join(dir, "compact-data"),
		"--http-address=" + harness.FreeAddress(t),
		"--consistency-delay=0s"}, args...)...)
	if code := p.Wait(); code != 0 {
		t.Fatalf("thanos compact exited with code %d", code)
	}
}

// checkRuns checks that the archive has the runs with as many samples.
func checkRuns(c commands, want map[string]int64) {
	c.t.Helper()
	rows := c.list("--scan")
	if len(rows) != len(want) {
		c.t.Errorf("%d runs are listed, want %d", len(rows), len(want))
	}
	for run, samples := range want {
		r := rows[run]
		if r.State != "archived" || !r.Complete || r.Samples != samples || r.MissingBlocks != 0 {
			c.t.Errorf("run %s is listed as %+v, want %d samples", run, r, samples)
		}
		checkShown(c, run, samples)
	}
	if r := rows["long"]; r.Series != 3 || r.Parts != 1 || r.Labels["branch"] != "main" || r.Labels["verdict"] != "good" {
		c.t.Errorf("long is listed as %+v", r)
	}
	if r, ok := rows["sharded"]; ok && (r.Series != 9 || r.Parts != 2 || r.Labels["shard"] != "") {
		c.t.Errorf("sharded is listed as %+v", r)
	}
	if selected := c.list(`--selector={shard="1"}`); len(selected) != len(want)-1 {
		c.t.Errorf("a selector that one part of a run matches picks %v", selected)
	}
	if selected := c.list(`--selector={verdict="good",branch="main"}`); len(selected) != 1 {
		c.t.Errorf("a selector of labels from before and after the run picks %v", selected)
	}
	c.run(0, "verify", "--all")
}

// checkShown checks that the run's blocks in use have its samples, each once.
func checkShown(c commands, run string, samples int64) {
	c.t.Helper()
	shown, sum := c.show(run), int64(0)
	for _, b := range shown.StoredBlocks {
		if b.Status == "current" && b.Resolution == 0 {
			sum += b.Samples
		}
	}
	if sum != samples {
		c.t.Errorf("the current blocks of %s have %d samples, want %d: %+v", run, sum, samples, shown.StoredBlocks)
	}
	if len(shown.Metrics) != 1 || shown.Metrics[0].Name != "work_total" || shown.Metrics[0].Series != shown.Series {
		c.t.Errorf("metrics of %s are %+v, want work_total with %d series", run, shown.Metrics, shown.Series)
	}
}

func has(r row, statuses ...string) bool {
	for _, b := range r.StoredBlocks {
		for _, s := range statuses {
			if b.Status == s {
				return true
			}
		}
	}
	return false
}

func downsampled(r row) bool {
	for _, b := range r.StoredBlocks {
		if b.Resolution > 0 {
			return true
		}
	}
	return false
}
