package kubernetes

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/benchkeep/benchkeep/test/harness"
)

// overlays is where the manifests are, from the repository's root.
const overlays = "deploy/kubernetes"

// The overlays whose pods are run.
const (
	job               = "job-native-sidecar"
	deployment        = "deployment"
	deploymentPreStop = "deployment-preStop"
	sharded           = "sharded"
	operator          = "prometheus-operator"
)

// build is the content of a kustomization.
func build(t testing.TB, dir string) []*unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err, "kustomize build %s", dir)
	var objects []*unstructured.Unstructured
	for _, resource := range built.Resources() {
		object := &unstructured.Unstructured{}
		raw, err := resource.MarshalJSON()
		require.NoError(t, err)
		require.NoError(t, object.UnmarshalJSON(raw))
		objects = append(objects, object)
	}
	return objects
}

// adapt writes a kustomization as a user has one: an overlay in a namespace,
// with the Secret for the bucket as kubectl would have made it, and what else is
// the user's. It gives its folder.
func adapt(t testing.TB, dir, namespace, overlay string, bucket harness.Bucket, more string) string {
	t.Helper()
	base, err := filepath.Rel(dir, filepath.Join(harness.Root(t), overlays, overlay))
	require.NoError(t, err)
	objstore, err := filepath.Rel(dir, bucket.ConfigFile)
	require.NoError(t, err)
	harness.WriteFile(t, dir, "kustomization.yaml", fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %s
resources: [%s]
secretGenerator: [{name: benchkeep, files: [s3.yaml=%s], options: {disableNameSuffixHash: true}}]
%s`, namespace, base, objstore, more))
	return dir
}

// imageField is where an object of whatever kind names an image.
var imageField = regexp.MustCompile(`"image":"([^"]+)"`)

// imageNames are the images that the overlays name.
func imageNames(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, overlay := range []string{job, deployment, deploymentPreStop, sharded, operator} {
		for _, object := range build(t, filepath.Join(harness.Root(t), overlays, overlay)) {
			raw, err := object.MarshalJSON()
			require.NoError(t, err)
			for _, found := range imageField.FindAllStringSubmatch(string(raw), -1) {
				names = append(names, found[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// apply creates the objects.
func (c *cluster) apply(t testing.TB, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range objects {
		require.NoError(t, c.create(t, object, metav1.CreateOptions{}), "%s %s", object.GetKind(), object.GetName())
	}
}

// create creates an object. The API server accepts no field that it does not know.
func (c *cluster) create(t testing.TB, object *unstructured.Unstructured, options metav1.CreateOptions) error {
	t.Helper()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery()))
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(c.config)
	require.NoError(t, err)
	options.FieldValidation = metav1.FieldValidationStrict
	_, err = client.Resource(mapping.Resource).Namespace(object.GetNamespace()).Create(t.Context(), object, options)
	return err
}
