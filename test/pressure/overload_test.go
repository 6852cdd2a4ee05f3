package pressure

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	senders = 16
	// perBatch is the number of samples in a batch of the load: large enough
	// to keep a processor busy for a while.
	perBatch = 10000
	// ownSeries is how many series each sender has.
	ownSeries = 500
	// overloadStep is the time between a series' samples.
	overloadStep = 5 * second
)

// An overload is more senders than the receiver has room for.
type overload struct {
	start   int64
	batches int64 // that each sender sends, unless the run is finished before
	done    sync.WaitGroup
	stopped atomic.Bool

	acknowledged [senders]int64 // batches, by sender
	refused      [senders]int64 // answers of 503
	took         [senders][]time.Duration
	accepted     atomic.Int64 // batches of all senders so far
}

// startOverload lets the senders loose. The last of their samples would be of
// now.
func startOverload(t *testing.T, r *harness.Receiver, batches int64) *overload {
	now := time.Now().Truncate(time.Second).UnixMilli()
	o := &overload{start: now - batches*perBatch/ownSeries*overloadStep, batches: batches}
	for i := range int64(senders) {
		l := harness.NewLoad(t, r)
		o.done.Go(func() { o.send(t, l, i) })
	}
	t.Cleanup(func() { // of a test that has failed before they were done
		o.stopped.Store(true)
		o.done.Wait()
	})
	return o
}

// send is one sender, which ends early only if the run does.
func (o *overload) send(t *testing.T, l *harness.Load, sender int64) {
	defer l.Close()
	cache := labelCache{}
	for n := int64(0); n < o.batches && !o.stopped.Load(); n++ {
		last, err := deliver(l, o.batch(cache, sender, n))
		o.refused[sender] += int64(last.refused)
		switch {
		case err != nil:
			t.Errorf("sender %d: %v", sender, err)
			return
		case last.status == http.StatusGone:
			return
		case last.status != http.StatusNoContent:
			t.Errorf("sender %d: write was answered %d", sender, last.status)
			return
		}
		o.acknowledged[sender]++
		o.took[sender] = append(o.took[sender], last.took)
		o.accepted.Add(1)
	}
}

// batch is the n-th batch of a sender: the next samples of all of its series.
func (o *overload) batch(cache labelCache, sender, n int64) []prompb.TimeSeries {
	const each = perBatch / ownSeries
	batch := make([]prompb.TimeSeries, ownSeries)
	for i := range batch {
		id := sender*ownSeries + int64(i)
		batch[i].Labels = cache.of(id)
		for k := n * each; k < (n+1)*each; k++ {
			at := o.start + k*overloadStep
			batch[i].Samples = append(batch[i].Samples, prompb.Sample{Timestamp: at, Value: value(id, at)})
		}
	}
	return batch
}

// wait waits until so many batches were accepted.
func (o *overload) wait(t *testing.T, batches int64) {
	t.Helper()
	harness.Until(t, "batches to be accepted", func() error {
		if n := o.accepted.Load(); n < batches {
			return fmt.Errorf("%d are, want %d", n, batches)
		}
		return nil
	})
}

// sent tells whether a sample was acknowledged.
func (o *overload) sent(id, at int64) bool {
	n := (at - o.start) / overloadStep * ownSeries / perBatch
	return at >= o.start && (at-o.start)%overloadStep == 0 && n < o.acknowledged[id/ownSeries]
}

// check checks, when all senders are done, that the bucket has exactly what
// they know to be acknowledged. It tells how often they were asked to try again.
func (o *overload) check(t *testing.T, dir string, b harness.Bucket) (samples, refused int64) {
	t.Helper()
	var batches int64
	var took []time.Duration
	for i := range senders {
		batches += o.acknowledged[i]
		refused += o.refused[i]
		took = append(took, o.took[i]...)
	}
	t.Logf("%d batches of %d samples acknowledged, %d times 503", batches, perBatch, refused)
	if soaking() && len(took) > 0 {
		slices.Sort(took)
		at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(time.Millisecond) }
		t.Logf("latency of accepted writes: median %s, 90 %% %s, 99 %% %s, longest %s", at(0.5), at(0.9), at(0.99), at(1))
	}
	checkBlocks(t, b)
	checkSamples(t, dir, b, batches*perBatch, o.sent)
	return batches * perBatch, refused
}

// A prober asks for a receiver's pages in turns, for as long as it is there.
type prober struct {
	stop, done chan struct{}
	rounds     atomic.Int64
}

// probe starts a prober. Each page has to be answered 200 each time.
func probe(t *testing.T, r *harness.Receiver, pages ...string) *prober {
	p := &prober{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			for _, page := range pages {
				if status, err := r.Get(page); err != nil || status != http.StatusOK {
					t.Errorf("under load %s answered %d: %v", page, status, err)
					return
				}
			}
			p.rounds.Add(1)
			select {
			case <-p.stop:
				return
			default:
			}
		}
	}()
	t.Cleanup(p.end)
	return p
}

// end ends the prober.
func (p *prober) end() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.done
}
