package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	patience = time.Minute
	pollWait = 100 * time.Millisecond
)

// stage is a folder that the programs run in, and the programs.
type stage struct {
	root, dir string
	programs  []*program
}

// program is one that was started and listens on an address.
type program struct {
	cmd          *exec.Cmd
	exited       chan error
	address, url string
}

// archive archives one run. The bucket is benchkeep's default, a directory.
func (s *stage) archive(ctx context.Context, run, branch string) error {
	receiver, err := s.start(ctx, "bin/benchkeep", func(address string) []string {
		return []string{"receive", "--run.id=" + run, "--run.label=branch=" + branch, "--no-run.ci-labels",
			"--storage.path=" + run, "--web.listen-address=" + address}
	})
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, run+".yml")
	prometheus, err := s.start(ctx, ".cache/bin/prometheus", func(address string) []string {
		content := fmt.Sprintf(`global: {scrape_interval: 1s}
scrape_configs:
- {job_name: benchkeep, static_configs: [{targets: ['%s']}]}
- {job_name: prometheus, static_configs: [{targets: ['%s']}]}
remote_write:
- url: %s/api/v1/write
`, receiver.address, address, receiver.url)
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
	if err := prometheus.stop(); err != nil {
		return err
	}
	return receiver.stop() // what it exits with says whether all is in the bucket
}

// startThanos starts Store and Query over the bucket, and gives Query.
func (s *stage) startThanos(ctx context.Context) (*program, error) {
	grpc, err := freeAddress()
	if err != nil {
		return nil, err
	}
	if _, err := s.start(ctx, ".cache/bin/thanos", func(address string) []string {
		return []string{"store", "--data-dir=store", "--http-address=" + address, "--grpc-address=" + grpc,
			"--objstore.config=" + fmt.Sprintf("type: FILESYSTEM\nconfig: {directory: %q}", filepath.Join(s.dir, "benchkeep-bucket"))}
	}); err != nil {
		return nil, err
	}
	return s.start(ctx, ".cache/bin/thanos", func(address string) []string {
		return []string{"query", "--http-address=" + address, "--grpc-address=127.0.0.1:0", "--endpoint=" + grpc}
	})
}

// start starts a program of the repository with an address of its own and waits
// until it is ready.
func (s *stage) start(ctx context.Context, name string, args func(address string) []string) (*program, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%02d-%s.log", len(s.programs), filepath.Base(name))))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	p := &program{cmd: exec.Command(filepath.Join(s.root, name), args(address)...), exited: make(chan error, 1), address: address, url: "http://" + address}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, log, log
	// An interrupt from the terminal is for this program, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.programs = append(s.programs, p)
	go func() { p.exited <- p.cmd.Wait() }()
	return p, wait(ctx, name+" to be ready", func() error { return getJSON(ctx, p.url+"/-/ready", nil) })
}

// stop tells the program to end, and waits until it did, without an error.
func (p *program) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-p.exited
	p.exited <- err // for endAll
	return err
}

// endAll kills what is still running.
func (s *stage) endAll() {
	for _, p := range s.programs {
		p.cmd.Process.Kill() //nolint:errcheck // it may have ended already
		<-p.exited
	}
}

// answers waits until the query has an answer for each of the runs.
func (p *program) answers(ctx context.Context, promql string) error {
	return wait(ctx, "Thanos to load the blocks", func() error {
		var answer struct {
			Data struct {
				Result []struct{ Metric struct{ Run string } }
			}
		}
		if err := getJSON(ctx, p.url+"/api/v1/query?query="+url.QueryEscape(promql), &answer); err != nil {
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

// wait polls the condition until it holds.
func wait(ctx context.Context, what string, condition func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(pollWait) {
		err := condition()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(end):
			return fmt.Errorf("waited %s for %s: %w", patience, what, err)
		}
	}
}

// getJSON decodes what a URL answers; nil: that it answers is enough.
func getJSON(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status + ": " + strings.TrimSpace(string(body)))
	case into == nil:
		return nil
	}
	return json.Unmarshal(body, into)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
