package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/stretchr/testify/require"
)

// TestRandomLives leads runs through lives in which everything happens that can,
// at random, and compares what is archived in the end with what was acknowledged.
// SOAK=<n> in the environment leads 10 times n of them. One that fails is led
// again by its name, which has its seed, and tells what happened in it.
func TestRandomLives(t *testing.T) {
	for seed := range lives(t) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) { newLife(t, seed).lead() })
	}
}

func lives(t *testing.T) uint64 {
	soak := os.Getenv("SOAK")
	if soak == "" {
		return 10
	}
	n, err := strconv.ParseUint(soak, 10, 32)
	require.NoError(t, err, "SOAK in the environment")
	return 10 * n
}

// life is a run to which things happen.
type life struct {
	t      *testing.T
	rng    *rand.Rand
	w      *world
	bucket *faultyBucket
	r      *Run
	clock  int64        // the newest time sent, but for edges of windows
	last   []lifeSample // the last batch
	want   stored       // what was acknowledged
	diary  []string     // what happened, for the log of a test that fails
}

// lifeSample is a sample of a series with the given number.
type lifeSample struct {
	series int
	t      int64
}

func (p lifeSample) name() string { return fmt.Sprintf("m%d", p.series) }

func (p lifeSample) labels() labels.Labels {
	return labels.FromStrings("__name__", p.name(), "job", "test")
}

// value differs from sample to sample, and is the same when one is sent again.
func (p lifeSample) value() float64 { return float64(p.t%1000 + int64(p.series)) }

func newLife(t *testing.T, seed uint64) *life {
	l := &life{t: t, rng: rand.New(rand.NewPCG(seed, 7)), w: newWorld(t), want: stored{}}
	l.clock = oneOf(l.rng, base, base+119*minute, 0, 5*hour, -7*hour)
	l.bucket = &faultyBucket{Bucket: l.w.bucket}
	l.w.opts.Bucket = l.bucket
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range l.diary {
				t.Log(line)
			}
		}
	})
	return l
}

func oneOf[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (l *life) note(format string, args ...any) {
	l.diary = append(l.diary, fmt.Sprintf(format, args...))
}

// lead leads the life from its beginning to its end.
func (l *life) lead() {
	l.start()
	for range 10 + l.rng.IntN(120) {
		switch l.rng.IntN(30) {
		case 0:
			l.kill()
			l.start()
		case 1:
			l.kill()
			for range l.rng.IntN(3) {
				l.dieWhileStarting()
			}
			l.start()
		case 2, 3:
			l.maintain()
		case 4:
			l.disturb("maintain", l.r.Maintain)
			l.maybeRestart()
		case 5:
			l.r.logFailed = true
			l.note("log fails")
			l.disturb("maintain", l.r.Maintain)
			l.maybeRestart()
			l.mustMaintain()
		case 6:
			l.bucket.down.Store(!l.bucket.down.Load())
			l.note("bucket is down: %v", l.bucket.down.Load())
		default:
			l.append()
		}
	}
	l.end()
}

// start starts a process, now and then with another --ooo.window.
func (l *life) start() {
	if l.r == nil || l.rng.IntN(4) == 0 {
		l.w.opts.OutOfOrderWindow = oneOf(l.rng, time.Millisecond, 10*time.Minute, time.Hour, 5*time.Hour, 24*time.Hour)
	}
	l.note("start, --ooo.window=%s", l.w.opts.OutOfOrderWindow)
	l.r = l.w.open()
	l.r.stopLoop() // what it does, the test does
	l.requireCount()
}

func (l *life) requireCount() {
	l.t.Helper()
	require.Equal(l.t, l.want.count(), l.r.Status().Written, "after a restart")
}

// kill ends the process, most often without a warning.
func (l *life) kill() {
	closed := l.rng.IntN(3) == 0
	l.note("kill, closed before: %v", closed)
	if closed {
		require.NoError(l.t, l.r.Close())
	}
	old := l.w
	l.w = old.copy()
	l.bucket = &faultyBucket{Bucket: l.w.bucket}
	l.w.opts.Bucket = l.bucket
	l.r.Close()
	require.NoError(l.t, errors.Join(os.RemoveAll(old.dir), os.RemoveAll(old.opts.Dir)))
}

func (l *life) maybeRestart() {
	if l.rng.IntN(2) == 0 {
		l.kill()
		l.start()
	}
}

// open opens the storage path as Start does, but goes no further.
func (l *life) open() {
	r, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), l.w.opts)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { r.Close() })
	require.NoError(l.t, r.openTSDB())
	require.NoError(l.t, r.recount(l.t.Context()))
	close(r.started)
	l.r = r
	l.requireCount()
}

// dieWhileStarting starts a process that is killed while it begins new logs.
func (l *life) dieWhileStarting() {
	l.open()
	if l.disturb("cut everything", l.r.cutAll) == nil && l.rng.IntN(2) == 0 {
		require.NoError(l.t, l.r.db.Close())
		n := l.rng.IntN(4)
		l.note("take %d logs away", n)
		for _, log := range l.r.logs()[:n] {
			require.NoError(l.t, os.Rename(log, log+goneSuffix))
		}
	}
	l.kill()
}

func (l *life) maintain() {
	err := l.r.Maintain(l.t.Context())
	l.note("maintain: %v", err)
	if !l.bucket.down.Load() {
		require.NoError(l.t, err)
	}
}

// mustMaintain has the run take samples again.
func (l *life) mustMaintain() {
	l.bucket.down.Store(false)
	l.maintain()
}

// disturb has something stop somewhere in the middle, or not at all.
func (l *life) disturb(what string, do func(context.Context) error) error {
	ctx := l.t.Context()
	failing := &failingCompactor{Compactor: l.r.pause.compactor, fails: l.rng.IntN(3), after: l.rng.IntN(2) == 0}
	if l.rng.IntN(2) == 0 {
		l.r.pause.compactor = failing
	} else {
		ctx = &exhaustedContext{Context: ctx, looks: l.rng.IntN(8)}
	}
	err := do(ctx)
	if l.r.pause.compactor == failing { // and there is no new database
		l.r.pause.compactor = failing.Compactor
	}
	l.note("%s, disturbed: %v", what, err)
	return err
}

var errDisturbed = errors.New("disturbed")

// exhaustedContext is over after so many looks at it.
type exhaustedContext struct {
	context.Context
	looks int
}

func (c *exhaustedContext) Err() error {
	if c.looks--; c.looks < 0 {
		return errDisturbed
	}
	return nil
}

// failingCompactor fails one merge, before or after it is done.
type failingCompactor struct {
	tsdb.Compactor
	fails int // counted from 0
	after bool
}

func (c *failingCompactor) Compact(dest string, dirs []string, open []*tsdb.Block) (ids []ulid.ULID, err error) {
	c.fails--
	if c.fails != -1 || c.after {
		ids, err = c.Compactor.Compact(dest, dirs, open)
	}
	if c.fails == -1 {
		return nil, errDisturbed
	}
	return ids, err
}

// append sends a batch: in order, late, at edges of windows, after a gap, or once
// more; or so much of one series that it fills chunks.
func (l *life) append() {
	switch l.rng.IntN(16) {
	case 0, 1: // the last one
	case 2:
		l.last = nil
		from, step, series := l.time(), 1+l.rng.Int64N(1000), l.rng.IntN(6)
		for i := range 10 + l.rng.Int64N(150) {
			l.last = append(l.last, lifeSample{series, from + i*step})
		}
		l.clock = max(l.clock, l.last[len(l.last)-1].t)
	default:
		l.last = nil
		for range l.rng.IntN(12) {
			l.last = append(l.last, lifeSample{l.rng.IntN(6), l.time()})
		}
	}
	l.send(l.last)
}

// time is the next sample's.
func (l *life) time() int64 {
	switch l.rng.IntN(12) {
	case 0, 1:
		return l.clock - l.rng.Int64N(oneOf(l.rng, minute, hour, 6*hour, 24*hour))
	case 2:
		return l.clock/(2*hour)*2*hour + 1 - l.rng.Int64N(3)
	case 3:
		if l.rng.IntN(6) == 0 {
			l.clock += l.rng.Int64N(9 * hour)
		}
	default:
		l.clock += l.rng.Int64N(3 * minute)
	}
	return l.clock
}

// send sends a batch and notes down what of it was acknowledged.
func (l *life) send(points []lifeSample) {
	if l.r.headWindows() > 1 { // or the append would wait for it
		l.maintain()
	}
	var series []sent
	for _, p := range points {
		s := one(p.name(), at(p.t, p.value()))
		if l.rng.IntN(3) == 0 { // another spelling
			s.labels = []string{"job", "test", "__name__", p.name()}
		}
		series = append(series, s)
	}
	res := write(l.t, l.r, series...)
	l.note("append %v: %d rejected", points, res.Rejected.Count)
	rejected := 0
	for _, p := range points {
		if res.Rejected.Count > 0 && !l.stored(p) {
			rejected++
			l.requireTooOld(p, res)
			continue
		}
		l.want.add(p.labels().String(), p.t, float(p.value()))
	}
	require.Equal(l.t, res.Rejected.Count, rejected, res.Rejected.String())
}

// stored reports whether the run knows that it has a sample.
func (l *life) stored(p lifeSample) bool {
	if p.t < l.r.givenUp.Load() {
		return false
	}
	found, err := l.r.lookUp(p.labels(), []latePoint{{point: point{t: p.t}}})
	require.NoError(l.t, err)
	return len(found) > 0
}

// requireTooOld checks that a sample was rejected with good reason.
func (l *life) requireTooOld(p lifeSample, res Result) {
	l.t.Helper()
	require.Contains(l.t, res.Rejected.String(), ReasonTooOld.String())
	reach := max(0, l.r.newest()-l.w.opts.OutOfOrderWindow.Milliseconds(), l.r.givenUp.Load()-1)
	require.LessOrEqual(l.t, p.t, reach, res.Rejected.String())
}

// end finishes the run, at the first attempt or a later one.
func (l *life) end() {
	l.bucket.down.Store(false)
	if l.rng.IntN(2) == 0 {
		l.r.fence(l.t.Context(), TriggerHTTP)
		for range l.rng.IntN(4) {
			l.disturb("cut and ship", l.r.cutAndShip)
			if l.rng.IntN(2) == 0 {
				l.kill()
				l.w.opts.Resume = true
				l.open()
			}
		}
	}
	l.note("finish")
	l.w.finish(l.r)
	l.w.requireArchived(l.want, "")
}
