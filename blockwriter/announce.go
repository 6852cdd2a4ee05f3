package blockwriter

import (
	"context"
	"maps"
	"slices"
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
			"other", twin, archive.LabelReceiver, m.Part)
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
	others, err := r.partsWithSameLabels(ctx, own)
	for _, other := range others {
		if other.State == archive.StateRunning && time.Since(other.Heartbeat) < archive.HeartbeatFresh {
			return other.Part, nil
		}
	}
	return "", err
}

// keepApart looks for blocks of other parts that those about to be shipped
// would overlap: the run was started again, with a storage path of its own, and
// its sender repeated something. The receiver label tells such parts apart too.
func (r *Run) keepApart(ctx context.Context, blocks []localBlock) error {
	own := r.manifest()
	others, err := r.partsWithSameLabels(ctx, own)
	if err != nil {
		return err
	}
	for _, other := range others {
		for _, theirs := range other.Blocks {
			overlaps := func(b localBlock) bool {
				return b.meta.MinTime < theirs.MaxTime && theirs.MinTime < b.meta.MaxTime
			}
			if slices.ContainsFunc(blocks, overlaps) {
				r.logger.Warn("an earlier part of the run has blocks of the same time; this one adds a label of its own",
					"other", other.Part, archive.LabelReceiver, own.Part)
				return r.addReceiverLabel(own.Part)
			}
		}
	}
	return nil
}

// partsWithSameLabels reads the manifests of the run's other parts and returns
// those whose blocks must not overlap with the run's own.
func (r *Run) partsWithSameLabels(ctx context.Context, own *archive.Manifest) (others []*archive.Manifest, err error) {
	objects, err := archive.ManifestObjects(ctx, r.opts.Bucket, own.Run)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		if object == own.Object() {
			continue
		}
		other, err := archive.ReadManifest(ctx, r.opts.Bucket, object)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			r.logger.Warn("manifest of another part of the run cannot be read, it is passed over", "err", err)
			continue
		}
		if maps.Equal(other.Labels, own.Labels) {
			others = append(others, other)
		}
	}
	return others, nil
}

// addReceiverLabel makes the part's ULID an external label. The series stored
// from here on give way to it as to any other external label.
func (r *Run) addReceiverLabel(part string) error {
	r.appendMu.Lock()
	defer r.appendMu.Unlock()
	return r.update(func(rec *record) {
		external := maps.Clone(rec.Manifest.Labels)
		external[archive.LabelReceiver] = part
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
