package faults

import (
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestKillAfterGap kills benchkeep after a gap in the data so long that the block
// before it is in the bucket only, while the database's logs still have what is in
// it. On disk is a block of late samples.
func TestKillAfterGap(t *testing.T) {
	t.Parallel()
	const run = "gap"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run, "--ooo.window=1h")
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	start := windowStart(6)
	sender.Send(spans("steady", 3, start, start+100*minute, minute)...)
	sender.Send(spans("steady", 3, start+50*minute+1, start+90*minute, minute)...)
	after := float("steady", 0, start+3*window)
	after.Samples = append(after.Samples, float("steady", 0, start+3*window-30*minute).Samples...)
	sender.Send(after)
	waitCut(t, bucket, run, 1)
	r.Kill()
	r = restart(t, r)
	sender.Close()
	sender.Send(floats("steady", 3, start+3*window+hour)...)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestKillInMidWindow kills benchkeep in the middle of a window that has late
// samples. The rest of the window is longer than --ooo.window, and has to be taken
// all the same.
func TestKillInMidWindow(t *testing.T) {
	t.Parallel()
	const run = "mid-window"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run, "--ooo.window=10m")
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	start := windowStart(3)
	for at := start; at < start+window; at += 30 * minute {
		sender.Send(spans("steady", 3, at, at+30*minute, minute)...)
		sender.Send(floats("steady", 3, at+25*minute+1)...)
		r.Kill()
		r = restart(t, r)
		sender.Close()
	}
	sender.Send(spans("steady", 3, start+window, start+2*window, minute)...)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}
