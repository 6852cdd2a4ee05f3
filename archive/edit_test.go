package archive

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

func addEdit(t *testing.T, bkt objstore.Bucket, run string, e Edit) {
	t.Helper()
	require.NoError(t, AddEdit(t.Context(), bkt, run, e, time.Now()))
}

func TestEditsShowAndSelect(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		m := manifest("run-1", "a", map[string]string{"branch": "main"}, id(1))
		putRun(t, bkt, m)
		addEdit(t, bkt, "run-1", Edit{Labels: map[string]string{"verdict": "slow", "ticket": "PERF-7"}})
		addEdit(t, bkt, "run-1", Edit{Note: "first"})
		addEdit(t, bkt, "run-1", Edit{Labels: map[string]string{"verdict": "good", "ticket": ""}, Note: "second"})
		// The receiver that renews its manifest, and readers of manifests, pass
		// over edits.
		require.NoError(t, WriteManifest(t.Context(), bkt, m))
		objects, err := ManifestObjects(t.Context(), bkt, "run-1")
		require.NoError(t, err)
		require.Equal(t, []string{m.Object()}, objects)

		run := onlyRun(t, bkt)
		require.Equal(t, map[string]string{"run": "run-1", "branch": "main", "verdict": "good"}, run.Labels())
		require.Equal(t, "first", run.Edits[1].Note)
		require.Equal(t, "second", run.Edits[2].Note)
		for selector, want := range map[string]bool{`{verdict="good",branch="main"}`: true, `{verdict="slow"}`: false, `{ticket=""}`: true} {
			s, err := ParseSelector(selector)
			require.NoError(t, err)
			require.Equal(t, want, run.Selected(s), selector)
		}
	})
}

func TestConcurrentEditsDoNotLoseOneAnother(t *testing.T) {
	bkt, err := NewDirectoryBucket(t.TempDir(), 0o022)
	require.NoError(t, err)
	m := manifest("run-1", "a", nil, id(1))
	putRun(t, bkt, m)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := AddEdit(t.Context(), bkt, "run-1", Edit{Labels: map[string]string{"l" + runName(i)[4:]: "x"}}, start); err != nil {
				t.Error(err)
			}
		})
	}
	group.Go(func() { // the receiver's heartbeats
		for range 20 {
			if err := WriteManifest(t.Context(), bkt, m); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	require.Len(t, onlyRun(t, bkt).Labels(), 21)
}

// An edit comes after those that its author could see, whatever the clocks of
// the machines say.
func TestEditsComeInOrderWhateverTheClocks(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	putRun(t, bkt, manifest("run-1", "a", nil, id(1)))
	for i, now := range []time.Time{start, start.Add(-time.Hour), start.Add(-time.Minute)} {
		require.NoError(t, AddEdit(t.Context(), bkt, "run-1", Edit{Labels: map[string]string{"last": runName(i)}}, now))
		require.Equal(t, runName(i), onlyRun(t, bkt).Labels()["last"])
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	bkt := objstore.NewInMemBucket()
	putRun(t, bkt, manifest("run-1", "a", map[string]string{"branch": "main"}, id(1)))
	before := list(t, bkt)
	for name, tc := range map[string]struct {
		edit Edit
		says string
	}{
		"the run's own label":      {Edit{Labels: map[string]string{"branch": "x"}}, `label "branch" is the run's own`},
		"the run's id":             {Edit{Labels: map[string]string{"run": "x"}}, `label "run" is the run's own`},
		"the receiver":             {Edit{Labels: map[string]string{"receiver": "x"}}, `label "receiver" is the run's own`},
		"no label name":            {Edit{Labels: map[string]string{"a-b": "x"}}, `label "a-b": want letters`},
		"an empty name":            {Edit{Labels: map[string]string{"": "x"}}, `label "": want letters`},
		"reserved":                 {Edit{Labels: map[string]string{"__a": "x"}}, `label "__a": want letters`},
		"a value that is no UTF-8": {Edit{Labels: map[string]string{"a": "\xff"}}, "not UTF-8"},
		"a large value":            {Edit{Labels: map[string]string{"a": strings.Repeat("x", 1024)}}, "1025 bytes, want 1024 at most"},
		"nothing":                  {Edit{}, "nothing to add"},
		"a note that is no UTF-8":  {Edit{Note: "\xff"}, "not UTF-8"},
		"a long note":              {Edit{Note: strings.Repeat("x", 20000)}, "20000 bytes, want 16384 at most"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, AddEdit(t.Context(), bkt, "run-1", tc.edit, time.Now()), tc.says)
			require.Equal(t, before, list(t, bkt))
		})
	}
	var unknown *UnknownRunError
	require.ErrorAs(t, AddEdit(t.Context(), bkt, "run-2", Edit{Note: "x"}, time.Now()), &unknown)
}
