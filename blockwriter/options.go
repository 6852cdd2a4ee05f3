package blockwriter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
)

// What [New] finds instead of a run to resume.
var (
	ErrNoRun    = errors.New("no run to resume")
	ErrArchived = errors.New("run is archived already")
)

// Options configure a [Run]. The zero value of a field means what its comment
// says; Bucket and Dir have no default.
type Options struct {
	// Dir is the storage path: write-ahead log and blocks of one run.
	Dir string
	// Bucket is where blocks and manifest go. The run does not close it.
	Bucket objstore.Bucket
	// Resume asks for the run that Dir holds: without one that is not archived
	// [New] returns [ErrNoRun] or [ErrArchived].
	Resume bool
	// Run is the run id. Empty means: go on with the run that Dir holds, or
	// begin one with a new ULID.
	Run string
	// Labels are the external labels besides run. A run that Dir holds keeps
	// the labels it began with.
	Labels map[string]string
	// BlockDuration is the length of a window; 0 means 2h.
	BlockDuration time.Duration
	// OutOfOrderWindow is how far behind the newest sample a sample may be; 0
	// means 24h.
	OutOfOrderWindow time.Duration
	// FutureLimit is how far ahead of the clock a sample may be; 0 means 10m.
	FutureLimit time.Duration
	// SeriesLimit bounds the series in the head; 0 means no bound.
	SeriesLimit int
	// FinishTimeout bounds a finish, drain included; 0 means 10m.
	FinishTimeout time.Duration
	// Drain waits for the writers before the fence. It is called once per
	// finish, must return when ctx is done, and gives the reason to log. Nil
	// means that there is nobody to wait for.
	Drain func(ctx context.Context) string
	// StaleMarkers ends every live series with a staleness marker.
	StaleMarkers bool
	// Receiver describes this process in the manifest.
	Receiver archive.Receiver
}

func (o *Options) setDefaults() {
	setDefault(&o.BlockDuration, 2*time.Hour)
	setDefault(&o.OutOfOrderWindow, 24*time.Hour)
	setDefault(&o.FutureLimit, 10*time.Minute)
	setDefault(&o.FinishTimeout, 10*time.Minute)
	if o.Drain == nil {
		o.Drain = func(context.Context) string { return "no writers" }
	}
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

func (o *Options) validate() error {
	for _, d := range []struct {
		flag string
		is   time.Duration
		min  time.Duration
	}{
		// tsdb halves the window in ms; below a second rounding would show.
		{"--block.duration", o.BlockDuration, time.Second},
		{"--ooo.window", o.OutOfOrderWindow, time.Millisecond},
		{"--limit.future", o.FutureLimit, time.Millisecond},
		{"--finish.timeout", o.FinishTimeout, time.Millisecond},
	} {
		if d.is < d.min {
			return fmt.Errorf("%s=%s: want at least %s", d.flag, d.is, d.min)
		}
	}
	if o.SeriesLimit < 0 {
		return fmt.Errorf("--limit.series=%d: want 0 (no limit) or more", o.SeriesLimit)
	}
	if o.Run != "" {
		if err := archive.ValidateRunID(o.Run); err != nil {
			return fmt.Errorf("--run.id: %w", err)
		}
	}
	return validateLabels(o.Labels)
}

// validateLabels holds external labels to what every reader of the archive
// understands: classic Prometheus label names, values that are UTF-8.
func validateLabels(ls map[string]string) error {
	for _, name := range sortedKeys(ls) {
		switch {
		case name == archive.LabelRun || name == archive.LabelReceiver:
			return fmt.Errorf("--run.label: %q is set by benchkeep itself; choose another name", name)
		case !model.LegacyValidation.IsValidLabelName(name) || len(name) >= 2 && name[:2] == "__":
			return fmt.Errorf("--run.label: %q cannot be a label name: want letters, digits and '_', no digit first, no '__' first", name)
		case ls[name] == "":
			return fmt.Errorf("--run.label: label %q has an empty value, which is the same as no label", name)
		case !model.LabelValue(ls[name]).IsValid():
			return fmt.Errorf("--run.label: the value of label %q is not UTF-8", name)
		}
	}
	return nil
}

// newRecord begins a part of a run.
func newRecord(o *Options, now time.Time) *record {
	run := o.Run
	if run == "" {
		run = ulid.Make().String()
	}
	external := maps.Clone(o.Labels)
	if external == nil {
		external = map[string]string{}
	}
	external[archive.LabelRun] = run
	return &record{
		Phase:         phaseOpen,
		BlockDuration: o.BlockDuration.Milliseconds(),
		Manifest: archive.Manifest{
			Version: archive.ManifestVersion,
			Run:     run,
			Part:    ulid.Make().String(),
			Labels:  external,
			State:   archive.StateRunning,
			Started: now,
		},
	}
}

// continues checks that the options ask for the run that the record is of.
func (rec *record) continues(o *Options) error {
	if o.Run != "" && o.Run != rec.Manifest.Run {
		return fmt.Errorf("--storage.path=%s holds run %q, which is not archived yet: "+
			"finish it with `benchkeep resume --storage.path=%s`, or give run %q another --storage.path",
			o.Dir, rec.Manifest.Run, o.Dir, o.Run)
	}
	if o.BlockDuration.Milliseconds() != rec.BlockDuration {
		return fmt.Errorf("--block.duration=%s: run %q in --storage.path=%s began with %s and has to go on with it",
			o.BlockDuration, rec.Manifest.Run, o.Dir, time.Duration(rec.BlockDuration)*time.Millisecond)
	}
	return nil
}

// sameLabels reports whether the options' labels are the record's.
func (rec *record) sameLabels(o *Options) bool {
	want := maps.Clone(rec.Manifest.Labels)
	delete(want, archive.LabelRun)
	delete(want, archive.LabelReceiver)
	return maps.Equal(want, o.Labels)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
