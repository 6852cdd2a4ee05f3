package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v2"
)

// TestShardsShareTheTargets: each replica has a file of its own, they differ in
// the number of the shard alone, and each target is one shard's.
func TestShardsShareTheTargets(t *testing.T) {
	p := pods(t, "sharded")[0]
	var rules [][]*relabel.Config
	var first string
	for n := range int(p.replicas) {
		files := configOf(t, p, n)
		require.Len(t, files, 2)
		shard := files["benchmark.yml"]
		same := strings.NewReplacer(
			fmt.Sprintf("shard %d of %d ", n, p.replicas), "shard N of N ",
			fmt.Sprintf("regex: \"%d\"", n), "regex: N").Replace(shard)
		if n == 0 {
			first = same
		}
		require.Equal(t, first, same)
		rules = append(rules, relabelRules(t, shard))
	}

	scraped := map[int]int{}
	for pod := range 100 {
		address := fmt.Sprintf("10.0.0.%d:8080", pod)
		require.Empty(t, shardsOf(rules, address, "product", "metrics"))
		require.Empty(t, shardsOf(rules, address, "benchmark", "http"))
		shards := shardsOf(rules, address, "benchmark", "metrics")
		require.Len(t, shards, 1, address)
		scraped[shards[0]]++
	}
	require.Len(t, scraped, len(rules), "every shard has targets")

	env := map[string]string{}
	for _, e := range p.container(t, "benchkeep").Env {
		env[e.Name] = e.Value
	}
	require.Equal(t, "shard=$(SHARD)", env["BENCHKEEP_RUN_LABEL"])
	require.NotEmpty(t, p.annotations["benchkeep/run"], "all shards need the same id")
}

// relabelRules are what a shard does with the targets that it finds.
func relabelRules(t testing.TB, config string) []*relabel.Config {
	t.Helper()
	var c struct {
		ScrapeConfigs []struct {
			Rules []*relabel.Config `yaml:"relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(config), &c))
	require.Len(t, c.ScrapeConfigs, 1)
	for _, r := range c.ScrapeConfigs[0].Rules {
		require.NoError(t, r.Validate(model.UTF8Validation))
	}
	return c.ScrapeConfigs[0].Rules
}

// shardsOf are the shards that scrape a port of a pod.
func shardsOf(rules [][]*relabel.Config, address, partOf, port string) (shards []int) {
	for n, r := range rules {
		target := labels.NewBuilder(labels.FromStrings(
			"__address__", address,
			"__meta_kubernetes_pod_label_app_kubernetes_io_part_of", partOf,
			"__meta_kubernetes_pod_container_port_name", port,
		))
		if relabel.ProcessBuilder(target, r...) {
			shards = append(shards, n)
		}
	}
	return shards
}
