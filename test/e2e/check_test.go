package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// window is the default block length in milliseconds.
const window = int64(2 * time.Hour / time.Millisecond)

// runLabels are the external labels that the tests give their runs besides run.
var runLabels = []string{"--run.label=suite=end-to-end", "--run.label=commit=0123abc"}

// external are the external labels of a run that was started with runLabels.
func external(run string) map[string]string {
	return map[string]string{"run": run, "suite": "end-to-end", "commit": "0123abc"}
}

// checkArchived checks that the bucket holds the run as finished, and of its
// samples exactly those that were scraped or sent, no matter what other runs
// the bucket holds.
func checkArchived(t *testing.T, dir string, b harness.Bucket, run string, want harness.Set) {
	t.Helper()
	blocks := blocksOf(t, b, run)
	checkBlocks(t, run, blocks)
	got := b.Samples(t, dir).Where("run", run)
	if diff := harness.Diff(want.Archived(external(run)), got); diff != "" {
		t.Errorf("run %s in the bucket: %s", run, diff)
	}
	checkManifest(t, b, run, blocks, int64(want.Samples()))
}

// blocksOf are the run's blocks in the bucket.
func blocksOf(t *testing.T, b harness.Bucket, run string) []harness.Block {
	t.Helper()
	return slices.DeleteFunc(b.Blocks(t), func(block harness.Block) bool {
		return block.Thanos.Labels["run"] != run
	})
}

// checkBlocks checks a run's blocks in order of time: what Thanos needs to
// know of them, that each lies in one aligned window and that none overlaps.
func checkBlocks(t *testing.T, run string, blocks []harness.Block) {
	t.Helper()
	for i, block := range blocks {
		if !maps.Equal(block.Thanos.Labels, external(run)) {
			t.Errorf("block %s has labels %v, want %v", block.ULID, block.Thanos.Labels, external(run))
		}
		if block.Thanos.Version != 1 || block.Thanos.Source != "benchkeep" || block.Thanos.Downsample.Resolution != 0 {
			t.Errorf("block %s: thanos section is %+v", block.ULID, block.Thanos)
		}
		if block.MinTime/window != (block.MaxTime-1)/window {
			t.Errorf("block %s spans [%d, %d): more than one aligned window", block.ULID, block.MinTime, block.MaxTime)
		}
		if i > 0 && block.MinTime < blocks[i-1].MaxTime {
			t.Errorf("blocks %s and %s overlap", blocks[i-1].ULID, block.ULID)
		}
		block.CheckFiles(t)
	}
}

// checkManifest checks the run's record against what is in the bucket.
func checkManifest(t *testing.T, b harness.Bucket, run string, blocks []harness.Block, samples int64) {
	t.Helper()
	m := b.Manifest(t, run)
	if m.Run != run || m.State != "archived" || !m.Complete {
		t.Errorf("manifest: run %q, state %q, complete %t, rejected %v", m.Run, m.State, m.Complete, m.Rejected)
	}
	if m.Archived != samples || m.Written != samples {
		t.Errorf("manifest: %d samples archived, %d written, want %d", m.Archived, m.Written, samples)
	}
	for name, value := range external(run) {
		if name != "run" && m.Labels[name] != value {
			t.Errorf("manifest: labels are %v, want %s=%s", m.Labels, name, value)
		}
	}
	var listed, there []string
	for _, block := range m.Blocks {
		listed = append(listed, block.ULID)
	}
	for _, block := range blocks {
		there = append(there, block.ULID)
	}
	slices.Sort(listed)
	slices.Sort(there)
	if !slices.Equal(listed, there) {
		t.Errorf("manifest lists blocks %v, the bucket holds %v", listed, there)
	}
}

// checkThanos checks that Thanos shows exactly the samples of the run, read
// raw and counted by PromQL. The range is a PromQL duration back from now.
func checkThanos(t *testing.T, thanos *harness.Thanos, run, back string, want harness.Set) {
	t.Helper()
	queried := want.Archived(external(run)).AsQueried()
	// A store gives nothing for a selector that has external labels only.
	got := thanos.Series(fmt.Sprintf(`{__name__=~".+",run=%q}[%s]`, run, back))
	if diff := harness.Diff(queried, got); diff != "" {
		t.Errorf("run %s through Thanos: %s", run, diff)
	}
	byName := map[string]int{}
	for _, series := range queried {
		byName[series.Labels.Get("__name__")] += len(series.Points)
	}
	// A few metrics of many: PromQL cannot count over several names at once.
	for _, name := range slices.Sorted(maps.Keys(byName))[:min(len(byName), 10)] {
		count := thanos.Scalar(fmt.Sprintf(`sum(count_over_time(%s{run=%q}[%s]))`, name, run, back))
		if int(count) != byName[name] {
			t.Errorf("run %s: PromQL counts %g samples of %s, want %d", run, count, name, byName[name])
		}
	}
}

// finish finishes the run over HTTP, then ends the receiver.
func finish(t *testing.T, r *harness.Receiver) {
	t.Helper()
	status, summary := r.Finish()
	if status != 200 || summary["state"] != "archived" {
		t.Fatalf("finish was answered %d: %v", status, summary)
	}
	terminate(t, r, 0)
}

// terminate tells the receiver to end, and checks its exit code.
func terminate(t *testing.T, r *harness.Receiver, want int) {
	t.Helper()
	r.Signal(terminationSignal)
	if code := r.Wait(); code != want {
		t.Fatalf("benchkeep exited with code %d, want %d", code, want)
	}
}
