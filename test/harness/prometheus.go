package harness

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// scrapeInterval is the generated configuration's.
const scrapeInterval = time.Second

// PrometheusOptions say how Prometheus is started.
type PrometheusOptions struct {
	// Agent starts it in agent mode.
	Agent bool
	// Message is the remote-write protobuf message that it sends.
	Message string
	// Receiver is where it sends to; it is scraped as well.
	Receiver *Receiver
	// Target is scraped.
	Target *Target
	// Queue are settings of remote write's queue_config, separated by commas;
	// empty leaves all of them Prometheus' own.
	Queue string
	// Config is a whole configuration in place of the generated one, for which
	// Message, Receiver, Target and Queue are.
	Config string
}

// Remote-write messages as Prometheus' configuration names them.
const (
	RemoteWriteV1 = "prometheus.WriteRequest"
	RemoteWriteV2 = "io.prometheus.write.v2.Request"
)

// A Prometheus is a running Prometheus, server or agent.
type Prometheus struct {
	*Process
	URL string
	// Storage is where its data is: a TSDB, or an agent's WAL.
	Storage string
	agent   bool
}

// StartPrometheus starts a Prometheus that scrapes itself, benchkeep and the
// target once a second and sends everything to benchkeep.
func StartPrometheus(t testing.TB, dir string, o PrometheusOptions) *Prometheus {
	t.Helper()
	address := FreeAddress(t)
	if o.Config == "" {
		o.Config = prometheusConfig(address, o)
	}
	config := WriteFile(t, dir, "prometheus.yml", o.Config)
	p := &Prometheus{URL: "http://" + address, Storage: filepath.Join(dir, "prometheus-data"), agent: o.Agent}
	args := []string{
		"--config.file=" + config,
		"--web.listen-address=" + address,
		// Prometheus looks for new targets every 5 s; these are there at once.
		"--scrape.discovery-reload-interval=100ms",
	}
	if o.Agent {
		args = append(args, "--agent", "--storage.agent.path="+p.Storage)
	} else {
		args = append(args, "--storage.tsdb.path="+p.Storage)
	}
	p.Process = start(t, dir, "prometheus", tool(t, "prometheus"), nil, args...)
	p.waitReady(p.URL + "/-/ready")
	return p
}

// The queue's settings stay Prometheus' own unless a test is about them: what
// was scraped in the last five seconds is still in its queue when it is told to end.
func prometheusConfig(self string, o PrometheusOptions) string {
	return fmt.Sprintf(`global:
  scrape_interval: %s
  scrape_timeout: %[1]s
  scrape_native_histograms: true
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: ['%[2]s']}]
  - job_name: benchkeep
    static_configs: [{targets: ['%[3]s']}]
  - job_name: target
    static_configs: [{targets: ['%[4]s']}]
remote_write:
  - url: %[5]s/api/v1/write
    protobuf_message: %[6]s
    send_native_histograms: true
    metadata_config: {send: true, send_interval: 1s}
    queue_config: {%[7]s}
`, scrapeInterval, self, o.Receiver.Address, o.Target.Address, o.Receiver.URL, o.Message, o.Queue)
}

// WaitMetadata waits until Prometheus has sent metadata once more. Only remote
// write 1.0 does so, in requests of their own: the pinned Prometheus sends none
// with 2.0, because its feature flag does not reach the TSDB that would have to
// put it in the WAL.
func (p *Prometheus) WaitMetadata() {
	p.t.Helper()
	const name = "prometheus_remote_storage_metadata_total"
	before, err := p.ownMetric(name)
	if err != nil {
		p.t.Fatal(err)
	}
	Until(p.t, "metadata to be sent", func() error {
		now, err := p.ownMetric(name)
		if err == nil && now <= before {
			err = fmt.Errorf("%s is still %g", name, now)
		}
		return err
	})
}

// ownMetric is the sum of Prometheus' own metric of that name.
func (p *Prometheus) ownMetric(name string) (float64, error) { return metric(p.URL, name) }

// WaitCalm waits until the middle of the longest pause between scrapes.
// Prometheus itself never sends what its remote write has not read from its
// WAL when it is told to end. That takes a millisecond or two after a scrape;
// a test that ended Prometheus within them would fail for a loss that no
// receiver can prevent.
func (p *Prometheus) WaitCalm() {
	p.t.Helper()
	var answer struct {
		Data struct {
			ActiveTargets []struct{ LastScrape time.Time }
		}
	}
	if err := getJSON(p.URL+"/api/v1/targets?state=active", &answer); err != nil {
		p.t.Fatal(err)
	}
	var phases []time.Duration
	for _, target := range answer.Data.ActiveTargets {
		phases = append(phases, time.Duration(target.LastScrape.UnixNano())%scrapeInterval)
	}
	if len(phases) == 0 {
		p.t.Fatal("Prometheus has no targets")
	}
	slices.Sort(phases)
	var from, longest time.Duration
	for i, phase := range phases {
		next := phases[(i+1)%len(phases)]
		if i == len(phases)-1 {
			next += scrapeInterval
		}
		if next-phase > longest {
			from, longest = phase, next-phase
		}
	}
	now := time.Duration(time.Now().UnixNano()) % scrapeInterval
	// A clock is the one condition that can only be waited for by sleeping.
	time.Sleep((from + longest/2 - now + 2*scrapeInterval) % scrapeInterval)
}

// Scraped is everything that Prometheus has in its own storage, which is
// everything that it scraped. It must have exited.
func (p *Prometheus) Scraped(dir string) Set {
	p.t.Helper()
	if p.agent {
		return ReadAgentWAL(p.t, p.Storage)
	}
	return ReadTSDB(p.t, dir, p.Storage)
}
