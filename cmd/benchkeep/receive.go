package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/alecthomas/kingpin/v2"
	"github.com/alecthomas/units"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter"
	"github.com/benchkeep/benchkeep/receiver"
)

const (
	// headerTimeout bounds what a client may take for the headers of a request.
	headerTimeout = 10 * time.Second
	// idleTimeout is long: a sender with a scrape interval of minutes keeps its
	// connection, whose end is a sign that it is gone.
	idleTimeout = 15 * time.Minute
	// goodbyeTimeout bounds what the answers still under way may take when the
	// process exits.
	goodbyeTimeout = 3 * time.Second
)

type receiveFlags struct {
	logger   func() *slog.Logger
	bucket   *bucketFlags
	run      blockwriter.Options
	ciLabels bool

	listen       []string
	webConfig    string
	quiet, drain time.Duration
	finishExit   bool
	requestBytes units.Base2Bytes
	concurrent   int
}

func addReceive(app *kingpin.Application) func() int {
	cmd := app.Command("receive", "Receive the remote write of a run, and archive the run on SIGTERM or POST /finish.")
	f := receiveFlags{run: blockwriter.Options{Labels: map[string]string{}}}
	cmd.Flag("run.id", "Name of the run, its external label 'run'. Default: the CI job's id, else a ULID.").PlaceHolder("<id>").StringVar(&f.run.Run)
	cmd.Flag("run.label", "A further external label of the run. Repeatable.").PlaceHolder("<name>=<value>").StringMapVar(&f.run.Labels)
	cmd.Flag("run.ci-labels", "Add the labels commit, branch, repository and pipeline from the environment of the CI job.").Default("true").BoolVar(&f.ciLabels)
	cmd.Flag("storage.path", "Directory for the write-ahead log and the blocks of this run.").Default("./benchkeep-data").StringVar(&f.run.Dir)
	f.bucket = addBucketFlags(cmd)
	cmd.Flag("web.listen-address", "Address to listen on. Repeatable.").Default("127.0.0.1:19291").StringsVar(&f.listen)
	cmd.Flag("web.config.file", "File with TLS and authentication settings, as exporter-toolkit's web configuration.").PlaceHolder("<path>").StringVar(&f.webConfig)
	cmd.Flag("block.duration", "Length of a block's window.").Default("2h").DurationVar(&f.run.BlockDuration)
	cmd.Flag("ooo.window", "How far behind the newest sample a sample may be.").Default("24h").DurationVar(&f.run.OutOfOrderWindow)
	cmd.Flag("finish.quiet", "Drain: silence of the writers that counts as done. Prometheus sends at least every 5s.").Default("7s").DurationVar(&f.quiet)
	cmd.Flag("finish.drain-timeout", "Drain: longest wait.").Default("15s").DurationVar(&f.drain)
	cmd.Flag("finish.timeout", "Longest finish, drain included; after it the run is failed, its data kept.").Default("10m").DurationVar(&f.run.FinishTimeout)
	cmd.Flag("finish.exit", "Exit after a finish asked for over HTTP.").BoolVar(&f.finishExit)
	cmd.Flag("finish.stale-markers", "End every live series with a staleness marker.").BoolVar(&f.run.StaleMarkers)
	cmd.Flag("limit.series", "Most series in the head; more are rejected, known ones go on. 0: what the memory limit (cgroup or GOMEMLIMIT) allows; none without one.").Default("0").IntVar(&f.run.SeriesLimit)
	cmd.Flag("limit.request-bytes", "Largest write request, decompressed.").Default("32MiB").BytesVar(&f.requestBytes)
	cmd.Flag("limit.concurrent-writes", "Most write requests that wait to be stored at a time; others are asked to try again.").Default("64").IntVar(&f.concurrent)
	cmd.Flag("limit.future", "How far ahead of this machine's clock a sample may be.").Default("10m").DurationVar(&f.run.FutureLimit)
	f.logger = addLogFlags(cmd)
	return func() int { return f.receive() }
}

// receive runs from start to exit, top to bottom.
func (f *receiveFlags) receive() int {
	logger := f.logger()
	logger.Info("starting benchkeep", "version", version.Info())
	followMemoryLimit(logger)
	collectLazily()
	if err := f.validate(); err != nil {
		return badUsage(err)
	}
	f.identify(logger)
	f.limitSeries(logger)

	signals := listenForSignals(logger)
	registry := newRegistry()
	bucket, err := f.bucket.open(logger, keepPrivate())
	if err != nil {
		return badUsage(err)
	}
	defer bucket.Close()
	listeners, err := f.openListeners()
	if err != nil {
		return badUsage(err)
	}
	writers := receiver.NewWriters(f.quiet, f.drain)
	f.run.Bucket, f.run.Drain, f.run.Receiver = bucket, writers.Drain, thisReceiver()
	run, err := blockwriter.New(logger, registry, f.run)
	if err != nil {
		return badUsage(err)
	}
	server := newServer(logger, writers, receiver.New(receiver.Options{
		Logger: logger, Registry: registry, Run: run, Writers: writers,
		RequestBytes: int64(f.requestBytes), ConcurrentWrites: f.concurrent,
	}))
	served := make(chan error, 1)
	go func() {
		served <- web.ServeMultiple(listeners, server, &web.FlagConfig{WebConfigFile: &f.webConfig}, logger)
	}()
	if err := run.Start(context.Background()); err != nil {
		return badUsage(errors.Join(err, run.Close()))
	}

	var finishedOverHTTP <-chan struct{} // nil: nothing to wait for
	if f.finishExit {
		finishedOverHTTP = run.Finished()
	}
	select {
	case <-finishedOverHTTP:
		err = run.Err()
	case <-signals.first:
		err = run.Finish(context.Background(), blockwriter.TriggerSignal)
	case serveErr := <-served:
		logger.Error("listening ended, the run ends with it", "err", serveErr)
		err = run.Finish(context.Background(), blockwriter.TriggerSignal)
	}
	sayGoodbye(logger, server)
	return conclude(logger, run, err)
}

func newServer(logger *slog.Logger, writers *receiver.Writers, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ConnContext:       writers.ConnContext,
		ConnState:         writers.ConnState,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // strangers' TLS handshakes
	}
}

func (f *receiveFlags) validate() error {
	switch {
	case f.requestBytes < 1 || f.requestBytes > units.GiB:
		return fmt.Errorf("--limit.request-bytes=%d: want 1 byte to 1GiB", f.requestBytes)
	case f.concurrent < 1:
		return fmt.Errorf("--limit.concurrent-writes=%d: want 1 or more", f.concurrent)
	}
	for _, d := range []struct {
		flag string
		is   time.Duration
	}{
		{"--finish.quiet", f.quiet}, {"--finish.drain-timeout", f.drain}, {"--finish.timeout", f.run.FinishTimeout},
		{"--block.duration", f.run.BlockDuration}, {"--ooo.window", f.run.OutOfOrderWindow}, {"--limit.future", f.run.FutureLimit},
	} {
		if d.is <= 0 {
			return fmt.Errorf("%s=%s: want more than 0", d.flag, d.is)
		}
	}
	if err := web.Validate(f.webConfig); err != nil {
		return fmt.Errorf("--web.config.file=%s: %w", f.webConfig, err)
	}
	return nil
}

// identify fills in what the environment knows of the run. Flags come first.
func (f *receiveFlags) identify(logger *slog.Logger) {
	id, labels := blockwriter.DetectCI(os.Getenv)
	if f.run.Run == "" && id != "" {
		f.run.Run = id
		logger.Info("run id is the CI job's", "run", id)
	}
	if f.ciLabels {
		maps.Copy(labels, f.run.Labels)
		f.run.Labels = labels
	}
}

// limitSeries derives the limit from the memory there is, if none was given: it
// is better to reject a series, and say so, than to be killed with all of them.
func (f *receiveFlags) limitSeries(logger *slog.Logger) {
	memory := debug.SetMemoryLimit(-1) // reads it
	if f.run.SeriesLimit != 0 || memory == math.MaxInt64 {
		return
	}
	f.run.SeriesLimit = blockwriter.SeriesLimitFor(memory)
	logger.Info("series are limited to what fits the memory limit", "limit.series", f.run.SeriesLimit, "bytes", memory)
}

// openListeners binds every address now, so that one that is taken ends the
// process before it takes a single sample.
func (f *receiveFlags) openListeners() ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range f.listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("--web.listen-address=%s: %w", address, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector("benchkeep"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

func thisReceiver() archive.Receiver {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return archive.Receiver{Version: version.Version, Host: host}
}

// followMemoryLimit sets GOMEMLIMIT from the cgroup's limit, so that the
// garbage collector works harder before the kernel kills the process.
func followMemoryLimit(logger *slog.Logger) {
	limit, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(memlimit.FromCgroup))
	if err != nil {
		logger.Debug("no memory limit is known", "err", err)
		return
	}
	logger.Debug("memory limit follows the cgroup", "bytes", limit)
}

// sayGoodbye lets the answers that are under way arrive, the one to /finish
// among them.
func sayGoodbye(logger *slog.Logger, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		logger.Warn("some clients did not get their answer", "err", err)
	}
}
