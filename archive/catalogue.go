package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"
)

// readsAtOnce bounds the requests to the bucket at a time, and with them the
// memory for what is being read.
const readsAtOnce = 64

// A Catalogue is what the bucket held when it was read.
type Catalogue struct {
	// Runs are sorted by start, oldest first. Among them are runs that have
	// blocks and no manifest, and runs whose manifests are all broken.
	Runs []*Run
	// Unfinished are deletions that were begun and not completed. What they are
	// about is no longer among Runs.
	Unfinished []*Deletion
	// Problems say what could not be read; everything else is there.
	Problems []error
}

// Find gives the run that is meant by a name, as [FindRun] does. Runs that have
// blocks and no manifest are looked through only with scan.
func (c *Catalogue) Find(name string, scan bool) (*Run, error) {
	byID := map[string]*Run{}
	for _, run := range c.Runs {
		if scan || run.Recorded() {
			byID[run.ID] = run
		}
	}
	id, err := FindRun(slices.Sorted(maps.Keys(byID)), name)
	return byID[id], err
}

// CatalogueOptions say how to read.
type CatalogueOptions struct {
	// Cache is nil where everything is to be read anew. The caller saves it.
	Cache *Cache
	// Progress is told how many objects are read and how many are to be read,
	// as far as is known, by one goroutine at a time. It may be nil.
	Progress func(done, total int64)
}

// ReadCatalogue reads all runs of the bucket: every manifest, and the meta.json
// of every block that no manifest lists. Broken ones are a problem, not an
// error; an error means that the bucket cannot be read.
func ReadCatalogue(ctx context.Context, bkt objstore.BucketReader, o CatalogueOptions) (*Catalogue, error) {
	r := &catalogueReader{bkt: bkt, o: o, now: time.Now(), runs: map[string]*Run{}, deletions: map[string]*Deletion{}}
	records, err := listRecords(ctx, bkt)
	if err != nil {
		return nil, err
	}
	if err := r.readRecords(ctx, records); err != nil {
		return nil, err
	}
	// Blocks come after the manifests: one that a manifest lists is there by
	// now, or something has taken its place.
	present, err := listBlocks(ctx, bkt)
	if err != nil {
		return nil, err
	}
	if err := r.readBlocks(ctx, present); err != nil {
		return nil, err
	}
	return r.catalogue(), nil
}

// catalogueReader is a catalogue on its way.
type catalogueReader struct {
	bkt objstore.BucketReader
	o   CatalogueOptions
	now time.Time

	mu          sync.Mutex
	runs        map[string]*Run
	deletions   map[string]*Deletion
	problems    []error
	done, total int64
	read        int64 // records that were read, or taken from the cache
}

func (r *catalogueReader) run(id string) *Run {
	if r.runs[id] == nil {
		r.runs[id] = &Run{ID: id}
	}
	return r.runs[id]
}

// each does something for every item, several at a time. What fails because the
// object is gone is passed over; what is broken or forbidden is a problem; any
// other failure is the bucket's, and ends it all.
func each[T any](ctx context.Context, r *catalogueReader, items []T, do func(context.Context, T) error) error {
	r.progress(0, int64(len(items)))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for _, item := range items {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := do(groupCtx, item)
			var broken *BrokenError
			r.progress(1, 0)
			switch {
			case err == nil || isNotFound(r.bkt, err):
				return nil
			case errors.As(err, &broken) || IsAccessDenied(r.bkt, err):
				r.mu.Lock()
				defer r.mu.Unlock()
				r.problems = append(r.problems, err)
				return nil
			default:
				return err
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (r *catalogueReader) progress(done, more int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.total = r.done+done, r.total+more
	if r.o.Progress != nil {
		r.o.Progress(r.done, r.total)
	}
}

// readRecords reads what lies below benchkeep/runs.
func (r *catalogueReader) readRecords(ctx context.Context, records map[string]*runRecords) error {
	type record struct {
		listedObject
		run  string
		read func(context.Context, string, listedObject) error
	}
	var all []record
	for _, id := range slices.Sorted(maps.Keys(records)) {
		of := records[id]
		for _, o := range of.manifests {
			all = append(all, record{o, id, r.readPart})
		}
		for _, o := range of.edits {
			all = append(all, record{o, id, r.readEdit})
		}
		if of.deletion != "" {
			all = append(all, record{listedObject{name: of.deletion}, id, r.readDeletion})
		}
	}
	err := each(ctx, r, all, func(ctx context.Context, rec record) error { return rec.read(ctx, rec.run, rec.listedObject) })
	if err != nil {
		return err
	}
	if len(r.problems) > 0 && r.read == 0 && IsAccessDenied(r.bkt, r.problems[0]) {
		return r.problems[0] // not one of them may be read
	}
	return nil
}

func (r *catalogueReader) readPart(ctx context.Context, run string, o listedObject) error {
	p, err := r.part(ctx, run, o)
	if IsAccessDenied(r.bkt, err) {
		err = &BrokenError{Run: run, Object: o.name, Err: err} // the run is not known as a whole
	}
	var broken *BrokenError
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.As(err, &broken) {
		r.run(run).Broken = append(r.run(run).Broken, broken)
	}
	if err == nil {
		r.run(run).Parts = append(r.run(run).Parts, p)
		r.read++
	}
	return err
}

func (r *catalogueReader) part(ctx context.Context, run string, o listedObject) (*Part, error) {
	modified := o.modified
	if modified.IsZero() && r.o.Cache != nil { // not told in a listing
		attrs, err := r.bkt.Attributes(ctx, o.name)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", o.name, err)
		}
		modified = attrs.LastModified
	}
	if p := r.o.Cache.manifest(o.name, modified); p != nil {
		return p, nil
	}
	p, err := readRecord(ctx, r.bkt, run, o.name, decodePart)
	if err != nil {
		return nil, err
	}
	p.Object = o.name
	r.o.Cache.putManifest(o.name, modified, r.now, p)
	return p, nil
}

func (r *catalogueReader) readEdit(ctx context.Context, run string, o listedObject) error {
	e := r.o.Cache.edit(o.name)
	if e == nil {
		var err error
		if e, err = readEdit(ctx, r.bkt, run, o.name); err != nil {
			return err
		}
		r.o.Cache.putEdit(o.name, e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run(run).Edits = append(r.run(run).Edits, e)
	return nil
}

func (r *catalogueReader) readDeletion(ctx context.Context, run string, o listedObject) error {
	d, err := readRecord(ctx, r.bkt, run, o.name, decodeDeletion)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deletions[run] = d
	return nil
}

// readBlocks finds the runs' blocks among all of the bucket: those that the
// manifests list, and those that have the run's label.
func (r *catalogueReader) readBlocks(ctx context.Context, present map[ulid.ULID]bool) error {
	listed := map[ulid.ULID]bool{}
	for _, run := range r.runs {
		for _, p := range run.Parts {
			for _, b := range p.Blocks {
				listed[b.ULID] = true
			}
		}
	}
	var unknown []ulid.ULID
	for id := range present {
		if !listed[id] {
			unknown = append(unknown, id)
		}
	}
	labelled, err := r.storedBlocks(ctx, unknown)
	if err != nil {
		return err
	}
	// Where Thanos has made blocks of a run's, its manifest is not the whole
	// truth any more: what each block was made of tells which ones count.
	var changed []ulid.ULID
	for id, run := range r.runs {
		if len(labelled[id]) == 0 {
			continue
		}
		for _, p := range run.Parts {
			for _, b := range p.Blocks {
				if present[b.ULID] {
					changed = append(changed, b.ULID)
				}
			}
		}
	}
	read, err := r.storedBlocks(ctx, changed)
	if err != nil {
		return err
	}
	for id, blocks := range labelled {
		r.run(id).Blocks = blocks
	}
	for id, run := range r.runs {
		run.join(read[id], present, r.now)
	}
	return nil
}

// storedBlocks reads the meta.json of blocks, and gives them by run. One
// without is not complete and counts as not there.
func (r *catalogueReader) storedBlocks(ctx context.Context, ids []ulid.ULID) (map[string][]*StoredBlock, error) {
	byRun := map[string][]*StoredBlock{}
	err := each(ctx, r, ids, func(ctx context.Context, id ulid.ULID) error {
		b := r.o.Cache.block(id)
		if b == nil {
			var err error
			if b, err = readStoredBlock(ctx, r.bkt, id); err != nil {
				return err
			}
			r.o.Cache.putBlock(b)
		}
		if run := b.Labels[LabelRun]; ValidateRunID(run) == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			byRun[run] = append(byRun[run], b)
		}
		return nil
	})
	return byRun, err
}

// join brings the run's blocks together: those found by label, which Blocks
// has, and those that the manifests list, which were read anew or not.
func (run *Run) join(read []*StoredBlock, present map[ulid.ULID]bool, now time.Time) {
	anew := map[ulid.ULID]*StoredBlock{}
	for _, b := range read {
		anew[b.ULID] = b
	}
	for _, p := range run.Parts {
		for _, entry := range p.Blocks {
			b := anew[entry.ULID]
			if b == nil {
				b = listedBlock(p, entry)
			}
			b.listed, b.absent = true, !present[entry.ULID]
			run.Blocks = append(run.Blocks, b)
		}
	}
	if len(run.Parts) > 0 || len(run.Broken) > 0 {
		run.Blocks, run.Foreign = partition(run.Blocks, run.owns)
	}
	slices.SortFunc(run.Blocks, func(a, b *StoredBlock) int {
		return cmp.Or(cmp.Compare(a.MinTime, b.MinTime), cmp.Compare(a.Resolution, b.Resolution), a.ULID.Compare(b.ULID))
	})
	running := run.State(now) == StateRunning // it may just be replacing a block
	for _, b := range run.Blocks {
		b.Superseded = slices.ContainsFunc(run.Blocks, func(other *StoredBlock) bool { return other.supersedes(b) })
		b.Missing = b.absent && !b.Superseded && !running
	}
	slices.SortFunc(run.Parts, func(a, b *Part) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.Part, b.Part))
	})
	sortEdits(run.Edits)
}

// owns reports whether a block that has the run's label is the run's: it says
// so itself, or it has all labels of one of the parts.
func (run *Run) owns(b *StoredBlock) bool {
	return b.listed || b.Run == run.ID ||
		slices.ContainsFunc(run.Parts, func(p *Part) bool { return b.mayBeOf(p.Labels) })
}

func partition[T any](items []T, in func(T) bool) (yes, no []T) {
	for _, item := range items {
		if in(item) {
			yes = append(yes, item)
		} else {
			no = append(no, item)
		}
	}
	return yes, no
}

// catalogue is the result.
func (r *catalogueReader) catalogue() *Catalogue {
	c := &Catalogue{Problems: r.problems}
	for _, id := range slices.Sorted(maps.Keys(r.deletions)) {
		d := r.deletions[id]
		if run := r.runs[id]; run != nil {
			d.takeFrom(run)
		}
		c.Unfinished = append(c.Unfinished, d)
	}
	for _, run := range r.runs {
		if len(run.Parts)+len(run.Broken)+len(run.Blocks) > 0 {
			c.Runs = append(c.Runs, run)
		}
	}
	slices.SortFunc(c.Runs, func(a, b *Run) int { return cmp.Or(a.Started().Compare(b.Started()), strings.Compare(a.ID, b.ID)) })
	slices.SortFunc(c.Problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return c
}
