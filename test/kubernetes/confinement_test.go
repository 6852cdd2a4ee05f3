package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/benchkeep/benchkeep/test/harness"
)

// checkConfined checks that each container of a running pod is as confined as
// the kernel says, not as the manifest does: another user than root, without
// capabilities or a way to get them, system calls filtered, its root read-only,
// its memory limited as asked for.
func checkConfined(t testing.TB, p *pod) {
	t.Helper()
	spec := p.now().Spec
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		pid := p.process(container.Name)
		process := keyed(t, fmt.Sprintf("/proc/%d/status", pid))
		user := fmt.Sprint(*spec.SecurityContext.RunAsUser)
		require.NotEqual(t, "0", user)
		require.Equal(t, strings.Repeat(user+" ", 4), strings.Join(process["Uid"], " ")+" ", "user of %s", container.Name)
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			require.Equal(t, []string{"0000000000000000"}, process[set], "%s of %s", set, container.Name)
		}
		require.Equal(t, []string{"1"}, process["NoNewPrivs"], container.Name)
		require.Equal(t, []string{"2"}, process["Seccomp"], "%s is filtered", container.Name)
		require.Contains(t, rootOptions(t, pid), "ro", "root of %s", container.Name)
		require.Equal(t, fmt.Sprint(container.Resources.Limits.Memory().Value()), memoryLimit(t, pid), "limit of %s", container.Name)
	}
}

// checkProbed waits until every probe of the pod's containers has passed, and
// checks that none has failed but those that wait for a start.
func checkProbed(t testing.TB, p *pod) {
	t.Helper()
	spec := p.now().Spec
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		for kind, probe := range map[string]*corev1.Probe{
			"Startup": container.StartupProbe, "Readiness": container.ReadinessProbe, "Liveness": container.LivenessProbe,
		} {
			if probe == nil {
				continue
			}
			harness.Until(t, kind+" probe of "+container.Name, func() error {
				if p.probes(container.Name, kind, "successful") == 0 {
					return fmt.Errorf("has not passed yet")
				}
				return nil
			})
		}
		require.Zero(t, p.probes(container.Name, "Liveness", "failed"), container.Name)
	}
}

// probes counts the outcomes of a container's probe, as the kubelet does.
func (p *pod) probes(container, kind, result string) int {
	p.t.Helper()
	raw, err := p.cluster.client.RESTClient().Get().AbsPath("/api/v1/nodes", nodeName, "proxy/metrics/probes").DoRaw(p.t.Context())
	require.NoError(p.t, err)
	want := []string{
		"prober_probe_total{", fmt.Sprintf("container=%q", container), fmt.Sprintf("pod_uid=%q", p.now().UID),
		fmt.Sprintf("probe_type=%q", kind), fmt.Sprintf("result=%q", result),
	}
	for line := range strings.Lines(string(raw)) {
		if slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(line, part) }) {
			continue
		}
		var n int
		_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n)
		require.NoError(p.t, err)
		return n
	}
	return 0
}

// keyed reads a file of lines "key: value value".
func keyed(t testing.TB, path string) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	values := map[string][]string{}
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(line, ":")
		values[key] = strings.Fields(value)
	}
	return values
}

// rootOptions are the mount options of a process' root.
func rootOptions(t testing.TB, pid int) []string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); fields[4] == "/" {
			return strings.Split(fields[5], ",")
		}
	}
	t.Fatalf("process %d has no root", pid)
	return nil
}

// memoryLimit is the limit of a process' cgroup, version 1 or 2, in bytes.
func memoryLimit(t testing.TB, pid int) string {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, path := range []string{
			filepath.Join("/sys/fs/cgroup", parts[1], parts[2], "memory.limit_in_bytes"),
			filepath.Join("/sys/fs/cgroup", parts[2], "memory.max"),
		} {
			if limit, err := os.ReadFile(path); err == nil {
				return strings.TrimSpace(string(limit))
			}
		}
	}
	t.Fatalf("process %d has no memory limit", pid)
	return ""
}
