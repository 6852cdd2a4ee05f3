package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestThanosTools lets Thanos' own tools look at a bucket with three runs, one
// of them with late data, and a compactor work on it: nothing to complain of,
// nothing to halt on, nothing lost.
func TestThanosTools(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	want := map[string]harness.Set{
		"first":  longRun(t, dir, bucket, "first", false),
		"second": longRun(t, dir, bucket, "second", false),
		"late":   longRun(t, dir, bucket, "late", true),
	}
	for run, samples := range want {
		checkArchived(t, dir, bucket, run, samples)
	}
	checkVerify(t, dir, bucket, "verify-before")
	checkInspect(t, dir, bucket)

	compact := harness.ThanosTool(t, dir, "thanos-compact", bucket, "compact",
		"--data-dir="+filepath.Join(dir, "compact-data"),
		"--http-address="+harness.FreeAddress(t),
		"--consistency-delay=0s",
		"--delete-delay=0s")
	if code := compact.Wait(); code != 0 {
		t.Fatalf("thanos compact exited with code %d", code)
	}
	compacted := 0
	for _, block := range bucket.Blocks(t) {
		if block.Thanos.Source == "compactor" {
			compacted++
		}
	}
	if compacted < len(want) {
		t.Errorf("%d compacted blocks of %d runs: the compactor had too little to do", compacted, len(want))
	}
	all := bucket.Samples(t, dir)
	for run, samples := range want {
		if diff := harness.Diff(samples.Archived(external(run)), all.Where("run", run)); diff != "" {
			t.Errorf("run %s after compaction: %s", run, diff)
		}
	}
	checkVerify(t, dir, bucket, "verify-after")
}

// longRun archives a run that is long enough for a compactor to join blocks.
func longRun(t *testing.T, dir string, b harness.Bucket, run string, late bool) harness.Set {
	t.Helper()
	const series = 5
	r := startRun(t, dir, b, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	end := time.Now().Truncate(time.Second)
	start := end.Add(-14 * time.Hour)
	each(start, end, time.Minute, func(at time.Time) { sender.Send(scrape("long", series, at)...) })
	if late {
		each(start, end.Add(-4*time.Hour), time.Hour, func(at time.Time) {
			sender.Send(scrape("long", series, at.Add(time.Second))...)
		})
	}
	sender.Close()
	terminate(t, r, 0)
	return sent(sender)
}

// checkVerify checks that Thanos finds nothing wrong with the bucket.
func checkVerify(t *testing.T, dir string, b harness.Bucket, name string) {
	t.Helper()
	verify := harness.ThanosTool(t, dir, name, b, "tools", "bucket", "verify")
	if code := verify.Wait(); code != 0 {
		t.Fatalf("thanos tools bucket verify exited with code %d", code)
	}
	for line := range strings.Lines(verify.Log()) {
		if strings.Contains(line, "level=warn") || strings.Contains(line, "level=error") {
			t.Errorf("thanos tools bucket verify found: %s", line)
		}
	}
	if !strings.Contains(verify.Log(), "verify task completed") {
		t.Error("thanos tools bucket verify did not say that it completed")
	}
}

// checkInspect checks that Thanos lists each block with its run.
func checkInspect(t *testing.T, dir string, b harness.Bucket) {
	t.Helper()
	inspect := harness.ThanosTool(t, dir, "inspect", b, "tools", "bucket", "inspect", "--output=csv")
	if code := inspect.Wait(); code != 0 {
		t.Fatalf("thanos tools bucket inspect exited with code %d", code)
	}
	for _, block := range b.Blocks(t) {
		found := false
		for line := range strings.Lines(inspect.Log()) {
			found = found || strings.Contains(line, block.ULID) &&
				strings.Contains(line, "run="+block.Thanos.Labels["run"]) && strings.Contains(line, "suite=end-to-end")
		}
		if !found {
			t.Errorf("thanos tools bucket inspect does not show block %s with its labels", block.ULID)
		}
	}
}
