// Command stack shows an archive: it archives two short runs in the way of the
// demo, starts stock Thanos Store and Query over their bucket, prints Query's
// URL and three queries to try, and stays until it is interrupted. Run it with
// `make archive`.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/benchkeep/benchkeep/test/stage"
)

// runFor is how long each of the runs lasts.
const runFor = 10 * time.Second

// runs are archived one after the other. What is different between them is
// where they say that they come from.
var runs = []struct{ id, branch string }{
	{"archive-1", "main"},
	{"archive-2", "faster-parser"},
}

// queries are to try, and each of them tells the runs apart.
var queries = []struct{ question, promql string }{
	{"Which runs are there, and how many targets had each?", `count by (run, branch) (last_over_time(up[1d]))`},
	{"How many samples did each keep?", `sum by (run) (sum_over_time(scrape_samples_scraped[1d]))`},
	{"Which one needed more memory?", `max by (run, job) (max_over_time(process_resident_memory_bytes[1d]))`},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := stage.Play("archive", func(s *stage.Stage) error { return show(ctx, s) }); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func show(ctx context.Context, s *stage.Stage) error {
	err := open(ctx, s)
	if ctx.Err() != nil {
		return nil // interrupted, which is how it is to end
	}
	return err
}

// open archives the runs, shows them, and waits.
func open(ctx context.Context, s *stage.Stage) error {
	for _, run := range runs {
		fmt.Printf("Archiving run %s of branch %s: %s of a Prometheus in agent mode.\n", run.id, run.branch, runFor)
		if err := archiveRun(ctx, s, run.id, run.branch); err != nil {
			return fmt.Errorf("run %s: %w", run.id, err)
		}
	}
	fmt.Println("Both are over. Starting stock Thanos Store and Query over their bucket.")
	query, err := s.StartThanos(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe archive is at %s\n", query.URL)
	for _, q := range queries {
		if err := answers(ctx, query, q.promql); err != nil {
			return err
		}
		fmt.Printf("\n%s\n  %s\n  %s/graph?g0.tab=1&g0.expr=%s\n", q.question, q.promql, query.URL, url.QueryEscape(q.promql))
	}
	fmt.Println("\nInterrupt it (Ctrl-C) when you have seen enough.")
	<-ctx.Done()
	return ctx.Err()
}

// archiveRun archives one run. The bucket is benchkeep's default, a directory.
func archiveRun(ctx context.Context, s *stage.Stage, run, branch string) error {
	receiver, err := s.Start(ctx, "bin/benchkeep", func(address string) []string {
		return []string{"receive", "--run.id=" + run, "--run.label=branch=" + branch, "--no-run.ci-labels",
			"--storage.path=" + run, "--web.listen-address=" + address}
	})
	if err != nil {
		return err
	}
	config := filepath.Join(s.Dir, run+".yml")
	prometheus, err := s.Start(ctx, ".cache/bin/prometheus", func(address string) []string {
		content := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
- {job_name: benchkeep, static_configs: [{targets: ['%s']}]}
- {job_name: prometheus, static_configs: [{targets: ['%s']}]}
remote_write:
- url: %s/api/v1/write
`, receiver.Address, address, receiver.URL)
		if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
			panic(err) // the folder was made a moment ago
		}
		return []string{"--agent", "--config.file=" + config, "--storage.agent.path=" + run + "-agent",
			"--web.listen-address=" + address, "--scrape.discovery-reload-interval=1s"}
	})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(runFor):
	}
	if err := prometheus.Stop(); err != nil {
		return err
	}
	return receiver.Stop() // what it exits with says whether all is in the bucket
}

// answers waits until the query has an answer for each of the runs.
func answers(ctx context.Context, thanos *stage.Program, promql string) error {
	return stage.Wait(ctx, "Thanos to load the blocks", func() error {
		var answer struct {
			Data struct {
				Result []struct{ Metric struct{ Run string } }
			}
		}
		if err := stage.GetJSON(ctx, thanos.URL+"/api/v1/query?query="+url.QueryEscape(promql), &answer); err != nil {
			return err
		}
		answered := map[string]bool{}
		for _, r := range answer.Data.Result {
			answered[r.Metric.Run] = true
		}
		if len(answered) < len(runs) {
			return fmt.Errorf("the answer has %d of %d runs", len(answered), len(runs))
		}
		return nil
	})
}
