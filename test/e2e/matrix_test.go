package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// terminationSignal is what Kubernetes, compose and CI runners send.
const terminationSignal = syscall.SIGTERM

// scrapes is how many scrapes of the target a run gets at least: enough for
// its series to change, and for one of them to end with a staleness marker.
const scrapes = 6

// TestPrometheus runs the main job: Prometheus scrapes, benchkeep keeps, Thanos
// shows. Whatever Prometheus scraped must be in the archive, to the last scrape.
func TestPrometheus(t *testing.T) {
	for _, c := range []prometheusCase{
		{run: "server-v1-http", message: harness.RemoteWriteV1, overHTTP: true},
		{run: "server-v1-sigterm-together", message: harness.RemoteWriteV1, together: true},
		{run: "server-v2-sigterm", message: harness.RemoteWriteV2},
		{run: "agent-v1-sigterm-together", message: harness.RemoteWriteV1, agent: true, together: true},
		{run: "agent-v2-http", message: harness.RemoteWriteV2, agent: true, overHTTP: true},
	} {
		t.Run(c.run, func(t *testing.T) {
			t.Parallel() // most of each case is waiting for scrapes
			c.test(t)
		})
	}
}

type prometheusCase struct {
	run     string
	message string
	// agent runs Prometheus in agent mode.
	agent bool
	// overHTTP finishes with a request instead of SIGTERM.
	overHTTP bool
	// together ends Prometheus and benchkeep at the same instant, as plain
	// containers of a pod end. Otherwise Prometheus ends first, as it does
	// where benchkeep is a native sidecar.
	together bool
}

func (c prometheusCase) test(t *testing.T) {
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	target := harness.StartTarget(t)
	receiver := harness.StartReceiver(t, dir, harness.ReceiverOptions{Bucket: bucket, Run: c.run, Args: runLabels})
	prometheus := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: c.agent, Message: c.message, Receiver: receiver, Target: target,
	})
	target.WaitScrapes(t, scrapes)
	if c.message == harness.RemoteWriteV1 {
		prometheus.WaitMetadata()
	}
	prometheus.WaitCalm()
	c.end(t, dir, prometheus, receiver)

	scraped := prometheus.Scraped(dir)
	c.checkOracle(t, scraped, target)
	checkArchived(t, dir, bucket, c.run, scraped)
	thanos := harness.StartThanos(t, dir, bucket)
	checkThanos(t, thanos, c.run, "1h", scraped)
	c.checkLastScrape(t, thanos, target)
	if c.message == harness.RemoteWriteV1 {
		c.checkMetadata(t, bucket)
	}
}

// end ends Prometheus and benchkeep in the case's way.
func (c prometheusCase) end(t *testing.T, dir string, p *harness.Prometheus, r *harness.Receiver) {
	t.Helper()
	p.Signal(terminationSignal)
	if c.together {
		r.Signal(terminationSignal)
	}
	if code := p.Wait(); code != 0 {
		t.Fatalf("Prometheus exited with code %d", code)
	}
	switch {
	case c.together:
		if code := r.Wait(); code != 0 {
			t.Fatalf("benchkeep exited with code %d", code)
		}
	case c.overHTTP:
		c.finishTwice(t, dir, r)
	default:
		terminate(t, r, 0)
	}
}

// finishTwice finishes over HTTP, then asks again with the command: a finish
// is for whoever asks, and what is archived stays archived.
func (c prometheusCase) finishTwice(t *testing.T, dir string, r *harness.Receiver) {
	t.Helper()
	status, summary := r.Finish()
	if status != http.StatusOK || summary["state"] != "archived" {
		t.Fatalf("finish was answered %d: %v", status, summary)
	}
	again := harness.Benchkeep(t, dir, "benchkeep-finish", "finish", "--url="+r.URL)
	if code := again.Wait(); code != 0 {
		t.Errorf("benchkeep finish on a finished run exited with code %d:\n%s", code, again.Log())
	}
	late := harness.NewSender(t, r, c.message).Try(floats("late", 0, harness.Sample{T: time.Now().UnixMilli(), V: 1}))
	if late.Status != http.StatusGone {
		t.Errorf("a write to a finished run was answered %d: %s", late.Status, late.Body)
	}
	terminate(t, r, 0)
}

// checkOracle checks that what Prometheus stored is what the target served,
// the last scrape included: otherwise a comparison with it would prove little.
func (c prometheusCase) checkOracle(t *testing.T, scraped harness.Set, target *harness.Target) {
	t.Helper()
	for _, job := range []string{"prometheus", "benchkeep", "target"} {
		if len(scraped.Where("job", job)) == 0 {
			t.Errorf("Prometheus stored nothing of job %s", job)
		}
	}
	stored, served := scraped.Where("job", "target"), target.Served()
	for _, series := range stored {
		name := series.Labels.Get("__name__")
		if key := series.Labels.String(); served[key] == nil && (name == "up" || strings.HasPrefix(name, "scrape_")) {
			delete(stored, key) // what a scrape says of itself, the target does not serve
		}
	}
	if diff := harness.Diff(served, stored.WithoutTimes()); diff != "" {
		t.Errorf("Prometheus stored something else than the target served: %s", diff)
	}
}

// checkLastScrape asks Thanos for values that only the last scrape has.
func (c prometheusCase) checkLastScrape(t *testing.T, thanos *harness.Thanos, target *harness.Target) {
	t.Helper()
	n := float64(target.Scrapes())
	for expression, want := range map[string]float64{
		`last_over_time(target_requests_total{code="500",%s}[1h])`:                 n,
		`count_over_time(up{job="target",%s}[1h])`:                                 n,
		`histogram_count(last_over_time(target_size_bytes{kind="signed",%s}[1h]))`: n * (n + 1) / 2,
		`last_over_time(target_colliding{exported_run="of-its-own",%s}[1h])`:       n,
	} {
		expression = fmt.Sprintf(expression, fmt.Sprintf(`run=%q,suite="end-to-end"`, c.run))
		if got := thanos.Scalar(expression); got != want {
			t.Errorf("%s is %g, want %g", expression, got, want)
		}
	}
}

// checkMetadata checks that the manifest tells what the target's metrics are.
func (c prometheusCase) checkMetadata(t *testing.T, b harness.Bucket) {
	t.Helper()
	metrics := b.Manifest(t, c.run).Metrics
	for name, want := range map[string][2]string{
		"target_requests_total": {"counter", "Requests served."},
		"target_load":           {"gauge", "Load."},
		"target_size_bytes":     {"histogram", "Sizes, native."},
	} {
		if got := metrics[name]; [2]string{got.Type, got.Help} != want {
			t.Errorf("manifest: metric %s is %+v, want %v", name, got, want)
		}
	}
}
