package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/benchkeep/benchkeep/test/harness"
)

// operatorModule pins the operator, and has its custom resource definitions.
const operatorModule = "github.com/prometheus-operator/prometheus-operator"

// reloaderImage is the image of what the operator puts beside each Prometheus.
const reloaderImage = "localhost/prometheus-config-reloader:1"

// testOperator has the Prometheus operator make the pod, and ends the run by
// deleting what it was made of.
func testOperator(t *testing.T, c *cluster) {
	const namespace = "operator"
	dir := harness.Sub(t, c.dir, namespace)
	bucket := c.bucket.Another(t, dir, namespace)
	c.namespace(t, namespace)
	start(t, dir, find(t, goPrograms, "prometheus-operator"), []string{"KUBECONFIG=" + c.kubeconfig},
		"--namespaces="+namespace, "--prometheus-config-reloader="+reloaderImage, "--web.listen-address=127.0.0.1:8083")
	targets := c.startTargets(t, dir, namespace, 1)
	c.apply(t, build(t, adapt(t, dir, namespace, operator, bucket, fmt.Sprintf(`
patches:
  - target: {kind: PrometheusAgent}
    patch: |
      - {op: add, path: /spec/podMetadata/annotations, value: {benchkeep/run: %s}}
`, namespace))))
	receiver := c.thePod(t, dir, namespace)
	want := endTargets(t, targets,
		"job", namespace+"/benchmark", "namespace", namespace, "container", "benchmark", "endpoint", "metrics")

	client, err := dynamic.NewForConfig(c.config)
	require.NoError(t, err)
	agents := client.Resource(schema.GroupVersionResource{
		Group: "monitoring.coreos.com", Version: "v1alpha1", Resource: "prometheusagents",
	}).Namespace(namespace)
	require.NoError(t, agents.Delete(t.Context(), "benchmark", metav1.DeleteOptions{}))
	receiver.waitGone()
	receiver.checkPeace()
	checkArchived(t, dir, bucket, map[string]string{"run": namespace}, want)
}

// defineOperatorResources teaches the API server the resources of the
// Prometheus operator.
func (c *cluster) defineOperatorResources(t testing.TB) {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-f={{.Dir}}", operatorModule)
	list.Dir = filepath.Join(harness.Root(t), "test/tools/prometheus-operator")
	module, err := list.Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(module)), "example/prometheus-operator-crd", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		definition := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(raw, &definition.Object))
		require.NoError(t, c.create(t, definition, metav1.CreateOptions{}), file)
		c.waitServed(t, definition)
	}
}

// waitServed waits until the API server serves what it was taught.
func (c *cluster) waitServed(t testing.TB, definition *unstructured.Unstructured) {
	t.Helper()
	group, _, err := unstructured.NestedString(definition.Object, "spec", "group")
	require.NoError(t, err)
	resource, _, err := unstructured.NestedString(definition.Object, "spec", "names", "plural")
	require.NoError(t, err)
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	require.NoError(t, err)
	for _, version := range versions {
		path := fmt.Sprintf("/apis/%s/%s/%s", group, version.(map[string]any)["name"], resource)
		harness.Until(t, path, func() error {
			return c.client.RESTClient().Get().AbsPath(path).Do(t.Context()).Error()
		})
	}
}
