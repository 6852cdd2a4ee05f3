package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/blockcache"
)

const (
	// maxSamples bounds the samples that a query has in memory at a time: twice
	// what a Prometheus allows, some 1.6 GB.
	maxSamples = 100_000_000
	// lookback is Prometheus' default, and Thanos'.
	lookback = 5 * time.Minute
	// subqueryStep is that of a subquery that names none: Prometheus' default,
	// and Thanos'.
	subqueryStep = time.Minute
	// forever stands for no time limit: the context has it.
	forever = 1000 * time.Hour
)

// A Local evaluates queries over a run's blocks, which it has in a cache and
// open.
type Local struct {
	cache    *blockcache.Cache
	bkt      objstore.BucketReader
	run      string
	blocks   []*archive.StoredBlock
	engine   *promql.Engine
	warnings []string // what every answer lacks

	mu  sync.RWMutex // held for reading while blocks are read
	set *blockcache.Set
	// renewed are the blocks that were fetched again because they could not be
	// read: it is done once.
	renewed map[ulid.ULID]bool
}

// OpenLocal brings the run's blocks into the cache and opens them. Blocks that
// are missing are no error: every answer then has a warning.
//
// The function is told how many bytes are fetched and how many are to be, by one
// goroutine at a time; it may be nil. Errors of the cache are as they are.
func OpenLocal(ctx context.Context, cache *blockcache.Cache, bkt objstore.BucketReader, run *archive.Run, progress func(done, total int64)) (*Local, error) {
	l := &Local{cache: cache, bkt: bkt, run: run.ID, engine: newEngine(maxSamples), renewed: map[ulid.ULID]bool{}}
	resolutions := map[string]bool{}
	for _, b := range run.Current() {
		switch {
		case b.Gone():
		case b.Raw():
			l.blocks = append(l.blocks, b)
		default:
			resolutions[model.Duration(time.Duration(b.Resolution)*time.Millisecond).String()] = true
		}
	}
	if len(l.blocks) == 0 && len(resolutions) > 0 {
		return nil, &NoSamplesError{run.ID, fmt.Sprintf("has no samples any more, only what Thanos has made of them, one value per %s: ask a Thanos Query with --query.url",
			strings.Join(slices.Sorted(maps.Keys(resolutions)), " and "))}
	}
	if len(l.blocks) == 0 {
		return nil, &NoSamplesError{run.ID, whyNoBlocks(run)}
	}
	if n := run.Missing(); n > 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%d of the run's blocks are not in the bucket: their samples are missing", n))
	}
	if n := len(run.Broken); n > 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%d of the run's manifests cannot be read: samples may be missing", n))
	}
	set, err := cache.Blocks(ctx, bkt, l.blocks, progress)
	if err != nil {
		return nil, err
	}
	l.set = set
	return l, nil
}

// A NoSamplesError says that there is nothing of a run to ask about.
type NoSamplesError struct {
	Run string
	Why string
}

func (e *NoSamplesError) Error() string { return fmt.Sprintf("run %s %s", e.Run, e.Why) }

func whyNoBlocks(run *archive.Run) string {
	switch {
	case run.Missing() > 0:
		return fmt.Sprintf("has none of its blocks in the bucket: %d missing", run.Missing())
	case run.State(time.Now()) == archive.StateRunning:
		return "has no blocks yet: a running receiver uploads one when its window is complete"
	default:
		return "has no samples"
	}
}

func newEngine(samples int) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples:               samples,
		Timeout:                  forever,
		LookbackDelta:            lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   newParser(),
	})
}

// Close closes the blocks. Queries under way end before.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.set.Close()
}

// Instant implements [Source].
func (l *Local) Instant(ctx context.Context, expr string, at int64) (*Result, error) {
	return l.evaluate(ctx, expr, func(q storage.Queryable, expr string) (promql.Query, error) {
		return l.engine.NewInstantQuery(ctx, q, nil, expr, time.UnixMilli(at))
	})
}

// Range implements [Source].
func (l *Local) Range(ctx context.Context, expr string, start, end int64, step time.Duration) (*Result, error) {
	if err := checkRange(start, end, step); err != nil {
		return nil, err
	}
	return l.evaluate(ctx, expr, func(q storage.Queryable, expr string) (promql.Query, error) {
		return l.engine.NewRangeQuery(ctx, q, nil, expr, time.UnixMilli(start), time.UnixMilli(end), step)
	})
}

func checkRange(start, end int64, step time.Duration) error {
	if start > end || step < time.Millisecond {
		return fmt.Errorf("range from %d to %d by %s: want a start that is not after the end, and a step of a millisecond or more", start, end, step)
	}
	return nil
}

// evaluate evaluates a query that a function prepares. It is narrowed to the run
// for absent(), whose answer goes by the selector: it is to be the one of Remote.
func (l *Local) evaluate(ctx context.Context, expr string, prepare func(q storage.Queryable, expr string) (promql.Query, error)) (result *Result, err error) {
	ofRun, err := narrowed(expr, l.run)
	if errors.Is(err, errInfo) {
		ofRun, err = expr, nil
	}
	if err != nil {
		return nil, err
	}
	err = l.reading(ctx, func(blocks []*blockcache.Block) error {
		q, err := prepare(storage.QueryableFunc(func(mint, maxt int64) (storage.Querier, error) {
			return newQuerier(blocks, mint, maxt)
		}), ofRun)
		if err != nil {
			return err
		}
		defer q.Close()
		answer := q.Exec(ctx)
		if answer.Err != nil {
			return answer.Err
		}
		result = newResult(ofRun, answer)
		return nil
	})
	var tooMany promql.ErrTooManySamples
	switch {
	case errors.As(err, &tooMany):
		return nil, fmt.Errorf("the query needs more than %d samples at a time: narrow it by labels or time, take a longer step, or ask a Thanos Query with --query.url", maxSamples)
	case err != nil:
		return nil, err
	}
	result.Warnings = slices.Concat(l.warnings, result.Warnings)
	return result, nil
}

// MetricNames implements [Source].
func (l *Local) MetricNames(ctx context.Context) (names []string, err error) {
	err = l.Read(ctx, math.MinInt64, math.MaxInt64, func(q storage.Querier) (err error) {
		if names, _, err = q.LabelValues(ctx, model.MetricNameLabel, nil); err != nil {
			return err
		}
		for i := range names { // they lie in the files, which are mapped no longer than blocks are open
			names[i] = strings.Clone(names[i])
		}
		return nil
	})
	return names, err
}

// Read reads the run's samples from mint to maxt, in Unix ms and both inclusive,
// by way of a querier that is the function's until it returns. The function is
// called once more where a block cannot be read, and is fetched again.
func (l *Local) Read(ctx context.Context, mint, maxt int64, read func(storage.Querier) error) error {
	return l.reading(ctx, func(blocks []*blockcache.Block) error {
		q, err := newQuerier(blocks, mint, maxt)
		if err != nil {
			return err
		}
		return errors.Join(read(q), q.Close())
	})
}

// reading does something with the blocks. Where that fails because of one that
// cannot be read, it is fetched again, and what is to be done is done once more.
func (l *Local) reading(ctx context.Context, do func([]*blockcache.Block) error) error {
	for {
		set, err := l.once(do)
		if err == nil || ctx.Err() != nil {
			return err
		}
		damaged := culprits(set, err)
		if len(damaged) == 0 {
			return err
		}
		if err := l.renew(ctx, set, damaged, err); err != nil {
			return err
		}
	}
}

// once gives the blocks that it was done with, too.
func (l *Local) once(do func([]*blockcache.Block) error) (*blockcache.Set, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.set, do(l.set.Blocks)
}

// culprits are the blocks that an error may be due to. Decoders check every
// length but those that only a forger writes: where one breaks down, nobody says
// in which block.
func culprits(set *blockcache.Set, err error) []*blockcache.Block {
	var ofBlock *readError
	var breakdown runtime.Error
	switch {
	case errors.As(err, &ofBlock):
		return []*blockcache.Block{ofBlock.block}
	case errors.As(err, &breakdown):
		return set.Blocks
	default:
		return nil
	}
}

// renew fetches blocks of a set again that could not be read. It is an error if
// that was done before: then they are damaged in the bucket.
func (l *Local) renew(ctx context.Context, set *blockcache.Set, damaged []*blockcache.Block, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.set != set {
		return nil // somebody else has
	}
	first := damaged[0].Stored.ULID
	damaged = slices.DeleteFunc(slices.Clone(damaged), func(b *blockcache.Block) bool { return l.renewed[b.Stored.ULID] })
	if len(damaged) == 0 {
		return &blockcache.BlockError{
			Block: first,
			Err:   fmt.Errorf("it is damaged in the bucket, `benchkeep runs verify %s` tells more: %w", l.run, cause),
		}
	}
	for _, b := range damaged {
		if err := b.Discard(ctx); err != nil {
			return err
		}
	}
	fetched, err := l.cache.Blocks(ctx, l.bkt, l.blocks, nil)
	if err != nil {
		return err
	}
	for _, b := range damaged {
		l.renewed[b.Stored.ULID] = true
	}
	l.set = fetched
	return set.Close()
}
