package doors

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// errBusy is an answer of 503: the receiver asks to try again.
var errBusy = errors.New("answer 503")

// limits are a receiver's limits, and the promise about its memory that follows
// from them: the one of docs/sizing.md.
type limits struct {
	requestBytes, concurrent int64
}

const (
	// idleMemory is what a receiver has resident with ordinary writes and few
	// series, besides pages of files, which the kernel can take away.
	idleMemory = 96 * mib
	// processors is how many the receiver is told that it has.
	processors = 2
	// bodiesShare is what all bodies that are on their way take together, and
	// batchShare what each request takes that is being stored, one for each
	// processor, decompressed and decoded: both times --limit.request-bytes.
	bodiesShare, batchShare = 4, 5
)

// bound is the most memory that the receiver may ever have resident, whatever
// it is sent, beside what it has stored. How many writes wait for their turn
// makes no difference: of those that wait only the bodies are there.
func (l limits) bound() int64 {
	return idleMemory + (bodiesShare+processors*batchShare)*l.requestBytes
}

// receive starts a receiver with the limits. The memory limit makes the
// garbage collector keep to the bound where what is in use does; without one
// it lets as much again lie about. It is the part of a cgroup's limit that the
// receiver would choose itself.
func (l limits) receive(t *testing.T, dir string, b harness.Bucket, run string) *harness.Receiver {
	t.Helper()
	address := harness.FreeAddress(t)
	storage := filepath.Join(dir, "data")
	env := []string{fmt.Sprintf("GOMEMLIMIT=%d", l.bound()*9/10), fmt.Sprintf("GOMAXPROCS=%d", processors)}
	p := harness.StartBenchkeep(t, dir, "benchkeep", env,
		"receive", "--run.id="+run, "--storage.path="+storage, "--objstore.config-file="+b.ConfigFile,
		"--web.listen-address="+address, "--finish.quiet=100ms",
		fmt.Sprintf("--limit.request-bytes=%dB", l.requestBytes), fmt.Sprintf("--limit.concurrent-writes=%d", l.concurrent))
	r := &harness.Receiver{Process: p, Address: address, URL: "http://" + address, Storage: storage}
	r.WaitReady()
	return r
}

// check checks the promise.
func (l limits) check(t *testing.T, r *harness.Receiver) {
	t.Helper()
	if err := r.Running(); err != nil {
		t.Fatal(err)
	}
	if peak := r.PeakMemory() - r.FilePages(); peak > l.bound() {
		t.Errorf("benchkeep had %d MiB resident, want at most %d MiB: %d MiB and (%d + %d processors × %d) × %d MiB a request",
			peak/mib, l.bound()/mib, idleMemory/mib, bodiesShare, processors, batchShare, l.requestBytes/mib)
	} else {
		t.Logf("peak: %d MiB resident of %d MiB allowed", peak/mib, l.bound()/mib)
	}
}
