package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/benchkeep/benchkeep/test/harness"
)

// benchkeep is the product, as `make build` has built it.
func benchkeep(t testing.TB) string { return program(t, "bin", "benchkeep") }

func program(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{harness.Root(t)}, elem...)...)
	require.FileExists(t, path, "run `make build tools` first")
	return path
}

// rewrite puts the arguments of a container in other words: each pair is what
// stands there, and what holds here.
func rewrite(args []string, pairs ...string) []string {
	replacer := strings.NewReplacer(pairs...)
	rewritten := make([]string, len(args))
	for i, a := range args {
		rewritten[i] = replacer.Replace(a)
	}
	return rewritten
}

// TestProgramsTakeTheArguments runs benchkeep and Prometheus with the very
// arguments that the pods give them, but for paths and addresses, asks every
// probe, and sees samples arrive. A flag that does not exist, or a probe of a path
// that does not, fails.
func TestProgramsTakeTheArguments(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		t.Parallel() // most of it is waiting
		dir := harness.Dir(t)
		container := p.container(t, "benchkeep")
		requireReachable(t, container, flag(container.Args, "web.listen-address"))
		address := harness.FreeAddress(t)
		receiver := startProgram(t, dir, benchkeep(t), rewrite(container.Args,
			"=/data", "="+filepath.Join(dir, "data"),
			"=/etc/benchkeep/s3.yaml", "="+harness.DirectoryBucket(t, dir).ConfigFile,
			"=0.0.0.0:19291", "="+address))
		requireProbes(t, container, address)

		if container = p.container(t, "prometheus"); !p.byOperator {
			requireReachable(t, container, "0.0.0.0:9090") // its default
			own := harness.FreeAddress(t)
			harness.WriteFile(t, dir, "prometheus.yml", strings.NewReplacer(
				"127.0.0.1:19291", address, "127.0.0.1:9090", own, ": 5s", ": 1s").Replace(configOf(t, p, 0)["prometheus.yml"]))
			harness.WriteFile(t, dir, "benchmark.yml", "scrape_configs: []")
			prometheus := startProgram(t, dir, program(t, ".cache", "bin", "prometheus"), append(rewrite(container.Args,
				"=/prometheus", "="+filepath.Join(dir, "prometheus"),
				"=/etc/prometheus/", "="+dir+"/"), "--web.listen-address="+own))
			requireProbes(t, container, own)
			requireSamples(t, address)
			require.Zero(t, prometheus.end(t))
		}
		require.Zero(t, receiver.end(t))
	})
}

// requireSamples waits until benchkeep has received samples.
func requireSamples(t *testing.T, address string) {
	t.Helper()
	harness.Until(t, "samples", func() error {
		var status struct{ Received int64 }
		resp, err := http.Get("http://" + address + "/api/v1/status")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
			return err
		}
		if status.Received == 0 {
			return errors.New("none yet")
		}
		return nil
	})
}

// requireReachable checks that the kubelet, which asks the pod's own address,
// finds the port that the probes name where the program listens.
func requireReachable(t *testing.T, c corev1.Container, listen string) {
	t.Helper()
	host, port, err := net.SplitHostPort(listen)
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0", host)
	require.Len(t, c.Ports, 1)
	require.Equal(t, port, strconv.Itoa(int(c.Ports[0].ContainerPort)))
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		require.NotNil(t, probe, c.Name)
		require.Equal(t, c.Ports[0].Name, probe.HTTPGet.Port.StrVal)
		require.Empty(t, probe.HTTPGet.Host)
	}
}

func requireProbes(t *testing.T, c corev1.Container, address string) {
	t.Helper()
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		requireAnswer(t, "http://"+address+probe.HTTPGet.Path)
	}
}

// requireAnswer waits until the URL answers 200.
func requireAnswer(t testing.TB, url string) {
	t.Helper()
	harness.Until(t, url, func() error {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answer %d", resp.StatusCode)
		}
		return nil
	})
}

// A running is a program that a test has started.
type running struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

// startProgram starts a program with no environment of the test's.
func startProgram(t testing.TB, dir, path string, args []string, env ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(path, args...)}
	r.cmd.Dir, r.cmd.Env = dir, append([]string{"HOME=" + dir}, env...)
	r.cmd.Stdout, r.cmd.Stderr = &r.log, &r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		// What it has started itself, and left behind, is in its group.
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s:\n%s", r.cmd, r.log.String())
		}
	})
	return r
}

// end tells the program SIGTERM, and gives its exit code.
func (r *running) end(t *testing.T) int {
	t.Helper()
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	return r.wait()
}

func (r *running) wait() int {
	_ = r.cmd.Wait() // the exit code tells
	return r.cmd.ProcessState.ExitCode()
}

// flagsOf are the flags of a command, as its help lists them.
func flagsOf(t testing.TB, command string) map[string]bool {
	t.Helper()
	help, err := exec.Command(benchkeep(t), command, "--help").Output()
	require.NoError(t, err)
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile(`--(?:\[no-\])?([a-z][a-z.-]*)`).FindAllStringSubmatch(string(help), -1) {
		flags[m[1]] = true
	}
	require.True(t, flags["log.level"] || command == "finish" || command == "compare", command)
	return flags
}

// requireFlags checks that the command has the flags that a text gives it, as
// arguments or by environment.
func requireFlags(t testing.TB, command, text string) {
	t.Helper()
	flags := flagsOf(t, command)
	for _, m := range regexp.MustCompile(`--(?:no-)?([a-z][a-z.-]*)`).FindAllStringSubmatch(text, -1) {
		require.True(t, flags[m[1]], "benchkeep %s has no flag --%s", command, m[1])
	}
}

// requireVariables checks that every BENCHKEEP_ variable in a text is one that
// benchkeep reads: a flag's, or one that tells of the run.
func requireVariables(t testing.TB, text string) {
	t.Helper()
	known := map[string]bool{"BENCHKEEP_COMMIT": true, "BENCHKEEP_BRANCH": true, "BENCHKEEP_REPOSITORY": true, "BENCHKEEP_PIPELINE": true}
	for _, command := range []string{"receive", "finish", "resume", "compare"} {
		for f := range flagsOf(t, command) {
			known["BENCHKEEP_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f))] = true
		}
	}
	for _, name := range regexp.MustCompile(`\bBENCHKEEP_[A-Z_]+`).FindAllString(text, -1) {
		require.True(t, known[name], "benchkeep does not read %s", name)
	}
}

func TestPodsNameFlagsThatExist(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		c := p.container(t, "benchkeep")
		require.Equal(t, "receive", c.Args[0])
		requireFlags(t, "receive", strings.Join(c.Args, " "))
		for _, e := range c.Env {
			requireVariables(t, e.Name)
		}
	})
}

// TestExampleOfABucketIsAccepted starts benchkeep with the example, but for the
// endpoint: a field that objstore does not know would end it.
func TestExampleOfABucketIsAccepted(t *testing.T) {
	dir := harness.Dir(t)
	address := harness.FreeAddress(t)
	example := strings.ReplaceAll(read(t, deployed(t, "s3.example.yaml")), "s3.eu-central-1.amazonaws.com", harness.FreeAddress(t))
	receiver := startProgram(t, dir, benchkeep(t), []string{"receive",
		"--objstore.config-file=" + harness.WriteFile(t, dir, "s3.yaml", example), "--web.listen-address=" + address})
	requireAnswer(t, "http://"+address+"/-/healthy")
	require.NoError(t, receiver.cmd.Process.Kill())
}
