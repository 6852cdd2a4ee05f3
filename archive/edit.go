package archive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/thanos-io/objstore"
)

const (
	// maxEditLabel and maxNote bound in bytes what an edit may add: every list
	// of runs carries it.
	maxEditLabel = 1 << 10
	maxNote      = 16 << 10
)

// An Edit is what was learnt of a run after it: labels, or a note. Each is an
// object of its own beside the manifests,
//
//	benchkeep/runs/<run id>/edits/<ULID>.json
//
// which is written once and never changed. So edits made at the same time do
// not overwrite one another, nor does a receiver that renews its manifest.
// Readers apply them in the order of their ULIDs.
type Edit struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`
	// Labels are set; one with an empty value is taken away again.
	Labels map[string]string `json:"labels,omitempty"`
	Note   string            `json:"note,omitempty"`

	id ulid.ULID
}

// validate holds the edit's labels to what external labels are held to. Those
// of the run itself stay as they are in its blocks.
func (e *Edit) validate(own map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		value := e.Labels[name]
		switch _, taken := own[name]; {
		case taken || name == LabelRun || name == LabelReceiver:
			return fmt.Errorf("label %q is the run's own and stands in its blocks; choose another name", name)
		case !model.LegacyValidation.IsValidLabelName(name) || len(name) >= 2 && name[:2] == "__":
			return fmt.Errorf("label %q: want letters, digits and '_', no digit first, no '__' first", name)
		case !utf8.ValidString(value):
			return fmt.Errorf("label %q: the value is not UTF-8", name)
		case len(name)+len(value) > maxEditLabel:
			return fmt.Errorf("label %q: name and value have %d bytes, want %d at most", name[:min(len(name), 64)], len(name)+len(value), maxEditLabel)
		}
	}
	switch {
	case len(e.Labels) == 0 && e.Note == "":
		return errors.New("there is nothing to add")
	case !utf8.ValidString(e.Note):
		return errors.New("the note is not UTF-8")
	case len(e.Note) > maxNote:
		return fmt.Errorf("the note has %d bytes, want %d at most", len(e.Note), maxNote)
	}
	return nil
}

// AddEdit adds what was learnt of a run. The time is that of the caller's
// clock.
func AddEdit(ctx context.Context, bkt objstore.Bucket, run string, edit Edit, now time.Time) error {
	records, err := recordsOf(ctx, bkt, run)
	if err != nil {
		return err
	}
	if len(records.manifests) == 0 {
		return &UnknownRunError{Name: run}
	}
	own := map[string]string{}
	for _, o := range records.manifests {
		m, err := ReadManifest(ctx, bkt, o.name)
		if err != nil {
			return err
		}
		maps.Copy(own, m.Labels)
	}
	if err := edit.validate(own); err != nil {
		return err
	}
	// An edit comes after those that its author has seen, whatever the clocks.
	ms := ulid.Timestamp(now)
	for _, o := range records.edits {
		if id, err := editID(o.name); err == nil {
			ms = max(ms, id.Time()+1)
		}
	}
	id, err := ulid.New(ms, ulid.DefaultEntropy())
	if err != nil {
		return err
	}
	edit.Version, edit.At = ManifestVersion, now.UTC()
	return putRecord(ctx, bkt, editObject(run, id.String()), edit)
}

// readEdit reads an edit of the run.
func readEdit(ctx context.Context, bkt objstore.BucketReader, run, object string) (*Edit, error) {
	return readRecord(ctx, bkt, run, object, func(data []byte, _ string) (*Edit, error) {
		var e Edit
		err := decodeVersioned(data, &e)
		if err == nil {
			e.id, err = editID(object)
		}
		return &e, err
	})
}

// sortEdits brings edits into the order in which they apply.
func sortEdits(edits []*Edit) {
	slices.SortFunc(edits, func(a, b *Edit) int { return a.id.Compare(b.id) })
}
