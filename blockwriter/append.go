package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// A Result says what became of a batch. What was stored already counts as
// stored, since the sender need not send it again.
type Result struct {
	Samples, Histograms int
	Rejected            Rejections
}

// Append stores a batch. When it returns nil, everything in the batch but the
// rejections in the result is committed, the write-ahead log included; the
// batch may then be reused. On an error the batch counts as not stored, though
// parts of it may be: sending it again is safe.
//
// Append is safe for concurrent use, but appends take turns: with one appender
// at a time the run knows exactly what the head holds, and so what is a
// duplicate, what is new, and how many samples the blocks must have in the end.
func (r *Run) Append(b *Batch) (Result, error) {
	defer crashOnPanic()
	if err := r.Accepting(); err != nil {
		return Result{}, err
	}
	if err := r.keepUp(); err != nil {
		return Result{}, err
	}
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	if err := r.Accepting(); err != nil {
		return Result{}, err
	}
	if r.logFailed {
		return Result{}, fmt.Errorf("%w: a write to the log did not succeed, and a new one has not begun yet", ErrStorage)
	}
	if err := r.room(); err != nil {
		return Result{}, err
	}
	r.forgetDropped()
	a := &r.appending
	a.begin(b)
	defer a.end()
	if err := a.resolve(); err != nil {
		return Result{}, err
	}
	if err := a.appendNew(); err != nil {
		return Result{}, err
	}
	if err := a.appendLate(); err != nil {
		return Result{}, err
	}
	a.noteMetadata()
	a.checkClock()
	r.notes.sender(b.Sender)
	r.cutIfDue()
	return a.result, nil
}

// point is one sample of either kind on its way into the head.
type point struct {
	t, st int64
	v     float64
	h     *histogram.Histogram
	fh    *histogram.FloatHistogram
}

// entry is a series of the batch and what is known of it.
type entry struct {
	*series
	// lset is set for a series that was not in the cache.
	lset labels.Labels
}

// appending carries one batch into the head. There is one, reused from batch
// to batch under the append lock.
type appending struct {
	run    *Run
	labels labelBuilder

	clockChecked bool

	batch    *Batch
	app      storage.AppenderV2
	now      int64
	earliest int64 // of what is taken at all
	latest   int64
	minValid int64 // below it the head takes samples only as out of order
	entries  []entry
	fresh    []series // those of the batch that are not in the cache
	late     []latePoint
	tally    tally // of what is not committed yet
	result   Result
}

// keptSeries is how many series a batch may have for its memory to be used
// again: Prometheus' have 2,000.
const keptSeries = 1 << 16

func (a *appending) begin(b *Batch) {
	a.batch = b
	a.now = time.Now().UnixMilli()
	a.latest = a.now + a.run.opts.FutureLimit.Milliseconds()
	// The head subtracts up to a window from its times, and would wrap. To what
	// was given up nothing can be added.
	a.earliest = max(math.MinInt64+a.run.opts.BlockDuration.Milliseconds(), a.run.givenUp.Load())
	a.result = Result{}
	a.tally = tally{exemplars: int64(b.Exemplars)}
}

func (a *appending) end() {
	a.batch = nil
	if cap(a.entries) > keptSeries {
		a.entries, a.fresh, a.late = nil, nil, nil
		return
	}
	clear(a.entries)
	clear(a.late)
	a.entries, a.fresh, a.late = a.entries[:0], a.fresh[:0], a.late[:0]
}

// resolve finds the series of the batch, before anything is stored, so that a
// malformed request leaves no trace. A series that cannot be stored is counted
// as rejected and has no entry.
func (a *appending) resolve() error {
	cache := a.run.series
	// Entries point into it, so that it must not move.
	a.fresh = slices.Grow(a.fresh, len(a.batch.Series))
	for i := range a.batch.Series {
		s := &a.batch.Series[i]
		if known := cache.find(s.Hash); known != nil {
			a.entries = append(a.entries, entry{series: known})
			continue
		}
		lset, err := a.labels.build(a.batch.Labels, i)
		if err != nil {
			if err := a.rejectLabels(s, err); err != nil {
				return err
			}
			a.entries = append(a.entries, entry{})
			continue
		}
		a.fresh = append(a.fresh, series{maxTime: cache.floor})
		a.entries = append(a.entries, entry{series: &a.fresh[len(a.fresh)-1], lset: lset})
	}
	return nil
}

// rejectLabels rejects a series for what is wrong with its labels, unless that
// is the whole request.
func (a *appending) rejectLabels(s *Series, err error) error {
	var fault *labelError
	if !errors.As(err, &fault) {
		return err
	}
	n := s.Samples.Len() + s.Histograms.Len()
	a.tally.received += int64(n)
	a.reject(fault.reason, n, func() string { return fault.detail })
	return nil
}

// open starts a transaction with the head.
func (a *appending) open() {
	a.app = a.run.db.AppenderV2(context.Background())
	a.minValid = math.MinInt64
	if t, ok := a.run.db.Head().AppendableMinValidTime(); ok {
		a.minValid = t
	}
}

// commit ends the transaction. If it fails, nothing is known for sure of the
// batch's series any more: their next samples are looked up.
func (a *appending) commit() error {
	if err := a.app.Commit(); err != nil {
		a.unsettle()
		a.run.logFailed = true
		a.run.wake()
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	err := a.run.count(&a.tally)
	a.tally = tally{}
	return err
}

// abort gives up what was not committed.
func (a *appending) abort(err error) error {
	a.unsettle()
	return fmt.Errorf("%w: %w", ErrStorage, errors.Join(err, a.app.Rollback()))
}

func (a *appending) unsettle() {
	for _, e := range a.entries {
		if e.series != nil {
			e.settled = false
		}
	}
}

// appendNew stores everything that is newer than its series, and sets aside
// what may be stored already.
func (a *appending) appendNew() error {
	a.open()
	var p point
	for i := range a.batch.Series {
		s := &a.batch.Series[i]
		e := &a.entries[i]
		if e.series == nil || !a.admit(i, e) {
			continue
		}
		for _, f := range a.batch.Samples[s.Samples.From:s.Samples.To] {
			p = point{t: f.Timestamp, st: f.StartTimestamp, v: f.Value}
			if err := a.point(i, e, &p); err != nil {
				return a.abort(err)
			}
		}
		for _, h := range a.batch.Histograms[s.Histograms.From:s.Histograms.To] {
			p = point{t: h.Timestamp, st: h.StartTimestamp, h: h.Int, fh: h.Float}
			if err := a.point(i, e, &p); err != nil {
				return a.abort(err)
			}
		}
	}
	return a.commit()
}

// admit completes the entry of a series that the cache does not know: it may
// be in the head under another spelling or from before a restart, or it is new
// and has to keep within the limit.
func (a *appending) admit(i int, e *entry) bool {
	if e.lset.IsEmpty() || a.recognize(i, e) {
		return true
	}
	limit := a.run.opts.SeriesLimit
	n := a.batch.Series[i].Samples.Len() + a.batch.Series[i].Histograms.Len()
	if limit == 0 || n == 0 || a.run.db.Head().NumSeries() < uint64(limit) {
		return n > 0
	}
	a.tally.received += int64(n)
	a.reject(ReasonSeriesLimit, n, func() string {
		return fmt.Sprintf("series %s is new, and the run has the %d series that --limit.series allows", a.name(i, e), limit)
	})
	return false
}

// recognize looks up a series that the cache does not know in the head.
func (a *appending) recognize(i int, e *entry) bool {
	ref, _ := a.app.(storage.GetRef).GetRef(e.lset, e.lset.Hash())
	if ref != 0 {
		e.series = a.run.series.place(a.batch.Series[i].Hash, e.series, ref)
	}
	return ref != 0
}

// point takes one sample of series i. An error is the storage's; what is wrong
// with the sample itself is a rejection.
func (a *appending) point(i int, e *entry, p *point) error {
	a.tally.received++
	switch {
	case p.t > a.latest:
		a.rejectPoint(ReasonTooFarInFuture, i, e, p, "more than --limit.future="+a.run.opts.FutureLimit.String()+" ahead of this machine's clock")
		return nil
	case p.t < a.earliest:
		a.rejectPoint(ReasonTooOld, i, e, p, "older than the blocks that --ooo.window keeps for late samples")
		return nil
	case p.t > e.maxTime:
		if err := a.startTimestamp(i, e, p); err != nil {
			return err
		}
		_, err := a.store(i, e, p)
		return err
	case p.t == e.maxTime && e.settled && p.h == nil && p.fh == nil && math.Float64bits(p.v) == e.last:
		a.tally.duplicates++
		a.acknowledge(p)
		return nil
	default:
		a.late = append(a.late, latePoint{index: i, point: *p})
		return nil
	}
}

// store puts a sample into the head that is known not to be there yet, and
// tells whether the head took it. Where it did not, the sample is rejected.
func (a *appending) store(i int, e *entry, p *point) (stored bool, err error) {
	err = a.put(i, e, p, storage.AOptions{})
	if err == nil {
		a.acknowledge(p)
		return true, nil
	}
	reason, ok := reasonOf(err)
	if !ok {
		return false, err
	}
	a.rejectPoint(reason, i, e, p, err.Error())
	return false, nil
}

// put appends a sample to the head and keeps what is known of its series true.
func (a *appending) put(i int, e *entry, p *point, opts storage.AOptions) error {
	if p.t < 0 {
		// The library cuts late samples from 1970 on only.
		opts.RejectOutOfOrder = true
	}
	ref, err := a.app.Append(e.ref, e.lset, 0, p.t, p.v, p.h, p.fh, opts)
	if errors.Is(err, tsdb.ErrInvalidSample) && e.lset.IsEmpty() {
		// The head has dropped the series since it was last written.
		if e.lset, err = a.labels.build(a.batch.Labels, i); err != nil {
			return err
		}
		ref, err = a.app.Append(0, e.lset, 0, p.t, p.v, p.h, p.fh, opts)
	}
	if err != nil {
		return err
	}
	switch {
	case e.ref == 0: // and the head did not have it
		e.series = a.run.series.insert(a.batch.Series[i].Hash, e.series, ref)
	case e.ref != ref:
		e.series = a.run.series.place(a.batch.Series[i].Hash, e.series, ref)
	}
	if !e.stored {
		if e.lset.IsEmpty() {
			e.lset, _ = a.labels.build(a.batch.Labels, i)
		}
		a.run.series.markStored(e.series, e.lset)
	}
	if p.t > e.maxTime {
		e.maxTime = p.t
		e.settled = p.h == nil && p.fh == nil
		e.last = math.Float64bits(p.v)
	}
	a.tally.wrote(p.t)
	return nil
}

// acknowledge counts what the answer to the sender calls written.
func (a *appending) acknowledge(p *point) {
	if p.h == nil && p.fh == nil {
		a.result.Samples++
	} else {
		a.result.Histograms++
	}
}

// reject counts refused samples. What there is to say of them is asked for
// only if somebody will read it: a sender may have thousands refused.
func (a *appending) reject(reason Reason, n int, why func() string) {
	a.tally.rejected[reason] += int64(n)
	a.result.Rejected.add(reason, n, why)
}

func (a *appending) rejectPoint(reason Reason, i int, e *entry, p *point, why string) {
	t := p.t
	a.reject(reason, 1, func() string { return fmt.Sprintf("series %s at %d ms: %s", a.name(i, e), t, why) })
}

// name gives the series' labels for a message.
func (a *appending) name(i int, e *entry) string {
	lset := e.lset
	if lset.IsEmpty() {
		lset, _ = a.labels.build(a.batch.Labels, i)
	}
	return shortened(lset.String())
}

// noteMetadata keeps what the batch tells of metrics for the manifest.
func (a *appending) noteMetadata() {
	for i := range a.batch.Metadata {
		m := &a.batch.Metadata[i]
		a.run.notes.describe(string(m.Name), m)
	}
	for i, e := range a.entries {
		at := a.batch.Series[i].Metadata
		if at < 0 || e.series == nil || e.described {
			continue
		}
		lset := e.lset
		if lset.IsEmpty() {
			lset, _ = a.labels.build(a.batch.Labels, i)
		}
		a.run.notes.describe(lset.Get(model.MetricNameLabel), &a.batch.Metadata[at])
		e.described = true
	}
}
