package faults

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// terminationSignal is what Kubernetes, compose and CI runners send.
const terminationSignal = syscall.SIGTERM

// external are the external labels of the tests' runs.
func external(run string) map[string]string {
	return map[string]string{"run": run, "suite": "faults"}
}

// options start a run with the usual flags. The tests' senders close their
// connections before the end, so that little silence is enough where there
// was no sender since a restart.
func options(b harness.Bucket, run string, args ...string) harness.ReceiverOptions {
	if !slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--finish.quiet=") }) {
		args = append(args, "--finish.quiet=100ms")
	}
	args = append(args, "--run.label=suite=faults")
	return harness.ReceiverOptions{Name: "benchkeep-" + run, Bucket: b, Run: run, Args: args}
}

// startRun starts a receiver for a run.
func startRun(t *testing.T, dir string, b harness.Bucket, run string, args ...string) *harness.Receiver {
	t.Helper()
	return harness.StartReceiver(t, dir, options(b, run, args...))
}

// restart starts a receiver that was killed once more.
func restart(t *testing.T, r *harness.Receiver) *harness.Receiver {
	t.Helper()
	r = r.Again()
	r.WaitReady()
	return r
}

// terminate tells the receiver to end, and checks its exit code.
func terminate(t *testing.T, r *harness.Receiver, want int) {
	t.Helper()
	r.Signal(terminationSignal)
	checkExit(t, r.Process, want)
}

// checkExit waits for a program's end and checks its exit code.
func checkExit(t *testing.T, p *harness.Process, want int) {
	t.Helper()
	if code := p.Wait(); code != want {
		t.Fatalf("%s exited with code %d, want %d", p.Name, code, want)
	}
}

// resume completes what is left in a storage path.
func resume(t *testing.T, dir, storage string, b harness.Bucket) {
	t.Helper()
	p := harness.Benchkeep(t, dir, "resume-"+filepath.Base(storage), "resume",
		"--storage.path="+storage, "--objstore.config-file="+b.ConfigFile)
	checkExit(t, p, 0)
}
