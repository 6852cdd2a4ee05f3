package receiver

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/pprof"
	"sync"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	// ConcurrentWrites bounds the writes that are read and appended at a time;
	// with RequestBytes it bounds the memory that writes take.
	ConcurrentWrites int
}

type handler struct {
	opts     Options
	metrics  *metrics
	slots    chan struct{} // one taken by each write under way
	calls    sync.Pool     // of *call
	refusals throttle
}

// New builds the handler of all endpoints.
func New(opts Options) http.Handler {
	h := &handler{opts: opts, metrics: newMetrics(opts.Registry), slots: make(chan struct{}, opts.ConcurrentWrites)}
	seed := rand.Uint64()
	h.calls.New = func() any {
		c := &call{}
		c.seed = seed
		return c
	}
	m := mux.NewRouter()
	m.HandleFunc("/api/v1/write", h.write).Methods(http.MethodPost)
	m.HandleFunc("/api/v1/receive", h.write).Methods(http.MethodPost)
	m.HandleFunc("/finish", h.finish).Methods(http.MethodPost, http.MethodPut)
	m.HandleFunc("/api/v1/status", h.status).Methods(http.MethodGet)
	m.HandleFunc("/-/healthy", h.healthy).Methods(http.MethodGet, http.MethodHead)
	m.HandleFunc("/-/ready", h.ready).Methods(http.MethodGet, http.MethodHead)
	m.Handle("/metrics", promhttp.HandlerFor(opts.Registry, promhttp.HandlerOpts{Registry: opts.Registry})).Methods(http.MethodGet)
	m.HandleFunc("/", h.landing).Methods(http.MethodGet)
	m.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	m.HandleFunc("/debug/pprof/profile", pprof.Profile)
	m.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("/debug/pprof/trace", pprof.Trace)
	m.PathPrefix("/debug/pprof/").HandlerFunc(pprof.Index)
	return m
}
