package headcut

import (
	"context"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// parallel runs work in several goroutines, which share the jobs 0 to n-1: each
// takes the next one when it is done with the last, so that jobs begin in
// order. The first error ends everything.
func parallel(ctx context.Context, workers, n int, work func(ctx context.Context, jobs iter.Seq[int]) error) error {
	var taken atomic.Int64
	group, inner := errgroup.WithContext(ctx)
	jobs := func(yield func(int) bool) {
		for inner.Err() == nil {
			job := int(taken.Add(1)) - 1
			if job >= n || !yield(job) {
				return
			}
		}
	}
	for range min(workers, n) {
		group.Go(func() error { return work(inner, jobs) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// turns lets jobs that are done in parallel do one step in their order: a file
// is written front to back, whoever encoded what.
type turns []chan struct{}

func newTurns(n int) turns {
	t := make(turns, n)
	for i := range t {
		t[i] = make(chan struct{})
	}
	return t
}

// take runs step when all jobs before this one have run theirs.
func (t turns) take(ctx context.Context, job int, step func() error) error {
	if job > 0 {
		select {
		case <-t[job-1]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := step(); err != nil {
		return err
	}
	close(t[job])
	return nil
}
