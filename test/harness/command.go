package harness

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
)

// StartBenchkeep starts a benchkeep command with flags and an environment of
// the test's own, and waits for nothing.
func StartBenchkeep(t testing.TB, dir, name string, env []string, args ...string) *Process {
	t.Helper()
	return start(t, dir, name, product(t), env, args...)
}

// WaitServing waits until the program's endpoint answers 200 to the client,
// which may have to show who it is; the URL may hold user and password.
func (p *Process) WaitServing(c *http.Client, url string) {
	p.t.Helper()
	Until(p.t, p.Name+" to be ready", func() error {
		if err := p.Running(); err != nil {
			p.t.Fatal(err)
		}
		resp, err := c.Get(url)
		if err != nil {
			return err
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answer %d", resp.StatusCode)
		}
		return nil
	})
}

// PeakMemory is the most memory that the program has had resident so far, in
// bytes: what a memory limit would have had to allow.
func (p *Process) PeakMemory() int64 {
	p.t.Helper()
	kib, err := procStatus(p.cmd.Process.Pid, "VmHWM")
	if err != nil {
		p.t.Fatalf("memory of %s: %v", p.Name, err)
	}
	return kib << 10
}

// FilePages is how much of what the program has resident are pages of files, its
// own among them, in bytes.
func (p *Process) FilePages() int64 {
	p.t.Helper()
	kib, err := procStatus(p.cmd.Process.Pid, "RssFile")
	if err != nil {
		p.t.Fatalf("memory of %s: %v", p.Name, err)
	}
	return kib << 10
}

// procStatus reads a number from the kernel's account of a process.
func procStatus(pid int, field string) (n int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(raw) {
		if rest, ok := bytes.CutPrefix(line, []byte(field+":")); ok {
			_, err := fmt.Sscan(string(rest), &n)
			return n, err
		}
	}
	return 0, errors.New("no " + field + " in it")
}

// NewSenderVia is NewSender for a receiver that asks who is there: the sender
// writes to the URL through a client of the test's.
func NewSenderVia(t testing.TB, url string, c *http.Client, message string) *Sender {
	t.Helper()
	s := &Sender{Acknowledged: Set{}, t: t, url: url, v2: message == RemoteWriteV2, client: c}
	t.Cleanup(s.Close)
	return s
}

// DirectoryBucket is a bucket in a local directory.
func DirectoryBucket(t testing.TB, dir string) Bucket {
	t.Helper()
	b := Bucket{Dir: Sub(t, dir, "bucket")}
	b.ConfigFile = WriteFile(t, dir, "objstore-directory.yml", fmt.Sprintf("type: FILESYSTEM\nconfig:\n  directory: %q\n", b.Dir))
	return b
}
