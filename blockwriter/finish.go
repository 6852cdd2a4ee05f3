package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// What can ask for a finish.
const (
	TriggerHTTP   = "http"
	TriggerSignal = "signal"
	TriggerResume = "resume"
)

// maxLastWord bounds what a finish keeps of its time for telling the bucket
// that it failed.
const maxLastWord = 3 * time.Second

// finish is a finish under way, or done.
type finish struct {
	done chan struct{} // closed at the end
	err  error         // set before done is closed
}

// Finish ends the run: it drains the writers, fences, cuts, ships and verifies
// everything, and writes the manifest last. It returns when that is done or
// ctx is, which does not stop the finish itself; that takes at most
// Options.FinishTimeout. A nil error means archived: every sample that was
// ever acknowledged is in the bucket. Otherwise everything is still on disk.
//
// Calls while a finish is under way join it, and calls after it was archived
// return at once. A call after one that failed tries again.
func (r *Run) Finish(ctx context.Context, trigger string) error {
	select {
	case <-r.started:
	case <-ctx.Done():
		go func() { // asked for is asked for
			<-r.started
			r.beginFinish(trigger)
		}()
		return ctx.Err()
	}
	f := r.beginFinish(trigger)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Finished is closed when a finish has ended for the first time, archived or
// failed.
func (r *Run) Finished() <-chan struct{} { return r.finished }

// Err tells how the last finish ended: nil if the run is archived.
func (r *Run) Err() error {
	r.mu.Lock()
	f := r.finish
	r.mu.Unlock()
	if f == nil {
		return ErrNotOpen
	}
	<-f.done
	return f.err
}

// beginFinish starts a finish, unless one is under way or has succeeded.
func (r *Run) beginFinish(trigger string) *finish {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finish != nil {
		select {
		case <-r.finish.done:
			if r.finish.err == nil {
				return r.finish
			}
		default:
			return r.finish
		}
	}
	f := &finish{done: make(chan struct{})}
	r.finish = f
	go func() {
		f.err = r.runFinish(trigger)
		close(f.done)
		r.firstFinish.Do(func() { close(r.finished) })
	}()
	return f
}

// runFinish is the whole way from open to archived, top to bottom.
func (r *Run) runFinish(trigger string) error {
	start := time.Now()
	lastWord := min(maxLastWord, r.opts.FinishTimeout/10)
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.FinishTimeout-lastWord)
	defer cancel()
	if r.db == nil {
		return errors.New("storage path could not be opened")
	}
	if r.phase() == phaseOpen {
		r.setState(StateDraining)
		r.logger.Info("drained", "because", r.opts.Drain(ctx), "took", time.Since(start).Round(time.Millisecond))
		r.stopLoop()
	}
	r.fence(ctx, trigger)
	if err := r.cutAndShip(ctx); err != nil {
		return r.fail(err, lastWord)
	}
	if err := r.conclude(ctx); err != nil {
		return r.fail(err, lastWord)
	}
	r.setState(StateArchived)
	m := r.manifest()
	r.logger.Info("run is archived", "samples", m.Archived, "series", m.Series, "blocks", len(m.Blocks),
		"complete", m.Complete, "took", time.Since(start).Round(time.Millisecond))
	if err := r.clear(); err != nil {
		// The run is safe; the next one on this path clears it again.
		r.logger.Warn("local data of the archived run could not be removed", "err", err)
	}
	return nil
}

// fence ends the taking of writes. Behind it the head does not change, so that
// what is cut from here on is all there is. A run that was fenced before gets
// no more than the new trigger.
func (r *Run) fence(ctx context.Context, trigger string) {
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	if r.opts.StaleMarkers && r.phase() == phaseOpen {
		if err := r.appendStaleMarkers(ctx); err != nil {
			r.logger.Warn("series end without staleness markers", "err", err)
		}
	}
	r.setState(StateFenced)
	err := r.update(func(rec *record) {
		rec.Phase = phaseFenced
		rec.Manifest.Trigger = trigger
	})
	if err != nil {
		// Should the process die now, the next one opens the run once more
		// instead of going on with the finish. Nothing is lost by that.
		r.logger.Warn("fence could not be written down", "err", err)
	}
}

func (r *Run) cutAndShip(ctx context.Context) error {
	r.workMu.Lock()
	defer r.workMu.Unlock()
	r.setState(StateCutting)
	r.early = r.newEarlyUploads(ctx)
	err := r.cutAll(ctx)
	if err == nil {
		_, err = r.mergeWindows(math.MaxInt64) // nothing more comes
	}
	r.early.wait()
	r.early = nil
	if err != nil {
		return err
	}
	r.setState(StateUploading)
	err = r.retry(ctx, "announce the run", smallObject, r.announce)
	if err != nil {
		return err
	}
	blocks, err := r.localBlocks()
	if err != nil {
		return err
	}
	_, err = r.ship(ctx, blocks)
	return err
}

// conclude checks the account and writes the final manifest, which is what
// makes the run archived.
func (r *Run) conclude(ctx context.Context) error {
	m := r.manifest()
	if m.Archived != m.Written {
		return fmt.Errorf("account does not balance: %d samples written, %d in the blocks of the bucket", m.Written, m.Archived)
	}
	now := time.Now().UTC()
	if err := r.update(func(rec *record) {
		rec.Manifest.State = archive.StateArchived
		rec.Manifest.Complete = len(m.Rejected) == 0
		rec.Manifest.Error = ""
		rec.Manifest.Finished = &now
	}); err != nil {
		return err
	}
	err := r.retry(ctx, "write manifest", smallObject, func(ctx context.Context) error {
		return archive.WriteManifest(ctx, r.opts.Bucket, r.manifest())
	})
	if err != nil {
		return err
	}
	return r.update(func(rec *record) { rec.Phase = phaseArchived })
}

// fail records why the run is not archived, on disk and, if it can be reached,
// in the bucket within the given time.
func (r *Run) fail(cause error, lastWord time.Duration) error {
	r.logger.Error("run is not archived, its data is kept on disk", "storage.path", r.opts.Dir, "err", cause)
	r.setState(StateFailed)
	now := time.Now().UTC()
	err := r.update(func(rec *record) {
		rec.Manifest.State = archive.StateFailed
		rec.Manifest.Complete = false
		rec.Manifest.Error = cause.Error()
		rec.Manifest.Finished = &now
	})
	if err != nil {
		r.logger.Warn("failure could not be written down", "err", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	if err := archive.WriteManifest(ctx, r.opts.Bucket, r.manifest()); err != nil {
		r.logger.Warn("manifest in the bucket does not tell of the failure", "err", err)
	}
	return cause
}

// clear removes the samples of the archived run from disk; the record stays,
// so that a restart knows.
func (r *Run) clear() error {
	if err := r.closeTSDB(); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(r.opts.Dir, tsdbDir))
}
