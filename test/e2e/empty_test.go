package e2e

import (
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestEmptyRun ends a run that received nothing: a good run, without blocks.
func TestEmptyRun(t *testing.T) {
	t.Parallel()
	const run = "empty"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	terminate(t, r, 0)
	checkManifest(t, bucket, run, nil, 0)
	if folders := bucket.Folders(t); len(folders) != 0 {
		t.Errorf("an empty run left %v in the bucket", folders)
	}
}
