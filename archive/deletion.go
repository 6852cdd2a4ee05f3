package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
)

// ErrRunning says that a run cannot be deleted because it is still received.
var ErrRunning = errors.New("the run is running: finish it first, or wait until its heartbeat is 3 minutes old")

// A Deletion is what is to go of a run. Its record in the bucket,
//
//	benchkeep/runs/<run id>/deletion
//
// is the first object of a deletion to come and the last to go: from the moment
// that it is there the run is gone for the catalogue, however much of it the
// bucket still has, and whoever finds it can complete the deletion. It lists
// what goes one by one, so that the same run, started again in the meantime, is
// none of it.
type Deletion struct {
	Version int       `json:"version"`
	Run     string    `json:"run"`
	At      time.Time `json:"at"`
	// Manifests are object names.
	Manifests []string    `json:"manifests"`
	Blocks    []ulid.ULID `json:"blocks"`
	// Sources are the blocks that Blocks were made of in the end. What Thanos
	// makes of them meanwhile goes as well.
	Sources []ulid.ULID `json:"sources"`
}

func decodeDeletion(data []byte, run string) (*Deletion, error) {
	var d Deletion
	if err := decodeVersioned(data, &d); err != nil {
		return nil, err
	}
	if d.Run != run {
		return nil, fmt.Errorf("it is of run %q", d.Run)
	}
	return &d, nil
}

// deletion is what deleting the run takes away. The error is [ErrRunning], or
// [ErrNewerManifest] where it cannot be told whether the run is running.
func (r *Run) deletion(now time.Time) (*Deletion, error) {
	if r.State(now) == StateRunning {
		return nil, fmt.Errorf("run %s: %w", r.ID, ErrRunning)
	}
	for _, b := range r.Broken {
		if errors.Is(b, ErrNewerManifest) {
			return nil, fmt.Errorf("run %s: %w", r.ID, b)
		}
	}
	d := &Deletion{Version: ManifestVersion, Run: r.ID, At: now.UTC()}
	for _, p := range r.Parts {
		d.Manifests = append(d.Manifests, p.Object)
	}
	for _, b := range r.Broken {
		d.Manifests = append(d.Manifests, b.Object)
	}
	for _, b := range r.Blocks {
		d.addBlock(b)
	}
	return d, nil
}

// Deletion is what deleting the run takes away, and what an earlier deletion
// left of a run with the same id.
func (c *Catalogue) Deletion(run *Run, now time.Time) (*Deletion, error) {
	d, err := run.deletion(now)
	if err != nil {
		return nil, err
	}
	for _, left := range c.Unfinished {
		if left.Run == run.ID {
			d.Manifests = append(d.Manifests, left.Manifests...)
			d.Blocks = append(d.Blocks, left.Blocks...)
			d.Sources = append(d.Sources, left.Sources...)
		}
	}
	return d, nil
}

func (d *Deletion) addBlock(b *StoredBlock) {
	if !slices.Contains(d.Blocks, b.ULID) {
		d.Blocks = append(d.Blocks, b.ULID)
	}
	for _, id := range append([]ulid.ULID{b.ULID}, b.Sources...) {
		if !slices.Contains(d.Sources, id) {
			d.Sources = append(d.Sources, id)
		}
	}
}

// covers reports whether the block goes with the deletion.
func (d *Deletion) covers(b *StoredBlock) bool {
	return slices.Contains(d.Blocks, b.ULID) ||
		slices.ContainsFunc(b.Sources, func(id ulid.ULID) bool { return slices.Contains(d.Sources, id) })
}

// takeFrom moves to the deletion what it is about.
func (d *Deletion) takeFrom(run *Run) {
	run.Parts = slices.DeleteFunc(run.Parts, func(p *Part) bool { return slices.Contains(d.Manifests, p.Object) })
	run.Broken = slices.DeleteFunc(run.Broken, func(b *BrokenError) bool { return slices.Contains(d.Manifests, b.Object) })
	run.Blocks = slices.DeleteFunc(run.Blocks, func(b *StoredBlock) bool {
		if !d.covers(b) {
			return false
		}
		d.addBlock(b)
		return true
	})
}

// Delete deletes a run, or completes the deletion of one. Blocks come first,
// each with its meta.json first, so that none is ever half visible; then what
// was learnt of the run, then the manifests. It may fail, or the process end,
// at any operation: the run is whole before the first, and gone from then on,
// and another Delete goes on.
//
// Of a block whose meta.json names another run nothing is touched.
func Delete(ctx context.Context, bkt objstore.Bucket, d *Deletion) error {
	if err := d.check(ctx, bkt); err != nil {
		return err
	}
	record := deletionObject(d.Run)
	if err := putRecord(ctx, bkt, record, d); err != nil {
		return err
	}
	for _, id := range d.Blocks {
		if err := DeleteBlock(ctx, bkt, id); err != nil {
			return err
		}
	}
	records, err := recordsOf(ctx, bkt, d.Run)
	if err != nil {
		return err
	}
	startedAgain := slices.ContainsFunc(records.manifests, func(o listedObject) bool { return !slices.Contains(d.Manifests, o.name) })
	for _, o := range records.edits {
		if startedAgain {
			break // what was added may be about the new one
		}
		if err := deleteObject(ctx, bkt, o.name); err != nil {
			return err
		}
	}
	for _, object := range d.Manifests {
		if err := deleteObject(ctx, bkt, object); err != nil {
			return err
		}
	}
	return deleteObject(ctx, bkt, record)
}

// check looks once more, without a cache, before anything goes: that nobody
// writes to the parts, and whose the blocks are.
func (d *Deletion) check(ctx context.Context, bkt objstore.Bucket) error {
	for _, object := range d.Manifests {
		p, err := readRecord(ctx, bkt, d.Run, object, decodePart)
		var broken *BrokenError
		switch {
		case err == nil && p.StateAt(time.Now()) == StateRunning:
			return fmt.Errorf("run %s: %w", d.Run, ErrRunning)
		case err == nil || isNotFound(bkt, err):
		case errors.As(err, &broken) && !errors.Is(err, ErrNewerManifest): // nobody writes to it any more
		default:
			return err
		}
	}
	var others error
	d.Blocks = slices.DeleteFunc(d.Blocks, func(id ulid.ULID) bool {
		b, err := readStoredBlock(ctx, bkt, id)
		var broken *BrokenError
		switch {
		case isNotFound(bkt, err) || errors.As(err, &broken):
			return false // what is left of it is the run's: it was listed so
		case err != nil:
			others = errors.Join(others, err)
			return false
		default:
			return b.Labels[LabelRun] != d.Run
		}
	})
	return others
}
