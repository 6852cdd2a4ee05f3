package faults

import (
	"path/filepath"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestTwins has two receivers of one run, with the same labels, in one bucket,
// in every way that two machines can be given the same run by mistake. They
// receive the same times, and even the same series: neither may overwrite
// anything of the other, and no two blocks of the same labels may overlap.
func TestTwins(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []twinCase{
		{name: "at-once", between: nothing},
		{name: "one-after-the-other", between: func(t *testing.T, first *twin) { first.finish(t) }},
		{name: "first-is-killed", between: func(t *testing.T, first *twin) { first.receiver.Kill() }, resume: true},
		{name: "first-failed", between: func(t *testing.T, first *twin) {
			first.proxy.Refuse()
			first.sender.Close()
			terminate(t, first.receiver, 2)
			first.proxy.Accept()
		}, resume: true},
		{name: "first-unreachable", unreachable: true, between: nothing},
		{name: "same-path-again", samePath: true, between: func(t *testing.T, first *twin) { first.finish(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, harness.Sub(t, dir, c.name), server.Another(t, dir, c.name))
		})
	}
}

func nothing(*testing.T, *twin) {}

type twinCase struct {
	name string
	// between happens after the first has received and before the second
	// starts.
	between func(t *testing.T, first *twin)
	// unreachable hides the bucket from the first until the second is there.
	unreachable bool
	// resume completes the first in the end.
	resume bool
	// samePath starts the second on the storage path of the first.
	samePath bool
}

// twin is one of the two receivers.
type twin struct {
	receiver *harness.Receiver
	sender   *harness.Sender
	proxy    *harness.Proxy
	ended    bool
}

func (w *twin) finish(t *testing.T) {
	t.Helper()
	w.sender.Close()
	terminate(t, w.receiver, 0)
	w.ended = true
}

func (c twinCase) test(t *testing.T, dir string, bucket harness.Bucket) {
	const run = "twins"
	start := windowStart(3)
	first := startTwin(t, dir, bucket, "first", filepath.Join(dir, "first"), c.unreachable)
	first.sender.Send(spans("of_both", 3, start, start+3*window, minute)...)
	first.sender.Send(spans("of_first", 3, start, start+3*window, minute)...)
	c.between(t, first)
	records := bucket.Manifests(t, run)

	path := filepath.Join(dir, "second")
	if c.samePath {
		path = first.receiver.Storage
	}
	second := startTwin(t, dir, bucket, "second", path, false)
	// Half a minute off, so that the union has each sample once.
	second.sender.Send(spans("of_both", 3, start+minute/2, start+3*window, minute)...)
	second.sender.Send(spans("of_second", 3, start, start+3*window, minute)...)
	first.proxy.Accept()
	second.finish(t)
	switch {
	case c.resume:
		resume(t, dir, first.receiver.Storage, bucket)
	case !first.ended:
		first.finish(t)
	}

	checkArchived(t, dir, bucket, run, first.sender, second.sender)
	parts := bucket.Manifests(t, run)
	if len(parts) != 2 {
		t.Errorf("%d records of two receivers", len(parts))
	}
	if first.ended && len(records) > 0 && parts[0].Part != records[0].Part {
		t.Errorf("the first record is of part %s, it was of %s", parts[0].Part, records[0].Part)
	}
	c.checkCompact(t, dir, bucket, first, second)
}

// startTwin starts a receiver of the run and its sender.
func startTwin(t *testing.T, dir string, b harness.Bucket, name, storage string, unreachable bool) *twin {
	t.Helper()
	dir = harness.Sub(t, dir, name+"-twin")
	proxy, b := harness.StartProxy(t, dir, b)
	if unreachable {
		proxy.Refuse()
	}
	o := options(b, "twins", "--finish.timeout=30s")
	if name == "first" {
		o = options(b, "twins", "--finish.timeout=5s")
	}
	o.Storage = storage
	r := harness.StartReceiver(t, dir, o)
	return &twin{receiver: r, sender: harness.NewSender(t, r, harness.RemoteWriteV2), proxy: proxy}
}

// checkCompact lets a stock compactor work on the bucket, which halts if two
// blocks of the same labels overlap, and looks for the samples once more.
func (c twinCase) checkCompact(t *testing.T, dir string, b harness.Bucket, twins ...*twin) {
	t.Helper()
	compact := harness.ThanosTool(t, dir, "thanos-compact", b, "compact",
		"--data-dir="+filepath.Join(dir, "compact-data"),
		"--http-address="+harness.FreeAddress(t),
		"--consistency-delay=0s",
		"--delete-delay=0s")
	if code := compact.Wait(); code != 0 {
		t.Errorf("thanos compact exited with code %d", code)
	}
	want := harness.Set{}
	for _, w := range twins {
		want.AddSet(w.sender.Acknowledged)
	}
	want.Sort()
	if diff := harness.Diff(want.Archived(external("twins")), withoutReceiver(b.Samples(t, dir))); diff != "" {
		t.Errorf("after compaction: %s", diff)
	}
}
