package deploy

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	latencyQuery = `queries:
  - {name: latency, query: avg(request_seconds), unit: seconds, better: lower, threshold: 10%}
`
	errorsQuery = `  - {name: errors, query: sum(errors), better: lower}
`
)

// gateArchive is a bucket with five runs of main for each of two repositories,
// and with others: one as fast, one that is 20 % slower, one of which a block is
// damaged, and one that goes on.
func gateArchive(t *testing.T) harness.Bucket {
	t.Helper()
	dir := harness.Dir(t)
	bucket := harness.DirectoryBucket(t, dir)
	for i, repository := range []string{"example/product", "https://git.example.com/product"} {
		for j, noise := range []float64{0, 0.003, -0.004, 0.001, -0.002} {
			archiveBuild(t, dir, bucket, fmt.Sprintf("main-%d-%d", i, j), 0.1*(1+noise),
				"branch=main", "repository="+repository, "threads=8")
		}
	}
	archiveBuild(t, dir, bucket, "equal", 0.1005, "branch=faster-parser")
	archiveBuild(t, dir, bucket, "slower", 0.12, "branch=faster-parser")
	archiveBuild(t, dir, bucket, "damaged", 0.1, "branch=broken-disk")
	harness.StartReceiver(t, dir, harness.ReceiverOptions{Name: "running", Bucket: bucket, Run: "running", Args: []string{"--run.label=branch=busy"}})
	for _, block := range bucket.Blocks(t) {
		if block.Thanos.Labels["run"] == "damaged" {
			require.NoError(t, os.Truncate(filepath.Join(bucket.Dir, block.ULID, "index"), 100))
		}
	}
	return bucket
}

// archiveBuild archives a run of five minutes, all at once, in which a request
// takes as many seconds.
func archiveBuild(t *testing.T, dir string, bucket harness.Bucket, run string, seconds float64, runLabels ...string) {
	t.Helper()
	var args []string
	for _, l := range runLabels {
		args = append(args, "--run.label="+l)
	}
	r := harness.StartReceiver(t, dir, harness.ReceiverOptions{Name: run, Bucket: bucket, Run: run, Args: args})
	sender := harness.NewSender(t, r, harness.RemoteWriteV1)
	series := harness.TimeSeries{Labels: labels.FromStrings("__name__", "request_seconds")}
	for at := time.Duration(0); at <= 5*time.Minute; at += 10 * time.Second {
		series.Samples = append(series.Samples, harness.Sample{T: time.Now().Add(at).UnixMilli(), V: seconds})
	}
	sender.Send(series)
	sender.Close()
	r.Signal(syscall.SIGTERM)
	require.Zero(t, r.Wait())
}

// useBucket makes recipes over one bucket, each with a configuration of its own.
func useBucket(shared harness.Bucket) func(testing.TB, string) harness.Bucket {
	return func(t testing.TB, dir string) harness.Bucket {
		b := shared
		b.ConfigFile = harness.WriteFile(t, dir, "bucket.yaml", read(t, shared.ConfigFile))
		return b
	}
}

// TestGate: the exit code tells how it went, and there is a comment each time.
func TestGate(t *testing.T) {
	bucket := gateArchive(t)
	const ofMain = `{branch="main",repository="example/product"}`
	for _, c := range []struct {
		name, base, run, queries string
		code                     int
		report                   bool
		says                     string
	}{
		{"equal", ofMain, "equal", latencyQuery, 0, true, "\n✅ within the thresholds\n"},
		{"slower", ofMain, "slower", latencyQuery, 4, true, "\n| 🔴 regression | `latency` | 100.0ms | 120.0ms | +20.0%"},
		{"one of main", ofMain, "main-0-2", latencyQuery, 0, true, ": 4 runs, main-0-0 to main-0-4` → `main-0-2`**: 1 unchanged\n"},
		{"not judged", ofMain, "equal", latencyQuery + errorsQuery, 2, true, "\n⚠️ not everything could be judged: `regression`: errors: no result in any run\n"},
		{"slower, and not judged", ofMain, "slower", latencyQuery + errorsQuery, 4, true, "\n❌ 1 change beyond the threshold\n"},
		{"damaged", ofMain, "damaged", latencyQuery, 2, false, "\n⚠️ The run **could not be compared**:\n\n    benchkeep: "},
		{"the first", `{branch="stable"}`, "equal", latencyQuery, 0, false,
			"\n⚠️ There is nothing to compare the run with yet, so **nothing was judged**:\n\n    benchkeep: no run matches {branch=\"stable\"}\n"},
		{"the first of its branch", `{branch="broken-disk"}`, "damaged", latencyQuery, 0, false,
			"nothing was judged**:\n\n    benchkeep: no run but damaged matches {branch=\"broken-disk\"}\n"},
		{"the first that ends", `{branch="busy"}`, "equal", latencyQuery, 0, false,
			"nothing was judged**:\n\n    benchkeep: no archived run matches {branch=\"busy\"}; of those that do, 1 are running"},
		{"the first, with bad queries", `{branch="stable"}`, "equal", "queries: [{name: latency}]", 1, false,
			"\n⚠️ The run **could not be compared**:\n\n    benchkeep: --queries: "},
		{"a bad base", `{branch=main}`, "equal", latencyQuery, 1, false, "could not be compared**:\n\n    benchkeep: "},
		{"no such run", ofMain, "faster", latencyQuery, 1, false, "could not be compared**:\n\n    benchkeep: no run \"faster\" in the bucket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := newRecipe(t, useBucket(bucket))
			dir := harness.Sub(t, r.dir, "benchmark-report")
			for _, name := range []string{"comment.md", "report.html"} {
				harness.WriteFile(t, dir, name, "of an earlier job")
			}
			gate := startProgram(t, r.dir, deployed(t, "ci", "gate.sh"), nil, append(r.env, "BENCHKEEP_RUN_ID="+c.run, "BASE="+c.base,
				"BENCHKEEP_QUERIES="+harness.WriteFile(t, r.dir, "queries.yaml", c.queries), "REPORT_URL=https://ci.example.com/report.html")...)
			require.Equal(t, c.code, gate.wait())

			mark, comment, _ := strings.Cut(read(t, filepath.Join(dir, "comment.md")), "\n")
			require.Regexp(t, `^<!-- benchkeep compare [0-9a-f]{16} -->$`, mark)
			require.Contains(t, "\n"+comment, c.says)
			const link = "\n[Report with charts](https://ci.example.com/report.html)\n"
			left := []string{"comment.md"}
			if c.report {
				left = append(left, "report.html")
				require.Contains(t, read(t, filepath.Join(dir, "report.html")), "<html")
				require.Contains(t, gate.log.String(), "window", "the table is in the log")
			}
			require.Equal(t, c.report, strings.HasSuffix(comment, link))
			require.Equal(t, left, namesIn(t, dir))
		})
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestGateFitsIntoAComment: a comparison of more than a comment may have, by a
// stand-in for benchkeep, loses whole lines at its end.
func TestGateFitsIntoAComment(t *testing.T) {
	const limit, row = 65536, "| 🔴 regression | `p99` | %s |\n"
	dir := harness.Dir(t)
	harness.WriteFile(t, dir, "long.md", "**main → new**\n\n"+strings.Repeat(fmt.Sprintf(row, strings.Repeat("x", 970)), 100))
	path := harness.Sub(t, dir, "bin")
	require.NoError(t, os.WriteFile(filepath.Join(path, "benchkeep"),
		[]byte("#!/usr/bin/env bash\nfor a; do case $a in markdown=*) cp long.md \"${a#*=}\";; esac; done\nexit 4\n"), 0o755))
	gate := startProgram(t, dir, deployed(t, "ci", "gate.sh"), nil, "PATH="+path+":"+os.Getenv("PATH"), "BASE={}", "BENCHKEEP_RUN_ID=new")
	require.Equal(t, 4, gate.wait())
	comment := read(t, filepath.Join(dir, "benchmark-report", "comment.md"))
	require.Less(t, len(comment), limit)
	require.Greater(t, len(comment), limit*9/10)
	require.True(t, strings.HasSuffix(comment, "x |\n\nThe rest does not fit into a comment.\n"))
}

// A gateJob is a recipe's job after its benchmark, beside a forge.
type gateJob struct {
	recipe
	ciJob
	forge *forge
}

func (g gateJob) step(t *testing.T, script string, env map[string]string) (code int, log string) {
	t.Helper()
	addresses := []string{"GITHUB_API_URL=" + g.forge.URL, "CI_API_V4_URL=" + g.forge.URL}
	step := startProgram(t, g.dir, "/usr/bin/env", []string{"bash", "-c", script}, append(g.environment(env), addresses...)...)
	code = step.wait()
	require.NotContains(t, step.log.String(), commentToken)
	return code, step.log.String()
}

// push has the job judge a run, and gives the comment that it wants to leave.
func (g gateJob) push(t *testing.T, run string, code int) (comment string) {
	t.Helper()
	env := maps.Clone(g.envCompare)
	env["BENCHKEEP_RUN_ID"] = run
	got, log := g.step(t, g.compare, env)
	require.Equal(t, code, got, log)
	require.FileExists(t, g.report)
	comment = read(t, filepath.Join(filepath.Dir(g.report), "comment.md"))
	require.Contains(t, comment, "5 runs, main-")
	require.NotContains(t, comment, commentToken)
	return comment
}

// leave leaves the comment, and gives the log. No job fails for it.
func (g gateJob) leave(t *testing.T, without ...string) (log string) {
	t.Helper()
	env := maps.Clone(g.envComment)
	for _, name := range without {
		delete(env, name)
	}
	code, log := g.step(t, g.comment, env)
	require.Zero(t, code, log)
	return log
}

// TestGateInCI runs the gate of each recipe for two pushes to a request, the
// first of which makes everything slower, and holds to it what people see of it.
func TestGateInCI(t *testing.T) {
	bucket := gateArchive(t)
	for system, jobOf := range ciJobs() {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			r, b := newRecipe(t, useBucket(bucket))
			f := newForge(t)
			g := gateJob{r, jobOf(t, r.dir, b.ConfigFile), f}
			r.checkOut(t)
			harness.WriteFile(t, r.dir, "queries.yaml", latencyQuery) // where the example for GitHub has it
			slower := g.push(t, "slower", 4)
			if g.comment == "" {
				require.Equal(t, "Tekton", system)
				g.push(t, "equal", 0)
				return
			}
			require.Contains(t, g.leave(t, "GITHUB_TOKEN", "GITLAB_TOKEN"), "no comment: there is no token")
			require.Contains(t, g.leave(t, "PULL_REQUEST", "CI_MERGE_REQUEST_IID", "CHANGE_ID"), "no comment: this is not the job of a")
			require.Empty(t, f.calls)
			f.readOnly = true
			require.Contains(t, g.leave(t), "403")
			require.Equal(t, []string{"POST"}, f.written(t))
			require.Empty(t, f.ofGate())
			f.readOnly = false

			f.chat(120, "> "+slower+"\nIs it?")
			g.leave(t)
			require.Equal(t, []string{"POST"}, f.written(t))
			require.Equal(t, []string{slower}, f.ofGate())
			f.chat(120, "Why?")
			equal := g.push(t, "equal", 0)
			g.leave(t)
			require.Contains(t, []string{"PATCH", "PUT"}, strings.Join(f.written(t), ", "))
			require.Equal(t, []string{equal}, f.ofGate())
			require.Contains(t, equal, "✅ within the thresholds")
			require.Regexp(t, `\n\[Report with charts\]\(https://\S+\)\n$`, equal)
			if system == "GitHub Actions" {
				require.Equal(t, slower+equal, read(t, g.envCompare["GITHUB_STEP_SUMMARY"]))
			}
		})
	}
}
