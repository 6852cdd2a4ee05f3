package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/benchkeep/benchkeep/test/harness"
)

// deployed is a path below deploy/.
func deployed(t testing.TB, elem ...string) string {
	t.Helper()
	return filepath.Join(append([]string{harness.Root(t), "deploy"}, elem...)...)
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// layouts are the folders that `kubectl apply -k` takes.
func layouts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(deployed(t, "kubernetes", "*", "kustomization.yaml"))
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	require.Subset(t, names, []string{"job-native-sidecar", "deployment", "deployment-preStop", "prometheus-operator", "sharded"})
	return names
}

// build gives the objects of a layout as YAML.
func build(t testing.TB, layout string) [][]byte {
	t.Helper()
	return kustomize(t, deployed(t, "kubernetes", layout))
}

// kustomize gives the objects of a folder as YAML, as `kubectl kustomize` does.
func kustomize(t testing.TB, dir string) [][]byte {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	var objects [][]byte
	for _, r := range resources.Resources() {
		object, err := r.AsYAML()
		require.NoError(t, err)
		objects = append(objects, object)
	}
	require.NotEmpty(t, objects)
	return objects
}

// strict decodes an object into its Go type. A field that the type does not
// have, or that is there twice, is an error.
func strict(t testing.TB) func([]byte) (runtime.Object, error) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme,
		rbacv1.AddToScheme, monitoringv1.AddToScheme, monitoringv1alpha1.AddToScheme,
	} {
		require.NoError(t, add(scheme))
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	return func(object []byte) (runtime.Object, error) {
		decoded, _, err := decoder.Decode(object, nil, nil)
		return decoded, err
	}
}

// objects gives the objects of a layout, decoded strictly.
func objects(t testing.TB, layout string) []runtime.Object {
	t.Helper()
	return decodeAll(t, build(t, layout))
}

func decodeAll(t testing.TB, yamls [][]byte) []runtime.Object {
	t.Helper()
	decode := strict(t)
	var decoded []runtime.Object
	for _, object := range yamls {
		o, err := decode(object)
		require.NoError(t, err, "%s", object)
		decoded = append(decoded, o)
	}
	return decoded
}

func TestManifestsDecodeStrictly(t *testing.T) {
	for _, layout := range layouts(t) {
		t.Run(layout, func(t *testing.T) { objects(t, layout) })
	}
}

// TestStrictDecodingFindsMistakes makes mistakes in the manifests, each of
// which has to be found: else the test above would mean nothing.
func TestStrictDecodingFindsMistakes(t *testing.T) {
	decode := strict(t)
	for _, c := range []struct{ layout, kind, right, wrong string }{
		{"job-native-sidecar", "Job", "backoffLimit:", "backOffLimit:"},
		{"job-native-sidecar", "Job", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:"},
		{"job-native-sidecar", "Job", "terminationGracePeriodSeconds: ", "terminationGracePeriod: "},
		{"job-native-sidecar", "Job", "kind: Job", "kind: Jobs"},
		{"job-native-sidecar", "NetworkPolicy", "podSelector:", "selector:"},
		{"deployment-preStop", "Deployment", "preStop:", "prestop:"},
		{"deployment-preStop", "Deployment", "replicas: 1", "replicas: one"},
		{"deployment-preStop", "Service", "targetPort:", "target:"},
		{"sharded", "StatefulSet", "subPathExpr:", "subPathExpression:"},
		{"sharded", "Role", "verbs:", "verb:"},
		{"prometheus-operator", "PrometheusAgent", "remoteWrite:", "remoteWrites:"},
		{"prometheus-operator", "PrometheusAgent", "- messageVersion:", "- protobufMessage:"},
		{"prometheus-operator", "PodMonitor", "podMetricsEndpoints:", "endpoints:"},
	} {
		t.Run(c.kind+" "+c.wrong, func(t *testing.T) {
			found := false
			for _, object := range build(t, c.layout) {
				if !bytes.Contains(object, []byte("\nkind: "+c.kind+"\n")) || !bytes.Contains(object, []byte(c.right)) {
					continue
				}
				found = true
				_, err := decode(bytes.Replace(object, []byte(c.right), []byte(c.wrong), 1))
				require.Error(t, err)
			}
			require.True(t, found, "no %s of %s has %q", c.kind, c.layout, c.right)
		})
	}
}

// TestNamesBelongTogether checks what only the API server or the kubelet would
// notice: a configuration or an account that is not there.
func TestNamesBelongTogether(t *testing.T) {
	for _, layout := range layouts(t) {
		t.Run(layout, func(t *testing.T) {
			names := map[string]bool{}
			for _, o := range objects(t, layout) {
				m, err := meta.Accessor(o)
				require.NoError(t, err)
				kind := o.GetObjectKind().GroupVersionKind().Kind
				require.False(t, names[kind+"/"+m.GetName()], "%s %s twice", kind, m.GetName())
				names[kind+"/"+m.GetName()] = true
				require.Empty(t, m.GetNamespace(), "the namespace is the user's choice")
			}
			for _, p := range pods(t, layout) {
				for _, v := range p.spec.Volumes {
					if v.ConfigMap != nil {
						require.Contains(t, names, "ConfigMap/"+v.ConfigMap.Name)
					}
				}
				if account := p.spec.ServiceAccountName; account != "" {
					require.Contains(t, names, "ServiceAccount/"+account)
				}
			}
		})
	}
}

// TestNoSecretIsCommitted: the bucket's keys are the user's to create, by the
// command that the manifests name.
func TestNoSecretIsCommitted(t *testing.T) {
	for _, layout := range layouts(t) {
		for _, o := range objects(t, layout) {
			_, isSecret := o.(*corev1.Secret)
			require.False(t, isSecret, layout)
		}
		for _, p := range pods(t, layout) {
			for _, v := range p.spec.Volumes {
				if v.Secret != nil {
					require.Equal(t, "benchkeep", v.Secret.SecretName)
					require.False(t, v.Secret.Optional != nil && *v.Secret.Optional)
				}
			}
		}
	}
	for _, file := range []string{"job-native-sidecar/job.yaml", "deployment/deployment.yaml", "sharded/statefulset.yaml", "prometheus-operator/prometheusagent.yaml"} {
		require.Contains(t, read(t, deployed(t, "kubernetes", file)),
			"kubectl create secret generic benchkeep --from-file=s3.yaml", strings.TrimSuffix(file, ".yaml"))
	}
}
