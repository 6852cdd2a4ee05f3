// Command stack shows an archive: it archives two short runs in the way of the
// demo, in its bucket, starts stock Thanos Store and Query over their bucket, prints Query's URL and
// three queries to try, and stays until it is interrupted. Run it with
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
	if err := show(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func show(ctx context.Context) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchkeep-archive-")
	if err != nil {
		return err
	}
	s := &stage{root: root, dir: dir}
	defer func() {
		s.endAll()
		if err != nil {
			err = fmt.Errorf("%w (logs are kept in %s)", err, dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	err = s.open(ctx)
	if ctx.Err() != nil {
		return nil // interrupted, which is how it is to end
	}
	return err
}

// open archives the runs, shows them, and waits.
func (s *stage) open(ctx context.Context) error {
	for _, run := range runs {
		fmt.Printf("Archiving run %s of branch %s: %s of a Prometheus in agent mode.\n", run.id, run.branch, runFor)
		if err := s.archive(ctx, run.id, run.branch); err != nil {
			return fmt.Errorf("run %s: %w", run.id, err)
		}
	}
	fmt.Println("Both are over. Starting stock Thanos Store and Query over their bucket.")
	query, err := s.startThanos(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nThe archive is at %s\n", query.url)
	for _, q := range queries {
		if err := query.answers(ctx, q.promql); err != nil {
			return err
		}
		fmt.Printf("\n%s\n  %s\n  %s/graph?g0.tab=1&g0.expr=%s\n", q.question, q.promql, query.url, url.QueryEscape(q.promql))
	}
	fmt.Println("\nInterrupt it (Ctrl-C) when you have seen enough.")
	<-ctx.Done()
	return ctx.Err()
}
