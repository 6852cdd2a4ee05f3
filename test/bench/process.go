package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// patience is how long anything may take before the run is given up.
	patience = 10 * time.Minute
	pollWait = 20 * time.Millisecond
	// tick is the unit in which Linux tells the CPU time of processes.
	tick = time.Second / 100
)

// A stage is a folder that programs run in, and the programs.
type stage struct {
	programs
	dir       string
	processes []*process
}

// A process is a program that a stage has started.
type process struct {
	name   string
	cmd    *exec.Cmd
	exited chan struct{}
	peak   atomic.Int64
}

// run starts a program. What it prints goes to <name>.log in the stage's
// folder. Its environment is no more than what it needs and what is given.
func (s *stage) run(name, path string, env []string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own copy
	p := &process{name: name, cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.dir, log, log
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + os.TempDir()}, env...)
	// Ctrl-C on a terminal is for this program alone: it ends the others.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // the process state is looked at
	}()
	go p.watchPeak()
	return p, nil
}

// endAll kills what is still running.
func (s *stage) endAll() {
	for _, p := range s.processes {
		_ = p.cmd.Process.Kill() // it may have ended already
		<-p.exited
	}
}

// file writes a file into the stage's folder and gives its path.
func (s *stage) file(name, content string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// subfolder makes a folder in the stage's and gives its path.
func (s *stage) subfolder(elem ...string) (string, error) {
	path := filepath.Join(append([]string{s.dir}, elem...)...)
	return path, os.MkdirAll(path, 0o755)
}

// waitReady waits until the program answers the URL with 200.
func (p *process) waitReady(ctx context.Context, url string) error {
	return wait(ctx, p.name+" to be ready", func() error {
		select {
		case <-p.exited:
			return fatal{fmt.Errorf("it ended with code %d", p.cmd.ProcessState.ExitCode())}
		default:
		}
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// terminate asks the program to end.
func (p *process) terminate() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	return nil
}

// waitExit waits until the program has ended, which has to be with code 0.
func (p *process) waitExit(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return fmt.Errorf("%s did not end within %s", p.name, patience)
	case <-p.exited:
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d", p.name, code)
	}
	return nil
}

// cpu is the CPU time that the program has used so far, user and system.
func (p *process) cpu() (time.Duration, error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
	default:
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses, whatever it holds.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	const utime, stime = 11, 12 // counted from the third field
	if len(fields) <= stime {
		return 0, fmt.Errorf("CPU time of %s: %q", p.name, raw)
	}
	var user, system int64
	if _, err := fmt.Sscan(fields[utime]+" "+fields[stime], &user, &system); err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.name, err)
	}
	return time.Duration(user+system) * tick, nil
}

// watchPeak looks at the program's peak memory until it has ended: then the
// kernel tells no more. (What it tells the parent afterwards, ru_maxrss, has the
// parent's own memory in it, which the child shared until it ran its program.)
func (p *process) watchPeak() {
	for {
		p.readPeak()
		select {
		case <-p.exited:
			return
		case <-time.After(pollWait):
		}
	}
}

// readPeak is the most memory that the program has had resident, in bytes.
func (p *process) readPeak() int64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) // gone with the process
	for line := range bytes.Lines(raw) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			var kib int64
			if _, err := fmt.Sscan(string(rest), &kib); err == nil {
				p.peak.Store(max(kib<<10, p.peak.Load()))
			}
		}
	}
	return p.peak.Load()
}

// A fatal error ends a wait at once.
type fatal struct{ error }

// wait polls the condition until it holds.
func wait(ctx context.Context, what string, condition func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(pollWait) {
		err := condition()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &fatal{}) || time.Now().After(end):
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
}

// freeAddress is a loopback address that nothing listens on. Its port is below
// those that the kernel hands out for outgoing connections.
func freeAddress() (string, error) {
	const first, last, tries = 20000, 29999, 100
	var err error
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first+1))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", err
}

// freeAddresses are n different ones.
func freeAddresses(n int) ([]string, error) {
	seen := map[string]bool{}
	addresses := make([]string, 0, n)
	for len(addresses) < n {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		if !seen[address] {
			seen[address] = true
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}
