package archive

import (
	"context"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/thanos-io/objstore"
)

// DeleteBlock removes a block from the bucket, meta.json first: without it the
// rest is invisible to readers, so that a crash in between leaves no block
// half visible. Deleting what is not there is no error.
func DeleteBlock(ctx context.Context, bkt objstore.Bucket, block ulid.ULID) error {
	if err := deleteObject(ctx, bkt, BlockObject(block, MetaFile)); err != nil {
		return err
	}
	var rest []string
	err := bkt.Iter(ctx, block.String(), func(name string) error {
		if !strings.HasSuffix(name, objstore.DirDelim) {
			rest = append(rest, name)
		}
		return nil
	}, objstore.WithRecursiveIter())
	if err != nil {
		return fmt.Errorf("list block %s: %w", block, err)
	}
	for _, name := range rest {
		if err := deleteObject(ctx, bkt, name); err != nil {
			return err
		}
	}
	return nil
}

func deleteObject(ctx context.Context, bkt objstore.Bucket, name string) error {
	ok, err := bkt.Exists(ctx, name)
	if err != nil {
		return fmt.Errorf("look for %s: %w", name, err)
	}
	if !ok {
		return nil
	}
	if err := bkt.Delete(ctx, name); err != nil && !bkt.IsObjNotFoundErr(err) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}
