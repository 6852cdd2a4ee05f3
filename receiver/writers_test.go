package receiver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/blockwriter"
)

const allClosed = "every writer has closed its connection"

// Prometheus exits and closes its connections: that ends the drain at once,
// whatever the quiet time.
func TestDrainEndsWithTheLastConnection(t *testing.T) {
	writers := NewWriters(time.Hour, time.Hour)
	s := serve(t, &fakeRun{}, Options{Writers: writers})
	body := encode(t, version1, float("a", 1))
	var clients []*rawConn
	for range 3 {
		c := s.dial()
		c.send("POST /api/v1/write HTTP/1.1", "Host: test", "Transfer-Encoding: chunked")
		c.sendChunks(body)
		require.Equal(t, http.StatusNoContent, c.answer().status)
		clients = append(clients, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reason := make(chan string, 1)
	go func() { reason <- writers.Drain(ctx) }()
	for _, c := range clients {
		require.Empty(t, reason, "a connection is open")
		require.NoError(t, c.Close())
	}
	require.Equal(t, allClosed, await(t, reason))
	require.Equal(t, allClosed, writers.Drain(ctx), "they are gone already")
}

// The whole way: writers that are gone make a finish instant, and the client
// that asks for it is none of them.
func TestFinishDoesNotWaitForWritersThatAreGone(t *testing.T) {
	writers := NewWriters(time.Hour, time.Hour)
	s := serve(t, startRun(t, func(o *blockwriter.Options) { o.Drain, o.FinishTimeout = writers.Drain, patience }), Options{Writers: writers})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	s.http.Client().CloseIdleConnections()
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, "/finish", nil).status)
	require.EqualValues(t, 1, s.status().Archived)
}

// Who only reads is no writer: neither its coming nor its going matters.
func TestReadersAreNoWriters(t *testing.T) {
	writers := NewWriters(10*time.Millisecond, time.Hour)
	s := serve(t, &fakeRun{}, Options{Writers: writers})
	require.Equal(t, http.StatusOK, s.get("/-/healthy").status)
	require.Equal(t, "no write for 10ms", writers.Drain(t.Context()))
	s.http.Client().CloseIdleConnections()
	require.Equal(t, "no write for 10ms", writers.Drain(t.Context()))
}

// sendChunks sends a body, and where it ends.
func (c *rawConn) sendChunks(body []byte) {
	c.t.Helper()
	_, err := c.Write(chunked(body))
	require.NoError(c.t, err)
}

// writer is a connection that writes come in on, without a server.
type writer struct {
	*Writers
	conn net.Conn
	req  *http.Request
}

// writerGroup makes writers of one tracker.
type writerGroup struct {
	*Writers
	t      *testing.T
	others sync.WaitGroup
}

func (g *writerGroup) connect() writer {
	conn, other := net.Pipe()
	g.t.Cleanup(func() { conn.Close(); other.Close() })
	req, err := http.NewRequestWithContext(g.ConnContext(g.t.Context(), conn), http.MethodPost, "/api/v1/write", nil)
	require.NoError(g.t, err)
	return writer{g.Writers, conn, req}
}

// inFlight begins a write that ends after a time.
func (g *writerGroup) inFlight(w writer, after time.Duration) {
	end := w.begin()
	g.others.Go(func() { time.Sleep(after); end() })
}

func (w writer) begin() (end func()) { w.Writers.begin(w.req); return w.end }
func (w writer) close()              { w.ConnState(w.conn, http.StateClosed) }

// TestDrain runs on a clock that stands still while anything happens: the
// times in it are exact.
func TestDrain(t *testing.T) {
	const quiet, timeout = 7 * time.Second, 15 * time.Second
	for name, tc := range map[string]struct {
		// before is done before the drain, meanwhile while it lasts.
		before, meanwhile func(*writerGroup)
		timeout           time.Duration
		reason            string
		after             time.Duration
	}{
		"nobody ever wrote": {reason: "no write for 7s", after: quiet},
		"connection stays open": {
			before: func(g *writerGroup) { g.connect().begin()() },
			reason: "no write for 7s", after: quiet,
		},
		"silence before does not count": {
			before: func(g *writerGroup) {
				g.connect().begin()()
				time.Sleep(time.Hour)
			},
			reason: "no write for 7s", after: quiet,
		},
		"connection closed before": {
			before: func(g *writerGroup) {
				w := g.connect()
				w.begin()()
				w.close()
			},
			reason: allClosed,
		},
		"connection closes meanwhile": {
			before: func(g *writerGroup) {
				w := g.connect()
				w.begin()()
				g.others.Go(func() { time.Sleep(time.Second); w.close() })
			},
			reason: allClosed, after: time.Second,
		},
		"one of two connections closes": {
			before: func(g *writerGroup) {
				g.connect().begin()()
				w := g.connect()
				w.begin()()
				w.close()
			},
			reason: "no write for 7s", after: quiet,
		},
		"a first write comes meanwhile": {
			meanwhile: func(g *writerGroup) {
				time.Sleep(6 * time.Second)
				g.connect().begin()()
			},
			reason: "no write for 7s", after: 6*time.Second + quiet,
		},
		"a write is under way": {
			timeout: time.Hour,
			before:  func(g *writerGroup) { g.inFlight(g.connect(), 10*time.Minute) },
			reason:  "no write for 7s", after: 10*time.Minute + quiet,
		},
		"a write is under way on a connection that closes": {
			before: func(g *writerGroup) {
				w := g.connect()
				g.inFlight(w, 10*time.Second)
				w.close()
			},
			reason: allClosed, after: 10 * time.Second,
		},
		"writes go on": {
			meanwhile: func(g *writerGroup) {
				w := g.connect()
				for range 20 {
					w.begin()()
					time.Sleep(time.Second)
				}
			},
			reason: "writers are still there after 15s", after: timeout,
		},
		"a write that does not end": {
			before: func(g *writerGroup) { g.inFlight(g.connect(), time.Hour) },
			reason: "writers are still there after 15s", after: timeout,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tc.timeout == 0 {
					tc.timeout = timeout
				}
				g := &writerGroup{Writers: NewWriters(quiet, tc.timeout), t: t}
				if tc.before != nil {
					tc.before(g)
				}
				if tc.meanwhile != nil {
					g.others.Go(func() { tc.meanwhile(g) })
				}
				start := time.Now()
				reason, after := g.Drain(t.Context()), time.Since(start)
				g.others.Wait() // the bubble's clock stops with the test
				require.Equal(t, tc.reason, reason)
				require.Equal(t, tc.after, after)
			})
		})
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tracker := NewWriters(time.Hour, time.Hour)
	require.Equal(t, "no time left: context canceled", tracker.Drain(ctx))
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.Equal(t, "no time left: context deadline exceeded", tracker.Drain(ctx))
}

// Connections that never wrote, and states other than the last, leave the
// tracker alone.
func TestOtherConnectionStates(t *testing.T) {
	tracker := NewWriters(time.Hour, time.Hour)
	g := &writerGroup{Writers: tracker, t: t}
	w, stranger := g.connect(), g.connect()
	w.begin()()
	for _, state := range []http.ConnState{http.StateNew, http.StateActive, http.StateIdle} {
		tracker.ConnState(w.conn, state)
	}
	stranger.close()
	require.Len(t, tracker.conns, 1)
	tracker.ConnState(w.conn, http.StateHijacked)
	require.Empty(t, tracker.conns)
}
