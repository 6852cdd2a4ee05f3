package archive

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

func TestCatalogueJoinsTheParts(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		first := manifest("sharded", "a", map[string]string{"branch": "main", "shard": "0"}, id(1))
		second := manifest("sharded", "b", map[string]string{"branch": "main", "shard": "1"}, id(2), id(3))
		second.Started = second.Started.Add(-time.Minute)
		again := manifest("sharded", "c", second.Labels, id(4))
		again.Series = 7
		for _, m := range []*Manifest{first, second, again} {
			putRun(t, bkt, m)
		}
		putRun(t, bkt, manifest("sharde", "d", nil, id(5)))

		c := readCatalogue(t, bkt)
		require.Empty(t, c.Problems)
		require.Equal(t, []string{
			"sharded archived parts=3 series=20 samples=400 bytes=4000 blocks=4 missing=0",
			"sharde archived parts=1 series=10 samples=100 bytes=1000 blocks=1 missing=0",
		}, briefs(c), "by start; series of parts with the same labels count once")
		run := c.Runs[0]
		require.Equal(t, map[string]string{"run": "sharded", "branch": "main"}, run.Labels())
		require.Equal(t, second.Started, run.Started())
		require.Equal(t, first.Finished.UTC(), *run.Finished())
		require.Equal(t, 61*time.Minute, run.Duration(time.Now()))
		mint, maxt := run.TimeRange()
		require.Equal(t, []int64{first.MinTime, second.MaxTime}, []int64{mint, maxt})
		for selector, want := range map[string]bool{
			`{shard="0"}`: true, `{shard="1",branch=~"m.*"}`: true, `{shard="2"}`: false, `{shard!="0"}`: true,
			`{branch!="main"}`: false, `{run="sharded"}`: true, `{nothing=""}`: true,
		} {
			s, err := ParseSelector(selector)
			require.NoError(t, err)
			require.Equal(t, want, run.Selected(s), selector)
		}
	})
}

func TestStateOfARun(t *testing.T) {
	now := start.Add(24 * time.Hour)
	part := func(s State, beat time.Duration) *Part { return &Part{Said: s, Heartbeat: now.Add(-beat)} }
	archived, running, failed := part(StateArchived, time.Hour), part(StateRunning, HeartbeatFresh-1), part(StateFailed, time.Hour)
	stopped := part(StateRunning, HeartbeatFresh)
	for name, tc := range map[string]struct {
		parts []*Part
		want  State
	}{
		"archived":                          {[]*Part{archived, archived}, StateArchived},
		"running":                           {[]*Part{running}, StateRunning},
		"running, on a clock that is ahead": {[]*Part{part(StateRunning, -time.Hour)}, StateRunning},
		"interrupted":                       {[]*Part{stopped}, StateInterrupted},
		"one of them interrupted":           {[]*Part{archived, stopped}, StateInterrupted},
		"one of them failed":                {[]*Part{archived, stopped, failed}, StateFailed},
		"one of them running":               {[]*Part{failed, stopped, running, archived}, StateRunning},
		"found by its blocks":               {nil, StateArchived},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, (&Run{Parts: tc.parts}).State(now)) })
	}
}

// TestCatalogueAcrossCompaction lets Thanos replace a run's blocks step by
// step: what the run has stays the same.
func TestCatalogueAcrossCompaction(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		m := manifest("long", "a", map[string]string{"branch": "main"}, id(1), id(2), id(3))
		putRun(t, bkt, m)
		// The second was merged before its upload: its sources are others.
		merged := stored(m, m.Blocks[1])
		merged.Sources = []ulid.ULID{id(11), id(12)}
		putBlock(t, bkt, merged)
		require.Equal(t, "long archived parts=1 series=10 samples=300 bytes=3000 blocks=3 missing=0", brief(onlyRun(t, bkt)))

		joined := compacted(m, id(20), 2)
		joined.Sources = []ulid.ULID{id(1), id(11), id(12)}
		putBlock(t, bkt, joined)
		require.Equal(t, "long archived parts=1 series=10 samples=300 bytes=2400 blocks=2 missing=0", brief(onlyRun(t, bkt)), "sources are still there")
		require.NoError(t, DeleteBlock(t.Context(), bkt, id(1)))
		require.NoError(t, DeleteBlock(t.Context(), bkt, id(2)))
		require.Equal(t, "long archived parts=1 series=10 samples=300 bytes=2400 blocks=2 missing=0", brief(onlyRun(t, bkt)), "sources are gone")

		coarse := compacted(m, id(21), 2)
		coarse.Resolution, coarse.Sources, coarse.Bytes = 300_000, joined.Sources, 50
		putBlock(t, bkt, coarse)
		run := onlyRun(t, bkt)
		require.Equal(t, "long archived parts=1 series=10 samples=300 bytes=2450 blocks=3 missing=0", brief(run), "downsampled blocks come on top")

		require.NoError(t, DeleteBlock(t.Context(), bkt, joined.ULID))
		require.Equal(t, 2, onlyRun(t, bkt).Missing(), "raw samples that are gone are not in downsampled blocks")
	})
}

func TestCatalogueTellsWhatIsMissing(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("holed", "a", nil, id(1), id(2))
	putRun(t, bkt, m)
	require.NoError(t, DeleteBlock(t.Context(), bkt, id(2)))
	require.Equal(t, "holed archived parts=1 series=10 samples=200 bytes=2000 blocks=2 missing=1", brief(onlyRun(t, bkt)))

	m.State, m.Heartbeat = StateRunning, time.Now()
	require.NoError(t, WriteManifest(t.Context(), bkt, m))
	require.Zero(t, onlyRun(t, bkt).Missing(), "a running run may just be replacing a block")
}

func TestRunsWithoutAManifest(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("bare", "a", map[string]string{"branch": "main"}, id(1), id(2))
	putRun(t, bkt, m)
	require.NoError(t, bkt.Delete(t.Context(), m.Object()))
	other := stored(m, m.Blocks[0])
	other.ULID, other.Labels, other.Run = id(3), map[string]string{"cluster": "eu"}, ""
	putBlock(t, bkt, other)
	put(t, bkt, BlockObject(id(4), IndexFile)) // on its way up

	run := onlyRun(t, bkt)
	require.Equal(t, "bare archived parts=0 series=10 samples=200 bytes=2000 blocks=2 missing=0", brief(run))
	require.False(t, run.Recorded())
	require.Equal(t, start, run.Started())
	require.Equal(t, start.Add(4*time.Hour), *run.Finished())
	require.Equal(t, m.Labels, run.Labels())
	mint, maxt := run.TimeRange()
	require.Equal(t, []int64{m.MinTime, m.MaxTime}, []int64{mint, maxt})

	c := readCatalogue(t, bkt)
	_, err := c.Find("bare", false)
	require.ErrorContains(t, err, `no run "bare"`)
	found, err := c.Find("ba", true)
	require.NoError(t, err)
	require.Equal(t, "bare", found.ID)
}

// Another system may use the label run too.
func TestBlocksOfOthersWithTheSameRunLabel(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	m := manifest("mine", "a", map[string]string{"branch": "main"}, id(1))
	putRun(t, bkt, m)
	foreign := stored(m, m.Blocks[0])
	foreign.ULID, foreign.Labels, foreign.Run = id(2), map[string]string{"run": "mine", "cluster": "eu"}, ""
	putBlock(t, bkt, foreign)
	early := stored(m, m.Blocks[0]) // before the part learnt that it needs a label of its own
	early.ULID, early.Run = id(3), ""
	putBlock(t, bkt, early)
	m.Labels = map[string]string{"run": "mine", "branch": "main", LabelReceiver: "a"}
	require.NoError(t, WriteManifest(t.Context(), bkt, m))

	run := onlyRun(t, bkt)
	require.Len(t, run.Foreign, 1)
	require.Equal(t, id(2), run.Foreign[0].ULID)
	require.Len(t, run.Blocks, 2)
}

func TestBrokenRecordsAreReportedAndTheOthersListed(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		putRun(t, bkt, manifest("whole", "a", nil, id(1)))
		putRun(t, bkt, manifest("half", "a", nil, id(2)))
		for object, content := range map[string]string{
			ManifestObject("half", "b"):        `{"version": 1, "run": "ha`,
			ManifestObject("newer", "a"):       `{"version": 2, "run": "newer"}`,
			ManifestObject("misplaced", "a"):   `{"version": 1, "run": "another"}`,
			ManifestObject("stateless", "a"):   `{"version": 1, "run": "stateless", "state": "asleep"}`,
			ManifestObject("void", "a"):        `null`,
			editObject("whole", "no-ulid"):     `{"version": 1, "note": "x"}`,
			deletionObject("half"):             `[]`,
			BlockObject(id(9), MetaFile):       `{"ulid": 7`,
			"benchkeep/runs/.hidden/a.json":    `no run`,
			"benchkeep/runs/whole/notes.txt":   `no record`,
			"benchkeep/runs/whole/sub/x.json":  `no record`,
			"benchkeep/uploads/whole_b.json":   `growing`,
			"benchkeep/runs/stray.json":        `no run`,
			BlockObject(id(10), "chunks/0001"): `no meta.json`,
		} {
			require.NoError(t, bkt.Upload(t.Context(), object, strings.NewReader(content)))
		}
		c := readCatalogue(t, bkt)
		var shown, broken []string
		for _, r := range c.Runs {
			if len(r.Parts) > 0 {
				shown = append(shown, r.ID)
			}
		}
		for _, p := range c.Problems {
			var b *BrokenError
			require.ErrorAs(t, p, &b)
			require.ErrorContains(t, p, b.Object+" cannot be read: ")
			broken = append(broken, b.Object)
		}
		require.Equal(t, []string{"half", "whole"}, shown)
		require.ElementsMatch(t, []string{
			ManifestObject("half", "b"), ManifestObject("newer", "a"), ManifestObject("misplaced", "a"),
			ManifestObject("stateless", "a"), ManifestObject("void", "a"),
			editObject("whole", "no-ulid"), deletionObject("half"), BlockObject(id(9), MetaFile),
		}, broken)
	})
}

// troubledBucket fails reads of the objects that a function picks.
type troubledBucket struct {
	objstore.Bucket
	fail func(name string) error
}

var errDenied = errors.New("denied")

func (b troubledBucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := b.fail(name); err != nil {
		return nil, err
	}
	return b.Bucket.Get(ctx, name)
}

func (troubledBucket) IsAccessDeniedErr(err error) bool { return err == errDenied }

func TestCatalogueOfABucketInTrouble(t *testing.T) {
	inner := objstore.NewInMemBucket()
	putRun(t, inner, manifest("one", "a", nil, id(1)))
	putRun(t, inner, manifest("two", "a", nil, id(2)))
	read := func(fail func(string) error) (*Catalogue, error) {
		return ReadCatalogue(t.Context(), troubledBucket{inner, fail}, CatalogueOptions{})
	}
	_, err := read(func(string) error { return errDenied })
	require.ErrorIs(t, err, errDenied, "nothing may be read")
	require.True(t, IsAccessDenied(troubledBucket{}, err))

	of := func(run string, err error) func(string) error {
		return func(name string) error {
			if strings.Contains(name, "/"+run+"/") {
				return err
			}
			return nil
		}
	}
	c, err := read(of("one", errDenied))
	require.NoError(t, err)
	require.Len(t, c.Problems, 1)
	require.Equal(t, "two", c.Runs[len(c.Runs)-1].ID, "what may be read is listed")
	d, err := c.Deletion(c.Runs[0], time.Now())
	require.NoError(t, err)
	err = Delete(t.Context(), troubledBucket{inner, of("one", errDenied)}, d)
	require.ErrorIs(t, err, errDenied, "it may be running")

	_, err = read(of("one", errInjected))
	require.ErrorIs(t, err, errInjected, "the bucket is away")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ReadCatalogue(ctx, inner, CatalogueOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

// A record may go between the listing and the reading.
func TestCatalogueWhileARunIsDeleted(t *testing.T) {
	inner := objstore.NewInMemBucket()
	putRun(t, inner, manifest("stays", "a", nil, id(1)))
	gone := manifest("goes", "a", nil, id(2))
	putRun(t, inner, gone)
	bkt := troubledBucket{inner, func(name string) error {
		if name == gone.Object() {
			return inner.Delete(t.Context(), name)
		}
		return nil
	}}
	c := readCatalogue(t, bkt)
	require.Empty(t, c.Problems)
	_, err := c.Find("goes", false)
	require.ErrorContains(t, err, "no run")
	_, err = c.Find("stays", false)
	require.NoError(t, err)
}

func TestMarksOfThanos(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		putRun(t, bkt, manifest("marked", "a", nil, id(1), id(2)))
		mark := `{"id": "` + id(1).String() + `", "version": 1, "deletion_time": 1735700000, "details": "source of compacted block"}`
		require.NoError(t, bkt.Upload(t.Context(), BlockObject(id(1), DeletionMarkFile), strings.NewReader(mark)))
		run := onlyRun(t, bkt)
		require.NoError(t, run.ReadMarks(t.Context(), bkt))
		require.EqualValues(t, 1735700000, run.Blocks[0].Marked.Unix())
		require.Zero(t, run.Blocks[1].Marked)

		require.NoError(t, bkt.Upload(t.Context(), BlockObject(id(1), DeletionMarkFile), strings.NewReader(`{}`)))
		require.ErrorContains(t, run.ReadMarks(t.Context(), bkt), BlockObject(id(1), DeletionMarkFile))
	})
}
