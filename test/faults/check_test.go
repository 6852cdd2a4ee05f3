package faults

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/benchkeep/benchkeep/test/harness"
)

// checkArchived checks the promise: the run is archived, everything that the
// sender's receiver acknowledged is in the bucket, nothing else but what it
// may have stored without saying so, each sample once.
func checkArchived(t *testing.T, dir string, b harness.Bucket, run string, senders ...*harness.Sender) {
	t.Helper()
	blocks := checkBucket(t, b)
	acknowledged, unknown := harness.Set{}, harness.Set{}
	for _, s := range senders {
		acknowledged.AddSet(s.Acknowledged)
		unknown.AddSet(s.Uncertain())
	}
	got := withoutReceiver(b.Samples(t, dir).Where("run", run))
	ext := external(run)
	if diff := harness.DiffBetween(acknowledged.Archived(ext), unknown.Archived(ext), got); diff != "" {
		t.Errorf("run %s in the bucket: %s", run, diff)
	}
	checkManifests(t, b, run, blocks, int64(got.Samples()))
}

// withoutReceiver takes away the label that tells two receivers of one run
// apart.
func withoutReceiver(set harness.Set) harness.Set {
	without := harness.Set{}
	for _, series := range set {
		without.Add(labels.NewBuilder(series.Labels).Del("receiver").Labels(), series.Points...)
	}
	without.Sort()
	return without
}

// checkBucket checks what has to hold of any bucket at the end: each block is
// whole and lies in one window, no two of the same labels overlap, and of what
// was begun or replaced nothing is left.
func checkBucket(t *testing.T, b harness.Bucket) []harness.Block {
	t.Helper()
	blocks := b.Blocks(t)
	var complete []string
	last := map[string]harness.Block{}
	for _, block := range blocks {
		block.CheckFiles(t)
		complete = append(complete, block.ULID)
		if block.MinTime/window != (block.MaxTime-1)/window {
			t.Errorf("block %s spans [%d, %d): more than one aligned window", block.ULID, block.MinTime, block.MaxTime)
		}
		group := fmt.Sprint(block.Thanos.Labels)
		if before, ok := last[group]; ok && block.MinTime < before.MaxTime {
			t.Errorf("blocks %s and %s of %s overlap", before.ULID, block.ULID, group)
		}
		last[group] = block
	}
	slices.Sort(complete)
	if folders := b.Folders(t); !slices.Equal(folders, complete) {
		t.Errorf("the bucket has the block folders %v, of which complete are %v", folders, complete)
	}
	return blocks
}

// checkManifests checks that the records of all parts of the run say what is
// in the bucket: archived, complete, so many samples, these blocks.
func checkManifests(t *testing.T, b harness.Bucket, run string, blocks []harness.Block, samples int64) {
	t.Helper()
	parts := b.Manifests(t, run)
	if len(parts) == 0 {
		t.Errorf("run %s has no manifest", run)
	}
	archived := int64(0)
	listed, there := map[string]string{}, map[string]string{}
	for _, m := range parts {
		if m.Run != run || m.State != "archived" || !m.Complete {
			t.Errorf("manifest of part %s: run %q, state %q, complete %t, rejected %v", m.Part, m.Run, m.State, m.Complete, m.Rejected)
		}
		if m.Archived != m.Written {
			t.Errorf("manifest of part %s: %d samples archived, %d written", m.Part, m.Archived, m.Written)
		}
		archived += m.Archived
		for _, block := range m.Blocks {
			listed[block.ULID] = fmt.Sprint(m.Labels)
		}
	}
	if archived != samples {
		t.Errorf("manifests: %d samples archived, the bucket has %d", archived, samples)
	}
	for _, block := range blocks {
		if block.Thanos.Labels["run"] == run {
			there[block.ULID] = fmt.Sprint(block.Thanos.Labels)
		}
	}
	if !maps.Equal(listed, there) {
		t.Errorf("manifests list the blocks %v, the bucket holds %v", listed, there)
	}
}

// checkKept checks that a run whose end failed has all its data still, and
// that the bucket shows nothing that is not whole.
func checkKept(t *testing.T, b harness.Bucket, run string) {
	t.Helper()
	for _, block := range b.Blocks(t) {
		block.CheckFiles(t)
	}
	for _, m := range b.Manifests(t, run) {
		if m.State == "archived" || m.Complete {
			t.Errorf("manifest of a failed run: state %q, complete %t", m.State, m.Complete)
		}
	}
}
