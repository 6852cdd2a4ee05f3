package compare_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
)

func TestParseThreshold(t *testing.T) {
	for text, want := range map[string]compare.Threshold{
		"5%":                 {Change: 0.05},
		"+2.5%":              {Change: 0.025, Sign: 1},
		"-10%":               {Change: 0.1, Sign: -1},
		"0%":                 {},
		"regression":         {Verdict: true},
		"p99=+10%":           {Name: "p99", Change: 0.1, Sign: 1},
		"p99 a=b=5%":         {Name: "p99 a=b", Change: 0.05},
		"latency=regression": {Name: "latency", Verdict: true},
	} {
		got, err := compare.ParseThreshold(text)
		require.NoError(t, err, text)
		want.Text = text
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "5", "%", "x%", "=5%", "--5%", "5%=p99", "NaN%", "Inf%", "p99=", "improvement"} {
		_, err := compare.ParseThreshold(text)
		require.ErrorContains(t, err, "want [NAME=][+|-]PERCENT%", text)
	}
}

func TestGate(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.Add(fmt.Sprintf("main-%d", i), comparetest.Build{Labels: map[string]string{"branch": "main"}})
		w.Add(fmt.Sprintf("slow-%d", i), comparetest.Build{Labels: map[string]string{"branch": "slow"}, Slower: 1.2})
	}
	w.Add("short", comparetest.Build{Length: 20_000_000_000})
	queries := []compare.Query{
		{Subject: compare.Subject{Name: "latency", Query: "sum(rate(http_request_duration_seconds_sum[$__rate_interval])) / sum(rate(http_request_duration_seconds_count[$__rate_interval]))", Better: compare.Lower}},
		{Subject: compare.Subject{Name: "rate", Query: "sum(rate(http_requests_total[$__rate_interval]))", Better: compare.Higher}},
	}
	gate := func(t *testing.T, base, fresh string, queries []compare.Query, thresholds ...string) *compare.Gate {
		o := compare.Options{Queries: queries}
		for _, text := range thresholds {
			threshold, err := compare.ParseThreshold(text)
			require.NoError(t, err)
			o.Thresholds = append(o.Thresholds, threshold)
		}
		return w.compare(t, base, fresh, o).Gate
	}
	const slower, faster = `{branch="main"} {branch="slow"}`, `{branch="slow"} {branch="main"}`
	for _, tc := range []struct {
		sides, threshold string
		broken           []string
	}{
		{slower, "regression", []string{"latency"}},
		{slower, "10%", []string{"latency"}},
		{slower, "+10%", []string{"latency"}},
		{slower, "-10%", nil},
		{slower, "latency=10%", []string{"latency"}},
		{slower, "latency=30%", nil},
		{slower, "rate=10%", nil},
		{faster, "regression", nil},
		{faster, "10%", nil},
		{faster, "-10%", []string{"latency"}},
	} {
		t.Run(tc.sides+" "+tc.threshold, func(t *testing.T) {
			var base, fresh string
			_, err := fmt.Sscan(tc.sides, &base, &fresh)
			require.NoError(t, err)
			g := gate(t, base, fresh, queries, tc.threshold)
			require.Equal(t, []string{tc.threshold}, g.Thresholds)
			require.Empty(t, g.Unjudged)
			var broken []string
			for _, b := range g.Broken {
				broken = append(broken, b.Name)
			}
			require.Equal(t, tc.broken, broken)
		})
	}
	t.Run("metrics, either way", func(t *testing.T) {
		require.Len(t, gate(t, `{branch="main"}`, `{branch="slow"}`, nil, "15%").Broken, 8)
		require.Len(t, gate(t, `{branch="slow"}`, `{branch="main"}`, nil, "15%").Broken, 8)
	})
	t.Run("what cannot be judged", func(t *testing.T) {
		gone := append(queries, compare.Query{Subject: compare.Subject{Name: "gone", Query: "gone"}})
		require.Equal(t, []compare.Unjudged{{Threshold: "5%", Why: "gone: no result in any run"}},
			gate(t, `{branch="main"}`, `{branch="slow"}`, gone, "5%").Unjudged)
		require.Equal(t, []compare.Unjudged{{Threshold: "typo=5%", Why: "typo: nothing of that name was compared"}},
			gate(t, `{branch="main"}`, `{branch="slow"}`, queries, "typo=5%").Unjudged)
		require.Equal(t, []compare.Unjudged{{Threshold: "gone=5%", Why: "gone: no result in any run"}, {Threshold: "typo=5%", Why: "typo: nothing of that name was compared"}},
			gate(t, `{branch="main"}`, `{branch="slow"}`, gone, "gone=5%", "typo=5%").Unjudged, "each threshold for itself")
		short := gate(t, "main-0", "short", queries, "latency=5%").Unjudged
		require.Len(t, short, 1)
		require.Contains(t, short[0].Why, "latency: needs 2 values a side")
	})
}
