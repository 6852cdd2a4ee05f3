package harness

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"
)

// A Fault is what a Proxy does to a request in place of letting it through.
type Fault func(*exchange)

// exchange is a request and the place for its answer.
type exchange struct {
	*Proxy
	w   http.ResponseWriter
	req *http.Request
}

// silent drops what HTTP servers log about connections that tests break.
var silent = log.New(io.Discard, "", 0)

func pass(x *exchange) { x.forward.ServeHTTP(x.w, x.req) }

// Answer answers with an S3 error. The request never reaches the server.
func Answer(status int, code string) Fault {
	return func(x *exchange) {
		_, _ = io.Copy(io.Discard, x.req.Body) // or the client might miss the answer
		x.w.Header().Set("Content-Type", "application/xml")
		x.w.WriteHeader(status)
		fmt.Fprintf(x.w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"+
			"<Error><Code>%s</Code><Message>%[1]s, says the test.</Message></Error>", code)
	}
}

// SlowDown is the answer of a busy server.
func SlowDown() Fault { return Answer(http.StatusServiceUnavailable, "SlowDown") }

// After lets the request happen on the server, and does the fault to the
// answer.
func After(fault Fault) Fault {
	return func(x *exchange) {
		// A body that is still to be read later has been sent on by then.
		x.forward.ServeHTTP(httptest.NewRecorder(), x.req)
		fault(&exchange{Proxy: x.Proxy, w: x.w, req: x.req})
	}
}

// Reset breaks the connection when it has carried n bytes of the request's
// body on to the server, or at the end of the body if that comes first.
func Reset(n int64) Fault {
	return func(x *exchange) {
		x.req.Body = &hurdle{ReadCloser: x.req.Body, left: n}
		x.forward.ServeHTTP(httptest.NewRecorder(), x.req)
		reset(x.w)
	}
}

// Stall takes the request and never answers, until the test ends.
func Stall() Fault {
	return func(x *exchange) {
		conn := hijack(x.w)
		if conn == nil {
			return
		}
		<-x.over.Done()
		conn.Close()
	}
}

// Slow lets the request's body through at so many bytes a second.
func Slow(bytesPerSecond int) Fault {
	return func(x *exchange) {
		x.req.Body = &trickle{ReadCloser: x.req.Body, perSecond: bytesPerSecond}
		pass(x)
	}
}

// Kill kills a program in the moment of the request, which goes no further.
func Kill(p *Process) Fault {
	return func(x *exchange) {
		p.Kill()
		reset(x.w)
	}
}

// hurdle is a body that breaks off.
type hurdle struct {
	io.ReadCloser
	left int64
}

var errBroken = errors.New("the test breaks the connection")

func (h *hurdle) Read(b []byte) (int, error) {
	if h.left <= 0 {
		return 0, errBroken
	}
	n, err := h.ReadCloser.Read(b[:min(int64(len(b)), h.left)])
	h.left -= int64(n)
	return n, err
}

// trickle is a body that comes slowly.
type trickle struct {
	io.ReadCloser
	perSecond int
}

// ticks is how many portions a trickle has a second.
const ticks = 10

func (s *trickle) Read(b []byte) (int, error) {
	// To be slow is what this is for.
	time.Sleep(time.Second / ticks)
	return s.ReadCloser.Read(b[:min(len(b), max(1, s.perSecond/ticks))])
}
