// Command demo runs the whole way once: benchkeep with its embedded default
// bucket, an agent-mode Prometheus that scrapes both and remote-writes to it,
// the finish, and a PromQL query that stock Thanos answers from the archived
// blocks. Run it with `make demo`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// runFor is how long the run of the demo lasts.
const runFor = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := demo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchkeep-demo-")
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

	receiver, prometheus, err := s.startRun(ctx)
	if err != nil {
		return err
	}
	if err := s.watch(ctx, receiver); err != nil {
		return err
	}
	say("The benchmark is over: Prometheus is told to stop, then benchkeep is asked to finish.")
	if err := prometheus.stop(); err != nil {
		return err
	}
	if err := s.run(ctx, "bin/benchkeep", "finish", "--url="+receiver.url); err != nil {
		return err
	}
	if err := receiver.stop(); err != nil {
		return err
	}
	if err := s.showBucket(); err != nil {
		return err
	}
	return s.query(ctx)
}

// startRun starts benchkeep, with nothing configured but its address, and a
// Prometheus in agent mode beside it.
func (s *stage) startRun(ctx context.Context) (receiver, prometheus *program, err error) {
	say("Starting benchkeep. No bucket is configured: it uses the directory benchkeep-bucket.")
	if receiver, err = s.startHTTP(ctx, "bin/benchkeep", "/-/ready", func(address string) []string {
		return []string{"receive", "--run.id=demo", "--run.label=branch=main", "--web.listen-address=" + address}
	}); err != nil {
		return nil, nil, err
	}
	say("Starting Prometheus in agent mode: it scrapes both, stores nothing, and remote-writes to benchkeep.")
	prometheus, err = s.startHTTP(ctx, ".cache/bin/prometheus", "/-/ready", func(address string) []string {
		config := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
- job_name: benchkeep
  static_configs: [{targets: ['%s']}]
- job_name: prometheus
  static_configs: [{targets: ['%s']}]
remote_write:
- url: %s/api/v1/write
`, receiver.address, address, receiver.url)
		path := filepath.Join(s.dir, "prometheus.yml")
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
func (s *stage) watch(ctx context.Context, receiver *program) error {
	end := time.Now().Add(runFor)
	for tick := time.NewTicker(4 * time.Second); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var status struct{ Written, Series int }
		if err := getJSON(ctx, receiver.url+"/api/v1/status", &status); err != nil {
			return err
		}
		fmt.Printf("  %6d samples of %d series\n", status.Written, status.Series)
	}
	return nil
}

// showBucket lists what lies in the bucket now.
func (s *stage) showBucket() error {
	bucket := filepath.Join(s.dir, "benchkeep-bucket")
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
func (s *stage) query(ctx context.Context) error {
	say("Starting stock Thanos Store and Query over the bucket.")
	grpc, err := freeAddress()
	if err != nil {
		return err
	}
	_, err = s.startHTTP(ctx, ".cache/bin/thanos", "/-/ready", func(address string) []string {
		return []string{
			"store", "--data-dir=store", "--http-address=" + address, "--grpc-address=" + grpc,
			"--objstore.config=" + fmt.Sprintf("type: FILESYSTEM\nconfig: {directory: %q}", filepath.Join(s.dir, "benchkeep-bucket")),
		}
	})
	if err != nil {
		return err
	}
	query, err := s.startHTTP(ctx, ".cache/bin/thanos", "/-/ready", func(address string) []string {
		return []string{"query", "--http-address=" + address, "--grpc-address=127.0.0.1:0", "--endpoint=" + grpc}
	})
	if err != nil {
		return err
	}
	const promql = `sort_desc(sum by (run, branch, job) (sum_over_time(scrape_samples_scraped[10m])))`
	say("PromQL, answered from the archived blocks: " + promql)
	return s.printQuery(ctx, query, promql)
}

func say(line string) { fmt.Printf("\n%s\n", line) }
