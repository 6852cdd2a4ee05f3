package receiver

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// statusIn decodes the status that an answer carries.
func (s *server) statusIn(a answer) (status blockwriter.Status) {
	s.t.Helper()
	require.Equal(s.t, "application/json", a.header.Get("Content-Type"))
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &status))
	return status
}

func TestFinishAnswersWhenTheRunIsArchived(t *testing.T) {
	for name, req := range map[string]struct{ method, path string }{
		"POST":          {http.MethodPost, "/finish"},
		"PUT":           {http.MethodPut, "/finish"},
		"POST, waiting": {http.MethodPost, "/finish?wait=true"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1, 2, 3))).status)
			a := s.do(req.method, req.path, nil)
			require.Equal(t, http.StatusOK, a.status)
			st := s.statusIn(a)
			require.Equal(t, blockwriter.StateArchived, st.State)
			require.EqualValues(t, 3, st.Archived)
			require.True(t, st.Complete)
			require.Equal(t, "http", st.Trigger)
			require.Empty(t, st.Error)

			again := s.do(req.method, req.path, nil)
			require.Equal(t, http.StatusOK, again.status)
			require.Equal(t, st, s.statusIn(again), "later calls join the same finish")
		})
	}
}

func TestFinishThatFailsAndIsRepeated(t *testing.T) {
	bkt := &faultyBucket{}
	s := serve(t, startRun(t, func(o *blockwriter.Options) {
		bkt.Bucket, o.Bucket, o.FinishTimeout = o.Bucket, bkt, time.Second
	}), Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	bkt.down.Store(true)
	a := s.do(http.MethodPost, "/finish", nil)
	require.Equal(t, http.StatusInternalServerError, a.status)
	st := s.statusIn(a)
	require.Equal(t, blockwriter.StateFailed, st.State)
	require.Contains(t, st.Error, errDown.Error())
	require.False(t, st.Complete)
	require.Zero(t, st.Archived)

	bkt.down.Store(false)
	a = s.do(http.MethodPost, "/finish", nil)
	require.Equal(t, http.StatusOK, a.status)
	st = s.statusIn(a)
	require.Equal(t, blockwriter.StateArchived, st.State)
	require.EqualValues(t, 1, st.Archived)
	require.Empty(t, st.Error)
}

// gate is a drain that lasts until it is opened.
type gate struct {
	entered, opened chan struct{}
	drains          atomic.Int32
}

func newGate() *gate { return &gate{entered: make(chan struct{}), opened: make(chan struct{})} }

func (g *gate) drain(ctx context.Context) string {
	if g.drains.Add(1) == 1 {
		close(g.entered)
	}
	select {
	case <-g.opened:
		return "opened"
	case <-ctx.Done():
		return "too late"
	}
}

func TestFinishWithoutWaiting(t *testing.T) {
	g := newGate()
	run := startRun(t, func(o *blockwriter.Options) { o.Drain = g.drain })
	s := serve(t, run, Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	a := s.do(http.MethodPost, "/finish?wait=false", nil)
	require.Equal(t, http.StatusAccepted, a.status)
	require.Equal(t, "run-1", s.statusIn(a).Run)

	await(t, g.entered) // the finish is under way though the request is over
	require.Equal(t, blockwriter.StateDraining, s.status().State)
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("b", 1))).status, "the last writes are welcome")
	require.Equal(t, http.StatusAccepted, s.do(http.MethodPut, "/finish?wait=false", nil).status)
	close(g.opened)
	await(t, run.Finished())
	require.EqualValues(t, 2, s.status().Archived)
	require.EqualValues(t, 1, g.drains.Load())
}

func TestFinishDoesNotGuess(t *testing.T) {
	for _, query := range []string{"?wait=x", "?wait=no", "?wait=0", "?wait=False"} {
		s := serve(t, startRun(t), Options{})
		a := s.do(http.MethodPost, "/finish"+query, nil)
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Contains(t, a.body, "want true or false")
		require.Equal(t, blockwriter.StateOpen, s.status().State, query)
	}
}

func TestConcurrentFinishesGetTheSameAnswer(t *testing.T) {
	g := newGate()
	s := serve(t, startRun(t, func(o *blockwriter.Options) { o.Drain = g.drain }), Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	answers := make(chan answer, 8)
	var calls sync.WaitGroup
	for i := range cap(answers) {
		calls.Go(func() {
			answers <- s.do([]string{http.MethodPost, http.MethodPut}[i%2], "/finish", nil)
		})
	}
	await(t, g.entered)
	close(g.opened)
	calls.Wait()
	close(answers)
	first := <-answers
	for a := range answers {
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, s.statusIn(first), s.statusIn(a))
	}
	require.EqualValues(t, 1, g.drains.Load())
}

// waitedRun tells when a wait for the finish ends.
type waitedRun struct {
	*blockwriter.Run
	ended chan error
}

func (r *waitedRun) Finish(ctx context.Context, trigger string) error {
	err := r.Run.Finish(ctx, trigger)
	r.ended <- err
	return err
}

func TestClientThatGoesAwayDoesNotStopTheFinish(t *testing.T) {
	g := newGate()
	run := &waitedRun{startRun(t, func(o *blockwriter.Options) { o.Drain = g.drain }), make(chan error, 1)}
	s := serve(t, run, Options{})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)

	client := s.dial()
	client.send("POST /finish HTTP/1.1", "Host: test", "Content-Length: 0")
	await(t, g.entered)
	require.NoError(t, client.Close())
	require.ErrorIs(t, await(t, run.ended), context.Canceled, "nobody waits any more")
	require.Equal(t, blockwriter.StateDraining, run.State())
	close(g.opened)
	await(t, run.Finished())
	require.EqualValues(t, 1, s.status().Archived)
}
