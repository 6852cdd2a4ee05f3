package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// slowed is everything that the slow build is slower in.
var slowed = []string{
	"service_lookup_duration_seconds mean", "service_lookup_duration_seconds p50",
	"service_lookup_duration_seconds p90", "service_lookup_duration_seconds p99",
	"service_request_duration_seconds mean", "service_request_duration_seconds p50",
	"service_request_duration_seconds p90", "service_request_duration_seconds p99",
}

// rowsCompared is how many things there are to know of a service, and of its
// being up: of three histograms, a counter and two gauges.
const rowsCompared = 3*5 + 1 + 2 + 1

// report is what the tests read of `benchkeep compare -o json`.
type report struct {
	Rows []struct {
		Name, Statistic, Basis, Verdict, Why string
		Change, ChangeLow, ChangeHigh        *float64
		Base, New                            struct{ N int }
	}
	Gate *struct{ Broken, Unjudged []struct{ Name, Why string } }
}

// moved are the rows that are not the same on both sides.
func (r report) moved() (names []string) {
	for _, row := range r.Rows {
		if row.Verdict != "unchanged" && row.Verdict != "undecided" {
			names = append(names, row.Name+" "+row.Statistic)
		}
	}
	slices.Sort(names)
	return names
}

// comparer runs `benchkeep compare` on an archive.
type comparer struct {
	t      *testing.T
	dir    string
	bucket harness.Bucket
	n      *int
}

// run gives what was printed to standard output; standard error is in the log
// of the process alone, after it.
func (c comparer) run(wantCode int, args ...string) string {
	c.t.Helper()
	*c.n++
	out := filepath.Join(c.dir, fmt.Sprintf("out-%03d", *c.n))
	cache := "cache"
	if wantCode == 1 {
		cache = fmt.Sprintf("cache-%d", *c.n) // an empty one
	}
	args = append([]string{"compare", "--objstore.config-file=" + c.bucket.ConfigFile, "--cache.dir=" + filepath.Join(c.dir, cache), "-o", "json=" + out}, args...)
	p := harness.Benchkeep(c.t, c.dir, fmt.Sprintf("compare-%03d", *c.n), args...)
	if code := p.Wait(); code != wantCode {
		c.t.Fatalf("%s: exit code %d, want %d:\n%s", args, code, wantCode, p.Log())
	}
	if wantCode == 1 {
		return p.Log()
	}
	return harness.ReadFile(c.t, out)
}

func (c comparer) compare(wantCode int, args ...string) (r report) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.run(wantCode, args...)), &r); err != nil {
		c.t.Fatal(err)
	}
	return r
}

func TestCompare(t *testing.T) {
	dir := harness.Dir(t)
	c := comparer{dir: dir, bucket: archived(t, dir), n: new(int)}
	on := func(t *testing.T) comparer { c.t = t; return c }
	t.Run("equal builds, run by run", func(t *testing.T) { equalRuns(on(t)) })
	t.Run("a slow build, run by run", func(t *testing.T) { slowRuns(on(t)) })
	t.Run("equal builds, many runs", func(t *testing.T) { equalBuilds(on(t)) })
	t.Run("a slow build, many runs", func(t *testing.T) { slowBuild(on(t)) })
	t.Run("one run against many", func(t *testing.T) { oneAgainstMany(on(t)) })
	t.Run("gate", func(t *testing.T) { gate(on(t)) })
	t.Run("history", func(t *testing.T) { history(on(t)) })
	t.Run("bad input", func(t *testing.T) { badInput(on(t)) })
}

// equalRuns compares pairs of runs of equal builds. What chance alone would
// have is one pair in twenty with a row that moved.
func equalRuns(c comparer) {
	rows, falseRows, alarms := 0, 0, 0
	for i := range repetitions {
		r := c.compare(0, run("before", i), run("same", i))
		if len(r.Rows) != rowsCompared {
			c.t.Fatalf("%d rows, want %d", len(r.Rows), rowsCompared)
		}
		rows += len(r.Rows)
		if moved := r.moved(); len(moved) > 0 {
			alarms++
			falseRows += len(moved)
			c.t.Logf("%s: %s", run("same", i), moved)
		}
	}
	c.t.Logf("false alarms: %d of %d pairs, %d of %d rows", alarms, repetitions, falseRows, rows)
	if alarms > repetitions/10 {
		c.t.Errorf("%d of %d pairs of equal builds seem to differ", alarms, repetitions)
	}
}

// slowRuns compares one run with one of the slow build: with so little, now and
// then a row is undecided, or moves by chance.
func slowRuns(c comparer) {
	found, others := 0, 0
	for i := range repetitions {
		for _, name := range c.compare(0, run("before", i), run("after", i)).moved() {
			if slices.Contains(slowed, name) {
				found++
			} else {
				others++
				c.t.Logf("%s: %s", run("after", i), name)
			}
		}
	}
	all, rest := len(slowed)*repetitions, (rowsCompared-len(slowed))*repetitions
	c.t.Logf("found %d of %d; moved besides: %d of %d", found, all, others, rest)
	if found < all*8/10 || others > rest/10 {
		c.t.Errorf("found %d of %d; moved besides: %d of %d", found, all, others, rest)
	}
}

func equalBuilds(c comparer) {
	r := c.compare(0, `{build="before"}`, `{build="same"}`)
	if moved := r.moved(); len(moved) > 0 {
		c.t.Errorf("equal builds differ in %s", moved)
	}
	for _, row := range r.Rows {
		if row.Basis != "runs" || row.Base.N != repetitions || row.New.N != repetitions {
			c.t.Errorf("%s %s goes by %d and %d %s", row.Name, row.Statistic, row.Base.N, row.New.N, row.Basis)
		}
	}
}

func slowBuild(c comparer) {
	for _, last := range []string{"--last=0", "--last=10"} {
		r := c.compare(0, `{build="before"}`, `{build="after"}`, last)
		if moved := r.moved(); !slices.Equal(moved, slowed) {
			c.t.Errorf("%s: moved: %s; want %s", last, moved, slowed)
		}
		for _, row := range r.Rows {
			if !slices.Contains(slowed, row.Name+" "+row.Statistic) {
				continue
			}
			off := 0.03
			if row.Statistic == "p99" {
				off = 0.06 // one request in a hundred is few
			}
			if math.Abs(*row.Change-(slower-1)) > off || *row.ChangeLow > slower-1+off || *row.ChangeHigh < slower-1-off {
				c.t.Errorf("%s %s: %+.3f (%+.3f to %+.3f) is not about a fifth", row.Name, row.Statistic, *row.Change, *row.ChangeLow, *row.ChangeHigh)
			}
		}
	}
}

func oneAgainstMany(c comparer) {
	alarms := 0
	for i := range repetitions {
		if moved := c.compare(0, `{build="before"}`, run("same", i), "--last=10").moved(); len(moved) > 0 {
			alarms++
			c.t.Logf("%s: %s", run("same", i), moved)
		}
		moved := c.compare(0, `{build="before"}`, run("after", i), "--last=10").moved()
		for _, name := range slowed {
			if !slices.Contains(moved, name) {
				c.t.Errorf("%s: %s is not among what moved", run("after", i), name)
			}
		}
	}
	c.t.Logf("false alarms: %d of %d runs", alarms, repetitions)
	if alarms > repetitions/10 {
		c.t.Errorf("%d of %d runs of an equal build seem to differ", alarms, repetitions)
	}
}

// queriesFile is what a gate goes by.
const queriesFile = `queries:
  - name: latency
    query: rate(service_request_duration_seconds_sum[1s]) / rate(service_request_duration_seconds_count[1s])
    unit: seconds
    better: lower
    threshold: 10%
  - name: throughput
    query: sum(rate(service_requests_total[1s]))
    better: higher
    threshold: 10%
`

func gate(c comparer) {
	queries := "--queries=" + harness.WriteFile(c.t, c.dir, "queries.yaml", queriesFile)
	for i := range repetitions {
		if r := c.compare(0, `{build="before"}`, run("same", i), queries, "--fail-on=regression"); len(r.Gate.Broken)+len(r.Gate.Unjudged) != 0 {
			c.t.Errorf("%+v", r.Gate)
		}
		r := c.compare(4, `{build="before"}`, run("after", i), queries, "--fail-on=regression")
		if len(r.Gate.Broken) != 1 || r.Gate.Broken[0].Name != "latency" {
			c.t.Errorf("%+v", r.Gate)
		}
	}
	c.compare(0, `{build="before"}`, `{build="after"}`, queries, "--fail-on=latency=30%")
	c.compare(0, `{build="after"}`, `{build="before"}`, queries, "--fail-on=regression")
	c.compare(4, `{build="after"}`, `{build="before"}`, queries, "--fail-on=latency=-10%")
	// What cannot be judged does not pass.
	r := c.compare(2, run("before", 0), run("same", 0), "--query=gone=service_gone", "--query=up=up", "--fail-on=5%")
	if len(r.Gate.Unjudged) != 1 || !strings.Contains(r.Gate.Unjudged[0].Why, "gone: no result in any run") {
		c.t.Errorf("%+v", r.Gate)
	}
}

func history(c comparer) {
	var h struct {
		Runs  []struct{ Run string }
		Lines []struct {
			Name         string
			Values       []*float64
			ChangePoints []struct {
				Run, Verdict string
				Change       float64
			}
		}
	}
	queries := "--queries=" + harness.WriteFile(c.t, c.dir, "queries.yaml", queriesFile)
	if err := json.Unmarshal([]byte(c.run(0, "--history", `{build=~"before|after"}`, queries)), &h); err != nil {
		c.t.Fatal(err)
	}
	if len(h.Runs) != 2*repetitions || len(h.Lines) != 2 {
		c.t.Fatalf("%d runs, %d lines", len(h.Runs), len(h.Lines))
	}
	first := h.Runs[slices.IndexFunc(h.Runs, func(r struct{ Run string }) bool { return strings.HasPrefix(r.Run, "after") })].Run
	for _, line := range h.Lines {
		switch {
		case line.Name == "throughput" && len(line.ChangePoints) == 0:
		case line.Name == "latency" && len(line.ChangePoints) == 1 && line.ChangePoints[0].Run == first && line.ChangePoints[0].Verdict == "regression":
		default:
			c.t.Errorf("change points: %+v; the slow build came with %s", line, first)
		}
	}
}

func badInput(c comparer) {
	for _, bad := range []struct {
		args []string
		want string
	}{
		{[]string{run("before", 0), "nowhere"}, `no run "nowhere" in the bucket`},
		{[]string{run("before", 0), run("before", 0)}, "is on both sides"},
		{[]string{run("before", 0), `{build="none"}`}, `no run matches {build="none"}`},
		{[]string{run("before", 0), run("same", 0), "--query=p=rate(up[1m)"}, "  rate(up[1m)\n            ^"},
		{[]string{run("before", 0), run("same", 0), "--query=gone=service_gone"}, "gone: no result in any run"},
		{[]string{run("before", 0), run("same", 0), "--fail-on=much"}, "--fail-on"},
		{[]string{run("before", 0), run("same", 0), "--from=1h"}, "--from=1h0m0s"},
		{[]string{run("before", 0), run("same", 0), "--cache.size=1KB"}, "--cache.size"},
	} {
		if log := c.run(1, bad.args...); !strings.Contains(log, bad.want) {
			c.t.Errorf("%s: want %q in:\n%s", bad.args, bad.want, log)
		}
	}
}
