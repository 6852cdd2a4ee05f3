package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second

	// An attempt may take attemptTimeout, and more for what is large: a
	// connection that stalls must not use up the time of the whole finish.
	attemptTimeout  = 20 * time.Second
	slowestTransfer = 512 << 10 // bytes/s, below which a transfer counts as stalled

	// smallObject is the size, in bytes, of what has no size worth mentioning.
	smallObject = 0
)

// attemptTime is what an attempt with the given number of bytes may take.
func attemptTime(size int64) time.Duration {
	return attemptTimeout + time.Duration(size/slowestTransfer)*time.Second
}

// retry does an operation on the bucket until it succeeds or ctx is done, with
// a growing, jittered pause in between. The size, in bytes, sets how long one
// attempt may take. The operation must be idempotent.
func (r *Run) retry(ctx context.Context, what string, size int64, op func(context.Context) error) error {
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		attemptCtx, cancel := context.WithTimeout(ctx, attemptTime(size))
		err := op(attemptCtx)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s, attempt %d: %w", what, attempt, errors.Join(ctx.Err(), err))
		}
		r.metrics.bucketRetries.Inc()
		// Half of the pause is random, so that the receivers of many runs do
		// not come back to a bucket in step.
		pause := backoff/2 + rand.N(backoff/2)
		r.logger.Warn("bucket operation did not succeed, trying again", "operation", what, "attempt", attempt, "in", pause.Round(time.Millisecond), "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s, attempt %d: %w", what, attempt, errors.Join(ctx.Err(), err))
		case <-time.After(pause):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}
