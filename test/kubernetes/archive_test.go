package kubernetes

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// workers are how many series the benchmark's counter has.
const workers = 50

// scrapes is how often the benchmark that writes the log was scraped so far.
func scrapes(t testing.TB, log string) int {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "served ")
}

// waitScrapes waits until the benchmark was scraped n times in all.
func waitScrapes(t testing.TB, log string, n int) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("%d scrapes", n), func() error {
		if got := scrapes(t, log); got < n {
			return fmt.Errorf("%d so far", got)
		}
		return nil
	})
}

// exposed is what the benchmark showed in n scrapes, with the labels that a
// scrape adds, those of its target among them. Times are not known to it.
func exposed(n int, target ...string) harness.Set {
	set := harness.Set{}
	add := func(value int, more ...string) {
		l := labels.FromStrings(slices.Concat(more, target)...)
		set.Add(l, harness.FloatPoint(0, float64(value)))
	}
	for scrape := 1; scrape <= n; scrape++ {
		add(scrape, "__name__", "benchmark_scrapes_total")
		for i := range workers {
			add(scrape*i, "__name__", "benchmark_requests_total", "worker", fmt.Sprint(i))
		}
	}
	return set
}

// checkArchived checks that the bucket holds the run as finished, and of the
// benchmark's samples each that it has exposed, once, to the last scrape.
func checkArchived(t testing.TB, dir string, b harness.Bucket, external map[string]string, want harness.Set) harness.Manifest {
	t.Helper()
	m := b.Manifest(t, external["run"])
	checkPart(t, m, external)
	for _, block := range b.Blocks(t) {
		block.CheckFiles(t)
		require.Equal(t, external, block.Thanos.Labels)
	}
	all := b.Samples(t, dir)
	require.EqualValues(t, all.Samples(), m.Archived)
	require.Empty(t, harness.Diff(want.Archived(external), ofBenchmark(all).WithoutTimes()))
	return m
}

// checkPart checks the record of a part of a run.
func checkPart(t testing.TB, m harness.Manifest, external map[string]string) {
	t.Helper()
	require.Equal(t, "archived", m.State)
	require.True(t, m.Complete, "rejected: %v", m.Rejected)
	require.Equal(t, external, m.Labels)
	require.Equal(t, m.Written, m.Archived)
}

// ofBenchmark are the samples that the benchmark has exposed, without those that
// Prometheus adds about its scrapes, and without staleness markers.
func ofBenchmark(all harness.Set) harness.Set {
	set := harness.Set{}
	for key, series := range all.AsQueried() {
		if strings.HasPrefix(series.Labels.Get("__name__"), "benchmark_") {
			set[key] = series
		}
	}
	return set
}
