package receiver

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// Run is the run behind the handler. Its methods are those of
// [blockwriter.Run].
type Run interface {
	Accepting() error
	Append(*blockwriter.Batch) (blockwriter.Result, error)
	Finish(ctx context.Context, trigger string) error
	Status() blockwriter.Status
}

// Options configure the handler. None has a default.
type Options struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Run      Run
	Writers  *Writers
	// RequestBytes bounds a request, in bytes after decompression.
	RequestBytes int64
	// ConcurrentWrites bounds the writes that wait to be stored, or are.
	ConcurrentWrites int
}

type handler struct {
	opts     Options
	metrics  *metrics
	bodies   *semaphore.Weighted // bytes that bodies on their way may take
	slots    chan struct{}       // one taken by each write that waits or is stored
	turns    chan struct{}       // one taken by each write that is stored
	calls    sync.Pool           // of *call
	refusals throttle
}

// The memory of writes, as multiples of Options.RequestBytes: all bodies that
// are on their way together, and the decoded batch of each that is stored.
// Docs: sizing.md.
const (
	bodiesShare = 4
	batchShare  = 2 // slices double as they grow: 4 in memory
)

// New builds the handler of all endpoints.
func New(opts Options) http.Handler {
	h := &handler{
		opts:    opts,
		metrics: newMetrics(opts.Registry),
		bodies:  semaphore.NewWeighted(max(bodiesShare*opts.RequestBytes, bodyPart)),
		slots:   make(chan struct{}, opts.ConcurrentWrites),
		turns:   make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	seed := rand.Uint64()
	h.calls.New = func() any {
		c := &call{}
		c.seed, c.maxSize = seed, batchShare*opts.RequestBytes
		return c
	}
	write, m := only(h.write, http.MethodPost), mux.NewRouter()
	m.Handle(pathWrite, write)
	m.Handle(pathReceive, write)
	m.Handle("/finish", only(h.finish, http.MethodPost, http.MethodPut))
	m.Handle("/api/v1/status", only(h.status, http.MethodGet, http.MethodHead))
	m.Handle("/-/healthy", only(h.healthy, http.MethodGet, http.MethodHead))
	m.Handle("/-/ready", only(h.ready, http.MethodGet, http.MethodHead))
	m.Handle("/metrics", only(promhttp.HandlerFor(opts.Registry, promhttp.HandlerOpts{Registry: opts.Registry}).ServeHTTP, http.MethodGet, http.MethodHead))
	m.Handle("/", only(h.landing, http.MethodGet, http.MethodHead))
	// Not cmdline: --objstore.config may have secrets.
	m.HandleFunc("/debug/pprof/profile", pprof.Profile)
	m.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("/debug/pprof/trace", pprof.Trace)
	m.PathPrefix("/debug/pprof/").HandlerFunc(pprof.Index)
	return &shortcut{Router: m, write: write}
}

// The paths of the write endpoint; the second is Thanos Receive's.
const (
	pathWrite   = "/api/v1/write"
	pathReceive = "/api/v1/receive"
)

// shortcut leads writes past the router, which copies every request twice to
// hand on what it has found.
type shortcut struct {
	*mux.Router
	write http.Handler
}

func (s *shortcut) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == pathWrite || req.URL.Path == pathReceive {
		s.write.ServeHTTP(w, req)
		return
	}
	s.Router.ServeHTTP(w, req)
}

// only answers other methods with 405 and, as HTTP asks, the ones that would
// do; the router's own way leaves those out.
func only(h http.HandlerFunc, methods ...string) http.Handler {
	allow := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !slices.Contains(methods, req.Method) {
			w.Header().Set("Allow", allow)
			http.Error(w, "method "+req.Method+" is not allowed here: use "+allow, http.StatusMethodNotAllowed)
			return
		}
		h(w, req)
	})
}
