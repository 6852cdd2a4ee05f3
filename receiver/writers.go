package receiver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Writers keeps track of who writes, so that the end of the run can wait for
// the last of them. A Prometheus that exits sends what it has and closes its
// connections: once every connection that ever carried a write is closed,
// nothing more can come.
//
// Hook ConnContext and ConnState into the http.Server. Writers is safe for
// concurrent use.
type Writers struct {
	quiet, timeout time.Duration

	mu       sync.Mutex
	conns    map[net.Conn]struct{} // open, and carried a write
	inFlight int
	ever     bool          // there was a write
	changed  chan struct{} // closed at the next change; nil while nobody waits
}

// NewWriters makes a tracker that takes silence of the length quiet for the
// end, and waits no longer than timeout.
func NewWriters(quiet, timeout time.Duration) *Writers {
	return &Writers{quiet: quiet, timeout: timeout, conns: map[net.Conn]struct{}{}}
}

type connKey struct{}

// ConnContext is the server's hook of that name: it lets a handler know its
// connection.
func (*Writers) ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ConnState is the server's hook of that name.
func (t *Writers) ConnState(c net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.conns[c]; ok {
		delete(t.conns, c)
		t.notify()
	}
}

// begin marks the request's connection as a writer's.
func (t *Writers) begin(req *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := req.Context().Value(connKey{}).(net.Conn); ok {
		t.conns[c] = struct{}{}
	}
	t.ever = true
	t.inFlight++
	t.notify()
}

// end ends a write that has begun.
func (t *Writers) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	t.notify()
}

// notify wakes who waits for a change. The caller holds mu.
func (t *Writers) notify() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// Drain waits until no write can be expected any more, and says why: every
// writer's connection is closed and no write in flight; no write for the quiet
// time; the timeout; or ctx is done.
//
// Silence counts from the call on: a sender that was quiet before may hold
// samples that only its own shutdown flushes. For the same reason a run that
// never saw a writer waits the quiet time too: the first batch may be on its
// way.
func (t *Writers) Drain(ctx context.Context) (reason string) {
	timeout := time.NewTimer(t.timeout)
	defer timeout.Stop()
	quiet := time.NewTimer(t.quiet)
	defer quiet.Stop()
	for {
		t.mu.Lock()
		gone := t.ever && len(t.conns) == 0 && t.inFlight == 0
		busy := t.inFlight > 0
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		if gone {
			return "every writer has closed its connection"
		}
		silence := quiet.C
		if busy {
			silence = nil // a slow write is no silence
		}
		select {
		case <-changed:
			quiet.Reset(t.quiet)
		case <-silence:
			return "no write for " + t.quiet.String()
		case <-timeout.C:
			return "writers are still there after " + t.timeout.String()
		case <-ctx.Done():
			return "no time left: " + ctx.Err().Error()
		}
	}
}
