// Package comparetest makes archives for tests of comparisons: runs of a service
// of which some builds are slower than others.
package comparetest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/benchkeep/benchkeep/archive"
	"github.com/benchkeep/benchkeep/blockwriter"
)

const (
	interval = 5 * time.Second
	length   = 10 * time.Minute
)

// Epoch is when the first run of an archive begins.
var Epoch = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// An Archive is a bucket in a folder.
type Archive struct {
	Bucket objstore.Bucket

	t    testing.TB
	runs int
}

// New makes an empty archive of a folder.
func New(t testing.TB, dir string) *Archive {
	t.Helper()
	bucket, err := archive.NewDirectoryBucket(dir, 0o022)
	require.NoError(t, err)
	return &Archive{Bucket: bucket, t: t}
}

// A Build is a service as it is measured: a counter, gauges, a summary and
// histograms of both kinds, with noise. It is the same each time for the n-th
// run of an archive.
type Build struct {
	Labels map[string]string
	// Slower is a factor of all durations; 0 is 1.
	Slower float64
	// WarmUp is for how long everything takes three times as long.
	WarmUp time.Duration
	// Length of the run; 0 is 10 minutes.
	Length time.Duration
	// Extra are further gauges.
	Extra map[string]func(at time.Duration) float64
	// Untold means that nobody told the types of metrics.
	Untold bool
}

// Add archives a run of the build, an hour after the last one.
func (a *Archive) Add(id string, b Build) {
	a.t.Helper()
	begin := Epoch.Add(time.Duration(a.runs) * time.Hour)
	a.runs++
	r, err := blockwriter.New(promslog.NewNopLogger(), prometheus.NewRegistry(), blockwriter.Options{
		Dir: filepath.Join(a.t.TempDir(), id), Bucket: a.Bucket, Run: id, Labels: b.Labels,
	})
	require.NoError(a.t, err)
	require.NoError(a.t, r.Start(a.t.Context()))
	service := newService(uint64(a.runs), b)
	for at := time.Duration(0); at <= service.Length; at += interval {
		_, err := r.Append(service.scrape(begin, at))
		require.NoError(a.t, err)
	}
	require.NoError(a.t, r.Finish(a.t.Context(), blockwriter.TriggerSignal))
	require.NoError(a.t, r.Close())
}
