package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// tailLines is how much of a program's log a failed test shows.
const tailLines = 20

// Where `make test-kubernetes` puts the programs, from the repository's root.
const (
	goPrograms     = ".cache/bin"
	debianPackages = ".cache/debian"
)

// find is the path of a program.
func find(t testing.TB, path ...string) string {
	t.Helper()
	program := filepath.Join(append([]string{harness.Root(t)}, path...)...)
	_, err := os.Stat(program)
	require.NoError(t, err, "run `make test-kubernetes`, which gets the programs first")
	return program
}

// start starts a program that runs until the test ends; an earlier end fails the
// test. What it prints goes to <dir>/<name>.log, of which a failed test shows
// the end.
func start(t testing.TB, dir, path string, env []string, args ...string) {
	t.Helper()
	name := filepath.Base(path)
	log, err := os.Create(filepath.Join(dir, name+".log"))
	require.NoError(t, err)
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + programPath(t), "HOME=" + dir, "TMPDIR=" + os.TempDir()}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start(), "start %s", name)
	var over atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); !over.Load() {
			t.Errorf("%s has ended: %v", name, err)
		}
	}()
	t.Cleanup(func() {
		over.Store(true)
		// What it would do on SIGTERM, nobody needs any more. It may have ended.
		_ = cmd.Process.Kill()
		<-ended
		log.Close()
		if t.Failed() {
			t.Logf("end of %s:\n%s", log.Name(), tail(log.Name()))
		}
	})
}

// run runs a program to its end.
func run(t testing.TB, env []string, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", cmd, out)
}

// programPath has Debian's programs before those that may be installed.
func programPath(t testing.TB) string {
	packages := filepath.Join(harness.Root(t), debianPackages)
	return fmt.Sprintf("%[1]s/usr/bin:%[1]s/usr/sbin:%s", packages, os.Getenv("PATH"))
}

func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-tailLines):], []byte("\n")))
}
