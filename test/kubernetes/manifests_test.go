package kubernetes

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/benchkeep/benchkeep/test/harness"
)

// dryRun asks the API server to do everything but to store the object.
var dryRun = metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}

// testManifests shows every overlay, as it stands, to the API server.
func testManifests(t *testing.T, c *cluster) {
	const namespace = "dry-run"
	c.namespace(t, namespace)
	found, err := filepath.Glob(filepath.Join(harness.Root(t), overlays, "*", "kustomization.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, path := range found {
		overlay := filepath.Dir(path)
		t.Run(filepath.Base(overlay), func(t *testing.T) {
			for _, object := range build(t, overlay) {
				object.SetNamespace(namespace)
				require.NoError(t, c.create(t, object, dryRun), "%s %s", object.GetKind(), object.GetName())

				field := misspell(object)
				err := c.create(t, object, dryRun)
				require.ErrorContains(t, err, fmt.Sprintf("unknown field %q", field), "%s %s", object.GetKind(), object.GetName())
			}
		})
	}
}

// misspell gives the object a field that there is none of, where it has a
// specification in that, and names the field.
func misspell(object *unstructured.Unstructured) string {
	const field = "misspelt"
	if spec, ok := object.Object["spec"].(map[string]any); ok {
		spec[field] = "x"
		return "spec." + field
	}
	object.Object[field] = "x"
	return field
}
