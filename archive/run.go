package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"
)

// A Run is one run of the archive: all its parts joined, its blocks, and what
// was learnt of it afterwards.
type Run struct {
	ID string
	// Parts are what the run's manifests tell, oldest first. It is empty where
	// blocks have the run's label, and there is no manifest.
	Parts []*Part
	// Broken are the manifests that could not be read.
	Broken []*BrokenError
	// Blocks are sorted by time. Those that Thanos made of others are among
	// them, and those they were made of as long as they are there.
	Blocks []*StoredBlock
	// Foreign are blocks that have the run's label, but other labels than the
	// run's. They are none of the run's and count nowhere.
	Foreign []*StoredBlock
	// Edits are what was learnt of the run, in the order in which they apply.
	Edits []*Edit
}

// Recorded reports whether the run has a manifest, if only a broken one. What
// has none was found by the label of its blocks alone.
func (r *Run) Recorded() bool { return len(r.Parts)+len(r.Broken) > 0 }

// State is the state of the run as a whole: running while any part is; else
// failed or interrupted if any part is, because something is missing then.
func (r *Run) State(now time.Time) State {
	states := map[State]bool{}
	for _, p := range r.Parts {
		states[p.StateAt(now)] = true
	}
	for _, s := range []State{StateRunning, StateFailed, StateInterrupted} {
		if states[s] {
			return s
		}
	}
	return StateArchived
}

// Complete means that every part is archived and nothing of it was rejected.
func (r *Run) Complete() bool {
	return len(r.Parts) > 0 && !slices.ContainsFunc(r.Parts, func(p *Part) bool { return !p.Complete })
}

// Labels are what the run's parts have in common, and what was added since.
func (r *Run) Labels() map[string]string { return r.withEdits(common(r.labelSets())) }

// Selected reports whether a selector picks the run: what one of its parts is
// called, together with what was added, has to match.
func (r *Run) Selected(s Selector) bool {
	return slices.ContainsFunc(r.labelSets(), func(labels map[string]string) bool { return s.Matches(r.withEdits(labels)) })
}

// labelSets are the external labels of the run's parts or, where it has no
// manifest, of its blocks.
func (r *Run) labelSets() (sets []map[string]string) {
	for _, p := range r.Parts {
		sets = append(sets, p.Labels)
	}
	if len(r.Parts) == 0 {
		for _, b := range r.Blocks {
			sets = append(sets, b.Labels)
		}
	}
	return sets
}

// withEdits gives labels with those that were added. A part's own come first:
// a later part may have one that was free when it was added.
func (r *Run) withEdits(own map[string]string) map[string]string {
	labels := map[string]string{}
	for _, e := range r.Edits {
		maps.Copy(labels, e.Labels)
	}
	maps.Copy(labels, own)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

// common is what all maps agree on.
func common(sets []map[string]string) map[string]string {
	var out map[string]string
	for i, set := range sets {
		if i == 0 {
			out = maps.Clone(set)
			continue
		}
		maps.DeleteFunc(out, func(name, value string) bool { return set[name] != value })
	}
	return out
}

// Started is when the first part began or, where there is no manifest, the time
// of the first sample.
func (r *Run) Started() time.Time {
	var first time.Time
	for _, p := range r.Parts {
		if first.IsZero() || p.Started.Before(first) {
			first = p.Started
		}
	}
	if len(r.Parts) == 0 && len(r.Blocks) > 0 {
		first = time.UnixMilli(r.Blocks[0].MinTime)
	}
	return first.UTC()
}

// Finished is when the last part ended; it is nil while one has not.
func (r *Run) Finished() *time.Time {
	if slices.ContainsFunc(r.Parts, func(p *Part) bool { return p.Finished == nil }) {
		return nil
	}
	end := r.lastSign()
	return &end
}

// Duration is from start to end, or as far as a run got that has not ended.
func (r *Run) Duration(now time.Time) time.Duration {
	end := r.lastSign()
	if r.State(now) == StateRunning {
		end = now
	}
	return max(end.Sub(r.Started()), 0)
}

func (r *Run) lastSign() (last time.Time) {
	for _, p := range r.Parts {
		if end := p.end(); end.After(last) {
			last = end
		}
	}
	if len(r.Parts) == 0 {
		for _, b := range r.Blocks {
			if end := time.UnixMilli(b.MaxTime); end.After(last) {
				last = end
			}
		}
	}
	return last.UTC()
}

// TimeRange is the Unix ms of the first and the last sample, both inclusive,
// and both zero where there is none.
func (r *Run) TimeRange() (mint, maxt int64) {
	extend := func(from, to int64) {
		if mint == 0 && maxt == 0 {
			mint, maxt = from, to
		}
		mint, maxt = min(mint, from), max(maxt, to)
	}
	for _, p := range r.Parts {
		if p.MinTime != 0 || p.MaxTime != 0 {
			extend(p.MinTime, p.MaxTime)
		}
	}
	if len(r.Parts) == 0 {
		for _, b := range r.Blocks {
			extend(b.MinTime, b.MaxTime-1)
		}
	}
	return mint, maxt
}

// Start is the Unix ms that times relative to the run are counted from: when
// the run began, or the first sample, if that is later. Where all samples are of
// a time before it, it is the first of them.
func (r *Run) Start() int64 {
	started := r.Started().UnixMilli()
	mint, maxt := r.TimeRange()
	switch {
	case mint == 0 && maxt == 0:
		return started
	case maxt < started:
		return mint
	default:
		return max(started, mint)
	}
}

// Series counts distinct series. Parts with different labels have none in
// common; of those with the same labels, which followed one another, the one
// with the most counts.
func (r *Run) Series() (n int64) {
	most := map[string]int64{}
	for _, p := range r.Parts {
		key := labelsKey(p.Labels)
		most[key] = max(most[key], p.Series)
	}
	if len(r.Parts) == 0 {
		for _, b := range r.Current() {
			key := labelsKey(b.Labels)
			most[key] = max(most[key], int64(b.Series))
		}
	}
	for _, series := range most {
		n += series
	}
	return n
}

// labelsKey tells label sets apart.
func labelsKey(labels map[string]string) string {
	key, _ := json.Marshal(labels) // sorted; strings always marshal
	return string(key)
}

// Samples is how many samples were archived.
func (r *Run) Samples() (n int64) {
	for _, p := range r.Parts {
		n += p.Archived
	}
	if len(r.Parts) == 0 {
		for _, b := range r.Current() {
			if b.Raw() {
				n += int64(b.Samples)
			}
		}
	}
	return n
}

// Current are the blocks that readers of the bucket go by: none that is
// superseded.
func (r *Run) Current() []*StoredBlock {
	return slices.DeleteFunc(slices.Clone(r.Blocks), func(b *StoredBlock) bool { return b.Superseded })
}

// Bytes is the size of the current blocks, downsampled ones included.
func (r *Run) Bytes() (n int64) {
	for _, b := range r.Current() {
		n += b.Bytes
	}
	return n
}

// Missing counts the blocks that a manifest lists and that are gone.
func (r *Run) Missing() (n int) {
	for _, b := range r.Blocks {
		if b.Missing {
			n++
		}
	}
	return n
}

// ReadMarks looks which of the run's blocks Thanos has marked for deletion. It
// is not done for a list of runs, since it takes a request for each block.
func (r *Run) ReadMarks(ctx context.Context, bkt objstore.BucketReader) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for _, b := range r.Blocks {
		if b.absent {
			continue
		}
		group.Go(func() (err error) {
			b.Marked, err = readMark(ctx, bkt, b.ULID)
			return err
		})
	}
	return group.Wait()
}

func readMark(ctx context.Context, bkt objstore.BucketReader, id ulid.ULID) (time.Time, error) {
	object := BlockObject(id, DeletionMarkFile)
	ok, err := bkt.Exists(ctx, object)
	if err != nil {
		return time.Time{}, fmt.Errorf("look for %s: %w", object, err)
	}
	if !ok {
		return time.Time{}, nil
	}
	data, err := readObject(ctx, bkt, object)
	if isNotFound(bkt, err) {
		return time.Time{}, nil // the block has just gone
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s: %w", object, err)
	}
	var mark struct {
		At int64 `json:"deletion_time"` // Unix seconds
	}
	if err := json.Unmarshal(data, &mark); err != nil || mark.At == 0 {
		return time.Time{}, fmt.Errorf("decode %s: %w", object, errors.Join(err, errors.New("no deletion_time")))
	}
	return time.Unix(mark.At, 0).UTC(), nil
}
