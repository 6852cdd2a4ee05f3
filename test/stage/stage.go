// Package stage is where the programs of the demonstrations run: a folder, and
// what was started in it.
package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// A Stage is a folder that programs run in, and the programs. It is for one
// goroutine at a time.
type Stage struct {
	// Root is the repository's, where the programs are; Dir the folder.
	Root, Dir string

	programs []*Program
}

// Play plays on a stage in a temporary folder. The repository is above the
// working directory. Afterwards the programs are ended, and the folder is
// removed, or kept for its logs where something has failed.
func Play(name string, play func(*Stage) error) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchkeep-"+name+"-")
	if err != nil {
		return err
	}
	s := &Stage{Root: root, Dir: dir}
	defer func() {
		s.EndAll()
		if err != nil {
			err = fmt.Errorf("%w (logs are kept in %s)", err, dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	return play(s)
}

// A Program was started and listens on an address.
type Program struct {
	Address, URL string

	cmd    *exec.Cmd
	exited chan error
}

// Start starts a program of the repository with an address of its own, and
// waits until it is ready.
func (s *Stage) Start(ctx context.Context, name string, args func(address string) []string) (*Program, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.Dir, fmt.Sprintf("%02d-%s.log", len(s.programs), filepath.Base(name))))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	p := &Program{Address: address, URL: "http://" + address, cmd: exec.Command(filepath.Join(s.Root, name), args(address)...), exited: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.Dir, log, log
	// An interrupt from the terminal is for this program, which ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.programs = append(s.programs, p)
	go func() { p.exited <- p.cmd.Wait() }()
	return p, Wait(ctx, name+" to be ready", func() error { return GetJSON(ctx, p.URL+"/-/ready", nil) })
}

// StartThanos starts stock Thanos Store and Query over benchkeep's default
// bucket in the folder, and gives Query.
func (s *Stage) StartThanos(ctx context.Context) (*Program, error) {
	grpc, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	if _, err := s.Start(ctx, ".cache/bin/thanos", func(address string) []string {
		return []string{"store", "--data-dir=store", "--http-address=" + address, "--grpc-address=" + grpc,
			"--objstore.config=" + fmt.Sprintf("type: FILESYSTEM\nconfig: {directory: %q}", filepath.Join(s.Dir, "benchkeep-bucket"))}
	}); err != nil {
		return nil, err
	}
	return s.Start(ctx, ".cache/bin/thanos", func(address string) []string {
		return []string{"query", "--http-address=" + address, "--grpc-address=127.0.0.1:0", "--endpoint=" + grpc}
	})
}

// Stop tells the program to end, and waits until it did, without an error.
func (p *Program) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-p.exited
	p.exited <- err // for EndAll
	return err
}

// EndAll kills what is still running.
func (s *Stage) EndAll() {
	for _, p := range s.programs {
		p.cmd.Process.Kill() //nolint:errcheck // it may have ended already
		<-p.exited
	}
}

// Run runs a program to its end and shows what it prints.
func (s *Stage) Run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Root, name), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.Dir, os.Stdout, os.Stderr
	return cmd.Run()
}

// Wait polls the condition until it holds.
func Wait(ctx context.Context, what string, condition func() error) error {
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

// GetJSON decodes what a URL answers; nil: that it answers is enough.
func GetJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
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

// FreeAddress is an address of this machine that nobody listens on.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
