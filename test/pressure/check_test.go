package pressure

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/benchkeep/benchkeep/test/harness"
)

// maxFaults is how many wrong samples a failed test shows.
const maxFaults = 10

// checkBlocks checks that the run's blocks are whole, that each lies in one
// window, and that none overlaps.
func checkBlocks(t *testing.T, b harness.Bucket) {
	t.Helper()
	blocks := b.Blocks(t)
	var complete []string
	for i, block := range blocks {
		block.CheckFiles(t)
		complete = append(complete, block.ULID)
		if block.MinTime/window != (block.MaxTime-1)/window {
			t.Errorf("block %s spans [%d, %d): more than one aligned window", block.ULID, block.MinTime, block.MaxTime)
		}
		if i > 0 && block.MinTime < blocks[i-1].MaxTime {
			t.Errorf("blocks %s and %s overlap", blocks[i-1].ULID, block.ULID)
		}
	}
	slices.Sort(complete)
	if folders := b.Folders(t); !slices.Equal(folders, complete) {
		t.Errorf("the bucket has the block folders %v, of which complete are %v", folders, complete)
	}
}

// checkSamples checks that the bucket has so many of the load's samples, each
// of them once, with the right value, and none that sent does not know. Other
// series than the load's are passed over.
//
// Where blocks do not overlap and no series has a time twice, so many samples
// that were sent are all of them.
func checkSamples(t *testing.T, dir string, b harness.Bucket, want int64, sent func(id, at int64) bool) {
	t.Helper()
	var got int64
	var faults []string
	seen := map[string]bool{}
	b.EachSeries(t, dir, func(block harness.Block, l labels.Labels, it chunkenc.Iterator) {
		id, err := strconv.ParseInt(l.Get("id"), 10, 64)
		if err != nil {
			return
		}
		if key := block.ULID + l.String(); seen[key] {
			faults = append(faults, l.String()+" is twice in block "+block.ULID)
		} else {
			seen[key] = true
		}
		last := int64(-1)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			got++
			at, v := it.At()
			if kind != chunkenc.ValFloat || at <= last || v != value(id, at) || !sent(id, at) {
				faults = append(faults, fmt.Sprintf("%s has %g at %d after %d", l, v, at, last))
			}
			last = at
		}
	})
	for _, fault := range faults[:min(len(faults), maxFaults)] {
		t.Errorf("in the bucket: %s", fault)
	}
	if got != want {
		t.Errorf("the bucket has %d samples, want %d", got, want)
	}
}

// checkManifest checks the account: archived, and as many samples as written.
func checkManifest(t *testing.T, b harness.Bucket, run string, written int64) harness.Manifest {
	t.Helper()
	m := b.Manifest(t, run)
	if m.State != "archived" || m.Archived != m.Written || m.Written != written {
		t.Errorf("manifest: state %q, %d samples written, %d archived, want %d", m.State, m.Written, m.Archived, written)
	}
	if m.Received != m.Written+m.Duplicates+sum(m.Rejected) {
		t.Errorf("manifest: of %d samples received %d are written, %d duplicates, %v rejected", m.Received, m.Written, m.Duplicates, m.Rejected)
	}
	return m
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
