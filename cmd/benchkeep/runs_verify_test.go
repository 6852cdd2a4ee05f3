package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"
	"github.com/zeebo/xxh3"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/archive/check"
	"github.com/benchkeep/benchkeep/blockwriter"
)

// verified is what `runs verify` did on a bucket.
type verified struct {
	code        int
	out, errors string
}

// verify runs the command on a bucket in a directory.
func verify(t *testing.T, dir string, args ...string) (v verified) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	config := fmt.Sprintf("type: FILESYSTEM\nconfig:\n  directory: %q\n", dir)
	args = append([]string{"runs", "verify", "--objstore.config=" + config}, args...)
	stdout, stderr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	v.out = captured(t, &os.Stdout, func() {
		v.errors = captured(t, &os.Stderr, func() { v.code = run(args) })
	})
	return v
}

func captured(t *testing.T, stream **os.File, do func()) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	*stream = f
	do()
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return string(data)
}

// oneSample is the blockwriter.LabelReader of a request with one series.
type oneSample struct{}

func (oneSample) AppendLabels(dst []blockwriter.Label, _ int) ([]blockwriter.Label, error) {
	return append(dst, blockwriter.Label{Name: []byte("__name__"), Value: []byte("up")}), nil
}

// archiveRun puts a run with one sample into a bucket.
func archiveRun(t *testing.T, bkt objstore.Bucket, id string) {
	t.Helper()
	r := startRun(t, bkt, id)
	require.NoError(t, r.Finish(t.Context(), blockwriter.TriggerSignal))
	require.NoError(t, r.Close())
}

func startRun(t *testing.T, bkt objstore.Bucket, id string) *blockwriter.Run {
	t.Helper()
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: id,
	})
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context()))
	t.Cleanup(func() { r.Close() })
	_, err = r.Append(&blockwriter.Batch{
		Labels:  oneSample{},
		Samples: []blockwriter.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}},
		Series:  []blockwriter.Series{{Hash: xxh3.HashString128("up"), Samples: blockwriter.Range{To: 1}, Metadata: -1}},
	})
	require.NoError(t, err)
	return r
}

// damage flips a byte in every index of the bucket's blocks.
func damage(t *testing.T, dir string) {
	t.Helper()
	indexes, err := filepath.Glob(filepath.Join(dir, "*", archive.IndexFile))
	require.NoError(t, err)
	require.NotEmpty(t, indexes)
	for _, path := range indexes {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
}

func TestRunsVerify(t *testing.T) {
	dir := t.TempDir()
	bkt, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	archiveRun(t, bkt, "nightly-1")

	v := verify(t, dir, "nightly-1")
	require.Equal(t, exitOK, v.code, v.errors)
	require.Empty(t, v.errors)
	lines := strings.Split(v.out, "\n")
	require.Equal(t, strings.Fields("RUN VERDICT STATE BLOCKS SERIES SAMPLES SIZE FINDINGS"), strings.Fields(lines[0]))
	require.Regexp(t, `^nightly-1 +good +archived +1 +1 +1 +\d+ B +0$`, lines[1])

	v = verify(t, dir, "nightly", "-o", "json")
	require.Equal(t, exitOK, v.code, v.errors)
	var reports []check.Report
	require.NoError(t, json.Unmarshal([]byte(v.out), &reports))
	require.Len(t, reports, 1)
	require.Equal(t, check.Report{
		Run: "nightly-1", Verdict: check.Good, State: archive.StateArchived, Blocks: 1, Bytes: reports[0].Bytes,
		Series: 1, Samples: 1, Skipped: []check.Skipped{}, Findings: []check.Finding{},
	}, reports[0])
	require.Equal(t, "run,verdict,kind,object,detail\nnightly-1,good,,,\n", verify(t, dir, "nightly-1", "-o", "csv").out)
	require.Contains(t, verify(t, dir, "nightly-1", "-o", "yaml").out, "verdict: good\n")

	damage(t, dir)
	archiveRun(t, bkt, "nightly-2")
	startRun(t, bkt, "nightly-3")
	v = verify(t, dir, "nightly-1")
	require.Equal(t, exitNotSafe, v.code)
	require.Contains(t, v.out, "\n== nightly-1\nobject-hash ")
	require.Equal(t, "benchkeep: 1 of 1 runs are not as they should be\n", v.errors)
	require.Contains(t, verify(t, dir, "nightly-1", "-o", "csv").out, "\nnightly-1,broken,object-hash,")
	require.Equal(t, exitOK, verify(t, dir, "nightly-2").code)
	require.Equal(t, exitOK, verify(t, dir, "nightly-3").code, "it is running, as it says")

	v = verify(t, dir, "--all", "-o", "json")
	require.Equal(t, exitNotSafe, v.code)
	require.NoError(t, json.Unmarshal([]byte(v.out), &reports))
	verdicts := map[string]check.Verdict{}
	for _, r := range reports {
		verdicts[r.Run] = r.Verdict
	}
	require.Equal(t, map[string]check.Verdict{"nightly-1": check.Broken, "nightly-2": check.Good, "nightly-3": "running"}, verdicts)
	require.Contains(t, v.errors, "1 of 3 runs")
}

// What was never archived is not broken, and not what a script may take for
// safe either.
func TestRunsVerifyOfAFailedRun(t *testing.T) {
	dir := t.TempDir()
	bkt, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	archiveRun(t, bkt, "nightly-1")
	objects, err := archive.ManifestObjects(t.Context(), bkt, "nightly-1")
	require.NoError(t, err)
	m, err := archive.ReadManifest(t.Context(), bkt, objects[0])
	require.NoError(t, err)
	m.State, m.Complete = archive.StateFailed, false
	require.NoError(t, archive.WriteManifest(t.Context(), bkt, m))
	v := verify(t, dir, "nightly-1", "-o", "csv")
	require.Equal(t, exitNotSafe, v.code)
	require.Equal(t, "run,verdict,kind,object,detail\nnightly-1,failed,,,\n", v.out)
}

// A manifest that cannot be read is a finding of its run, and nothing that the
// check of another has to do with.
func TestRunsVerifyBesideABrokenManifest(t *testing.T) {
	dir := t.TempDir()
	bkt, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	archiveRun(t, bkt, "nightly-1")
	require.NoError(t, bkt.Upload(t.Context(), archive.ManifestObject("nightly-2", "x"), strings.NewReader("{")))
	require.Equal(t, exitOK, verify(t, dir, "nightly-1").code)
	v := verify(t, dir, "nightly-2", "-o", "csv")
	require.Equal(t, exitNotSafe, v.code)
	require.Contains(t, v.out, "\nnightly-2,broken,manifest-unreadable,")
	require.Equal(t, exitNotSafe, verify(t, dir, "--all").code)
}

func TestRunsVerifyOfNothing(t *testing.T) {
	dir := t.TempDir()
	bkt, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	v := verify(t, dir, "--all", "-o", "json")
	require.Equal(t, exitOK, v.code, v.errors)
	require.Equal(t, "[]\n", v.out)

	archiveRun(t, bkt, "nightly-1")
	archiveRun(t, bkt, "nightly-2")
	for message, args := range map[string][]string{
		"give a run, or --all":               {},
		"give a run, or --all\n":             {"nightly-1", "--all"},
		`is it nightly-1, nightly-2?`:        {"nightyl-1"},
		`2 runs begin with "nightly"`:        {"nightly"},
		"must be one of table,json,yaml,csv": {"nightly-1", "-o", "xml"},
	} {
		v := verify(t, dir, args...)
		require.Equal(t, exitBadUsage, v.code, "%v", args)
		require.Contains(t, v.errors, message)
		require.Empty(t, v.out)
	}
}
