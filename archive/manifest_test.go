package archive

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/thanos-io/objstore/providers/filesystem"
)

// fullManifest has a value in every field.
func fullManifest() *Manifest {
	started := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	finished := started.Add(time.Hour)
	receiver := Receiver{Version: "1.2.3", Host: "ci-host"}
	return &Manifest{
		Version: ManifestVersion, Run: "run-1", Part: "01JGGQ2N4Y3Z5V8W9XABCDEFGK",
		Labels: map[string]string{"run": "run-1", "branch": "main"},
		State:  StateFailed, Complete: true, Trigger: "http", Error: "upload block: bucket is down",
		Started: started, Finished: &finished, Heartbeat: finished,
		MinTime: 1_735_689_600_000, MaxTime: 1_735_693_199_999, Series: 3,
		Counts: Counts{
			Received: 12, Written: 10, StartTimestamps: 1, Duplicates: 2,
			Rejected: map[string]int64{"too_old": 1},
		},
		Archived: 10,
		Blocks: []Block{{
			ULID: blockID, MinTime: 1_735_689_600_000, MaxTime: 1_735_693_200_000,
			Stats: BlockStats{NumSamples: 10, NumFloatSamples: 8, NumHistogramSamples: 2, NumSeries: 3, NumChunks: 4},
			Files: []File{
				{RelPath: "chunks/000001", SizeBytes: 100, Hash: &Hash{Func: "SHA256", Value: strings.Repeat("ab", 32)}},
				{RelPath: "index", SizeBytes: 200, Hash: &Hash{Func: "SHA256", Value: strings.Repeat("cd", 32)}},
			},
		}},
		Metrics:   map[string]Metadata{"up": {Type: "gauge", Help: "Is it?", Unit: "bool"}},
		Senders:   []string{"Prometheus/3.16.0"},
		Receiver:  receiver,
		Sessions:  []Session{{Started: started, Receiver: receiver}, {Started: started.Add(time.Minute), Receiver: receiver}},
		Exemplars: 5,
	}
}

func TestManifestRoundTrip(t *testing.T) {
	eachBucket(t, func(t *testing.T, bkt objstore.Bucket) {
		m := fullManifest()
		require.NoError(t, WriteManifest(t.Context(), bkt, m))
		require.Equal(t, []string{m.Object()}, list(t, bkt))
		requireGolden(t, "manifest.golden.json", get(t, bkt, m.Object())+"\n")
		read, err := ReadManifest(t.Context(), bkt, m.Object())
		require.NoError(t, err)
		require.Equal(t, m, read)

		m.State, m.Error = StateArchived, ""
		require.NoError(t, WriteManifest(t.Context(), bkt, m), "in place of what was there")
		read, err = ReadManifest(t.Context(), bkt, m.Object())
		require.NoError(t, err)
		require.Equal(t, m, read)
	})
}

func TestReadManifest(t *testing.T) {
	object := ManifestObject("run-1", "part")
	for name, tc := range map[string]struct {
		json string
		err  error  // in the chain, or
		says string // in the message
	}{
		"unknown fields":              {`{"version": 1, "run": "run-1", "colour": {"of": ["the", "sky"]}, "blocks": [{"mood": 1}]}`, nil, ""},
		"newer":                       {`{"version": 2, "run": "run-1"}`, ErrNewerManifest, object},
		"newer, other types":          {`{"version": 2, "run": {"id": "run-1"}, "blocks": "elsewhere"}`, ErrNewerManifest, object},
		"much newer":                  {`{"run": "run-1", "version": 1000}`, ErrNewerManifest, "version 1000, this program knows 1"},
		"cut short":                   {`{"version": 1, "run": "ru`, nil, "decode manifest " + object},
		"no JSON":                     {`<html>`, nil, "decode manifest " + object},
		"nothing":                     {``, nil, "decode manifest " + object},
		"a type that is not expected": {`{"version": 1, "run": 7}`, nil, "decode manifest " + object},
	} {
		t.Run(name, func(t *testing.T) {
			bkt := objstore.NewInMemBucket()
			require.NoError(t, bkt.Upload(t.Context(), object, strings.NewReader(tc.json)))
			m, err := ReadManifest(t.Context(), bkt, object)
			if tc.says == "" {
				require.NoError(t, err)
				require.Equal(t, "run-1", m.Run)
				return
			}
			require.Nil(t, m)
			require.ErrorContains(t, err, tc.says)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
			} else {
				require.NotErrorIs(t, err, ErrNewerManifest)
			}
		})
	}
	bkt := objstore.NewInMemBucket()
	_, err := ReadManifest(t.Context(), bkt, object)
	require.ErrorContains(t, err, "read manifest "+object)
	require.True(t, bkt.IsObjNotFoundErr(err), "the cause can be told")
}

// On a folder: objstore's bucket in memory takes a directory for a mere prefix.
func TestManifestObjectsAreThoseOfOneRun(t *testing.T) {
	bkt, err := filesystem.NewBucket(t.TempDir())
	require.NoError(t, err)
	put(t, bkt,
		ManifestObject("run-1", "b"), ManifestObject("run-1", "a"), ManifestObject("run-10", "c"), ManifestObject("run", "d"),
		"benchkeep/runs/run-1/notes.txt", "benchkeep/runs/run-1/sub/x.json")
	put(t, bkt, objectsOf(blockID)...)
	for run, want := range map[string][]string{
		"run-1":   {ManifestObject("run-1", "a"), ManifestObject("run-1", "b")},
		"run-10":  {ManifestObject("run-10", "c")},
		"run":     {ManifestObject("run", "d")},
		"unknown": nil,
	} {
		objects, err := ManifestObjects(t.Context(), bkt, run)
		require.NoError(t, err)
		require.Equal(t, want, objects, run)
	}
	_, err = ManifestObjects(t.Context(), &recordingBucket{Bucket: bkt, failAt: 1}, "run-1")
	require.ErrorIs(t, err, errInjected)
	require.ErrorContains(t, err, "run-1")
}

// An empty manifest has no field that a reader might find missing.
func TestManifestOfARunThatJustBegan(t *testing.T) {
	data, err := json.Marshal(&Manifest{Version: ManifestVersion, State: StateRunning})
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	for _, name := range []string{
		"version", "run", "part", "labels", "state", "complete", "started", "heartbeat", "minTime", "maxTime", "series",
		"received", "written", "startTimestamps", "duplicates", "rejected", "archived", "blocks", "metrics", "senders", "receiver", "sessions",
	} {
		require.Contains(t, fields, name)
	}
	require.NotContains(t, fields, "finished")
	require.NotContains(t, fields, "error")
}

func TestBlockBytes(t *testing.T) {
	require.EqualValues(t, 300, fullManifest().Blocks[0].Bytes())
	require.Zero(t, Block{}.Bytes())
}
