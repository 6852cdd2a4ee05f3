package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
	"github.com/benchkeep/benchkeep/archive/query"
)

const queryHelp = `Ask a run of the archive in PromQL.

Prometheus' own engine answers over the run's blocks, which are fetched into a cache; or a Thanos Query does, with --query.url. Without a time, the answer is that at the run's end. Times are relative to the run: 30s is that long after its start, -5m that long before its end (as in --from=-5m), or an RFC 3339 time. The beginning of a run's id is enough if no other run begins so.

Exit codes: 0 done; 1 bad flags, query or environment, no such run; 2 something of the run could not be read.`

// pointsWanted is how many points of a series a range without --step has at most.
const pointsWanted = 250

// mostPoints bounds the points of a series, and with them for how long an answer
// is worked on: a hundred times what the Prometheus API allows.
const mostPoints = 1_000_000

// steps are the distances of points that people think in.
var steps = [...]time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

type queryFlags struct {
	*runsFlags
	cache *cacheFlags

	run, expr, output  *string
	at, from, to, step *string
	scan               *bool
}

func addQuery(app *kingpin.Application) func() int {
	cmd := app.Command("query", queryHelp)
	f := queryFlags{
		runsFlags: &runsFlags{bucket: addBucketFlags(cmd)},
		cache:     addCacheFlags(cmd).withQueryURL(cmd),
		run:       cmd.Arg("run", "The run.").Required().String(),
		expr:      cmd.Arg("promql", "The query.").Required().String(),
		at:        cmd.Flag("at", "Answer as of then. Default: the run's end.").PlaceHolder("<time>").String(),
		from:      cmd.Flag("from", "Answer for a range that begins then. Default: the run's start.").PlaceHolder("<time>").String(),
		to:        cmd.Flag("to", "Answer for a range that ends then. Default: the run's end.").PlaceHolder("<time>").String(),
		step:      cmd.Flag("step", "Distance of the points of a range. Default: one that makes no more than 250 points, and at least 1s.").PlaceHolder("<duration>").String(),
		scan:      scanFlag(cmd),
		output:    outputFlag(cmd, formatTable, formatJSON, formatCSV, formatPlot),
	}
	return func() int { return f.onBucket(f.query) }
}

func (f *queryFlags) query(ctx context.Context, bkt objstore.Bucket) error {
	if err := query.Check(*f.expr); err != nil {
		return err
	}
	// A signal ends it, and leaves the cache in order.
	ctx, stop := untilSignal(ctx)
	defer stop()
	run, err := f.find(ctx, bkt, *f.run, *f.scan)
	if err != nil {
		return err
	}
	asked, err := f.span(run)
	if err != nil {
		return err
	}
	source, err := f.cache.openRun(ctx, bkt, run)
	if err != nil {
		return err
	}
	result, err := asked.answer(ctx, source, *f.expr)
	if err = errors.Join(err, source.Close()); err != nil {
		return ofRun(err)
	}
	a := &queryAnswer{Result: result, run: run, asked: asked}
	if err := a.print(os.Stdout, *f.output); err != nil {
		return err
	}
	a.remark(time.Now())
	return unread(run)
}

// ofRun marks an error that is about a block of the run.
func ofRun(err error) error {
	var ofBlock *blockcache.BlockError
	if errors.As(err, &ofBlock) {
		return incompleteError{err}
	}
	return err
}

// unread is an error if there is more of the run than can be read.
func unread(run *archive.Run) error {
	var err error
	if n := run.Missing(); n > 0 {
		err = fmt.Errorf("%s of run %s missing from the bucket", plural(n, "block"), run.ID)
	}
	for _, broken := range run.Broken {
		err = errors.Join(err, broken)
	}
	if err == nil {
		return nil
	}
	return incompleteError{err}
}

// span is the time that is asked about, in Unix ms. For an instant, from and to
// are the same, and step is zero.
type span struct {
	from, to int64
	step     time.Duration
	// start is the run's, which times are shown relative to.
	start int64
	// chosen: step is not the user's.
	chosen bool
}

// span reads the flags about time.
func (f *queryFlags) span(run *archive.Run) (s span, err error) {
	isRange := *f.from != "" || *f.to != "" || *f.step != "" || *f.output == formatPlot
	if isRange && *f.at != "" {
		return s, errors.New("--at is an instant: it goes neither with --from, --to and --step nor with -o plot")
	}
	s.start = run.Start()
	end := lastSample(run)
	at := func(flag, value string, otherwise int64) (int64, error) {
		if value == "" {
			return otherwise, nil
		}
		t, err := query.ParseTime(value, s.start, end)
		if err != nil {
			return 0, fmt.Errorf("--%s=%w", flag, err)
		}
		return t, nil
	}
	if !isRange {
		s.from, err = at("at", *f.at, end)
		s.to = s.from
		return s, err
	}
	if s.from, err = at("from", *f.from, s.start); err != nil {
		return s, err
	}
	if s.to, err = at("to", *f.to, end); err != nil {
		return s, err
	}
	if s.from > s.to {
		return s, fmt.Errorf("--from is %s after --to: want a range that ends after it begins; the run is %s long",
			time.Duration(s.from-s.to)*time.Millisecond, time.Duration(end-s.start)*time.Millisecond)
	}
	if s.step, s.chosen, err = f.parseStep(s.to - s.from); err != nil {
		return s, err
	}
	if points := (s.to - s.from) / s.step.Milliseconds(); points >= mostPoints {
		return s, fmt.Errorf("--step=%s makes %d points of each series: take a longer one", *f.step, points)
	}
	return s, nil
}

// parseStep gives the step for a range of so many ms, and whether it was chosen
// for want of a flag.
func (f *queryFlags) parseStep(length int64) (step time.Duration, chosen bool, err error) {
	if *f.step == "" {
		return stepFor(time.Duration(length) * time.Millisecond), true, nil
	}
	d, err := model.ParseDuration(*f.step)
	if err != nil || d <= 0 {
		return 0, false, fmt.Errorf("--step=%s: want a duration as in 15s", *f.step)
	}
	return time.Duration(d), false, nil
}

// stepFor is the shortest step that makes no more points than are wanted.
func stepFor(length time.Duration) time.Duration {
	for _, step := range steps {
		if length/step < pointsWanted {
			return step
		}
	}
	const day = 24 * time.Hour
	return (length/pointsWanted/day + 1) * day
}

// lastSample is the end of the run as far as it is in the bucket: a manifest may
// tell of samples that are still to come, or that are lost.
func lastSample(run *archive.Run) int64 {
	_, end := run.TimeRange()
	last := int64(0)
	for _, b := range run.Current() {
		if !b.Gone() {
			last = max(last, b.MaxTime-1)
		}
	}
	if last > 0 {
		end = min(end, last)
	}
	return end
}

// answer asks for the instant or the range.
func (s span) answer(ctx context.Context, source query.Source, expr string) (*query.Result, error) {
	if s.step == 0 {
		return source.Instant(ctx, expr, s.from)
	}
	return source.Range(ctx, expr, s.from, s.to, s.step)
}
