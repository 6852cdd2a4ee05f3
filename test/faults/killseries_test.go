package faults

import (
	"fmt"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestKillAfterSeriesCameBack is about a series that has late samples only. It
// leaves the head with a cut and comes back under a new number, so that the
// write-ahead log knows it by two. Then benchkeep is killed twice: once for the
// numbers to be joined, and once while the n-th block of a cut is written,
// when chunks of late samples have left memory and are in no block yet.
func TestKillAfterSeriesCameBack(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for round := range rounds(t, 8) {
		n := 2 + round%3
		t.Run(fmt.Sprintf("round-%d-block-%d", round, n), func(t *testing.T) {
			t.Parallel()
			run := fmt.Sprintf("came-back-%d", round)
			bucket := server.Another(t, dir, run)
			r := startRun(t, dir, bucket, run)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			start := windowStart(5)
			sender.Send(spans("steady", 3, start, start+3*hour, minute)...)
			sender.Send(span("late", 0, start, start+hour, minute))
			sender.Send(spans("steady", 3, start+3*hour, start+3*window, minute)...)
			waitCut(t, bucket, run, 2)
			sender.Send(span("late", 0, start+window, start+window+40*minute, minute))
			r.Kill()
			r = restart(t, r)
			sender.Close()
			sender.Send(span("late", 0, start+window+40*minute, start+2*window, minute))
			killAtBlock(r, n)
			for at := start + 3*window; at < start+4*window; at += minute {
				if !sender.Offer(floats("steady", 3, at)...) {
					break
				}
			}
			r.Kill()
			r = restart(t, r)
			sender.Retry()
			sender.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, run, sender)
		})
	}
}

// waitCut waits until the manifest lists so many blocks.
func waitCut(t *testing.T, b harness.Bucket, run string, n int) {
	t.Helper()
	harness.Until(t, "blocks before the finish", func() error {
		if got := len(b.Manifest(t, run).Blocks); got != n {
			return fmt.Errorf("the manifest lists %d", got)
		}
		return nil
	})
}
