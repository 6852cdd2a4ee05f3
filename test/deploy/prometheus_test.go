package deploy

import (
	"fmt"
	"net/url"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"

	"github.com/benchkeep/benchkeep/test/harness"
)

// configOf is /etc/prometheus as the Prometheus of a pod's n-th replica sees it.
func configOf(t testing.TB, p pod, n int) map[string]string {
	t.Helper()
	const dir = "/etc/prometheus"
	expand := strings.NewReplacer("$(SHARD)", fmt.Sprint(n)).Replace
	files := map[string]string{}
	for _, m := range p.container(t, "prometheus").VolumeMounts {
		if m.MountPath != dir && path.Dir(m.MountPath) != dir {
			continue
		}
		for key, content := range configMap(t, p, m.Name) {
			switch key {
			case m.SubPath, expand(m.SubPathExpr):
				files[path.Base(m.MountPath)] = content
			default:
				if m.MountPath == dir {
					files[key] = content
				}
			}
		}
	}
	require.NotEmpty(t, files)
	return files
}

// configMap is the data of the configuration that a volume of a pod holds.
func configMap(t testing.TB, p pod, volume string) map[string]string {
	t.Helper()
	for _, v := range p.spec.Volumes {
		if v.Name != volume {
			continue
		}
		for _, layout := range layouts(t) {
			for _, o := range objects(t, layout) {
				if c, ok := o.(*corev1.ConfigMap); ok && v.ConfigMap != nil && c.Name == v.ConfigMap.Name {
					return c.Data
				}
			}
		}
	}
	t.Fatalf("volume %s is no ConfigMap", volume)
	return nil
}

// promtool checks a configuration as the mode of the arguments asks for.
func promtool(t testing.TB, files map[string]string, args []string) {
	t.Helper()
	dir := harness.Dir(t)
	for name, content := range files {
		harness.WriteFile(t, dir, name, content)
	}
	check := []string{"check", "config"}
	for _, a := range args {
		if a == "--agent" {
			check = append(check, a)
		}
	}
	require.Equal(t, len(check) == 3, flag(args, "storage.agent.path") != "", "the path is of the other mode")
	out, err := exec.Command(program(t, ".cache", "bin", "promtool"), append(check, path.Join(dir, "prometheus.yml"))...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// requireRemoteWrite checks that a configuration sends to benchkeep: to the
// path that it serves, at the address given, without labels of its own.
func requireRemoteWrite(t testing.TB, config, address string) {
	t.Helper()
	var c struct {
		Global struct {
			ExternalLabels map[string]string `json:"external_labels"`
			ScrapeTimeout  string            `json:"scrape_timeout"`
		}
		RemoteWrite []struct {
			URL              string
			ProtobufMessage  string `json:"protobuf_message"`
			NativeHistograms bool   `json:"send_native_histograms"`
		} `json:"remote_write"`
		ScrapeConfigs []struct {
			StaticConfigs []struct{ Targets []string } `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(config), &c))
	require.Empty(t, c.Global.ExternalLabels)
	require.Len(t, c.RemoteWrite, 1)
	requireURL(t, c.RemoteWrite[0].URL, address)
	require.Equal(t, harness.RemoteWriteV2, c.RemoteWrite[0].ProtobufMessage)
	require.True(t, c.RemoteWrite[0].NativeHistograms)
	var targets []string
	for _, s := range c.ScrapeConfigs {
		for _, static := range s.StaticConfigs {
			targets = append(targets, static.Targets...)
		}
	}
	require.Contains(t, targets, address, "benchkeep's own metrics are archived with the run")
}

// writePath is where benchkeep takes writes: TestProgramsTakeTheArguments sends there.
const writePath = "/api/v1/write"

func requireURL(t testing.TB, raw, address string) {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	require.Equal(t, address, u.Host)
	require.Equal(t, writePath, u.Path)
}

func TestPrometheusConfigurations(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		if p.byOperator {
			return // TestOperatorWritesToBenchkeep
		}
		for n := range int(p.replicas) {
			files := configOf(t, p, n)
			promtool(t, files, p.container(t, "prometheus").Args)
			requireRemoteWrite(t, files["prometheus.yml"], "127.0.0.1:19291")
		}
	})
	for _, folder := range []string{"compose", "shell"} {
		t.Run(folder, func(t *testing.T) {
			config := read(t, deployed(t, folder, "prometheus.yml"))
			promtool(t, map[string]string{"prometheus.yml": config}, []string{"--agent", "--storage.agent.path=x"})
			requireRemoteWrite(t, config, map[string]string{"compose": "benchkeep:19291", "shell": "127.0.0.1:19291"}[folder])
		})
	}
}

func TestOperatorWritesToBenchkeep(t *testing.T) {
	for _, o := range objects(t, "prometheus-operator") {
		agent, ok := o.(*monitoringv1alpha1.PrometheusAgent)
		if !ok {
			continue
		}
		require.Len(t, agent.Spec.RemoteWrite, 1)
		requireURL(t, string(agent.Spec.RemoteWrite[0].URL), "127.0.0.1:19291")
		require.Empty(t, *agent.Spec.PrometheusExternalLabelName)
		require.Empty(t, *agent.Spec.ReplicaExternalLabelName)
		require.True(t, strings.HasSuffix(*agent.Spec.Image, ":"+agent.Spec.Version))
		return
	}
	t.Fatal("no PrometheusAgent")
}
