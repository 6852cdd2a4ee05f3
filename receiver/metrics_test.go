package receiver

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore/providers/filesystem"

	"github.com/benchkeep/benchkeep/blockwriter"
)

// fixedLabels are those whose values are known beforehand.
var fixedLabels = []string{"reason", "state"}

// TestMetricsGolden holds the metrics of receiver and run to what the docs and
// other people's alerts know. Run with -update after a change that is meant.
func TestMetricsGolden(t *testing.T) {
	s := serveWithMetrics(t)
	a := s.get("/metrics")
	require.Equal(t, http.StatusOK, a.status)
	require.True(t, strings.HasPrefix(a.header.Get("Content-Type"), "text/plain; version=0.0.4"), a.header.Get("Content-Type"))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.body))
	require.NoError(t, err)

	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !strings.HasPrefix(name, "benchkeep_") {
			continue
		}
		f := families[name]
		values := map[string][]string{}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
		fmt.Fprintf(&got, "%s\n  %s: %s\n", name, strings.ToLower(f.GetType().String()), f.GetHelp())
		for _, label := range slices.Sorted(maps.Keys(values)) {
			fmt.Fprintf(&got, "  label %s", label)
			if slices.Contains(fixedLabels, label) {
				slices.Sort(values[label])
				fmt.Fprintf(&got, ": %s", strings.Join(values[label], ", "))
			}
			fmt.Fprintln(&got)
		}
	}

	golden := filepath.Join("testdata", "metrics.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

func TestMetricsCountWritesByVersionAndStatus(t *testing.T) {
	s := serveWithMetrics(t)
	for range 2 {
		require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	}
	require.Equal(t, http.StatusBadRequest, s.write(version2, []byte("junk")).status)
	require.Equal(t, http.StatusUnsupportedMediaType, s.do(http.MethodPost, "/api/v1/write", nil, "Content-Type", "text/plain").status)
	page := s.get("/metrics").body
	for _, line := range []string{
		`benchkeep_write_requests_total{status="204",version="1.0"} 3`,
		`benchkeep_write_requests_total{status="400",version="2.0"} 1`,
		`benchkeep_write_requests_total{status="415",version=""} 1`,
		`benchkeep_write_request_duration_seconds_count 5`,
		`benchkeep_samples_received_total 3`,
		`benchkeep_samples_written_total 1`,
		`benchkeep_samples_duplicate_total 2`,
		`benchkeep_samples_rejected_total{reason="too_old"} 0`,
		`benchkeep_head_series 1`,
		`benchkeep_bucket_reachable 1`,
		`benchkeep_state{state="open"} 1`,
		`benchkeep_state{state="archived"} 0`,
	} {
		require.Contains(t, page, "\n"+line+"\n")
	}
}

// serveWithMetrics is a receiver and a run that share a registry, after one
// write.
func serveWithMetrics(t *testing.T) *server {
	bkt, err := filesystem.NewBucket(t.TempDir())
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	run, err := blockwriter.New(promslog.NewNopLogger(), registry, blockwriter.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Bucket: bkt, Run: "run-1",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	require.NoError(t, run.Start(t.Context()))
	s := serve(t, run, Options{Registry: registry})
	require.Equal(t, http.StatusNoContent, s.write(version1, encode(t, version1, float("a", 1))).status)
	return s
}
