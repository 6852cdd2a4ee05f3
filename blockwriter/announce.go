package blockwriter

import (
	"context"
	"maps"
	"time"

	"github.com/benchkeep/benchkeep/archive"
)

// announce puts the manifest into the bucket. The first time that succeeds it
// also looks for another receiver of this very run, and, where one is alive,
// tells the two apart by one more external label: blocks with the same labels
// must not overlap.
//
// The own manifest is written before the others are read, so that of two
// receivers that start at once at least one sees the other.
func (r *Run) announce(ctx context.Context) error {
	err := r.tell(ctx)
	r.metrics.bucketReachable.Set(boolFloat(err == nil))
	return err
}

func (r *Run) tell(ctx context.Context) error {
	m := r.manifest()
	if err := archive.WriteManifest(ctx, r.opts.Bucket, m); err != nil {
		return err
	}
	r.mu.Lock()
	announced := r.rec.Announced
	r.mu.Unlock()
	if announced {
		return nil
	}
	twin, err := r.liveTwin(ctx, m)
	if err != nil {
		return err
	}
	if twin != "" {
		r.logger.Warn("another receiver works on the same run with the same labels; this one adds a label of its own",
			"other", twin, labelReceiver, m.Part)
		if err := r.addReceiverLabel(m.Part); err != nil {
			return err
		}
	}
	if err := r.update(func(rec *record) { rec.Announced = true }); err != nil {
		return err
	}
	return archive.WriteManifest(ctx, r.opts.Bucket, r.manifest())
}

// liveTwin finds another part of the run that has the same external labels and
// whose heart beats.
func (r *Run) liveTwin(ctx context.Context, own *archive.Manifest) (part string, err error) {
	objects, err := archive.ManifestObjects(ctx, r.opts.Bucket, own.Run)
	if err != nil {
		return "", err
	}
	for _, object := range objects {
		if object == own.Object() {
			continue
		}
		other, err := archive.ReadManifest(ctx, r.opts.Bucket, object)
		if err != nil {
			r.logger.Warn("manifest of another part of the run cannot be read, it is taken for finished", "err", err)
			continue
		}
		alive := other.State == archive.StateRunning && time.Since(other.Heartbeat) < heartbeatFresh
		if alive && maps.Equal(other.Labels, own.Labels) {
			return other.Part, nil
		}
	}
	return "", nil
}

// addReceiverLabel makes the part's ULID an external label. The series stored
// from here on give way to it as to any other external label.
func (r *Run) addReceiverLabel(part string) error {
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	return r.update(func(rec *record) {
		external := maps.Clone(rec.Manifest.Labels)
		external[labelReceiver] = part
		rec.Manifest.Labels = external
		r.appending.labels.external = external
	})
}

func boolFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
