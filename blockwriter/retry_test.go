package blockwriter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
)

// retrying runs a test of retry on a clock that jumps over every pause.
func retrying(t *testing.T, test func(t *testing.T, r *Run)) {
	synctest.Test(t, func(t *testing.T) {
		r := &Run{logger: promslog.NewNopLogger()}
		r.metrics = newMetrics(prometheus.NewRegistry(), r)
		test(t, r)
	})
}

func retries(r *Run) float64 { return testutil.ToFloat64(r.metrics.bucketRetries) }

func TestRetryGoesOnUntilSuccess(t *testing.T) {
	retrying(t, func(t *testing.T, r *Run) {
		start, attempts := time.Now(), 0
		require.NoError(t, r.retry(t.Context(), "upload", smallObject, func(context.Context) error {
			if attempts++; attempts <= 3 {
				return errDown
			}
			return nil
		}))
		require.Equal(t, 4, attempts)
		require.EqualValues(t, 3, retries(r))
		// 100, 200 and 400 ms, of each of which half is random.
		require.GreaterOrEqual(t, time.Since(start), 350*time.Millisecond)
		require.Less(t, time.Since(start), 700*time.Millisecond)
	})
}

func TestRetryThatSucceedsAtOnce(t *testing.T) {
	retrying(t, func(t *testing.T, r *Run) {
		start := time.Now()
		require.NoError(t, r.retry(t.Context(), "upload", smallObject, func(context.Context) error { return nil }))
		require.Zero(t, time.Since(start))
		require.Zero(t, retries(r))
	})
}

func TestRetryPausesAreBounded(t *testing.T) {
	retrying(t, func(t *testing.T, r *Run) {
		var last time.Time
		var pauses []time.Duration
		require.NoError(t, r.retry(t.Context(), "upload", smallObject, func(context.Context) error {
			if !last.IsZero() {
				pauses = append(pauses, time.Since(last))
			}
			last = time.Now()
			if len(pauses) < 30 {
				return errDown
			}
			return nil
		}))
		bound := firstBackoff
		for i, pause := range pauses {
			require.GreaterOrEqual(t, pause, bound/2, "pause %d", i)
			require.Less(t, pause, bound, "pause %d", i)
			bound = min(2*bound, maxBackoff)
		}
		require.Equal(t, maxBackoff, bound)
	})
}

func TestRetryStopsWhenTimeIsUp(t *testing.T) {
	retrying(t, func(t *testing.T, r *Run) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start, attempts := time.Now(), 0
		err := r.retry(ctx, "upload x", smallObject, func(context.Context) error { attempts++; return errDown })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errDown, "the cause is told")
		require.ErrorContains(t, err, "upload x, attempt ")
		require.Equal(t, time.Minute, time.Since(start), "in the middle of a pause")
		require.EqualValues(t, attempts, retries(r))
	})
}

func TestRetryDoesNotOutliveItsContext(t *testing.T) {
	retrying(t, func(t *testing.T, r *Run) {
		ctx, cancel := context.WithCancel(t.Context())
		attempts := 0
		err := r.retry(ctx, "upload", smallObject, func(ctx context.Context) error {
			attempts++
			cancel()
			return errors.Join(errDown, ctx.Err())
		})
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, 1, attempts)
		require.Zero(t, retries(r))
	})
}

// A connection that stalls costs one attempt, not the whole finish. Large
// objects get time in proportion.
func TestRetryGivesUpAnAttemptThatStalls(t *testing.T) {
	for name, tc := range map[string]struct {
		size int64
		want time.Duration
	}{
		"small":   {smallObject, attemptTimeout},
		"100 MiB": {100 << 20, attemptTimeout + 200*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			retrying(t, func(t *testing.T, r *Run) {
				start, attempts := time.Now(), 0
				var stalled time.Duration
				require.NoError(t, r.retry(t.Context(), "upload", tc.size, func(ctx context.Context) error {
					if attempts++; attempts > 1 {
						return nil
					}
					<-ctx.Done()
					stalled = time.Since(start)
					return ctx.Err()
				}))
				require.Equal(t, tc.want, stalled)
				require.Equal(t, 2, attempts)
			})
		})
	}
}
