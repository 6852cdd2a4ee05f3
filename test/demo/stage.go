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
	"sort"
	"strings"
	"syscall"
	"time"
)

const (
	patience = time.Minute
	pollWait = 100 * time.Millisecond
)

// stage is a folder that the demo's programs run in, and the programs.
type stage struct {
	root, dir string
	programs  []*program
}

// program is one that was started and listens on an address.
type program struct {
	cmd     *exec.Cmd
	exited  chan error
	address string
	url     string
}

// startHTTP starts a program of the repository with an address of its own and
// waits until the path answers there.
func (s *stage) startHTTP(ctx context.Context, name, path string, args func(address string) []string) (*program, error) {
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
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.programs = append(s.programs, p)
	go func() { p.exited <- p.cmd.Wait() }()
	return p, wait(ctx, name+" to be ready", func() error {
		resp, err := http.Get(p.url + path)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
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

// run runs a program to its end and shows what it prints.
func (s *stage) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.root, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, os.Stdout, os.Stderr
	return cmd.Run()
}

// printQuery waits until the query has an answer and prints it.
func (s *stage) printQuery(ctx context.Context, query *program, promql string) error {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	err := wait(ctx, "Thanos to load the blocks", func() error {
		if err := getJSON(ctx, query.url+"/api/v1/query?query="+url.QueryEscape(promql), &answer); err != nil {
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
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(resp.Body)
		return errors.Join(fmt.Errorf("%s answered %s: %s", address, resp.Status, body), err)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
