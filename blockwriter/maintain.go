package blockwriter

import (
	"context"
	"fmt"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

const (
	// heartbeatInterval is how often a running run shows in its manifest that
	// it lives; after archive.HeartbeatFresh without one it counts as interrupted.
	heartbeatInterval = archive.HeartbeatFresh / 3
	// maintenanceRetry is how long what did not succeed is left alone.
	maintenanceRetry = 10 * time.Second
)

// loop cuts and ships what is complete while the run goes on, and keeps the
// manifest's heartbeat fresh.
func (r *Run) loop(ctx context.Context) {
	heartbeat := time.NewTicker(heartbeatInterval)
	defer heartbeat.Stop()
	due := r.due
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
		case <-again:
		case <-heartbeat.C:
			r.foresee()
		}
		due, again = r.due, nil
		if err := r.Maintain(ctx); err != nil && ctx.Err() == nil {
			r.metrics.maintenanceFailures.Inc()
			r.logger.Warn("maintenance did not complete, it is tried again", "in", maintenanceRetry, "err", err)
			due = nil // every append would ask again
			again = time.After(maintenanceRetry)
		}
	}
}

// Maintain does what can be done before the finish: it cuts completed windows,
// merges what overlaps, ships what no sender can change any more, gives up
// local data that is safe, and refreshes the manifest.
func (r *Run) Maintain(ctx context.Context) error {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	start := time.Now()
	if r.logHasFailed() {
		if err := r.renewLogs(ctx); err != nil {
			return fmt.Errorf("begin a new log: %w", err)
		}
	}
	if r.room() == nil { // the database panics where the disk is full
		r.db.ForceHeadMMap() // full chunks leave memory
	}
	if err := r.cutCompleted(ctx); err != nil {
		return err
	}
	// A bucket that does not answer must not keep the next window from being cut.
	ctx, cancel := r.untilDue(ctx)
	defer cancel()
	// Labels have to be final before the first block carries them.
	if err := r.announce(ctx); err != nil {
		return err
	}
	closed, err := r.closedBlocks()
	if err != nil {
		return err
	}
	shipped, err := r.ship(ctx, closed)
	if err != nil || shipped == 0 {
		return err
	}
	r.metrics.windowSeconds.Set(time.Since(start).Seconds())
	r.foresee()
	if err := r.dropLocal(); err != nil {
		return err
	}
	return r.announce(ctx)
}

// untilDue gives a context that ends when the next window has to be cut. What is
// in the bucket by then need not be uploaded again.
func (r *Run) untilDue(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	select {
	case <-r.due: // about what has been cut by now
		r.cutIfDue()
	default:
	}
	go func() {
		select {
		case <-r.due:
			cancel()
			r.wake() // for the loop, which is to see it too
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// cutIfDue wakes the loop when a window is complete.
func (r *Run) cutIfDue() {
	if r.windowComplete() {
		r.wake()
	}
}

// wake has the loop call Maintain.
func (r *Run) wake() {
	select {
	case r.due <- struct{}{}:
	default:
	}
}

func (r *Run) logHasFailed() bool {
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	return r.logFailed
}
