package deploy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestArchive archives runs, starts the archive over their bucket as the
// manifests describe it, and looks at them through everything that Grafana asks.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	s := startStack(t, dir, bucket)
	archiveRun(t, dir, bucket, "run-1", 8)
	s.waitRuns(t, "run-1")

	// What the Query Frontend has cached must not hide the runs to come.
	before := time.Now().Truncate(time.Minute)
	runsBefore := func() []result {
		return s.over(t, `group by (run) (last_over_time(up[5m]))`, before.Add(-time.Hour), before.Add(-2*time.Minute), time.Minute)
	}
	require.Empty(t, runsBefore())
	var archiving sync.WaitGroup
	archiving.Go(func() { archiveRun(t, dir, bucket, "run-2", 12) })
	archiving.Go(func() { archiveLongRun(t, dir, bucket, "run-3") })
	archiving.Wait()
	s.waitRuns(t, "run-1", "run-2", "run-3")
	require.NotEmpty(t, runsBefore(), "the long run began before that answer, and was archived after it")

	to := time.Now().Truncate(time.Second)
	from := to.Add(-time.Hour)
	all := dashboards(t)
	t.Run("Run", func(t *testing.T) {
		d := all["benchkeep-run"]
		for _, run := range []string{"run-1", "run-2"} {
			values := d.choose(t, s, map[string]string{"run": run, "metric": "target_requests_total"}, from, to)
			d.requireAnswers(t, s, values, from, to)
			require.Less(t, values["started"], values["ended"])
			up := s.instant(t, `count(up{run="`+run+`"} @ `+values["ended"][:10]+`)`, to)
			require.NotEmpty(t, up, "where the link leads, the run is")
		}
	})
	t.Run("Compare", func(t *testing.T) {
		d := all["benchkeep-compare"]
		values := d.choose(t, s, map[string]string{"a": "run-1", "b": "run-2", "metric": "target_requests_total"}, from, to)
		require.Equal(t, "none", values["c"])
		values = d.choose(t, s, map[string]string{"a": "run-1", "b": "run-2", "c": "run-1", "d": "run-2",
			"metric": "target_requests_total", "by": "job"}, from, to)
		moved := d.requireAnswers(t, s, values, from, to)
		require.NotEmpty(t, moved)
		edge := to.Add(-15 * time.Minute)
		for what, answer := range moved {
			for _, series := range answer {
				first := time.Unix(int64(series.Values[0][0].(float64)), 0)
				require.WithinDuration(t, edge, first, 10*time.Second, what)
			}
		}
	})
	t.Run("benchkeep", func(t *testing.T) {
		d := all["benchkeep-receiver"]
		d.requireAnswers(t, s, d.choose(t, s, map[string]string{"run": "run-2"}, from, to), from, to)
		d.requireAnswers(t, s, d.choose(t, s, nil, from, to), from, to)
	})
	t.Run("metrics", func(t *testing.T) {
		scraped := s.values(t, "__name__", `{__name__=~".+", run=~"run-1|run-2"}`, from, to)
		for _, d := range all {
			d.eachExpression(func(p panel, q target) {
				values := d.choose(t, s, nil, from, to)
				for _, name := range metricsIn(t, interpolate(t, q.Expr, values)) {
					require.Contains(t, scraped, name, p.Title)
					if strings.HasPrefix(name, "benchkeep_") {
						requireDocumented(t, name)
					}
				}
			})
		}
	})
	t.Run("Compactor", func(t *testing.T) { compactorChangesNothing(t, s) })
	t.Run("downsampling", func(t *testing.T) { shortRunsStayRaw(t, s) })
	t.Run("retention", func(t *testing.T) { retentionKnowsBranches(t, s, to) })
	t.Run("alerts", func(t *testing.T) { alertsNameWhatThanosShows(t, s) })
}

// shortRunsStayRaw: a Compactor that may downsample finds nothing to.
func shortRunsStayRaw(t *testing.T, s stack) {
	compact(t, s, "--downsampling.disable")
	for _, block := range s.bucket.Blocks(t) {
		require.Zero(t, block.Thanos.Downsample.Resolution, "runs of less than 40 hours stay as they are")
	}
}

// retentionKnowsBranches lets go what is older than an hour, but of one branch.
func retentionKnowsBranches(t *testing.T, s stack, now time.Time) {
	p := harness.ThanosTool(t, s.dir, "retention", s.bucket, "tools", "bucket", "retention",
		"--retention.resolution-raw=1h", "--consistency-delay=0s", "--delete-delay=0s",
		"--selector.relabel-config=[{action: drop, source_labels: [branch], regex: main}]")
	require.Zero(t, p.Wait(), p.Log())
	kept := map[string]bool{}
	for _, block := range s.bucket.Blocks(t) {
		kept[block.Thanos.Labels["run"]] = true
		require.Greater(t, block.MaxTime, now.Add(-2*time.Hour).UnixMilli())
	}
	require.True(t, kept["run-1"] && kept["run-2"], "the selector drops their branch from what it looks at")
}

// alertsNameWhatThanosShows holds the archive's alerts to the metrics of the
// programs that run, a Compactor that goes on among them.
func alertsNameWhatThanosShows(t *testing.T, s stack) {
	compactor := harness.FreeAddress(t)
	startProgram(t, s.dir, program(t, ".cache", "bin", "thanos"), []string{"compact", "--wait", "--http-address=" + compactor,
		"--data-dir=" + harness.Sub(t, s.dir, "compactor-waiting"), "--objstore.config-file=" + s.bucket.ConfigFile})
	requireAnswer(t, "http://"+compactor+"/-/ready")
	shown := ""
	for _, address := range append(s.addresses, compactor) {
		resp, err := http.Get("http://" + address + "/metrics")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		shown += string(body)
	}
	for _, expression := range alertExpressions(t, deployed(t, "archive", "alerts.yaml")) {
		for _, name := range metricsIn(t, expression) {
			require.Contains(t, shown, "\n# TYPE "+name+" ")
		}
	}
}

// compactorChangesNothing runs the Compactor as the manifests do, and asks the
// same before and after.
func compactorChangesNothing(t *testing.T, s stack) {
	questions := []string{
		`{__name__=~".+", run=~".+"}[24h]`, // every sample
		`sum by (run) (rate(target_requests_total[1h]))`,
	}
	to := time.Now()
	answers := func() map[string][]result {
		found := map[string][]result{}
		for _, q := range questions {
			found[q] = s.instant(t, q, to)
			slices.SortFunc(found[q], func(a, b result) int {
				return strings.Compare(flatten(a.Metric), flatten(b.Metric))
			})
		}
		return found
	}
	before, blocks := answers(), s.bucket.Blocks(t)
	for _, q := range questions {
		require.NotEmpty(t, before[q])
	}
	compact(t, s)
	require.Less(t, len(s.bucket.Blocks(t)), len(blocks), "it had nothing to do")
	require.Equal(t, before, answers())
}

// compact runs the Compactor once with the arguments of the manifests, but for
// some of them. The blocks are younger than half an hour, which is what it waits for.
func compact(t *testing.T, s stack, without ...string) {
	t.Helper()
	args := rewrite(archiveContainers(t)["compactor"].Args, "=/etc/thanos/s3.yaml", "="+s.bucket.ConfigFile, "=/data", "="+s.dir+"/compactor")
	args = slices.DeleteFunc(args, func(a string) bool { return slices.Contains(without, a) })
	compactor := startProgram(t, s.dir, program(t, ".cache", "bin", "thanos"),
		append(args, "--consistency-delay=0s", "--http-address="+harness.FreeAddress(t)))
	require.Zero(t, compactor.wait(), "%s", compactor.log.String())
}

func flatten(metric map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(metric)) {
		b.WriteString(name + "=" + metric[name] + ",")
	}
	return b.String()
}
