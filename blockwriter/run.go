package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/benchkeep/benchkeep/archive"
)

// A State is what a run is doing.
type State string

// The states, in the order of a run's life.
const (
	StateStarting  State = "starting"  // replays the write-ahead log
	StateOpen      State = "open"      // takes writes
	StateDraining  State = "draining"  // takes writes, waits for the last ones
	StateFenced    State = "fenced"    // takes no more writes
	StateCutting   State = "cutting"   // head → blocks
	StateUploading State = "uploading" // blocks → bucket
	StateArchived  State = "archived"  // everything is in the bucket
	StateFailed    State = "failed"    // not everything is; all data is kept on disk
)

const (
	// announceTimeout bounds what an unreachable bucket delays the start by.
	announceTimeout = 5 * time.Second
)

// A Run is one benchmark execution on its way into the archive. Its exported
// methods are safe for concurrent use.
type Run struct {
	logger  *slog.Logger
	opts    Options
	metrics *metrics
	lock    fileutil.Releaser

	// appendMu lets one batch at a time into the head, and is the fence: the
	// state in which appends are refused is entered under it.
	appendMu  sync.Mutex
	db        *tsdb.DB
	series    *seriesCache
	appending appending
	dropped   drops
	logFailed bool          // a write to the log did not succeed
	due       chan struct{} // a window is complete, or the log has failed

	// workMu lets one of mid-run maintenance and finish cut and ship.
	workMu   sync.Mutex
	pause    pause
	written  writtenFiles
	pace     pace
	foreseen bool          // and warned of, that the finish will not get through
	early    *earlyUploads // set while a finish cuts
	cutTo    *int64        // what cutAll has cut so far, in ms, without it; nil before
	givenUp  atomic.Int64  // what is from before this time, in ms, is in the bucket only
	upload   progress

	// mu guards what follows: small facts that appends, the status and the
	// finish share.
	mu     sync.Mutex
	state  State
	rec    *record
	totals tally
	notes  notes
	finish *finish

	started     chan struct{} // closed at the end of Start
	finished    chan struct{} // closed after the first finish
	firstFinish sync.Once
	stopLoop    func() // ends the background loop and waits for it
}

// New opens the storage path and its record, without reading any sample yet:
// that is [Run.Start]'s. Errors are about the options or the storage path. The
// run holds a lock on the storage path until [Run.Close].
func New(logger *slog.Logger, reg prometheus.Registerer, opts Options) (*Run, error) {
	r := &Run{
		logger:   logger,
		state:    StateStarting,
		series:   newSeriesCache(),
		due:      make(chan struct{}, 1),
		started:  make(chan struct{}),
		finished: make(chan struct{}),
		stopLoop: func() {},
		notes:    notes{metrics: map[string]archive.Metadata{}, senders: map[string]struct{}{}},
	}
	if _, err := os.Stat(filepath.Join(opts.Dir, recordFile)); opts.Resume && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--storage.path=%s: %w", opts.Dir, ErrNoRun)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("--storage.path=%s: %w", opts.Dir, err)
	}
	var err error
	if r.lock, _, err = fileutil.Flock(filepath.Join(opts.Dir, "lock")); err != nil {
		return nil, fmt.Errorf("--storage.path=%s is in use by another process: %w", opts.Dir, err)
	}
	if err := r.load(opts); err != nil {
		return nil, errors.Join(err, r.lock.Release())
	}
	r.logger = logger.With("run", r.rec.Manifest.Run)
	r.pause.run = r
	r.appending = appending{run: r, labels: labelBuilder{external: r.rec.Manifest.Labels, renamed: r.warnRenamed()}}
	r.metrics = newMetrics(reg, r)
	return r, nil
}

// warnRenamed warns once for each label that gives way to an external one: a
// query by its own name finds the run's value.
func (r *Run) warnRenamed() func(label, to string) {
	warned := map[string]bool{}
	return func(label, to string) {
		if !warned[label] {
			warned[label] = true
			r.logger.Warn("series carry a label that is an external label of the run with another value; it is renamed", "label", label, "to", to)
		}
	}
}

// load finds or begins the record, and adds this process to it.
func (r *Run) load(opts Options) error {
	rec, err := readRecord(opts.Dir)
	if err != nil {
		return err
	}
	if rec != nil && rec.Phase == phaseArchived {
		if opts.Resume {
			return fmt.Errorf("--storage.path=%s, run %q: %w", opts.Dir, rec.Manifest.Run, ErrArchived)
		}
		r.logger.Info("last run of the storage path is archived, a new record begins", "run", rec.Manifest.Run, "part", rec.Manifest.Part)
		if err := os.RemoveAll(filepath.Join(opts.Dir, tsdbDir)); err != nil {
			return fmt.Errorf("clear --storage.path=%s: %w", opts.Dir, err)
		}
		rec = nil
	}
	if rec != nil && opts.BlockDuration == 0 {
		opts.BlockDuration = time.Duration(rec.BlockDuration) * time.Millisecond
	}
	opts.setDefaults()
	if err := opts.validate(); err != nil {
		return err
	}
	now := time.Now().UTC()
	switch {
	case rec == nil:
		rec = newRecord(&opts, now)
	default:
		if err := rec.continues(&opts); err != nil {
			return err
		}
		if len(opts.Labels) > 0 && !rec.sameLabels(&opts) {
			r.logger.Warn("labels differ from those the run began with, which it keeps", "labels", rec.Manifest.Labels)
		}
	}
	rec.Manifest.Receiver = opts.Receiver
	rec.Manifest.Sessions = append(rec.Manifest.Sessions, archive.Session{Started: now, Receiver: opts.Receiver})
	r.opts, r.rec = opts, rec
	r.restoreGivenUp()
	r.totals.restore(&rec.Manifest)
	maps.Copy(r.notes.metrics, rec.Manifest.Metrics)
	for _, s := range rec.Manifest.Senders {
		r.notes.senders[s] = struct{}{}
	}
	return rec.write(opts.Dir)
}

// Start replays what an earlier session left, tells the bucket that the run
// lives, and opens the run for writes, or, if an earlier session had fenced it
// already, goes on with the finish in the background. An error means that the
// storage path cannot be read; a bucket that cannot be reached is a warning.
func (r *Run) Start(ctx context.Context) error {
	defer close(r.started)
	if err := r.openTSDB(); err != nil {
		r.setState(StateFailed)
		return fmt.Errorf("open --storage.path=%s: %w", r.opts.Dir, err)
	}
	if err := r.recount(ctx); err != nil {
		r.setState(StateFailed)
		return fmt.Errorf("count samples of earlier sessions: %w", err)
	}
	if r.db.Head().NumSeries() > 0 && r.phase() == phaseOpen {
		if err := r.renewLogs(ctx); err != nil {
			r.setState(StateFailed)
			return fmt.Errorf("bring samples of earlier sessions into blocks: %w", err)
		}
	}
	announceCtx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	if err := r.announce(announceCtx); err != nil {
		r.logger.Warn("bucket does not answer yet, samples are kept on disk meanwhile", "err", err)
	}
	if r.phase() == phaseFenced {
		r.setState(StateFenced)
		go r.Finish(context.WithoutCancel(ctx), TriggerResume) //nolint:errcheck // the state tells how it ended
		return nil
	}
	r.setState(StateOpen)
	loopCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	r.stopLoop = func() { stop(); <-done }
	go func() {
		defer close(done)
		r.loop(loopCtx)
	}()
	return nil
}

// Accepting returns nil if the run takes samples now, or the error with which
// [Run.Append] would refuse them. Only under appendMu is it certain to last.
func (r *Run) Accepting() error {
	switch r.State() {
	case StateOpen, StateDraining:
		return nil
	case StateArchived:
		return ErrFinished
	default:
		return ErrNotOpen
	}
}

// State is what the run is doing.
func (r *Run) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *Run) setState(s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
	r.logger.Info("run changes state", "state", s)
}

func (r *Run) phase() phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec.Phase
}

// update changes the record and writes it to disk.
func (r *Run) update(change func(*record)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r.rec)
	r.fillManifest()
	return r.rec.write(r.opts.Dir)
}

// manifest is the run's record for the bucket as of now.
func (r *Run) manifest() *archive.Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fillManifest()
	m := r.rec.Manifest
	m.Labels = maps.Clone(m.Labels)
	return &m
}

// fillManifest brings the manifest in the record up to date. The caller holds
// mu.
func (r *Run) fillManifest() {
	m := &r.rec.Manifest
	m.Heartbeat = time.Now().UTC()
	m.Counts = r.totals.counts()
	m.Exemplars = r.totals.exemplars
	m.MinTime, m.MaxTime = r.totals.minTime, r.totals.maxTime
	m.Archived = 0
	for _, b := range m.Blocks {
		m.Archived += int64(b.Stats.NumSamples)
	}
	r.notes.fill(m)
}

// count adds what was committed to the totals. The first rejection of a kind
// is written down at once: a crash may forget how many there were, but not
// that the run is incomplete.
func (r *Run) count(t *tally) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := false
	for i, n := range t.rejected {
		news = news || n > 0 && r.totals.rejected[i] == 0
	}
	r.totals.add(t)
	r.rec.Manifest.Series = int64(r.series.count())
	if !news {
		return nil
	}
	r.fillManifest()
	if err := r.rec.write(r.opts.Dir); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// Close lets go of the storage path. It writes down the counts, leaves
// everything else on disk as it is, and does not finish the run; call it once,
// after [Run.Start] has returned.
func (r *Run) Close() error {
	r.stopLoop()
	return errors.Join(r.closeTSDB(), r.update(func(*record) {}), r.lock.Release())
}

func (r *Run) closeTSDB() error {
	r.workMu.Lock() // in the order in which a cut takes the two
	defer r.workMu.Unlock()
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	r.mu.Lock()
	db := r.db
	r.db = nil
	r.mu.Unlock()
	if db == nil {
		return nil
	}
	r.series = newSeriesCache() // memory a finished run need not hold
	return db.Close()
}
