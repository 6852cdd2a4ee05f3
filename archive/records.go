package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
)

// listingTries is how often a listing is begun: in a directory, one fails that
// meets an object on its way out.
const listingTries = 3

// runRecords are the objects of one run below benchkeep/runs, sorted by name.
type runRecords struct {
	manifests, edits []listedObject
	deletion         string // empty: the run is not being deleted
}

// listedObject is an object with the time of its last change, which is zero
// where the provider does not tell it in a listing.
type listedObject struct {
	name     string
	modified time.Time
}

// listRecords lists the records of all runs.
func listRecords(ctx context.Context, bkt objstore.BucketReader) (map[string]*runRecords, error) {
	return listRecordsBelow(ctx, bkt, runsDir)
}

// recordsOf lists the records of one run.
func recordsOf(ctx context.Context, bkt objstore.BucketReader, run string) (*runRecords, error) {
	runs, err := listRecordsBelow(ctx, bkt, path.Join(runsDir, run))
	if err != nil {
		return nil, err
	}
	if r := runs[run]; r != nil {
		return r, nil
	}
	return &runRecords{}, nil
}

func listRecordsBelow(ctx context.Context, bkt objstore.BucketReader, dir string) (map[string]*runRecords, error) {
	options := []objstore.IterOption{objstore.WithRecursiveIter()}
	if slices.Contains(bkt.SupportedIterOptions(), objstore.UpdatedAt) {
		options = append(options, objstore.WithUpdatedAt())
	}
	var runs map[string]*runRecords
	err := retryListing(bkt, func() error {
		runs = map[string]*runRecords{}
		return bkt.IterWithAttributes(ctx, dir, func(attrs objstore.IterObjectAttributes) error {
			modified, _ := attrs.LastModified()
			addRecord(runs, listedObject{attrs.Name, modified})
			return nil
		}, options...)
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	return runs, nil
}

func addRecord(runs map[string]*runRecords, o listedObject) {
	segments := strings.Split(strings.TrimPrefix(o.name, runsDir+objstore.DirDelim), objstore.DirDelim)
	run := segments[0]
	if len(segments) < 2 || ValidateRunID(run) != nil {
		return
	}
	r := runs[run]
	if r == nil {
		r = &runRecords{}
		runs[run] = r
	}
	switch {
	case len(segments) == 2 && segments[1] == deletionFile:
		r.deletion = o.name
	case len(segments) == 2 && strings.HasSuffix(o.name, ".json"):
		r.manifests = append(r.manifests, o)
	case len(segments) == 3 && segments[1] == editsDir && strings.HasSuffix(o.name, ".json"):
		r.edits = append(r.edits, o)
	}
}

// listBlocks lists the folders that are named like blocks, whole or not.
func listBlocks(ctx context.Context, bkt objstore.BucketReader) (map[ulid.ULID]bool, error) {
	var blocks map[ulid.ULID]bool
	err := retryListing(bkt, func() error {
		blocks = map[ulid.ULID]bool{}
		return bkt.Iter(ctx, "", func(name string) error {
			if id, err := ulid.ParseStrict(strings.TrimSuffix(name, objstore.DirDelim)); err == nil {
				blocks[id] = true
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list blocks: %w", err)
	}
	return blocks, nil
}

func retryListing(bkt objstore.BucketReader, list func() error) (err error) {
	for range listingTries {
		if err = list(); !isNotFound(bkt, err) {
			return err
		}
	}
	return err
}

// editID is the ULID in an edit's name.
func editID(object string) (ulid.ULID, error) {
	return ulid.ParseStrict(strings.TrimSuffix(path.Base(object), ".json"))
}

// A BrokenError is a record of the archive, or a block's meta.json, that is
// there and cannot be understood.
type BrokenError struct {
	Run    string // empty: not known
	Object string
	Err    error
}

func (e *BrokenError) Error() string { return fmt.Sprintf("%s cannot be read: %v", e.Object, e.Err) }
func (e *BrokenError) Unwrap() error { return e.Err }

// readRecord reads an object that is small by nature. The error is a
// [BrokenError] where the object is to blame, and not the bucket.
func readRecord[T any](ctx context.Context, bkt objstore.BucketReader, run, object string, decode func(data []byte, run string) (*T, error)) (*T, error) {
	data, err := readObject(ctx, bkt, object)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	var record *T
	if err == nil {
		record, err = decode(data, run)
	}
	if err != nil {
		return nil, &BrokenError{Run: run, Object: object, Err: err}
	}
	return record, nil
}

// putRecord uploads a small record as JSON.
func putRecord(ctx context.Context, bkt objstore.Bucket, object string, record any) error {
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", object, err)
	}
	if err := bkt.Upload(ctx, object, bytes.NewReader(data), objstore.WithContentType("application/json")); err != nil {
		return fmt.Errorf("write %s: %w", object, err)
	}
	return nil
}
