package compare

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

// TestMetricQueries checks what is asked of metrics by what is known of them.
func TestMetricQueries(t *testing.T) {
	of := func(kind string) map[string]archive.Metadata { return map[string]archive.Metadata{"m": {Type: kind}} }
	for _, tc := range []struct {
		name     string
		names    []string
		metadata map[string]archive.Metadata
		want     []string // titles
		skipped  string
	}{
		{"counter", []string{"m_total"}, of("counter"), []string{"m_total rate"}, ""},
		{"counter by its name", []string{"m_total"}, nil, []string{"m_total rate"}, ""},
		{"counter without a suffix", []string{"m"}, of("counter"), []string{"m rate"}, ""},
		{"gauge", []string{"m"}, of("gauge"), []string{"m value"}, ""},
		{"gauge that is named like a part of something", []string{"m_count", "m_sum"}, map[string]archive.Metadata{"m_count": {Type: "gauge"}, "m_sum": {Type: "gauge"}},
			[]string{"m_count value", "m_sum value"}, ""},
		{"nothing known", []string{"m"}, nil, []string{"m value"}, ""},
		{"nothing known of something like a count", []string{"m_count"}, nil, []string{"m_count value"}, ""},
		{"classic histogram", []string{"m_bucket", "m_count", "m_sum"}, of("histogram"), []string{"m mean", "m p50", "m p90", "m p99", "m rate"}, ""},
		{"classic histogram by its names", []string{"m_bucket", "m_count", "m_sum"}, nil, []string{"m mean", "m p50", "m p90", "m p99", "m rate"}, ""},
		{"histogram of both kinds", []string{"m", "m_bucket", "m_count", "m_sum"}, of("histogram"), []string{"m mean", "m p50", "m p90", "m p99", "m rate"}, ""},
		{"native histogram", []string{"m"}, of("histogram"), []string{"m mean", "m p50", "m p90", "m p99", "m rate"}, ""},
		{"summary", []string{"m", "m_count", "m_sum"}, of("summary"), []string{"m mean", "m rate", "m value"}, ""},
		{"summary by its names", []string{"m", "m_count", "m_sum"}, nil, []string{"m mean", "m rate", "m value"}, ""},
		{"summary without quantiles", []string{"m_count", "m_sum"}, of("summary"), []string{"m mean", "m rate"}, ""},
		{"info", []string{"m"}, of("info"), nil, "m"},
		{"info by its name", []string{"m_info"}, nil, nil, "m_info"},
		{"gauge histogram", []string{"m_bucket"}, of("gaugehistogram"), nil, "m_bucket"},
		{"created", []string{"m_created", "m_total"}, of("counter"), []string{"m_total rate"}, "m_created"},
		{"start time", []string{"process_start_time_seconds"}, nil, nil, "process_start_time_seconds"},
		{"scrape", []string{"scrape_duration_seconds"}, nil, nil, "scrape_duration_seconds"},
		{"name of all letters", []string{"größe.bytes"}, nil, []string{"größe.bytes value"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			slices.Sort(tc.names)
			m := newMetricQueries(tc.names, tc.metadata, []string{"handler"}, grid{10 * time.Second, 5 * time.Second})
			var titles []string
			for _, p := range m.found {
				titles = append(titles, p.Title())
				require.NoError(t, check(p.Query))
				require.NotEmpty(t, p.template)
				require.Contains(t, p.Query, "handler")
			}
			slices.Sort(titles)
			require.Equal(t, tc.want, titles)
			if tc.skipped != "" {
				require.Len(t, m.skipped, 1)
				require.Equal(t, tc.skipped, m.skipped[0].Name)
			}
		})
	}
}

func TestUnits(t *testing.T) {
	m := newMetricQueries([]string{"a_seconds_total", "b_bytes", "c", "d_seconds_bucket", "d_seconds_count", "d_seconds_sum"},
		map[string]archive.Metadata{"c": {Unit: "volts"}}, nil, grid{time.Second, time.Second})
	units := map[string]string{}
	for _, p := range m.found {
		units[p.Title()] = p.Unit
	}
	require.Equal(t, map[string]string{
		"a_seconds_total rate": "seconds/s", "b_bytes value": "bytes", "c value": "volts",
		"d_seconds rate": "/s", "d_seconds mean": "seconds", "d_seconds p50": "seconds", "d_seconds p90": "seconds", "d_seconds p99": "seconds",
	}, units)
}
