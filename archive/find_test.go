package archive

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
)

func TestFindRun(t *testing.T) {
	ids := []string{"nightly-41", "nightly-42", "nightly-421", "release-1.4", "x1", "x2", "x3", "x4", "x5", "x6", "x7"}
	for name, tc := range map[string]struct{ want, err string }{
		"nightly-42":  {"nightly-42", ""},
		"nightly-421": {"nightly-421", ""},
		"rel":         {"release-1.4", ""},
		"nightly-4":   {"", `3 runs begin with "nightly-4": nightly-41, nightly-42, nightly-421`},
		"x":           {"", `7 runs begin with "x": x1, x2, x3, x4, x5 and 2 more`},
		"nigthly-42":  {"", `no run "nigthly-42" in the bucket; is it nightly-42, nightly-41, nightly-421?`},
		"Release-1.4": {"", `no run "Release-1.4" in the bucket; is it release-1.4?`},
		"421":         {"", `no run "421" in the bucket; is it nightly-421?`},
		"weekly-9000": {"", `no run "weekly-9000" in the bucket`},
		"":            {"", `no run "" in the bucket`},
		"../x1":       {"", `no run "../x1" in the bucket`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FindRun(ids, name)
			require.Equal(t, tc.want, got)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tc.err)
			}
		})
	}
}

func TestRunIDs(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		ids, err := RunIDs(t.Context(), bkt)
		require.NoError(t, err)
		require.Empty(t, ids)
		put(t, bkt, ManifestObject("b", "x"), ManifestObject("b", "y"), ManifestObject("a", "x"), runsDir+"/stray.json", runsDir+"/.no/x.json")
		put(t, bkt, objectsOf(blockID)...)
		ids, err = RunIDs(t.Context(), bkt)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, ids)
	})
}

func TestSelectorErrorsShowThePlace(t *testing.T) {
	for text, want := range map[string]string{
		`{branch=main}`:   "  {branch=main}\n          ^",
		`{branch="main"`:  "  {branch=\"main\"\n                ^",
		`{bränch="é",,}`:  "  {bränch=\"é\",,}\n",
		`branch="main"`:   "  branch=\"main\"\n        ^",
		`{branch=~"("}`:   "missing closing )",
		`up{branch="m"}`:  "runs have labels and no metric name",
		`{__name__="up"}`: "runs have labels and no metric name",
		``:                "\n  \n  ^",
	} {
		_, err := ParseSelector(text)
		require.ErrorContains(t, err, want, text)
	}
	s, err := ParseSelector(`{}`)
	require.NoError(t, err)
	require.True(t, s.Matches(nil), "everything")
}
