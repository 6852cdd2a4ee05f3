package compare_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

// durations are the rows of a build of which everything takes longer.
var durations = []string{
	"http_request_duration_seconds mean", "http_request_duration_seconds p50", "http_request_duration_seconds p90", "http_request_duration_seconds p99",
	"index_lookup_seconds mean", "index_lookup_seconds p50", "index_lookup_seconds p90", "index_lookup_seconds p99",
}

func TestTwoRuns(t *testing.T) {
	w := newWorld(t)
	w.Add("before", comparetest.Build{})
	w.Add("same", comparetest.Build{})
	w.Add("slow", comparetest.Build{Slower: 1.2})
	w.Add("untold", comparetest.Build{Slower: 1.2, Untold: true})

	t.Run("of equal builds nothing moves", func(t *testing.T) {
		r := w.compare(t, "before", "same", compare.Options{})
		require.Empty(t, moved(r))
		require.Greater(t, len(r.Rows), 10)
	})
	for _, run := range []string{"slow", "untold"} {
		t.Run("what takes longer, and nothing else: "+run, func(t *testing.T) {
			r := w.compare(t, "before", run, compare.Options{})
			want := map[string]compare.Verdict{}
			for _, title := range durations {
				want[title] = compare.Changed
			}
			require.Equal(t, want, moved(r))
			mean := row(t, r, "http_request_duration_seconds mean")
			require.Equal(t, compare.WithinRuns, mean.Basis)
			require.Equal(t, stats.RankSum, mean.Method)
			require.InDelta(t, 0.2, float64(mean.Change), 0.02)
			require.Less(t, float64(mean.ChangeLow), 0.2)
			require.Greater(t, float64(mean.ChangeHigh), 0.2)
			require.Contains(t, r.Remarks[0], "1 against 1 runs")
		})
	}
	t.Run("types", func(t *testing.T) {
		r := w.compare(t, "before", "same", compare.Options{})
		queries := map[string]string{}
		for _, row := range r.Rows {
			queries[row.Title()] = row.Query
		}
		require.Equal(t, map[string]string{
			"http_requests_total rate":                   "sum (rate(http_requests_total[15s]))",
			"up value":                                   "avg (avg_over_time(up[10s]))",
			"queue_length value":                         "avg (avg_over_time(queue_length[10s]) > -Inf)",
			"http_request_duration_seconds mean":         "sum (rate(http_request_duration_seconds_sum[15s])) / sum (rate(http_request_duration_seconds_count[15s]))",
			"http_request_duration_seconds rate":         "sum (rate(http_request_duration_seconds_count[15s]))",
			"http_request_duration_seconds p50":          "histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket[15s])))",
			"http_request_duration_seconds p90":          "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[15s])))",
			"http_request_duration_seconds p99":          "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[15s])))",
			"index_lookup_seconds mean":                  "histogram_avg(sum (rate(index_lookup_seconds[15s])))",
			"index_lookup_seconds rate":                  "histogram_count(sum (rate(index_lookup_seconds[15s])))",
			"index_lookup_seconds p50":                   "histogram_quantile(0.5, sum (rate(index_lookup_seconds[15s])))",
			"index_lookup_seconds p90":                   "histogram_quantile(0.9, sum (rate(index_lookup_seconds[15s])))",
			"index_lookup_seconds p99":                   "histogram_quantile(0.99, sum (rate(index_lookup_seconds[15s])))",
			`http_response_bytes value {quantile="0.5"}`: "avg by (quantile) (avg_over_time(http_response_bytes[10s]) > -Inf)",
			"http_response_bytes mean":                   "sum (rate(http_response_bytes_sum[15s])) / sum (rate(http_response_bytes_count[15s]))",
			"http_response_bytes rate":                   "sum (rate(http_response_bytes_count[15s]))",
		}, queries)
		require.Equal(t, []string{"process_start_time_seconds"}, skippedNames(r))
	})
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

func skippedNames(r *compare.Report) (names []string) {
	for _, s := range r.Skipped {
		names = append(names, s.Name)
	}
	return names
}

func TestPopulations(t *testing.T) {
	w := newWorld(t)
	for i := range 6 {
		w.Add(fmt.Sprintf("main-%d", i), comparetest.Build{Labels: map[string]string{"branch": "main"}})
	}
	for i := range 6 {
		w.Add(fmt.Sprintf("slow-%d", i), comparetest.Build{Labels: map[string]string{"branch": "slow"}, Slower: 1.2})
	}
	mean := compare.Options{Queries: []compare.Query{{Subject: compare.Subject{
		Name: "mean", Query: "rate(http_request_duration_seconds_sum[1m]) / rate(http_request_duration_seconds_count[1m])", Unit: "seconds", Better: compare.Lower,
	}}}}

	t.Run("runs against runs", func(t *testing.T) {
		r := w.compare(t, `{branch="main"}`, `{branch="slow"}`, mean)
		require.Len(t, r.Rows, 1)
		found := r.Rows[0]
		require.Equal(t, compare.ByRun, found.Basis)
		require.Equal(t, stats.RankSum, found.Method)
		require.Equal(t, 6, found.Base.N)
		require.Equal(t, compare.Regression, found.Verdict)
		require.InDelta(t, 0.2, float64(found.Change), 0.02)
		require.InDelta(t, 2.0/924, float64(found.P), 1e-9) // 12 over 6, both tails
		require.Empty(t, r.Remarks)
	})
	t.Run("one against many", func(t *testing.T) {
		found := w.compare(t, `{branch="main"}`, "slow-3", mean).Rows[0]
		require.Equal(t, compare.ByRun, found.Basis)
		require.Equal(t, stats.OneAgainstMany, found.Method)
		require.Equal(t, compare.Regression, found.Verdict)
	})
	t.Run("one of the many", func(t *testing.T) {
		r := w.compare(t, `{branch="main"}`, "main-5", mean)
		require.Len(t, r.Base.Runs, 5, "the run itself is left out")
		require.Equal(t, compare.Unchanged, r.Rows[0].Verdict)
	})
	t.Run("what is better", func(t *testing.T) {
		require.Equal(t, compare.Improvement, w.compare(t, `{branch="slow"}`, `{branch="main"}`, mean).Rows[0].Verdict)
	})
	t.Run("a threshold of its own", func(t *testing.T) {
		lax := mean
		lax.Queries = []compare.Query{{Subject: mean.Queries[0].Subject, Threshold: 0.3}}
		require.Equal(t, compare.Unchanged, w.compare(t, `{branch="main"}`, `{branch="slow"}`, lax).Rows[0].Verdict)
	})
	t.Run("newest", func(t *testing.T) {
		p, err := compare.NewPopulation(w.catalogue(), `{branch="main"}`, 2, time.Now())
		require.NoError(t, err)
		require.Equal(t, []string{"main-4", "main-5"}, []string{p.Runs[0].ID, p.Runs[1].ID})
	})
	t.Run("history", func(t *testing.T) {
		runs, err := compare.NewPopulation(w.catalogue(), `{branch=~"main|slow"}`, 0, time.Now())
		require.NoError(t, err)
		o := mean
		o.Alpha, o.MinChange = 0.05, 0.05
		h, err := compare.Trace(t.Context(), runs, w.open, o)
		require.NoError(t, err)
		require.Len(t, h.Lines, 1)
		require.Len(t, h.Lines[0].Values, 12)
		require.Len(t, h.Lines[0].ChangePoints, 1)
		change := h.Lines[0].ChangePoints[0]
		require.Equal(t, "slow-0", change.Run)
		require.Equal(t, 6, change.Index)
		require.Equal(t, compare.Regression, change.Verdict)
		require.InDelta(t, 0.2, float64(change.Change), 0.02)
	})
}

func TestWindow(t *testing.T) {
	w := newWorld(t)
	phase := func(begin time.Duration) map[string]func(time.Duration) float64 {
		return map[string]func(time.Duration) float64{"phase": func(at time.Duration) float64 {
			if at < begin {
				return 0
			}
			return 1
		}}
	}
	w.Add("cold", comparetest.Build{WarmUp: 2 * time.Minute, Extra: phase(2 * time.Minute)})
	w.Add("warm", comparetest.Build{Extra: phase(time.Minute)})
	mean := func(r *compare.Report) *compare.Row { return row(t, r, "http_request_duration_seconds mean") }

	r := w.compare(t, "cold", "warm", compare.Options{From: 2 * time.Minute, Curves: true})
	require.Empty(t, moved(r), "the warm-up is cut")
	require.Equal(t, compare.Window{From: 120, To: 600, Step: 10}, r.Window)
	curve := mean(r).Curves[0].Values
	require.Len(t, curve, 49)
	require.False(t, curve[0].Known() || curve[1].Known(), "would look back at the warm-up")
	for _, v := range curve[2:] {
		require.InDelta(t, 0.052, float64(v), 0.006)
	}

	r = w.compare(t, "cold", "warm", compare.Options{To: 2 * time.Minute, Step: 10 * time.Second, Curves: true})
	require.InDelta(t, 3*0.052, float64(mean(r).Base.Center), 0.01)

	r = w.compare(t, "cold", "warm", compare.Options{Align: "phase"})
	require.Equal(t, comparetest.Epoch.Add(2*time.Minute), r.Base.Runs[0].Zero)
	require.Equal(t, comparetest.Epoch.Add(time.Hour+time.Minute), r.New.Runs[0].Zero)
	require.Equal(t, 540.0, r.Window.To)
}

func TestLabels(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{Labels: map[string]string{"branch": "main"}})
	w.Add("b", comparetest.Build{Labels: map[string]string{"branch": "other"}})
	r := w.compare(t, "a", "b", compare.Options{By: []string{"code"}})
	require.NotNil(t, row(t, r, `http_requests_total rate {code="200"}`))
	r = w.compare(t, "a", "b", compare.Options{Queries: []compare.Query{{Subject: compare.Subject{Name: "requests", Query: "http_requests_total"}}}})
	require.NotNil(t, row(t, r, "requests"), "labels of the run do not keep series apart")
	r = w.compare(t, "a", "b", compare.Options{Queries: []compare.Query{{Subject: compare.Subject{
		Name: "of one series", Query: `label_join(http_requests_total, "instance", "", "branch")`,
	}}}})
	require.NotNil(t, row(t, r, "of one series"), "whatever its labels are")
	require.Empty(t, r.Skipped)
	_, err := w.try(t, "a", "b", compare.Options{Queries: []compare.Query{{Subject: compare.Subject{
		Name: "of many", Query: `label_join(http_request_duration_seconds_bucket, "instance", "", "branch")`,
	}}}})
	require.ErrorContains(t, err, `of many {instance="main",le="+Inf"}: only in the base; series are paired by their labels`)
}

// TestLookback checks that what a query looks back over counts once, and that its
// variables make of it what a metric is.
func TestLookback(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{Length: 30 * time.Minute})
	w.Add("b", comparetest.Build{Length: 30 * time.Minute, Slower: 1.2})
	const fixed, variable = "rate(http_request_duration_seconds_sum[1m]) / rate(http_request_duration_seconds_count[1m])",
		"rate(http_request_duration_seconds_sum[$__rate_interval]) / rate(http_request_duration_seconds_count[$__rate_interval])"
	r := w.compare(t, "a", "b", compare.Options{Curves: true, Queries: []compare.Query{
		{Subject: compare.Subject{Name: "fixed", Query: fixed}}, {Subject: compare.Subject{Name: "variable", Query: variable}},
	}})
	require.Equal(t, 15.0, r.Window.Step)
	require.Equal(t, 7, row(t, r, "fixed").Base.N, "30 minutes in batches of four")
	require.Equal(t, "rate(http_request_duration_seconds_sum[20s]) / rate(http_request_duration_seconds_count[20s])", row(t, r, "variable").Query)
	require.Equal(t, map[string]compare.Verdict{"fixed": compare.Changed, "variable": compare.Changed}, moved(r))

	metric := row(t, w.compare(t, "a", "b", compare.Options{Curves: true}), "http_request_duration_seconds mean")
	require.Equal(t, asJSON(t, metric.Curves), asJSON(t, row(t, r, "variable").Curves)) // NaN is not equal to itself
	require.Equal(t, metric.Base, row(t, r, "variable").Base)
}

func TestUndecided(t *testing.T) {
	w := newWorld(t)
	rising := map[string]func(time.Duration) float64{
		"heap_bytes": func(at time.Duration) float64 { return at.Seconds() },
		"constant":   func(time.Duration) float64 { return 4 },
		"from_zero":  func(time.Duration) float64 { return 0 },
	}
	w.Add("a", comparetest.Build{Extra: rising})
	rising["heap_bytes"] = func(at time.Duration) float64 { return 2 * at.Seconds() }
	rising["from_zero"] = func(time.Duration) float64 { return 1 }
	w.Add("b", comparetest.Build{Extra: rising})
	w.Add("short", comparetest.Build{Length: 20 * time.Second, Extra: rising})

	r := w.compare(t, "a", "b", compare.Options{})
	heap := row(t, r, "heap_bytes value")
	require.Equal(t, compare.Undecided, heap.Verdict)
	require.NotEmpty(t, heap.Why)
	require.False(t, heap.P.Known())
	require.Equal(t, compare.Unchanged, row(t, r, "constant value").Verdict)
	zero := row(t, r, "from_zero value")
	require.Equal(t, compare.Undecided, zero.Verdict, "what is constant in a run is one value")
	require.False(t, zero.Change.Known())

	for _, found := range w.compare(t, "a", "short", compare.Options{}).Rows {
		require.Contains(t, []compare.Verdict{compare.Undecided, compare.Unchanged}, found.Verdict, found.Title())
		require.Equal(t, found.Verdict == compare.Undecided, found.Why != "", found.Title())
	}
}

func TestNothingInCommon(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{})
	w.Add("b", comparetest.Build{})
	_, err := w.try(t, "a", "b", compare.Options{Queries: []compare.Query{{Subject: compare.Subject{Name: "typo", Query: "http_request_total"}}}})
	var nothing *compare.NothingInCommonError
	require.ErrorAs(t, err, &nothing)
	require.ErrorContains(t, err, "typo: no result in any run")

	_, err = w.try(t, "a", "b", compare.Options{From: time.Hour})
	require.ErrorContains(t, err, "--from=1h0m0s is not before the end of the longest run, or --to: 10m0s")

	_, err = w.try(t, "a", "b", compare.Options{Align: "vector(0)"})
	require.ErrorContains(t, err, "run a: --align: vector(0) has no result other than zero")

	_, err = w.try(t, "a", "b", compare.Options{Queries: []compare.Query{{Subject: compare.Subject{Name: "pair", Query: "http_requests_total + on () group_left () http_request_duration_seconds_bucket"}}}})
	require.ErrorContains(t, err, "run a: pair: ")
}

func TestHistogramByName(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{})
	w.Add("b", comparetest.Build{})
	r := w.compare(t, "a", "b", compare.Options{Queries: []compare.Query{
		{Subject: compare.Subject{Name: "raw", Query: "rate(index_lookup_seconds[1m])"}},
		{Subject: compare.Subject{Name: "up", Query: "vector(1)"}},
	}})
	require.Len(t, r.Skipped, 1)
	require.Contains(t, r.Skipped[0].Why, "it is a histogram")
	require.False(t, math.IsNaN(float64(row(t, r, "up").P)))
}
