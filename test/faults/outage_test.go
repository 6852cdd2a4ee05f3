package faults

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestBucketDownAtStart starts a run whose bucket comes up only before, or
// while, it finishes.
func TestBucketDownAtStart(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name   string
		during bool
	}{{"up-before-finish", false}, {"up-during-finish", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := server.Another(t, dir, c.name)
			proxy, bucket := harness.StartProxy(t, dir, direct)
			proxy.Refuse()
			r := startRun(t, dir, bucket, c.name)
			sender := harness.NewSender(t, r, harness.RemoteWriteV1)
			tr := newTraffic(9)
			send(sender, tr, 500)
			sender.Close()
			if !c.during {
				proxy.Accept()
			}
			r.Signal(terminationSignal)
			if c.during {
				r.WaitState("uploading")
				proxy.Accept()
			}
			checkExit(t, r.Process, 0)
			checkArchived(t, dir, direct, c.name, sender)
		})
	}
}

// TestBucketDownInMidRun takes the bucket away while windows are cut, also in
// the middle of uploads, and gives it back before the end.
func TestBucketDownInMidRun(t *testing.T) {
	t.Parallel()
	const run = "down-mid-run"
	dir := harness.Dir(t)
	direct := harness.StartBucket(t, dir)
	proxy, bucket := harness.StartProxy(t, dir, direct)
	r := startRun(t, dir, bucket, run)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	tr := newTraffic(18)
	send(sender, tr, 200)
	proxy.On(func(req harness.Request) harness.Fault {
		if req.Puts("/index") {
			return harness.Reset(100)
		}
		return nil
	})
	send(sender, tr, 150)
	proxy.Refuse()
	before := len(localBlocks(t, r))
	send(sender, tr, 400)
	harness.Until(t, "a window to be cut without a bucket", func() error {
		if len(localBlocks(t, r)) <= before {
			return errors.New("no new block")
		}
		return nil
	})
	proxy.On(nil)
	proxy.Accept()
	send(sender, tr, 250)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, direct, run, sender)
}

// localBlocks are the blocks in the receiver's storage path.
func localBlocks(t *testing.T, r *harness.Receiver) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.Storage, "tsdb"))
	if err != nil {
		t.Fatalf("list storage path: %v", err)
	}
	var blocks []string
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err == nil {
			blocks = append(blocks, e.Name())
		}
	}
	return blocks
}

// TestBucketDownAtFinish takes the bucket away in the middle of the finish,
// for a while or for longer than the finish may take.
func TestBucketDownAtFinish(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name string
		args []string
		back bool
	}{
		{"for-a-while", nil, true},
		{"for-too-long", []string{"--finish.timeout=3s"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := server.Another(t, dir, c.name)
			proxy, bucket := harness.StartProxy(t, dir, direct)
			r := startRun(t, dir, bucket, c.name, c.args...)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sendReplacing(t, sender, direct, c.name, windowStart(3))
			sender.Close()
			proxy.On(func(req harness.Request) harness.Fault {
				if req.Puts("/index") {
					go proxy.Refuse()
					return harness.Reset(100)
				}
				return nil
			})
			r.Signal(terminationSignal)
			if c.back {
				waitRetry(t, r)
				proxy.On(nil)
				proxy.Accept()
				checkExit(t, r.Process, 0)
			} else {
				checkExit(t, r.Process, 2)
				checkKept(t, direct, c.name)
				proxy.On(nil)
				proxy.Accept()
				resume(t, dir, r.Storage, bucket)
			}
			checkArchived(t, dir, direct, c.name, sender)
		})
	}
}

// waitRetry waits until the receiver has tried more than once to reach its
// bucket in vain.
func waitRetry(t *testing.T, r *harness.Receiver) {
	t.Helper()
	harness.Until(t, "uploads to be tried again", func() error {
		retries, err := r.Metric("benchkeep_bucket_retries_total")
		if err == nil && retries < 3 {
			err = errors.New("too few so far")
		}
		return err
	})
}

// TestFinishAgain asks for the finish of a run once more that has failed: the
// process still has everything, and its second finish succeeds.
func TestFinishAgain(t *testing.T) {
	t.Parallel()
	const run = "finish-again"
	dir := harness.Dir(t)
	direct := harness.StartBucket(t, dir)
	proxy, bucket := harness.StartProxy(t, dir, direct)
	r := startRun(t, dir, bucket, run, "--finish.timeout=3s")
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	sendReplacing(t, sender, direct, run, windowStart(3))
	sender.Close()
	proxy.Refuse()
	if status, summary := r.Finish(); status != 500 || summary["state"] != "failed" {
		t.Errorf("finish without a bucket was answered %d: %v", status, summary)
	}
	checkKept(t, direct, run)
	proxy.Accept()
	if status, summary := r.Finish(); status != 200 || summary["state"] != "archived" {
		t.Errorf("finish with the bucket back was answered %d: %v", status, summary)
	}
	terminate(t, r, 0)
	checkArchived(t, dir, direct, run, sender)
}
