package pressure

import (
	"fmt"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// aheadOfCuts is how many windows the head may span where they come faster
// than they can be cut. Without a bound there is none on memory either.
const aheadOfCuts = 4

// TestReplayAhead replays a day without waiting for any cut. Few samples a
// series make windows that are sooner sent than cut.
func TestReplayAhead(t *testing.T) {
	const run = "ahead"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := start(t, dir, bucket, run, nil, "--ooo.window=1h")
	d := newDay(size[int64](20000, 100000), 60*minute)
	l := harness.NewLoad(t, r)
	widest := 0.0
	for w := range int64(windowsOfDay) {
		d.send(t, l, w)
		widest = max(widest, headWindows(t, r))
	}
	t.Logf("the head spanned up to %.1f windows; %d MiB resident; %d blocks in the bucket by now",
		widest, r.PeakMemory()/mib, len(bucket.Blocks(t)))
	if widest > aheadOfCuts {
		t.Errorf("the head spans %.1f windows, want at most %d", widest, aheadOfCuts)
	}
	l.Close()
	terminate(t, r)
	checkBlocks(t, bucket)
	checkSamples(t, dir, bucket, d.samples(windowsOfDay), d.sent)
	checkManifest(t, bucket, run, d.samples(windowsOfDay))
}

// TestUploadsFail replays half a day while the bucket takes manifests but no
// blocks: windows leave memory nevertheless, and blocks wait on disk.
func TestUploadsFail(t *testing.T) {
	const run, windows = "uploads-fail", 6
	dir := harness.Dir(t)
	direct := harness.StartBucket(t, dir)
	proxy, bucket := harness.StartProxy(t, dir, direct)
	proxy.On(func(req harness.Request) harness.Fault {
		if req.Puts("/index") {
			return harness.SlowDown()
		}
		return nil
	})
	r := start(t, dir, bucket, run, nil, "--ooo.window=1h")
	d := newDay(100, minute)
	l := harness.NewLoad(t, r)
	for w := range int64(windows) {
		d.send(t, l, w)
	}
	harness.Until(t, "completed windows to leave the head", func() error {
		if n := headWindows(t, r); n > aheadOfCuts {
			return fmt.Errorf("the head spans %.1f windows, want at most %d", n, aheadOfCuts)
		}
		return nil
	})
	proxy.On(nil)
	l.Close()
	terminate(t, r)
	checkBlocks(t, direct)
	checkSamples(t, dir, direct, d.samples(windows), d.sent)
	checkManifest(t, direct, run, d.samples(windows))
}

// headWindows is how many windows the head spans.
func headWindows(t *testing.T, r *harness.Receiver) float64 {
	t.Helper()
	mint, maxt, _, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	return float64(maxt-mint) / float64(window)
}
