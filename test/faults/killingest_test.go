package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestKillWhileReceiving kills benchkeep at random moments while it receives,
// cuts and ships, and starts it again each time. The sender goes on as
// Prometheus does: what was not acknowledged it sends again.
func TestKillWhileReceiving(t *testing.T) {
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := "kill-" + name
			rng := random(t)
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			r := startRun(t, dir, bucket, run)
			sender := harness.NewSender(t, r, message)
			kills := rounds(t, 3)
			tr := newTraffic(int64(kills)*6 + 1)
			for range kills {
				for range 30 + rng.IntN(90) {
					sender.Send(tr.next()...)
				}
				killSoon(r, rng)
				offerUntilRefused(sender, tr)
				r.Kill() // if the moment did not come
				r = restart(t, r)
				sender.Retry()
			}
			sender.Close()
			terminate(t, r, 0)
			checkArchived(t, dir, bucket, run, sender)
			if m := bucket.Manifest(t, run); len(m.Sessions) != kills+1 {
				t.Errorf("manifest has %d sessions, want %d", len(m.Sessions), kills+1)
			}
		})
	}
}

// TestKillWithoutRetry never sends again what was not acknowledged: it may be
// in the bucket or not, but not in parts that nobody sent.
func TestKillWithoutRetry(t *testing.T) {
	t.Parallel()
	const run = "kill-no-retry"
	rng := random(t)
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	kills := rounds(t, 3)
	tr := newTraffic(int64(kills)*5 + 1)
	for range kills {
		killSoon(r, rng)
		offerUntilRefused(sender, tr)
		r.Kill()
		r = restart(t, r)
		sender.Close()
	}
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestKillWhileCutting kills benchkeep while it writes the n-th block of a
// cut, of those that take the late samples too, and more of both arrive.
func TestKillWhileCutting(t *testing.T) {
	t.Parallel()
	const run = "kill-cutting"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	kills := rounds(t, 8)
	tr := newTraffic(int64(kills)*5 + 4)
	send(sender, tr, 60) // so that the late series are late ever after
	for k := range kills {
		killAtBlock(r, 1+k%6)
		offerUntilRefused(sender, tr)
		r.Kill()
		r = restart(t, r)
		sender.Retry()
	}
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// offerUntilRefused offers batches to a receiver that is about to be killed:
// four hours of them at most, within which a window is cut.
func offerUntilRefused(s *harness.Sender, tr *traffic) {
	for range 240 {
		if !s.Offer(tr.next()...) {
			return
		}
	}
}

// killSoon kills the receiver in a moment that nobody can foresee.
func killSoon(r *harness.Receiver, rng *rand.Rand) {
	time.AfterFunc(time.Duration(rng.Int64N(int64(50*time.Millisecond))), r.Kill)
}

// killAtBlock kills the receiver while it writes the n-th block from now on,
// if it lives long enough to write so many.
func killAtBlock(r *harness.Receiver, n int) {
	seen := map[string]bool{}
	for _, name := range unfinishedBlocks(r) {
		seen[name] = true
	}
	n += len(seen)
	go func() {
		// Blocks are written in milliseconds: this looks as often as it can.
		for r.Running() == nil {
			for _, name := range unfinishedBlocks(r) {
				seen[name] = true
			}
			if len(seen) >= n {
				r.Kill()
				return
			}
		}
	}()
}

// unfinishedBlocks are the blocks that the receiver is about to write.
func unfinishedBlocks(r *harness.Receiver) []string {
	var names []string
	entries, _ := os.ReadDir(filepath.Join(r.Storage, "tsdb")) // there is none at first
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp-for-creation") {
			names = append(names, e.Name())
		}
	}
	return names
}
