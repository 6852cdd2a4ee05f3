package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestKillAtRequest kills benchkeep at the i-th request that its finish makes
// to the bucket, for i = 0, 1, 2, … until a finish gets through. A restart or
// a resume completes each.
func TestKillAtRequest(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	// Lost on its way to the server, or done there with the answer lost.
	for name, fault := range map[string]func(harness.Fault) harness.Fault{
		"before": func(f harness.Fault) harness.Fault { return f },
		"after":  harness.After,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := 0; ; i++ {
				k := killCase{dir: dir, server: server, name: fmt.Sprintf("kill-%s-%d", name, i), restart: i%2 == 0}
				if !k.test(t, func(proxy *harness.Proxy, r *harness.Receiver) {
					proxy.On(func(req harness.Request) harness.Fault {
						if req.N == i {
							return fault(harness.Kill(r.Process))
						}
						return nil
					})
				}) {
					t.Logf("a finish takes %d requests", i)
					return
				}
				if t.Failed() {
					t.Fatalf("request %d", i)
				}
			}
		})
	}
}

// TestKillAtCut kills benchkeep while its finish writes the n-th block, for
// n = 1, 2, 3, … until a finish gets through.
func TestKillAtCut(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for n := 1; ; n++ {
		k := killCase{dir: dir, server: server, name: fmt.Sprintf("kill-cut-%d", n), restart: n%2 == 0, series: 1000}
		if !k.test(t, func(_ *harness.Proxy, r *harness.Receiver) { killAtBlock(r, n) }) {
			t.Logf("a finish writes %d blocks", n-1)
			return
		}
		if t.Failed() {
			t.Fatalf("block %d", n)
		}
	}
}

// killCase is a run that has a block in the bucket that late samples replace,
// and whose finish is killed.
type killCase struct {
	dir    string
	server harness.Bucket
	name   string
	// restart completes the run by a restart, otherwise by a resume.
	restart bool
	// series makes more of them, so that cuts take long enough to be seen.
	series int
}

// test runs the case and tells whether benchkeep was killed.
func (k killCase) test(t *testing.T, arm func(*harness.Proxy, *harness.Receiver)) (killed bool) {
	t.Helper()
	direct := k.server.Another(t, k.dir, k.name)
	proxy, bucket := harness.StartProxy(t, k.dir, direct)
	r := startRun(t, k.dir, bucket, k.name)
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	start := windowStart(3)
	sendReplacing(t, sender, direct, k.name, start)
	if k.series > 0 {
		sender.Send(spans("many", k.series, start+window, start+3*window, 10*minute)...)
	}
	sender.Close()
	arm(proxy, r)
	r.Signal(terminationSignal)
	code := r.Wait()
	proxy.On(nil)
	if killed = code == -1; killed {
		complete(t, k.dir, r, bucket, k.restart)
	} else if code != 0 {
		t.Errorf("benchkeep exited with code %d", code)
	}
	checkArchived(t, k.dir, direct, k.name, sender)
	return killed
}

// sendReplacing sends three windows, waits until the blocks of the first two
// are in the bucket, and then sends late samples into them.
func sendReplacing(t *testing.T, s *harness.Sender, b harness.Bucket, run string, start int64) {
	t.Helper()
	s.Send(spans("steady", 5, start, start+3*window-minute, minute)...)
	s.Send(float("steady", 0, start+3*window-1))
	waitCut(t, b, run, 2)
	s.Send(spans("steady", 2, start+second, start+hour, minute)...)
	s.Send(span("late", 0, start+window, start+2*window, minute))
}

// complete completes a run whose finish was killed. A restart goes on with the
// finish by itself where the run was fenced already.
func complete(t *testing.T, dir string, r *harness.Receiver, b harness.Bucket, byRestart bool) {
	t.Helper()
	if !byRestart {
		resume(t, dir, r.Storage, b)
		return
	}
	r = r.Again()
	harness.Until(t, "the run to go on", func() error {
		if err := r.Running(); err != nil {
			t.Fatal(err)
		}
		state, err := r.State()
		if err == nil && state != "open" && state != "archived" {
			err = fmt.Errorf("state is %q", state)
		}
		return err
	})
	terminate(t, r, 0)
}

// TestKillWhileDraining kills benchkeep while it waits for its writers: the
// run is open still, and goes on.
func TestKillWhileDraining(t *testing.T) {
	t.Parallel()
	const run = "kill-draining"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := startRun(t, dir, bucket, run, "--finish.quiet=60s", "--finish.drain-timeout=60s")
	sender := harness.NewSender(t, r, harness.RemoteWriteV2)
	tr := newTraffic(4)
	send(sender, tr, 20)
	r.Signal(terminationSignal)
	r.WaitState("draining")
	send(sender, tr, 5) // the sender's connection is what the drain waits for
	r.Kill()
	r = restart(t, r)
	sender.Close()
	send(sender, tr, 5)
	sender.Close()
	terminate(t, r, 0)
	checkArchived(t, dir, bucket, run, sender)
}

// TestKillAfterRecord kills benchkeep when the record in the bucket says
// archived, but before it could write that down itself.
func TestKillAfterRecord(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, byRestart := range []bool{true, false} {
		k := killCase{dir: dir, server: server, name: fmt.Sprintf("kill-record-%t", byRestart), restart: byRestart}
		killed := k.test(t, func(proxy *harness.Proxy, r *harness.Receiver) {
			records := 0
			proxy.On(func(req harness.Request) harness.Fault {
				if req.Method == http.MethodPut && strings.HasPrefix(req.Object, "benchkeep/runs/") {
					records++
				}
				if state, err := r.State(); records > 1 && err == nil && state == "uploading" {
					return harness.After(harness.Kill(r.Process))
				}
				return nil
			})
		})
		if !killed {
			t.Error("benchkeep was not killed")
		}
	}
}
