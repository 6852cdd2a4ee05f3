package kubernetes

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/benchkeep/benchkeep/test/harness"
)

// testSharded has two Prometheuses, each with a benchkeep of its own, share the
// targets of one run.
func testSharded(t *testing.T, c *cluster) {
	const namespace, shards = "sharded", 2
	dir := harness.Sub(t, c.dir, namespace)
	bucket := c.bucket.Another(t, dir, namespace)
	c.namespace(t, namespace)
	targets := c.startTargets(t, dir, namespace, 4)
	c.apply(t, build(t, adapt(t, dir, namespace, sharded, bucket, "")))
	receivers := c.pods(t, dir, namespace, benchkeepLabel, shards)
	for _, p := range receivers {
		p.waitReady()
		checkConfined(t, p)
	}
	want := endTargets(t, targets, "job", "benchmark")

	_, err := c.client.AppsV1().StatefulSets(namespace).Patch(t.Context(), "prometheus",
		types.MergePatchType, []byte(`{"spec": {"replicas": 0}}`), metav1.PatchOptions{}, "scale")
	require.NoError(t, err)
	for _, p := range receivers {
		p.waitGone()
		p.checkPeace()
	}

	var parts []string
	for _, m := range bucket.Manifests(t, namespace) {
		checkPart(t, m, map[string]string{"run": namespace, "shard": m.Labels["shard"]})
		parts = append(parts, m.Labels["shard"])
	}
	require.ElementsMatch(t, []string{"0", "1"}, parts)
	// Each series is in one shard; in two, it would be there twice.
	got := harness.Set{}
	for _, series := range ofBenchmark(bucket.Samples(t, dir)) {
		got.Add(labels.NewBuilder(series.Labels).Del("shard").Labels(), series.Points...)
	}
	require.Empty(t, harness.Diff(want.Archived(map[string]string{"run": namespace}), got.WithoutTimes()))
}
