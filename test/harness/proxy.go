package harness

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Request is an S3 request that has arrived at a Proxy.
type Request struct {
	// N counts the requests since the last Proxy.On, from 0.
	N      int
	Method string
	// Object is the name of the object in its bucket, empty for a request that
	// is about the bucket, as a listing is.
	Object string
}

// Puts tells whether the request uploads an object whose name ends like this.
func (r Request) Puts(suffix string) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.Object, suffix)
}

// String is the request as "PUT object".
func (r Request) String() string { return r.Method + " " + r.Object }

// Of tells whether the request is about an object of the block.
func (r Request) Of(block string) bool { return strings.HasPrefix(r.Object, block+"/") }

// A Proxy stands between benchkeep and an S3 server and does to the requests
// what a test wants. It leaves them as they are otherwise, the Host header
// included, which the client has signed.
type Proxy struct {
	Address string

	t       testing.TB
	bucket  string
	forward *httputil.ReverseProxy
	over    context.Context // done at the end of the test

	mu       sync.Mutex
	server   *http.Server
	on       func(Request) Fault
	n        int
	requests []Request
}

// StartProxy starts a proxy in front of the bucket's server, which lets
// everything through, and gives the bucket as it is reached through it.
func StartProxy(t testing.TB, dir string, b Bucket) (*Proxy, Bucket) {
	t.Helper()
	over, end := context.WithCancel(context.Background())
	p := &Proxy{t: t, Address: FreeAddress(t), bucket: filepath.Base(b.Dir), over: over}
	upstream := &url.URL{Scheme: "http", Host: b.Address}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
		},
		Transport:    &http.Transport{DisableCompression: true},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) },
		ErrorLog:     silent,
	}
	p.Accept()
	t.Cleanup(func() {
		end()
		p.Refuse()
	})
	return p, b.Via(t, dir, p.Address)
}

// On asks the function what becomes of each request from now on, and starts
// its count at 0. It is asked for one request at a time, in the order of their
// arrival; nil lets the request through, and so does a nil function.
func (p *Proxy) On(f func(Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on, p.n = f, 0
}

// Requests are all requests so far, in the order of their arrival.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Request(nil), p.requests...)
}

// Refuse makes the address refuse connections and resets those that are open,
// until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return
	}
	if err := p.server.Close(); err != nil {
		p.t.Errorf("close proxy: %v", err)
	}
	p.server = nil
}

// Accept undoes Refuse.
func (p *Proxy) Accept() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return
	}
	l, err := net.Listen("tcp", p.Address)
	if err != nil {
		p.t.Fatalf("listen: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(p.serve), ErrorLog: silent}
	p.server = server
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.t.Errorf("serve proxy: %v", err)
		}
	}()
}

func (p *Proxy) serve(w http.ResponseWriter, req *http.Request) {
	fault := p.arrived(req)
	if fault == nil {
		fault = pass
	}
	fault(&exchange{Proxy: p, w: w, req: req})
}

// arrived writes the request down and finds out what becomes of it.
func (p *Proxy) arrived(req *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	object := strings.TrimPrefix(strings.TrimPrefix(req.URL.Path, "/"+p.bucket), "/")
	r := Request{N: p.n, Method: req.Method, Object: object}
	p.n++
	p.requests = append(p.requests, r)
	if p.on == nil {
		return nil
	}
	return p.on(r)
}

// WaitRequest waits until a request arrived that the function knows.
func (p *Proxy) WaitRequest(what string, known func(Request) bool) {
	p.t.Helper()
	Until(p.t, what, func() error {
		for _, r := range p.Requests() {
			if known(r) {
				return nil
			}
		}
		return errors.New("no such request")
	})
}

// reset breaks the connection of a request: what the client sees is neither an
// answer nor an orderly end.
func reset(w http.ResponseWriter) {
	conn := hijack(w)
	if conn == nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst the end is an orderly one
	}
	conn.Close()
}

// hijack takes the connection of a request over; nil means that it is gone.
func hijack(w http.ResponseWriter) net.Conn {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return nil
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return nil
	}
	// Reads that the server has begun would go on for ever.
	_ = conn.SetDeadline(time.Time{})
	return conn
}
