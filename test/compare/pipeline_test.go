package compare

import (
	"flag"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	repetitions = 20
	// slower is how much longer the slow build takes for everything.
	slower = 1.2
	// scrapes is how long a run is: at ten a second, as many seconds as it takes
	// to tell noise from a change.
	scrapes = 160
	// atOnce is how many runs go on at a time; they mostly wait.
	atOnce = "20"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", atOnce); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type errSoFar int

func (n errSoFar) Error() string { return fmt.Sprintf("%d times so far", int(n)) }

// archived is the archive that all tests compare runs of: of each build, a run
// for every repetition. before and same are equal builds, after is the slow one.
func archived(t *testing.T, dir string) harness.Bucket {
	t.Helper()
	bucket := harness.StartBucket(t, dir)
	builds := []struct {
		name   string
		slower float64
	}{{"before", 1}, {"same", 1}, {"after", slower}}
	for b, build := range builds { // one after the other, as builds come
		t.Run(build.name, func(t *testing.T) {
			for i := range repetitions {
				id := run(build.name, i)
				t.Run(id, func(t *testing.T) {
					t.Parallel()
					s := startService(t, uint64(1000*b+i), build.slower)
					benchmark(t, harness.Sub(t, dir, id), bucket, id, build.name, s)
				})
			}
		})
	}
	if t.Failed() {
		t.FailNow()
	}
	return bucket
}

func run(build string, i int) string { return fmt.Sprintf("%s-%02d", build, i) }

// benchmark is one run from start to end.
func benchmark(t *testing.T, dir string, bucket harness.Bucket, run, build string, s *service) {
	t.Helper()
	receiver := harness.StartReceiver(t, dir, harness.ReceiverOptions{Bucket: bucket, Run: run, Args: []string{"--run.label=build=" + build}})
	prometheus := harness.StartPrometheus(t, dir, harness.PrometheusOptions{Agent: true, Config: fmt.Sprintf(`global:
  scrape_interval: 100ms
  scrape_timeout: 100ms
  scrape_native_histograms: true
scrape_configs:
  - job_name: service
    static_configs: [{targets: ['%s']}]
remote_write:
  - url: %s/api/v1/write
    send_native_histograms: true
    metadata_config: {send: true, send_interval: 1s}
`, s.Address, receiver.URL)})
	s.waitScrapes(t, scrapes)
	prometheus.Signal(syscall.SIGTERM)
	if code := prometheus.Wait(); code != 0 {
		t.Fatalf("Prometheus ended with %d", code)
	}
	receiver.Signal(syscall.SIGTERM)
	if code := receiver.Wait(); code != 0 {
		t.Fatalf("receiver ended with %d", code)
	}
}
