package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
	"golang.org/x/sync/errgroup"

	"github.com/benchkeep/benchkeep/archive"
)

// marks are what Thanos puts beside a block's files.
//
// Source: Thanos' pkg/block/metadata/markers.go.
var marks = []string{archive.DeletionMarkFile, "no-compact-mark.json", "no-downsample-mark.json"}

// A role says what readers of the bucket make of a block.
type role int

const (
	roleGone        role = iota // nothing of it is there
	roleInvisible               // it has objects, and no meta.json that can be read
	roleRaw                     // its samples are the run's
	roleDownsampled             // it has aggregates of the run's samples
	roleSkipped                 // superseded or marked for deletion
)

// block is a block that a manifest lists, or that has the run's label.
type block struct {
	id      ulid.ULID
	objects []string // below its folder, sorted
	// meta is nil where meta.json is missing or cannot be read, until a
	// manifest makes up for it; broken says why.
	meta   *blockMeta
	broken error
	role   role
	// holds are the listings whose samples the block holds: its own, or those
	// of the blocks that it was made of.
	holds   []*listing
	account *account // nil if the block holds nothing that is listed
	content content
}

// object names one of the block's objects, or its folder.
func (b *block) object(rel string) string { return archive.BlockObject(b.id, rel) }

// spans reports whether the block's time covers that of e.
func (b *block) spans(e *archive.Block) bool {
	return b.meta.MinTime <= e.MinTime && e.MaxTime <= b.meta.MaxTime
}

// requestsAtOnce bounds the requests to the bucket at a time.
const requestsAtOnce = 8

// readBlocks lists the objects of all blocks of the run, and reads meta.json.
func (c *check) readBlocks(ctx context.Context) error {
	var ids []ulid.ULID
	for _, b := range slices.Concat(c.run.Blocks, c.run.Foreign) {
		ids = append(ids, b.ULID)
	}
	for _, p := range c.parts { // what was shipped since the catalogue was read
		for _, l := range p.listings {
			ids = append(ids, l.entry.ULID)
		}
	}
	slices.SortFunc(ids, ulid.ULID.Compare)
	ids = slices.Compact(ids)
	c.blocks = make([]*block, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for i, id := range ids {
		c.blocks[i] = &block{id: id}
		group.Go(func() error { return c.readBlock(ctx, c.blocks[i]) })
	}
	return group.Wait()
}

// listingTries is how often a listing is begun: in a directory, one fails that
// meets a folder on its way out.
const listingTries = 3

// listObjects gives the names of a block's objects below its folder, sorted.
func (c *check) listObjects(ctx context.Context, b *block) (objects []string, err error) {
	folder := b.id.String() + objstore.DirDelim
	for range listingTries {
		objects = nil
		err = c.bkt.Iter(ctx, folder, func(name string) error {
			if rel, ok := strings.CutPrefix(name, folder); ok {
				objects = append(objects, rel)
			}
			return nil
		}, objstore.WithRecursiveIter())
		if err == nil || !c.bkt.IsObjNotFoundErr(err) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list block %s: %w", b.id, err)
	}
	slices.Sort(objects)
	return objects, nil
}

func (c *check) readBlock(ctx context.Context, b *block) (err error) {
	if b.objects, err = c.listObjects(ctx, b); err != nil {
		return err
	}
	if slices.Contains(b.objects, archive.MetaFile) {
		data, found, err := c.read(ctx, b.object(archive.MetaFile))
		if err != nil {
			return err
		}
		if found {
			b.meta, b.broken = decodeMeta(data)
		}
	}
	switch {
	case len(b.objects) == 0:
		b.role = roleGone
	case b.meta == nil:
		b.role = roleInvisible
	case slices.Contains(b.objects, archive.DeletionMarkFile):
		b.role = roleSkipped
	case b.meta.downsampled():
		b.role = roleDownsampled
	default:
		b.role = roleRaw
	}
	return nil
}
