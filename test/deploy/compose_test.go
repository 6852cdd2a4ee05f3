package deploy

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// project loads the compose file of a folder as `docker compose` does.
func project(t testing.TB, folder string) *types.Project {
	t.Helper()
	p, err := load(deployed(t, folder, "compose.yaml"))
	require.NoError(t, err)
	return p
}

func load(path string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithEnv([]string{"GRAFANA_PASSWORD=not-a-secret"}))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func TestComposeFindsMistakes(t *testing.T) {
	dir := harness.Dir(t)
	right := read(t, deployed(t, "compose", "compose.yaml"))
	for _, c := range []struct{ right, wrong string }{
		{"stop_grace_period:", "stop_grace:"},
		{"read_only: true", "read_only: [true]"},
		{"condition: service_healthy", "condition: healthy"},
		{"depends_on:\n      - benchkeep", "depends_on:\n      - benchkept"},
		{"source: s3.yaml", "source: s4.yaml"},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			require.Contains(t, right, c.right)
			_, err := load(harness.WriteFile(t, dir, "compose.yaml", strings.Replace(right, c.right, c.wrong, 1)))
			require.Error(t, err)
		})
	}
}

// TestComposeStopsInOrder: Compose stops what depends on something before that
// something, and kills what has not ended within its grace period.
func TestComposeStopsInOrder(t *testing.T) {
	services := project(t, "compose").Services
	for service, needs := range map[string]string{"benchmark": "prometheus", "prometheus": "benchkeep", "benchkeep": "s3"} {
		require.Contains(t, services[service].DependsOn, needs)
	}
	for service, takes := range map[string]string{"benchkeep": "finish.timeout", "prometheus": "storage.remote.flush-deadline"} {
		require.Greater(t, time.Duration(*services[service].StopGracePeriod), duration(t, services[service].Command, takes))
	}
	for _, service := range []string{"benchmark", "prometheus", "benchkeep"} {
		s := services[service]
		require.True(t, s.ReadOnly, service)
		require.Equal(t, []string{"ALL"}, s.CapDrop, service)
		require.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, service)
	}
	require.Equal(t, types.RestartPolicyOnFailure, services["benchkeep"].Restart)
	requireFlags(t, "receive", strings.Join(services["benchkeep"].Command, " "))
	requireVariables(t, read(t, deployed(t, "compose", "compose.yaml")))
}

// TestComposeRun runs what the compose file runs, with the same arguments and
// configurations but for paths and addresses, and finishes as docs/deploy.md says.
func TestComposeRun(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	services := project(t, "compose").Services
	s3, receiver, own := harness.FreeAddress(t), harness.FreeAddress(t), harness.FreeAddress(t)
	bucket := harness.Bucket{Dir: harness.Sub(t, dir, "buckets", "benchmarks")}
	harness.Sub(t, dir, "metadata")
	here := []string{
		"s3:7070", s3, "benchkeep:19291", receiver, "0.0.0.0:19291", receiver, "127.0.0.1:9090", own,
		"=/etc/benchkeep/", "=" + dir + "/", "=/etc/prometheus/", "=" + dir + "/", "=/prometheus", "=" + dir + "/prometheus",
		": 5s", ": 1s",
	}
	for _, name := range []string{"s3.yaml", "prometheus.yml"} {
		harness.WriteFile(t, dir, name, strings.NewReplacer(here...).Replace(read(t, deployed(t, "compose", name))))
	}

	var env []string
	for name, value := range services["s3"].Environment {
		env = append(env, name+"="+*value)
	}
	args := rewrite(services["s3"].Command, ":7070", s3, "/metadata", dir+"/metadata", "/buckets", filepath.Dir(bucket.Dir))
	startProgram(t, dir, program(t, ".cache", "bin", "versitygw"), args, env...)
	keep := startProgram(t, dir, benchkeep(t), rewrite(services["benchkeep"].Command, here...), "BENCHKEEP_RUN_ID=compose-1")
	requireAnswer(t, "http://"+receiver+"/-/ready")
	prometheus := startProgram(t, dir, program(t, ".cache", "bin", "prometheus"),
		append(rewrite(services["prometheus"].Command, here...), "--web.listen-address="+own))
	requireSamples(t, receiver)

	require.Zero(t, prometheus.end(t))
	out, err := exec.Command(benchkeep(t), "finish", "--url=http://"+receiver).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Zero(t, keep.end(t))
	m := bucket.Manifest(t, "compose-1")
	require.Equal(t, "archived", m.State)
	require.True(t, m.Complete)
	require.NotZero(t, m.Archived)
}
