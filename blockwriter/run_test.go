package blockwriter

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

func TestFinishArchivesEverySampleToTheLastMillisecond(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	want := stored{}
	// The first and last milliseconds of windows, and the newest sample of all.
	for _, ts := range []int64{base, base + 1, base + 2*hour - 1, base + 2*hour, base + 2*hour + 1, base + 4*hour - 1, base + 4*hour} {
		write(t, r, one("up", at(ts, float64(ts-base))))
		want.add(`{__name__="up", job="test"}`, ts, float(float64(ts-base)))
	}
	w.finish(r)
	require.Equal(t, want, w.read())

	m := w.manifest()
	require.Equal(t, archive.StateArchived, m.State)
	require.True(t, m.Complete)
	require.EqualValues(t, 7, m.Written)
	require.EqualValues(t, 7, m.Archived)
	require.Equal(t, base, m.MinTime)
	require.Equal(t, base+4*hour, m.MaxTime)
	require.NoDirExists(t, filepath.Join(w.opts.Dir, tsdbDir), "local data is given up once the run is archived")
}

func TestFinishOfAnEmptyRun(t *testing.T) {
	w := newWorld(t)
	w.finish(w.open())
	require.Empty(t, w.blocks())
	m := w.manifest()
	require.Equal(t, archive.StateArchived, m.State)
	require.True(t, m.Complete)
	require.Zero(t, m.Written)
}

func TestManyWindowsWithLateData(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	want := stored{}
	send := func(metric string, ts int64) {
		write(t, r, one(metric, at(ts, float64(ts))))
		want.add(`{__name__="`+metric+`", job="test"}`, ts, float(float64(ts)))
	}
	for ts := base; ts < base+5*hour; ts += minute {
		send("steady", ts)
		if lag := ts - 3*hour; lag >= base {
			send("lagging", lag)
			send("steady", lag+1) // between samples that are there already
		}
		if ts == base+4*hour {
			require.NoError(t, r.Maintain(t.Context()))
			require.NotEmpty(t, w.blocks(), "completed windows are shipped while the run goes on")
		}
	}
	w.finish(r)
	require.Equal(t, want, w.read())
	require.EqualValues(t, want.count(), w.manifest().Archived)
}

func TestMergedBlockReplacesTheUploadedOne(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	for ts := base; ts < base+4*hour; ts += minute {
		write(t, r, one("steady", at(ts, 1)))
	}
	require.NoError(t, r.Maintain(t.Context()))
	before := w.blocks()
	require.Len(t, before, 1)

	write(t, r, one("steady", at(base+1, 2)))
	w.finish(r)
	after := w.blocks()
	require.Len(t, after, 2)
	require.NotEqual(t, before[0].ULID, after[0].ULID)
	require.EqualValues(t, before[0].Stats.NumSamples+1, after[0].Stats.NumSamples)
	require.NoDirExists(t, filepath.Join(w.dir, before[0].ULID.String()), "the replaced block leaves the bucket")
	require.EqualValues(t, 4*60+1, w.read().count())
}

func TestLocalBlocksGoOnceNothingLateCanReachThem(t *testing.T) {
	w := newWorld(t)
	w.opts.OutOfOrderWindow = time.Hour
	r := w.open()
	for ts := base; ts < base+12*hour; ts += minute {
		write(t, r, one("steady", at(ts, 1)))
		if ts%(2*hour) == hour {
			require.NoError(t, r.Maintain(t.Context()))
		}
	}
	require.NoError(t, r.Maintain(t.Context()))
	require.NoError(t, r.Maintain(t.Context())) // the database removes what the last one gave up
	shipped := len(r.Status().Blocks)
	require.Greater(t, shipped, len(r.db.Blocks()))

	// A restart counts what is in the bucket only.
	require.NoError(t, r.Close())
	r = w.open()
	require.EqualValues(t, 12*60, r.Status().Written)
	w.finish(r)
	require.EqualValues(t, 12*60, w.read().count())
}

func TestRestartContinuesTheRun(t *testing.T) {
	w := newWorld(t)
	want := stored{}
	for session := range int64(3) {
		r := w.open()
		for i := range int64(100) {
			ts := base + session*hour + i*1000
			write(t, r, one("up", at(ts, float64(i))), one("late", at(ts-session*2*hour, 7)))
			want.add(`{__name__="up", job="test"}`, ts, float(float64(i)))
			want.add(`{__name__="late", job="test"}`, ts-session*2*hour, "7")
		}
		// What the last session stored is recognised by the next.
		require.Equal(t, 1, write(t, r, one("up", at(base, 0))).Samples)
		if session < 2 {
			require.NoError(t, r.Close()) // as after a crash: nothing is written down
		} else {
			w.finish(r)
		}
	}
	require.Equal(t, want, w.read())
	m := w.manifest()
	require.Len(t, m.Sessions, 3)
	require.EqualValues(t, want.count(), m.Written)
	require.EqualValues(t, 2, m.Series)
}

func TestRestartAfterArchivedBeginsANewRecord(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	write(t, r, one("up", at(base, 1)))
	w.finish(r)
	first := w.manifest()

	r = w.open()
	write(t, r, one("up", at(base+hour, 2)))
	w.finish(r)
	objects, err := archive.ManifestObjects(t.Context(), w.bucket, w.opts.Run)
	require.NoError(t, err)
	require.Len(t, objects, 2)
	again, err := archive.ReadManifest(t.Context(), w.bucket, first.Object())
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.EqualValues(t, 2, w.read().count())
}

func TestStoragePathOfAnotherRunIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	write(t, r, one("up", at(base, 1)))
	_, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), w.opts)
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, r.Close())

	other := w.opts
	other.Run = "run-2"
	_, err = New(promslog.NewNopLogger(), prometheus.NewRegistry(), other)
	require.ErrorContains(t, err, "benchkeep resume --storage.path="+w.opts.Dir)

	other = w.opts
	other.BlockDuration = time.Hour
	_, err = New(promslog.NewNopLogger(), prometheus.NewRegistry(), other)
	require.ErrorContains(t, err, "--block.duration=1h0m0s")

	w.finish(w.open())
	require.EqualValues(t, 1, w.read().count())
}

func TestSecondReceiverOfARunGetsALabelOfItsOwn(t *testing.T) {
	w := newWorld(t)
	first := w.open()
	second := *w
	second.opts.Dir = filepath.Join(t.TempDir(), "data")
	r := second.open()
	part := r.Status().Part
	require.Equal(t, map[string]string{"run": "run-1", "branch": "main", "receiver": part}, r.Status().Labels)

	// Its series give way to the new label too.
	write(t, r, sent{labels: []string{"__name__", "up", "receiver", "x"}, samples: []Sample{at(base, 1)}})
	write(t, first, sent{labels: []string{"__name__", "up", "receiver", "x"}, samples: []Sample{at(base, 1)}})
	w.finish(first)
	w.finish(r)
	all := stored{}
	for _, m := range w.blocks() {
		w.readBlock(m.ULID, all)
	}
	require.Equal(t, stored{
		`{__name__="up", receiver="x"}`:          {base: "1"},
		`{__name__="up", exported_receiver="x"}`: {base: "1"},
	}, all)
}

func TestRunStartedAgainDoesNotOverlapItsEarlierPart(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	write(t, r, one("up", at(base, 1), at(base+minute, 1)))
	w.finish(r)
	second := *w
	second.opts.Dir = filepath.Join(t.TempDir(), "data")
	r = second.open()
	write(t, r, one("up", at(base+minute, 2)))
	w.finish(r)
	labels := map[string]int{}
	for _, m := range w.blocks() {
		labels[m.Thanos.Labels["receiver"]]++
	}
	require.Equal(t, map[string]int{"": 1, r.Status().Part: 1}, labels)
}

func TestWritesBehindTheFenceAreRefused(t *testing.T) {
	w := newWorld(t)
	draining, drained := make(chan struct{}), make(chan struct{})
	w.opts.Drain = func(context.Context) string {
		close(draining)
		<-drained
		return "test"
	}
	r := w.open()
	write(t, r, one("up", at(base, 1)))
	finished := make(chan error, 1)
	go func() { finished <- r.Finish(t.Context(), TriggerHTTP) }()
	<-draining
	write(t, r, one("up", at(base+1, 2))) // while draining, writes are welcome
	close(drained)
	require.NoError(t, <-finished)
	_, err := r.Append(batch(one("up", at(base+2, 3))))
	require.ErrorIs(t, err, ErrFinished)
	require.EqualValues(t, 2, w.read().count())
	require.Equal(t, TriggerHTTP, w.manifest().Trigger)
}

func TestConcurrentFinishesAreOne(t *testing.T) {
	w := newWorld(t)
	var drains atomic.Int32
	w.opts.Drain = func(context.Context) string { drains.Add(1); return "test" }
	r := w.open()
	write(t, r, one("up", at(base, 1)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { require.NoError(t, r.Finish(context.Background(), TriggerHTTP)) })
	}
	wg.Wait()
	require.NoError(t, r.Finish(t.Context(), TriggerSignal))
	require.EqualValues(t, 1, drains.Load())
	require.Len(t, w.blocks(), 1)
}

// faultyBucket fails uploads while it is told to.
type faultyBucket struct {
	objstore.Bucket
	down atomic.Bool
}

var errDown = errors.New("bucket is down")

func (b *faultyBucket) Upload(ctx context.Context, name string, from io.Reader, opts ...objstore.ObjectUploadOption) error {
	if b.down.Load() {
		return errDown
	}
	return b.Bucket.Upload(ctx, name, from, opts...)
}

func TestFailedFinishKeepsTheDataAndIsCompletedLater(t *testing.T) {
	for name, complete := range map[string]func(w *world, r *Run){
		"by a second finish": func(w *world, r *Run) {
			r.opts.FinishTimeout = time.Minute
			w.finish(r)
		},
		"by a restart": func(w *world, r *Run) {
			require.NoError(w.t, r.Close())
			w.opts.FinishTimeout = time.Minute
			w.finish(w.open())
		},
		"by resume": func(w *world, r *Run) {
			require.NoError(w.t, r.Close())
			w.opts.Resume, w.opts.Run, w.opts.Labels, w.opts.FinishTimeout = true, "", nil, time.Minute
			w.finish(w.open())
			w.opts.Run = "run-1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bkt := &faultyBucket{Bucket: w.bucket}
			w.opts.Bucket, w.opts.FinishTimeout = bkt, 300*time.Millisecond
			r := w.open()
			write(t, r, one("up", at(base, 1), at(base+3*hour, 2)))
			bkt.down.Store(true)
			require.ErrorIs(t, r.Finish(t.Context(), TriggerSignal), errDown)
			require.Equal(t, StateFailed, r.State())
			_, err := r.Append(batch(one("up", at(base+4*hour, 3))))
			require.ErrorIs(t, err, ErrNotOpen)
			require.Empty(t, w.blocks())

			bkt.down.Store(false)
			complete(w, r)
			require.Equal(t, stored{`{__name__="up", job="test"}`: {base: "1", base + 3*hour: "2"}}, w.read())
			m := w.manifest()
			require.Equal(t, archive.StateArchived, m.State)
			require.Empty(t, m.Error)
			require.Equal(t, map[string]string{"run": "run-1", "branch": "main"}, m.Labels)
		})
	}
}

func TestResumeNeedsARunThatIsNotArchived(t *testing.T) {
	w := newWorld(t)
	resume := w.opts
	resume.Resume, resume.Run = true, ""
	_, err := New(promslog.NewNopLogger(), prometheus.NewRegistry(), resume)
	require.ErrorIs(t, err, ErrNoRun)
	require.NoDirExists(t, w.opts.Dir)
	w.finish(w.open())
	_, err = New(promslog.NewNopLogger(), prometheus.NewRegistry(), resume)
	require.ErrorIs(t, err, ErrArchived)
}

func TestLostSamplesKeepTheRunFromBeingArchived(t *testing.T) {
	w := newWorld(t)
	r := w.open()
	write(t, r, one("up", at(base, 1), at(base+1, 2)))
	require.NoError(t, r.update(func(*record) {})) // as a heartbeat does
	require.NoError(t, r.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(w.opts.Dir, tsdbDir)))
	r = w.open()
	require.ErrorContains(t, r.Finish(t.Context(), TriggerSignal), "account does not balance")
	require.Equal(t, archive.StateFailed, w.manifest().State)
}

func TestStaleMarkersEndLiveSeries(t *testing.T) {
	w := newWorld(t)
	w.opts.StaleMarkers = true
	r := w.open()
	write(t, r, one("old", at(base, 1)), one("live", at(base+10*minute, 1)))
	write(t, r, one("ended", at(base+10*minute, staleNaN)))
	w.finish(r)
	require.Equal(t, stored{
		`{__name__="old", job="test"}`:   {base: "1"},
		`{__name__="live", job="test"}`:  {base + 10*minute: "1", base + 10*minute + 1: float(staleNaN)},
		`{__name__="ended", job="test"}`: {base + 10*minute: float(staleNaN)},
	}, w.read())
}
