package faults

import (
	"errors"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestWindowEdges sends samples to the millisecond at the edges of windows, in
// order and late, before and after the windows were cut: each in the block of
// its window, once.
func TestWindowEdges(t *testing.T) {
	t.Parallel()
	const run = "edges"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	start := windowStart(5)
	for n := range int64(5) {
		edge := start + n*window
		sender.Send(float("in_order", 0, edge), float("in_order", 1, edge+1))
		sender.Send(float("in_order", 0, edge+hour), float("in_order", 1, edge+hour))
		sender.Send(float("in_order", 0, edge+window-1), float("in_order", 1, edge+window-2))
	}
	waitBlocks(t, bucket, 1)
	for n := range int64(5) {
		edge := start + n*window
		for _, at := range []int64{edge + window - 1, edge + 1, edge} {
			sender.Send(float("late", 0, at))
		}
		sender.Send(float("in_order", 0, edge+1), float("in_order", 1, edge), float("in_order", 1, edge+window-1))
	}
	// Only one sample in a window, on either edge of it.
	sender.Send(float("lonely", 0, start-1), float("lonely", 0, start+5*window))
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestCatchUp is a sender that was cut off for three hours and then catches
// up, another one that was not, and the batches that the first had sent before
// without hearing the answer, once more.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	const run = "catch-up"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	steady := harness.NewSender(t, r, harness.RemoteWriteV1)
	cutOff := harness.NewSender(t, r, harness.RemoteWriteV2)
	start := windowStart(4)
	for at := start; at < start+2*hour; at += minute {
		steady.Send(floats("steady", 5, at)...)
		cutOff.Send(floats("cut_off", 5, at)...)
	}
	steady.Send(spans("steady", 5, start+2*hour, start+7*hour, minute)...)
	waitBlocks(t, bucket, 1)
	for at := start + hour; at < start+2*hour; at += 10 * minute {
		cutOff.Resend(floats("cut_off", 5, at)...)
	}
	for at := start + 2*hour; at < start+7*hour; at += minute {
		cutOff.Send(floats("cut_off", 5, at)...)
		if at%hour == 0 {
			steady.Resend(floats("steady", 5, at)...)
		}
	}
	steady.Close()
	cutOff.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, steady, cutOff)
	if m := bucket.Manifest(t, run); m.Duplicates != 5*6+5*5 {
		t.Errorf("manifest: %d duplicates, want %d", m.Duplicates, 5*6+5*5)
	}
}

// waitBlocks waits until the bucket shows so many blocks.
func waitBlocks(t *testing.T, b harness.Bucket, n int) {
	t.Helper()
	harness.Until(t, "blocks before the finish", func() error {
		if len(b.Blocks(t)) < n {
			return errors.New("too few so far")
		}
		return nil
	})
}
