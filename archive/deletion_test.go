package archive

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

// dyingBucket does so many operations that change something, and then none any
// more: the process was killed.
type dyingBucket struct {
	objstore.Bucket
	left int
}

func (b *dyingBucket) change(do func() error) error {
	if b.left == 0 {
		return errInjected
	}
	b.left--
	return do()
}

func (b *dyingBucket) Upload(ctx context.Context, name string, r io.Reader, opts ...objstore.ObjectUploadOption) error {
	return b.change(func() error { return b.Bucket.Upload(ctx, name, r, opts...) })
}

func (b *dyingBucket) Delete(ctx context.Context, name string) error {
	return b.change(func() error { return b.Bucket.Delete(ctx, name) })
}

// shardedRun has two parts, three blocks of its own, one that Thanos made of
// the first two, labels and a note.
func shardedRun(t *testing.T, bkt objstore.Bucket) (objects []string) {
	t.Helper()
	others := list(t, bkt)
	m := manifest("goes", "a", map[string]string{"shard": "0"}, id(1), id(2))
	putRun(t, bkt, m)
	putRun(t, bkt, manifest("goes", "b", map[string]string{"shard": "1"}, id(3)))
	putBlock(t, bkt, compacted(m, id(4), 2))
	put(t, bkt, BlockObject(id(1), DeletionMarkFile))
	addEdit(t, bkt, "goes", Edit{Labels: map[string]string{"verdict": "slow"}, Note: "why"})
	for _, o := range list(t, bkt) {
		if !strings.Contains(strings.Join(others, "\n"), o) {
			objects = append(objects, o)
		}
	}
	return objects
}

// deletionOf finds the run, or what an earlier deletion left of it.
func deletionOf(t *testing.T, bkt objstore.BucketReader, run string) *Deletion {
	t.Helper()
	c := readCatalogue(t, bkt)
	require.Empty(t, c.Problems)
	if len(c.Unfinished) > 0 {
		require.Equal(t, run, c.Unfinished[0].Run)
		return c.Unfinished[0]
	}
	r, err := c.Find(run, false)
	require.NoError(t, err)
	d, err := c.Deletion(r, time.Now())
	require.NoError(t, err)
	return d
}

// TestDeleteKilledAtAnyOperation ends a deletion after each single operation.
// The run is whole or gone, no block is half visible, nothing of others is
// touched, and another deletion completes the first.
func TestDeleteKilledAtAnyOperation(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		putRun(t, bkt, manifest("stays", "a", nil, id(11)))
		others := list(t, bkt)
		for i := 0; ; i++ {
			own := shardedRun(t, bkt)
			whole := brief(readCatalogue(t, bkt).Runs[0])
			err := Delete(t.Context(), &dyingBucket{bkt, i}, deletionOf(t, bkt, "goes"))
			if err == nil {
				require.Equal(t, len(own)+2, i, "every operation was the last once; the record comes on top, and goes")
				require.ElementsMatch(t, others, list(t, bkt))
				return
			}
			require.ErrorIs(t, err, errInjected)
			c := readCatalogue(t, bkt)
			require.Empty(t, c.Problems)
			if i == 0 {
				require.Equal(t, whole, brief(c.Runs[0]), "nothing is gone yet")
				require.ElementsMatch(t, append(own, others...), list(t, bkt))
			} else {
				require.Len(t, c.Runs, 1, "after operation %d the run is gone, --scan or not", i)
				require.Equal(t, "stays", c.Runs[0].ID)
				require.Len(t, c.Unfinished, 1)
			}
			requireNoHalfBlock(t, bkt)
			require.NoError(t, Delete(t.Context(), bkt, deletionOf(t, bkt, "goes")), "after operation %d", i)
			require.ElementsMatch(t, others, list(t, bkt))
		}
	})
}

// requireNoHalfBlock checks that where a meta.json is, the rest is too.
func requireNoHalfBlock(t *testing.T, bkt objstore.Bucket) {
	t.Helper()
	objects := list(t, bkt)
	for _, o := range objects {
		if block, ok := strings.CutSuffix(o, "/"+MetaFile); ok {
			require.Subset(t, objects, []string{block + "/" + IndexFile, block + "/chunks/000001"})
		}
	}
}

// Thanos may compact what a deletion left before anybody completes it.
func TestCompactionInTheMidstOfADeletion(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("goes", "a", nil, id(1), id(2), id(3))
	putRun(t, bkt, m)
	require.Error(t, Delete(t.Context(), &dyingBucket{bkt, 4}, deletionOf(t, bkt, "goes")), "the record and the first block")
	m.Blocks = m.Blocks[1:]
	putBlock(t, bkt, compacted(m, id(20), 2))
	require.NoError(t, DeleteBlock(t.Context(), bkt, id(2)))
	require.Empty(t, readCatalogue(t, bkt).Runs)
	require.NoError(t, Delete(t.Context(), bkt, deletionOf(t, bkt, "goes")))
	require.Empty(t, list(t, bkt))
}

// The same run may be started again before anybody completes its deletion.
func TestRunStartedAgainInTheMidstOfItsDeletion(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	shardedRun(t, bkt)
	require.Error(t, Delete(t.Context(), &dyingBucket{bkt, 3}, deletionOf(t, bkt, "goes")))
	again := manifest("goes", "c", nil, id(30))
	putRun(t, bkt, again)

	c := readCatalogue(t, bkt)
	require.Equal(t, "goes archived parts=1 series=10 samples=100 bytes=1000 blocks=1 missing=0", brief(c.Runs[0]))
	require.NoError(t, Delete(t.Context(), bkt, c.Unfinished[0]))
	require.Subset(t, list(t, bkt), []string{again.Object(), BlockObject(id(30), MetaFile), BlockObject(id(30), IndexFile)})
	require.Equal(t, brief(c.Runs[0]), brief(onlyRun(t, bkt)))

	t.Run("and deleted as well", func(t *testing.T) {
		bkt := objstore.NewInMemBucket()
		shardedRun(t, bkt)
		require.Error(t, Delete(t.Context(), &dyingBucket{bkt, 3}, deletionOf(t, bkt, "goes")))
		putRun(t, bkt, again)
		c := readCatalogue(t, bkt)
		d, err := c.Deletion(c.Runs[0], time.Now())
		require.NoError(t, err)
		require.NoError(t, Delete(t.Context(), bkt, d))
		require.Empty(t, list(t, bkt))
	})
}

func TestRunningRunsAreNotDeleted(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("alive", "a", nil, id(1))
	putRun(t, bkt, m)
	d := deletionOf(t, bkt, "alive")
	m.State, m.Heartbeat = StateRunning, time.Now()
	require.NoError(t, WriteManifest(t.Context(), bkt, m))
	before := list(t, bkt)

	require.ErrorIs(t, Delete(t.Context(), bkt, d), ErrRunning, "it began again since the catalogue was read")
	c := readCatalogue(t, bkt)
	_, err := c.Deletion(c.Runs[0], time.Now())
	require.ErrorIs(t, err, ErrRunning)
	require.Equal(t, before, list(t, bkt))

	m.Heartbeat = time.Now().Add(-HeartbeatFresh)
	require.NoError(t, WriteManifest(t.Context(), bkt, m))
	require.NoError(t, Delete(t.Context(), bkt, deletionOf(t, bkt, "alive")), "it was interrupted")
	require.Empty(t, list(t, bkt))
}

// TestBlocksOfOtherRunsStay deletes a run whose manifest claims the block of
// another.
func TestBlocksOfOtherRunsStay(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	theirs := manifest("theirs", "a", nil, id(1))
	putRun(t, bkt, theirs)
	before := list(t, bkt)
	require.NoError(t, WriteManifest(t.Context(), bkt, manifest("liar", "a", nil, id(1))))
	c := readCatalogue(t, bkt)
	liar, err := c.Find("liar", false)
	require.NoError(t, err)
	d, err := c.Deletion(liar, time.Now())
	require.NoError(t, err)
	require.NoError(t, Delete(t.Context(), bkt, d))
	require.Equal(t, before, list(t, bkt))
}

func TestDeletionOfWhatIsBroken(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("broken", "a", nil, id(1))
	putRun(t, bkt, m)
	require.NoError(t, bkt.Upload(t.Context(), m.Object(), strings.NewReader("{")))
	c := readCatalogue(t, bkt)
	d, err := c.Deletion(c.Runs[0], time.Now())
	require.NoError(t, err)
	require.Equal(t, []ulid.ULID{id(1)}, d.Blocks, "the block itself tells whose it is")
	require.NoError(t, Delete(t.Context(), bkt, d))
	require.Empty(t, list(t, bkt))

	require.NoError(t, bkt.Upload(t.Context(), m.Object(), strings.NewReader(`{"version": 2}`)))
	c = readCatalogue(t, bkt)
	_, err = c.Deletion(c.Runs[0], time.Now())
	require.ErrorIs(t, err, ErrNewerManifest, "it may be running")
}

func TestPrune(t *testing.T) {
	now := start.Add(100 * 24 * time.Hour)
	var runs []*Run
	for i, state := range []State{StateArchived, StateFailed, StateRunning, StateArchived, StateArchived} {
		branch := map[string]string{"branch": []string{"main", "topic"}[i%2]}
		p := &Part{Labels: branch, Said: state, Heartbeat: now, Started: start.Add(time.Duration(i) * 24 * time.Hour)}
		runs = append(runs, &Run{ID: runName(i)[8:], Parts: []*Part{p}})
	}
	broken := &Run{ID: "broken", Parts: runs[0].Parts, Broken: []*BrokenError{{}}}
	selector := func(s string) Selector {
		parsed, err := ParseSelector(s)
		require.NoError(t, err)
		return parsed
	}
	for name, tc := range map[string]struct {
		policy PrunePolicy
		want   string
	}{
		"all but the running":             {PrunePolicy{}, "0 1 3 4"},
		"older":                           {PrunePolicy{StartedBefore: start.Add(3 * 24 * time.Hour)}, "0 1"},
		"but the last":                    {PrunePolicy{KeepLast: 1}, "0 1 3"},
		"but more than there are":         {PrunePolicy{KeepLast: 9}, ""},
		"of a branch":                     {PrunePolicy{Selector: selector(`{branch="topic"}`)}, "1 3"},
		"of a branch, but the last of it": {PrunePolicy{Selector: selector(`{branch="topic"}`), KeepLast: 1}, "1"},
		"but a branch":                    {PrunePolicy{Keep: selector(`{branch="topic"}`)}, "0 4"},
		"everything at once": {PrunePolicy{
			Selector: selector(`{branch=~"main|topic"}`), KeepLast: 1,
			StartedBefore: start.Add(3*24*time.Hour + 1), Keep: selector(`{branch="main"}`),
		}, "1 3"},
	} {
		t.Run(name, func(t *testing.T) {
			var ids []string
			for _, r := range tc.policy.Prune(append([]*Run{broken}, runs...), now) {
				ids = append(ids, r.ID)
			}
			require.Equal(t, tc.want, strings.Join(ids, " "))
		})
	}
}
