package archive

import (
	"context"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

var (
	blockID    = ulid.MustParse("01JGGQ2N4Y3Z5V8W9XABCDEFGH")
	otherBlock = ulid.MustParse("01JGGQ2N4Y3Z5V8W9XABCDEFGJ")
)

// objectsOf are the objects of a block, meta.json last.
func objectsOf(block ulid.ULID) []string {
	return []string{
		BlockObject(block, "chunks/000001"), BlockObject(block, "chunks/000002"),
		BlockObject(block, IndexFile), BlockObject(block, MetaFile),
	}
}

// A block without meta.json is invisible: from the first deletion on, no
// reader sees half of it.
func TestDeleteBlockTakesMetaFirst(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		put(t, bkt, objectsOf(blockID)...)
		put(t, bkt, objectsOf(otherBlock)...)
		put(t, bkt, ManifestObject("run-1", "part"))
		recorder := &recordingBucket{Bucket: bkt}
		require.NoError(t, DeleteBlock(t.Context(), recorder, blockID))
		require.Equal(t, BlockObject(blockID, MetaFile), recorder.deleted[0])
		require.ElementsMatch(t, objectsOf(blockID), recorder.deleted)
		require.ElementsMatch(t, append(objectsOf(otherBlock), ManifestObject("run-1", "part")), list(t, bkt))
	})
}

func TestDeleteBlockIsIdempotent(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		require.NoError(t, DeleteBlock(t.Context(), bkt, blockID), "never there")
		put(t, bkt, objectsOf(blockID)...)
		for range 2 {
			require.NoError(t, DeleteBlock(t.Context(), bkt, blockID))
			require.Empty(t, list(t, bkt))
		}
		put(t, bkt, objectsOf(blockID)[:2]...)
		require.NoError(t, DeleteBlock(t.Context(), bkt, blockID), "what an upload left that did not get to meta.json")
		require.Empty(t, list(t, bkt))
	})
}

// TestDeleteBlockFailsAtAnyOperation fails one operation after the other until
// none is left to fail. Whichever it is, the block is whole or invisible, and
// a second deletion completes the first.
func TestDeleteBlockFailsAtAnyOperation(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		for i := 1; ; i++ {
			put(t, bkt, objectsOf(blockID)...)
			faulty := &recordingBucket{Bucket: bkt, failAt: i}
			err := DeleteBlock(t.Context(), faulty, blockID)
			if err == nil {
				require.Equal(t, i, faulty.operations+1, "every operation failed once")
				require.Greater(t, i, 4)
				return
			}
			require.ErrorIs(t, err, errInjected)
			require.ErrorContains(t, err, blockID.String())
			visible, err := bkt.Exists(t.Context(), BlockObject(blockID, MetaFile))
			require.NoError(t, err)
			if visible {
				require.ElementsMatch(t, objectsOf(blockID), list(t, bkt), "operation %d", i)
			}
			require.NoError(t, DeleteBlock(t.Context(), bkt, blockID))
			require.Empty(t, list(t, bkt))
		}
	})
}

// vanishingBucket loses an object between the look and the deletion.
type vanishingBucket struct{ objstore.Bucket }

func (b vanishingBucket) Exists(context.Context, string) (bool, error) { return true, nil }

func TestDeleteBlockThatAnotherDeletesToo(t *testing.T) {
	bkt := vanishingBucket{objstore.NewInMemBucket()}
	put(t, bkt, BlockObject(blockID, IndexFile))
	require.NoError(t, DeleteBlock(t.Context(), bkt, blockID))
	require.Empty(t, list(t, bkt))
}
