// Command demo runs the whole way once: benchkeep with its embedded default
// bucket, an agent-mode Prometheus that scrapes both and remote-writes to it,
// the finish, and a PromQL query that stock Thanos answers from the archived
// blocks. Run it with `make demo`.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/benchkeep/benchkeep/test/stage"
)

// runFor is how long the run of the demo lasts.
const runFor = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := stage.Play("demo", func(s *stage.Stage) error { return demo(ctx, s) }); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, s *stage.Stage) error {
	receiver, prometheus, err := startRun(ctx, s)
	if err != nil {
		return err
	}
	if err := watch(ctx, receiver); err != nil {
		return err
	}
	say("The benchmark is over: Prometheus is told to stop, then benchkeep is asked to finish.")
	if err := prometheus.Stop(); err != nil {
		return err
	}
	if err := s.Run(ctx, "bin/benchkeep", "finish", "--url="+receiver.URL); err != nil {
		return err
	}
	if err := receiver.Stop(); err != nil {
		return err
	}
	if err := showBucket(s); err != nil {
		return err
	}
	return query(ctx, s)
}

// startRun starts benchkeep, with nothing configured but its address, and a
// Prometheus in agent mode beside it.
func startRun(ctx context.Context, s *stage.Stage) (receiver, prometheus *stage.Program, err error) {
	say("Starting benchkeep. No bucket is configured: it uses the directory benchkeep-bucket.")
	if receiver, err = s.Start(ctx, "bin/benchkeep", func(address string) []string {
		return []string{"receive", "--run.id=demo", "--run.label=branch=main", "--web.listen-address=" + address}
	}); err != nil {
		return nil, nil, err
	}
	say("Starting Prometheus in agent mode: it scrapes both, stores nothing, and remote-writes to benchkeep.")
	prometheus, err = s.Start(ctx, ".cache/bin/prometheus", func(address string) []string {
		config := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
- job_name: benchkeep
  static_configs: [{targets: ['%s']}]
- job_name: prometheus
  static_configs: [{targets: ['%s']}]
remote_write:
- url: %s/api/v1/write
`, receiver.Address, address, receiver.URL)
		path := filepath.Join(s.Dir, "prometheus.yml")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			panic(err) // the folder was made a moment ago
		}
		return []string{
			"--agent", "--config.file=" + path, "--storage.agent.path=agent", "--web.listen-address=" + address,
			"--scrape.discovery-reload-interval=1s",
		}
	})
	return receiver, prometheus, err
}

// watch shows what arrives while the run goes on.
func watch(ctx context.Context, receiver *stage.Program) error {
	end := time.Now().Add(runFor)
	for tick := time.NewTicker(4 * time.Second); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var status struct{ Written, Series int }
		if err := stage.GetJSON(ctx, receiver.URL+"/api/v1/status", &status); err != nil {
			return err
		}
		fmt.Printf("  %6d samples of %d series\n", status.Written, status.Series)
	}
	return nil
}

// showBucket lists what lies in the bucket now.
func showBucket(s *stage.Stage) error {
	bucket := filepath.Join(s.Dir, "benchkeep-bucket")
	say("The run lies in " + bucket + ":")
	return filepath.WalkDir(bucket, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(bucket, path)
		if err != nil {
			return err
		}
		fmt.Printf("  %8d  %s\n", info.Size(), rel)
		return nil
	})
}

// query starts stock Thanos over the bucket and asks it something.
func query(ctx context.Context, s *stage.Stage) error {
	say("Starting stock Thanos Store and Query over the bucket.")
	thanos, err := s.StartThanos(ctx)
	if err != nil {
		return err
	}
	const promql = `sort_desc(sum by (run, branch, job) (sum_over_time(scrape_samples_scraped[10m])))`
	say("PromQL, answered from the archived blocks: " + promql)
	return printQuery(ctx, thanos, promql)
}

// printQuery waits until the query has an answer and prints it.
func printQuery(ctx context.Context, thanos *stage.Program, promql string) error {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	err := stage.Wait(ctx, "Thanos to load the blocks", func() error {
		if err := stage.GetJSON(ctx, thanos.URL+"/api/v1/query?query="+url.QueryEscape(promql), &answer); err != nil {
			return err
		}
		if len(answer.Data.Result) == 0 {
			return errors.New("the answer is empty")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range answer.Data.Result {
		var labels []string
		for name, value := range r.Metric {
			labels = append(labels, fmt.Sprintf("%s=%q", name, value))
		}
		sort.Strings(labels)
		fmt.Printf("  {%s}  %v samples\n", strings.Join(labels, ", "), r.Value[1])
	}
	return nil
}

func say(line string) { fmt.Printf("\n%s\n", line) }
