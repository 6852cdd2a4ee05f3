package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tailLines is how much of a program's log a failed test shows.
const tailLines = 40

// A Process is a program that the harness started.
type Process struct {
	Name string
	t    testing.TB
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	// ended is when the program had ended; it is set before done is closed.
	ended time.Time
}

// start runs a program until it ends or the test does. What it prints goes to
// <dir>/<name>.log. Its environment is no more than what is given, so that a
// test means the same on a desk and in a CI pipeline.
func start(t testing.TB, dir, name, path string, env []string, args ...string) *Process {
	t.Helper()
	p := &Process{
		Name: name,
		t:    t,
		cmd:  exec.Command(path, args...),
		log:  filepath.Join(dir, name+".log"),
		done: make(chan struct{}),
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	fmt.Fprintf(out, "$ %s\n", strings.Join(p.cmd.Args, " "))
	p.cmd.Dir = dir
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		defer out.Close()
		// The exit code is read from the process state; what else can go
		// wrong here also leaves a state that no test takes for success.
		_ = p.cmd.Wait()
		p.ended = time.Now()
	}()
	t.Cleanup(p.end)
	return p
}

// end kills the program if it still runs: nothing that a test asserts happens
// after the test.
func (p *Process) end() {
	if p.t.Failed() {
		p.t.Logf("end of %s:\n%s", p.log, p.tail())
	}
	p.Kill()
	<-p.done
}

// Kill ends the program as a crash does: at once, with nothing put in order.
// It does not wait, and any goroutine may call it while the test runs.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill %s: %v", p.Name, err)
	}
}

func (p *Process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Running is nil while the program runs, for use in conditions.
func (p *Process) Running() error {
	if p.running() {
		return nil
	}
	return fmt.Errorf("%s has exited with code %d", p.Name, p.cmd.ProcessState.ExitCode())
}

// Signal sends the program a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %s: %v", p.Name, err)
	}
}

// Wait waits for the program to end and gives its exit code, -1 if a signal
// killed it.
func (p *Process) Wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("%s did not exit within %s", p.Name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Ended waits for the program to end and gives the time at which it did.
func (p *Process) Ended() time.Time {
	p.t.Helper()
	p.Wait()
	return p.ended
}

// Log is everything that the program has printed so far.
func (p *Process) Log() string {
	p.t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatalf("read log: %v", err)
	}
	return string(b)
}

func (p *Process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-tailLines):], []byte("\n")))
}

// waitReady waits for a program's HTTP endpoint to answer 200, or fails at
// once when the program has gone.
func (p *Process) waitReady(url string) {
	p.t.Helper()
	Until(p.t, p.Name+" to be ready", func() error {
		if err := p.Running(); err != nil {
			p.t.Fatal(err)
		}
		status, body, err := get(url)
		if err == nil && status != 200 {
			err = fmt.Errorf("%s answered %d: %s", url, status, body)
		}
		return err
	})
}
