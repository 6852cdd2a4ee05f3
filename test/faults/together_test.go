package faults

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// scrapes is how many scrapes of the target a run gets at least.
const scrapes = 3

// TestEndTogether ends Prometheus and benchkeep in every order that containers
// of one pod are ended in. Prometheus has samples in its queue each time, and
// whatever it scraped has to be in the bucket.
func TestEndTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []endCase{
		{name: "same-instant-agent", agent: true, message: harness.RemoteWriteV1, end: sameInstant},
		{name: "same-instant-server", message: harness.RemoteWriteV2, end: sameInstant},
		{name: "prometheus-first", agent: true, message: harness.RemoteWriteV2, end: prometheusFirst},
		{name: "benchkeep-first", message: harness.RemoteWriteV1, end: benchkeepFirst},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			times := &exitTimes{}
			t.Run("rounds", func(t *testing.T) {
				for round := range rounds(t, 1) {
					t.Run(fmt.Sprint(round), func(t *testing.T) {
						t.Parallel()
						c.test(t, times)
					})
				}
			})
			times.log(t)
		})
	}
}

type endCase struct {
	name, message string
	agent         bool
	end           func(t *testing.T, p *harness.Prometheus, r *harness.Receiver)
}

func (c endCase) test(t *testing.T, times *exitTimes) {
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	target := harness.StartTarget(t)
	// The quiet time is the default: there is a real Prometheus to wait for.
	r := startRun(t, dir, bucket, c.name, "--finish.quiet=7s")
	p := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: c.agent, Message: c.message, Receiver: r, Target: target,
	})
	target.WaitScrapes(t, scrapes)
	p.WaitCalm()
	c.end(t, p, r)
	checkExit(t, p.Process, 0)
	checkExit(t, r.Process, 0)
	times.add(r.Ended().Sub(p.Ended()))

	scraped := p.Scraped(dir)
	if got := len(scraped.Where("job", "target")); got == 0 {
		t.Error("Prometheus stored nothing of the target")
	}
	checkBucket(t, bucket)
	if diff := harness.Diff(scraped.Archived(external(c.name)), bucket.Samples(t, dir)); diff != "" {
		t.Errorf("run %s in the bucket: %s", c.name, diff)
	}
	checkManifests(t, bucket, c.name, bucket.Blocks(t), int64(scraped.Samples()))
}

func sameInstant(_ *testing.T, p *harness.Prometheus, r *harness.Receiver) {
	p.Signal(terminationSignal)
	r.Signal(terminationSignal)
}

// prometheusFirst is how native sidecars end: after everything else.
func prometheusFirst(t *testing.T, p *harness.Prometheus, r *harness.Receiver) {
	p.Signal(terminationSignal)
	checkExit(t, p.Process, 0)
	r.Signal(terminationSignal)
}

func benchkeepFirst(_ *testing.T, p *harness.Prometheus, r *harness.Receiver) {
	r.Signal(terminationSignal)
	r.WaitState("draining")
	p.WaitCalm()
	p.Signal(terminationSignal)
}

// exitTimes collects how long after Prometheus benchkeep exited. Nothing is
// asserted about it: a soak shows the distribution.
type exitTimes struct {
	mu    sync.Mutex
	times []time.Duration
}

func (e *exitTimes) add(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.times = append(e.times, d)
}

func (e *exitTimes) log(t *testing.T) {
	if len(e.times) == 0 {
		return
	}
	slices.Sort(e.times)
	at := func(q float64) time.Duration {
		return e.times[int(q*float64(len(e.times)-1))].Round(time.Millisecond)
	}
	t.Logf("benchkeep's exit after Prometheus', %d rounds: min %s, median %s, 90%% %s, max %s",
		len(e.times), at(0), at(0.5), at(0.9), at(1))
}
