package pressure

import (
	"net/http"
	"syscall"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// pages answer whatever the load is.
var pages = []string{"/-/ready", "/-/healthy", "/metrics", "/api/v1/status"}

// TestOverload has more senders than the receiver has room for. They are asked
// to try again, and lose nothing; meanwhile the receiver's pages answer.
func TestOverload(t *testing.T) {
	for name, env := range map[string][]string{"all processors": nil, "one processor": {"GOMAXPROCS=1"}} {
		t.Run(name, func(t *testing.T) {
			const run = "overload"
			dir := harness.Dir(t)
			bucket := harness.StartBucket(t, dir)
			r := start(t, dir, bucket, run, env, "--limit.concurrent-writes=1")
			o := startOverload(t, r, size[int64](12, 200))
			p := probe(t, r, pages...)
			o.done.Wait()
			p.end()
			t.Logf("%d rounds of probes answered", p.rounds.Load())
			terminate(t, r)
			samples, refused := o.check(t, dir, bucket)
			// One processor may take the writes one after the other.
			if env == nil && refused == 0 {
				t.Error("no write was answered 503: this was no overload")
			}
			if m := checkManifest(t, bucket, run, samples); samples != senders*o.batches*perBatch || !m.Complete {
				t.Errorf("%d samples acknowledged, want all %d; complete %t", samples, senders*o.batches*perBatch, m.Complete)
			}
		})
	}
}

// TestFinishUnderLoad finishes a run while the senders go on: they never stop,
// so that the drain's timeout is what ends it. Of each sender everything is
// archived that was acknowledged, and nothing that was not.
func TestFinishUnderLoad(t *testing.T) {
	const run = "finish-under-load"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := start(t, dir, bucket, run, nil, "--limit.concurrent-writes=2", "--finish.drain-timeout=1s")
	const endless = 800 // batches, of 22 hours
	o := startOverload(t, r, endless)
	p := probe(t, r, "/-/healthy", "/metrics", "/api/v1/status")
	o.wait(t, 2*senders)
	status, _ := r.Finish()
	if status != http.StatusOK {
		t.Errorf("/finish was answered %d, want 200", status)
	}
	o.done.Wait() // each of them was told that the run is finished
	p.end()
	samples, _ := o.check(t, dir, bucket)
	checkManifest(t, bucket, run, samples)
	terminate(t, r)
}

// TestShardsUnderLoad has a Prometheus agent send tiny batches over many
// connections beside the load: all that it has scraped is archived.
func TestShardsUnderLoad(t *testing.T) {
	const run = "shards"
	dir := harness.Dir(t)
	bucket := harness.StartBucket(t, dir)
	r := start(t, dir, bucket, run, nil, "--limit.concurrent-writes=2")
	target := harness.StartTarget(t)
	agent := harness.StartPrometheus(t, dir, harness.PrometheusOptions{
		Agent: true, Message: harness.RemoteWriteV2, Receiver: r, Target: target,
		Queue: "max_samples_per_send: 10, capacity: 100, min_shards: 8",
	})
	target.WaitScrapes(t, 2)
	o := startOverload(t, r, size[int64](10, 200))
	o.done.Wait()
	target.WaitScrapes(t, target.Scrapes()+2)
	agent.WaitCaughtUp()
	agent.WaitCalm()
	agent.Signal(syscall.SIGTERM)
	if code := agent.Wait(); code != 0 {
		t.Fatalf("Prometheus exited with code %d", code)
	}
	terminate(t, r)
	load, _ := o.check(t, dir, bucket)
	scraped := agent.Scraped(dir)
	got := bucket.Samples(t, dir)
	for key, series := range got {
		if series.Labels.Has("id") {
			delete(got, key) // the load's
		}
	}
	if diff := harness.Diff(scraped.Archived(map[string]string{"run": run}), got); diff != "" {
		t.Errorf("what Prometheus has scraped: %s", diff)
	}
	checkManifest(t, bucket, run, load+int64(scraped.Samples()))
}
