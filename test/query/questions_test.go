package query

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// questions are at least one about each thing that PromQL can do.
func (a *archive) questions(t *testing.T) (all []question) {
	t.Helper()
	// Times that no sample is at.
	from, to, at := a.start.Add(10*time.Minute), a.start.Add(length+10*time.Minute), a.start.Add(205*time.Minute+30*time.Second)
	for _, expr := range []string{ // over the synthetic series of scraped
		`requests_total{$}`,
		`requests_total{$,code!="200",instance=~"a|b"}`,
		`{$,__name__=~"temp.*",room!~"x|nan"}`,
		`requests_total{$,branch="main"}`,
		`{$,__name__="build_info",pool=~"la.*",version!=""}`,
		`rate(requests_total{$}[5m])`,
		`irate(requests_total{$}[5m])`,
		`increase(requests_total{$,code="200"}[17m])`,
		`sum(rate(requests_total{$}[10m]))`,
		`sum by (code) (rate(requests_total{$}[10m]))`,
		`avg without (instance) (rate(requests_total{$}[10m]))`,
		`max by (branch, instance) (requests_total{$})`,
		`count by (run) (requests_total{$})`,
		`stddev(requests_total{$})`,
		`stdvar by (code) (requests_total{$})`,
		`group(requests_total{$})`,
		`count_values("v", build_info{$})`,
		`topk(2, requests_total{$})`,
		`bottomk by (code) (1, requests_total{$})`,
		`quantile(0.7, requests_total{$})`,
		`changes(temperature{$}[10m])`,
		`delta(temperature{$,room="x"}[8m])`,
		`idelta(temperature{$}[8m])`,
		`deriv(temperature{$}[15m])`,
		`predict_linear(temperature{$,room!="nan"}[15m], 600)`,
		`temperature{$}`,
		`temperature{$} > 20`,
		`temperature{$} > bool 20`,
		`avg_over_time(temperature{$}[10m])`,
		`min_over_time(temperature{$}[10m]) + max_over_time(temperature{$}[10m])`,
		`quantile_over_time(0.9, temperature{$}[20m])`,
		`stddev_over_time(temperature{$,room!="nan"}[20m])`,
		`last_over_time(temperature{$}[40m])`,
		`present_over_time(temperature{$,room="z"}[1h])`,
		`count_over_time(temperature{$}[7m])`,
		`sum_over_time(temperature{$,room="x"}[7m])`,
		`absent(temperature{$,room="z"})`,
		`absent_over_time(temperature{$,room="y"}[10m])`,
		`clamp(temperature{$}, 18, 22)`,
		`round(temperature{$}, 0.5)`,
		`abs(ceil(-temperature{$})) % 7`,
		`exp(ln(temperature{$})) ^ 2`,
		`temperature{$} offset 30m`,
		`temperature{$} offset -20m`,
		`rate(requests_total{$}[5m] offset 1h)`,
		`requests_total{$} @ end() offset 15m`,
		`rate(requests_total{$}[5m] @ start())`,
		`max_over_time(rate(requests_total{$,code="200"}[5m])[30m:1m])`,
		`avg_over_time(sum(requests_total{$})[20m:])`,
		`min_over_time((temperature{$} - temperature{$} offset 5m)[15m:45s] offset 10m)`,
		`label_replace(requests_total{$}, "host", "h-$1", "instance", "(.*)")`,
		`label_join(requests_total{$}, "where", "/", "job", "instance", "run")`,
		`requests_total{$} * on (instance) group_left (version) build_info{$}`,
		`sum by (version) (rate(requests_total{$}[5m]) * on (job, instance) group_left (version) build_info{$})`,
		`requests_total{$,code="500"} / ignoring (code) requests_total{$,code="200"}`,
		`requests_total{$,instance="a"} and on (code) requests_total{$,instance="b"}`,
		`temperature{$,room="y"} or on (job) temperature{$,room="z"}`,
		`temperature{$} unless temperature{$,room=~"x|y"}`,
		`histogram_quantile(0.9, sum by (le) (rate(latency_seconds_bucket{$}[10m])))`,
		`histogram_quantile(0.5, rate(latency_seconds_bucket{$}[10m]))`,
		`rate(latency_seconds_sum{$}[5m]) / rate(latency_seconds_count{$}[5m])`,
		`size_bytes{$}`,
		`rate(size_bytes{$}[10m])`,
		`sum(rate(size_bytes{$}[10m]))`,
		`histogram_quantile(0.9, sum(rate(size_bytes{$}[10m])))`,
		`histogram_quantile(0.25, size_bytes{$})`,
		`histogram_count(rate(size_bytes{$}[10m]))`,
		`histogram_sum(size_bytes{$})`,
		`histogram_avg(rate(size_bytes{$}[10m]))`,
		`histogram_fraction(0, 0.8, rate(size_bytes{$}[10m]))`,
		`histogram_stddev(size_bytes{$})`,
		`increase(size_bytes{$,instance="a"}[3h])`,
		`resets(size_bytes{$}[3h])`,
		`queue_length{$} * 2`,
		`delta(queue_length{$}[10m])`,
		averageOfHistograms,
		`wait_seconds{$}`,
		`histogram_quantile(0.6, rate(wait_seconds{$}[10m]))`,
		`scalar(temperature{$,room="x"}) + vector(1)`,
		`time() - timestamp(requests_total{$})`,
		`hour(timestamp(temperature{$})) * 60 + minute(timestamp(temperature{$}))`,
		`day_of_week() + vector(0)`,
		`vector(time())`,
		`(-requests_total{$}) != 0`,
		`sgn(temperature{$} - 20)`,
		`{$,__name__=~"requests_total|build_info",instance="c"}`,
		`count({$,__name__!=""})`,
	} {
		all = append(all,
			question{run: scraped, expr: expr, from: from, to: to, step: 97 * time.Second},
			question{run: scraped, expr: expr, at: at, empty: emptyInstants[expr]})
	}
	all = append(all, question{run: scraped, expr: `sort_desc(requests_total{$})`, at: at},
		question{run: scraped, expr: `sort(temperature{$})`, at: at},
		question{run: scraped, expr: `requests_total{$}[3m]`, at: at},
		question{run: scraped, expr: `size_bytes{$}[2m]`, at: at},
		question{run: scraped, expr: `time()`, at: at},
		question{run: scraped, expr: `pi() * 2`, at: at},
		question{run: scraped, expr: `"a string"`, at: at},
		question{run: scraped, expr: `absent(temperature{$,room="x"})`, at: at, empty: true},
		question{run: scraped, expr: `requests_total{$,run="another"}`, at: at, empty: true},
		question{run: scraped, expr: `requests_total{$,branch!="main"}`, from: from, to: to, step: time.Minute, empty: true},
	)
	all = append(all, a.ofSharded()...)
	return append(all, a.ofTheTarget(t)...)
}

// emptyInstants have an answer at other times alone.
var emptyInstants = map[string]bool{`absent_over_time(temperature{$,room="y"}[10m])`: true}

const averageOfHistograms = `avg_over_time(queue_length{$}[30m])`

// ofSharded are questions about a run of two parts, at times relative to it.
func (a *archive) ofSharded() (all []question) {
	start := a.start.Add(phase)
	end := start.Add(length - interval)
	for _, expr := range []string{
		`requests_total{$}`,
		`requests_total{$,k_shard="1"}`,
		`sum by (k_shard) (rate(requests_total{$}[5m]))`,
		`topk(3, temperature{$})`,
		`histogram_quantile(0.9, sum by (k_shard) (rate(size_bytes{$}[5m])))`,
		`requests_total{$,k_shard="0"} / ignoring (k_shard) requests_total{$,k_shard="1"}`,
		`count by (k_shard) ({$,__name__=~".+"})`,
	} {
		all = append(all,
			question{run: sharded, expr: expr, at: end},
			question{run: sharded, expr: expr, from: start, to: end, step: 5 * time.Minute, times: []string{"--step=5m"}},
			question{run: sharded, expr: expr, from: start.Add(30 * time.Second), to: end.Add(-time.Hour), step: time.Minute, times: []string{"--from=30s", "--to=-1h", "--step=1m"}})
	}
	return append(all, question{run: sharded, expr: `temperature{$}`, at: end, times: []string{"--at=-0s"}})
}

// ofTheTarget are questions about what Prometheus scraped.
func (a *archive) ofTheTarget(t *testing.T) (all []question) {
	t.Helper()
	p := harness.Benchkeep(t, a.dir, "show", "runs", "show", scraped, "-o", "json", "--objstore.config-file="+a.bucket.ConfigFile)
	_, out, _ := strings.Cut(p.Log(), "\n")
	var run struct {
		Started time.Time
		MaxTime int64
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&run); err != nil {
		t.Fatal(err)
	}
	start, end := run.Started.Truncate(time.Millisecond), time.UnixMilli(run.MaxTime)
	for _, expr := range []string{
		`target_requests_total{$}`,
		`rate(target_requests_total{$}[5s])`,
		`target_short_life{$}`,
		`target_load{$} or target_colliding{$}`,
		`target_size_bytes{$}`,
		`histogram_quantile(0.9, rate(target_size_bytes{$}[5s]))`,
		`histogram_count(increase(target_size_bytes{$,kind="signed"}[8s]))`,
		`histogram_quantile(0.9, rate(target_duration_seconds_bucket{$}[5s]))`,
		`sum(rate(target_duration_seconds_sum{$}[5s])) / sum(rate(target_duration_seconds_count{$}[5s]))`,
		`up{$}`,
		`count by (job) ({$,__name__=~".+"})`,
		`topk(5, count by (__name__) ({$,__name__=~"prometheus.*"}))`,
	} {
		all = append(all, question{run: scraped, expr: expr, from: start, to: end, step: time.Second, times: []string{"--step=1s"}})
	}
	return append(all, question{run: scraped, expr: `target_size_bytes{$}`, at: end, times: []string{}})
}
