package kubernetes

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A deploymentRun is the Deployment of a test. Its benchmark runs elsewhere, on
// the node's own network.
type deploymentRun struct {
	*pod
	dir    string
	bucket harness.Bucket
	target string
	log    string
}

// deploymentName is the Deployment's name in the manifest.
const deploymentName = "prometheus"

// startDeployment applies the overlay, with the run's id as CI sets it and the
// test's benchmark as the target, and waits until its pod is ready.
func (c *cluster) startDeployment(t testing.TB, namespace, overlay, port string) *deploymentRun {
	t.Helper()
	dir := harness.Sub(t, c.dir, namespace)
	bucket := c.bucket.Another(t, dir, namespace)
	target := nodeAddress + ":" + port
	start(t, dir, filepath.Join(c.dir, "benchmark"), nil, "-listen="+target)
	c.namespace(t, namespace)
	harness.WriteFile(t, dir, "benchmark.yml", fmt.Sprintf(
		"scrape_configs: [{job_name: benchmark, static_configs: [{targets: [%q]}]}]\n", target))
	c.apply(t, build(t, adapt(t, dir, namespace, overlay, bucket, fmt.Sprintf(`
configMapGenerator: [{name: prometheus, behavior: merge, files: [benchmark.yml]}]
patches:
  - target: {kind: Deployment}
    patch: |
      - {op: add, path: /spec/template/metadata/annotations, value: {benchkeep/run: %s, benchkeep/branch: main}}
`, namespace))))
	r := &deploymentRun{
		pod: c.thePod(t, dir, namespace), dir: dir, bucket: bucket,
		target: target, log: filepath.Join(dir, "benchmark.log"),
	}
	r.waitReady()
	return r
}

// waitArchived waits for the pod's end and checks the archive. Prometheus is told
// to end between two scrapes, seconds apart, and has long read the last one from
// its WAL: what it has not read then, it never sends.
func (r *deploymentRun) waitArchived() harness.Manifest {
	r.t.Helper()
	r.waitGone()
	r.checkPeace()
	external := map[string]string{"run": r.namespace, "branch": "main"}
	return checkArchived(r.t, r.dir, r.bucket, external, exposed(scrapes(r.t, r.log), "job", "benchmark", "instance", r.target))
}

// testDeploymentScaled ends a run by taking its pod away: all containers are
// told to end at the same moment.
func testDeploymentScaled(t *testing.T, c *cluster) {
	r := c.startDeployment(t, "scaled", deployment, "8081")
	checkConfined(t, r.pod)
	checkProbed(t, r.pod)
	waitScrapes(t, r.log, 3)
	_, err := c.client.AppsV1().Deployments(r.namespace).Patch(t.Context(), deploymentName,
		types.MergePatchType, []byte(`{"spec": {"replicas": 0}}`), metav1.PatchOptions{}, "scale")
	require.NoError(t, err)
	require.Equal(t, "signal", r.waitArchived().Trigger)
}

// testDeploymentPreStop ends a run by deleting it, with the finish as a hook.
func testDeploymentPreStop(t *testing.T, c *cluster) {
	r := c.startDeployment(t, "pre-stop", deploymentPreStop, "8082")
	waitScrapes(t, r.log, 3)
	require.NoError(t, c.client.AppsV1().Deployments(r.namespace).Delete(t.Context(), deploymentName, metav1.DeleteOptions{}))
	require.Equal(t, "http", r.waitArchived().Trigger)
	events, err := c.client.CoreV1().Events(r.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, event := range events.Items {
		require.NotEqual(t, "FailedPreStopHook", event.Reason, event.Message)
	}
}
