package compare_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive/compare"
	"github.com/benchkeep/benchkeep/archive/compare/comparetest"
	"github.com/benchkeep/benchkeep/archive/compare/stats"
)

// The tests of this file are about what would cost a user's trust: a gate that
// passes without having looked, a number that stands for something else.

func threshold(t *testing.T, text string) compare.Threshold {
	t.Helper()
	parsed, err := compare.ParseThreshold(text)
	require.NoError(t, err)
	return parsed
}

func named(name, query string) compare.Query {
	return compare.Query{Subject: compare.Subject{Name: name, Query: query}}
}

func gauge(value float64) map[string]func(time.Duration) float64 {
	return map[string]func(time.Duration) float64{"allocations": func(time.Duration) float64 { return value }}
}

func TestGateThatSawNothingIsNotPassed(t *testing.T) {
	w := newWorld(t)
	short := comparetest.Build{Length: 30 * time.Second}
	w.Add("a", short)
	short.Slower = 3
	w.Add("b", short)
	g := w.compare(t, "a", "b", compare.Options{Thresholds: []compare.Threshold{threshold(t, "5%")}}).Gate
	require.Equal(t, []compare.Unjudged{{Threshold: "5%", Why: "all: there are too few values to tell"}}, g.Unjudged, "up is 1 throughout, and that is no judgement")
}

func TestGateForRegressionsNeedsToKnowWhatIsBetter(t *testing.T) {
	o := compare.Options{Alpha: 0.05, Thresholds: []compare.Threshold{threshold(t, "regression")}}
	require.ErrorContains(t, o.Check(), "--fail-on=regression: nobody has said what is better")
	o.Queries = []compare.Query{named("a", "up")}
	require.Error(t, o.Check())
	o.Queries[0].Better = compare.Lower
	require.NoError(t, o.Check())
	o.Thresholds[0].Name = "b"
	require.Error(t, o.Check())
}

func TestGateTellsOfRunsWithoutAValue(t *testing.T) {
	w := newWorld(t)
	for i := range 4 {
		w.Add(fmt.Sprintf("base-%d", i), comparetest.Build{Labels: map[string]string{"side": "base"}, Extra: gauge(float64(10 + i))})
		b := comparetest.Build{Labels: map[string]string{"side": "new"}}
		if i < 3 {
			b.Extra = gauge(float64(10 + i))
		}
		w.Add(fmt.Sprintf("new-%d", i), b)
	}
	r := w.compare(t, `{side="base"}`, `{side="new"}`, compare.Options{
		Queries: []compare.Query{named("allocations", "allocations")}, Thresholds: []compare.Threshold{threshold(t, "5%")},
	})
	require.Equal(t, 3, r.Rows[0].New.N)
	require.Equal(t, []string{"allocations: no value in new-3"}, r.Remarks)
	require.Equal(t, []compare.Unjudged{{Threshold: "5%", Why: "allocations: no value in new-3"}}, r.Gate.Unjudged)
}

func TestFewRunsGoByWhatTheyDiffer(t *testing.T) {
	w := newWorld(t)
	for i, value := range []float64{100, 104, 96} {
		w.Add(fmt.Sprintf("base-%d", i), comparetest.Build{Labels: map[string]string{"side": "base"}, Extra: gauge(value)})
		w.Add(fmt.Sprintf("near-%d", i), comparetest.Build{Labels: map[string]string{"side": "near"}, Extra: gauge(value + 3)})
		w.Add(fmt.Sprintf("far-%d", i), comparetest.Build{Labels: map[string]string{"side": "far"}, Extra: gauge(value + 30)})
	}
	for side, want := range map[string]compare.Verdict{"near": compare.Unchanged, "far": compare.Changed} {
		found := row(t, w.compare(t, `{side="base"}`, `{side="`+side+`"}`, compare.Options{}), "allocations value")
		require.Equal(t, compare.ByRun, found.Basis)
		require.Equal(t, stats.FewAgainstFew, found.Method)
		require.Equal(t, want, found.Verdict)
	}
}

func TestCollidingSeriesStandForNothing(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{})
	w.Add("b", comparetest.Build{})
	_, err := w.try(t, "a", "b", compare.Options{Queries: []compare.Query{named("two", `{__name__=~"up|queue_length"}`)}})
	require.ErrorContains(t, err, "two: several series differ by name or by the run's own labels alone")
}

func TestSeriesOfOneQueryAreAdjusted(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{})
	w.Add("b", comparetest.Build{})
	r := w.compare(t, "a", "b", compare.Options{Queries: []compare.Query{
		named("buckets", "rate(http_request_duration_seconds_bucket[$__rate_interval])"), named("alone", "rate(http_requests_total[$__rate_interval])"),
	}})
	require.Greater(t, len(r.Rows), 20)
	raised := 0
	for _, found := range r.Rows {
		if found.Name == "alone" {
			require.Equal(t, found.P, found.AdjustedP)
		}
		if found.AdjustedP > found.P {
			raised++
		}
	}
	require.Positive(t, raised)
	require.Empty(t, moved(r))
}

func TestMetricsDoNotVanish(t *testing.T) {
	w := newWorld(t)
	w.Add("a", comparetest.Build{Extra: gauge(math.NaN())})
	w.Add("b", comparetest.Build{Extra: gauge(math.NaN())})
	r := w.compare(t, "a", "b", compare.Options{})
	require.Contains(t, skippedNames(r), "allocations value")
}

func TestSmallStepsThatGoALongWay(t *testing.T) {
	w := newWorld(t)
	for i := range 24 {
		level := 100 * math.Pow(1.03, float64(i/6))
		w.Add(fmt.Sprintf("run-%02d", i), comparetest.Build{Labels: map[string]string{"branch": "main"}, Length: time.Minute, Extra: gauge(level + float64(i%3)/10)})
	}
	runs, err := compare.NewPopulation(w.catalogue(), `{branch="main"}`, 0, time.Now())
	require.NoError(t, err)
	h, err := compare.Trace(t.Context(), runs, w.open, compare.Options{Alpha: 0.05, MinChange: 0.05, Queries: []compare.Query{named("allocations", "allocations")}})
	require.NoError(t, err)
	require.Len(t, h.Lines[0].ChangePoints, 1)
	p := h.Lines[0].ChangePoints[0]
	require.Equal(t, "run-12", p.Run)
	require.InDelta(t, 100, float64(p.Before.Center), 0.2)
	require.InDelta(t, 0.061, float64(p.Change), 0.003)
}

func TestRunsWithoutTheMarkerAreLeftOut(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		b := comparetest.Build{Labels: map[string]string{"side": "new"}}
		if i > 0 {
			b.Extra = gauge(1)
		}
		w.Add(fmt.Sprintf("new-%d", i), b)
	}
	w.Add("base", comparetest.Build{Extra: gauge(1)})
	r := w.compare(t, "base", `{side="new"}`, compare.Options{Align: "allocations", Thresholds: []compare.Threshold{threshold(t, "5%")}})
	require.Len(t, r.New.Runs, 2)
	const why = "run new-0: --align: allocations has no result other than zero"
	require.Contains(t, r.Remarks, why)
	require.Contains(t, r.Gate.Unjudged, compare.Unjudged{Threshold: "5%", Why: why})
}
