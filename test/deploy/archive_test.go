package deploy

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/benchkeep/benchkeep/test/harness"
)

// archiveObjects are the objects of the archive, the Compactor's among them.
func archiveObjects(t testing.TB) []runtime.Object {
	t.Helper()
	return append(decodeAll(t, kustomize(t, deployed(t, "archive"))), decodeAll(t, kustomize(t, deployed(t, "archive", "compactor")))...)
}

// archivePods are the pods of the archive, by the name of their only container.
func archivePods(t testing.TB) map[string]pod {
	t.Helper()
	found := map[string]pod{}
	for _, o := range archiveObjects(t) {
		var p pod
		switch o := o.(type) {
		case *appsv1.Deployment:
			p = podOf(o.Spec.Template, *o.Spec.Replicas)
			require.Equal(t, o.Spec.Selector.MatchLabels, o.Spec.Template.Labels)
		case *batchv1.CronJob:
			p = podOf(o.Spec.JobTemplate.Spec.Template, 1)
			require.Equal(t, batchv1.ForbidConcurrent, o.Spec.ConcurrencyPolicy)
		default:
			continue
		}
		require.Len(t, p.spec.Containers, 1)
		found[p.spec.Containers[0].Name] = p
	}
	require.Len(t, found, 6)
	return found
}

func archiveContainers(t testing.TB) map[string]corev1.Container {
	t.Helper()
	containers := map[string]corev1.Container{}
	for name, p := range archivePods(t) {
		containers[name] = p.spec.Containers[0]
	}
	return containers
}

func TestArchivePodsAreConfined(t *testing.T) {
	for name, p := range archivePods(t) {
		t.Run(name, func(t *testing.T) {
			s := p.spec.SecurityContext
			require.True(t, *s.RunAsNonRoot)
			require.NotZero(t, *s.RunAsUser)
			require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, s.SeccompProfile.Type)
			require.False(t, *p.spec.EnableServiceLinks)
			require.False(t, *p.spec.AutomountServiceAccountToken)
			c := p.spec.Containers[0]
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
			require.NotZero(t, c.Resources.Requests.Cpu().MilliValue())
			require.NotZero(t, c.Resources.Limits.Memory().Value())
			if dir := flag(c.Args, "data-dir"); dir != "" {
				v, ok := p.volume(c, dir)
				require.True(t, ok, "%s lies on no volume", dir)
				require.NotNil(t, v.EmptyDir)
			}
		})
	}
}

// TestArchiveNamesBelongTogether checks what only the API server or the kubelet
// would notice, and that nothing but the Compactor may write to the bucket.
func TestArchiveNamesBelongTogether(t *testing.T) {
	configs, services := map[string]bool{}, map[string]*corev1.Service{}
	for _, o := range archiveObjects(t) {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			configs[o.Name] = true
		case *corev1.Service:
			services[o.Name] = o
		case *corev1.Secret:
			t.Fatal("secrets are the user's to create")
		}
	}
	secrets := map[string]string{
		"store": "archive-reader", "bucket-web": "archive-reader", "compactor": "archive-writer",
	}
	for name, p := range archivePods(t) {
		for _, v := range p.spec.Volumes {
			if v.ConfigMap != nil {
				require.True(t, configs[v.ConfigMap.Name], v.ConfigMap.Name)
			}
			if v.Secret != nil {
				require.Equal(t, secrets[name], v.Secret.SecretName)
				require.Contains(t, read(t, archiveFile(t, name)), "kubectl create secret generic "+secrets[name]+" --from-file=s3.yaml")
				delete(secrets, name)
			}
		}
		if name == "compactor" {
			continue
		}
		require.NotNil(t, services[name], name)
		require.True(t, labels.SelectorFromSet(services[name].Spec.Selector).Matches(labels.Set(p.labels)), name)
		ports := map[string]int32{}
		for _, port := range p.spec.Containers[0].Ports {
			ports[port.Name] = port.ContainerPort
		}
		for _, port := range services[name].Spec.Ports {
			require.Equal(t, port.Port, ports[port.TargetPort.StrVal], name)
		}
	}
	require.Empty(t, secrets)
}

func archiveFile(t testing.TB, name string) string {
	t.Helper()
	if name == "compactor" {
		return deployed(t, "archive", "compactor", "cronjob.yaml")
	}
	return deployed(t, "archive", name+".yaml")
}

// TestOnlyTheArchiveReachesTheArchive: Thanos asks for no password.
func TestOnlyTheArchiveReachesTheArchive(t *testing.T) {
	var policies []*networkingv1.NetworkPolicy
	for _, o := range archiveObjects(t) {
		if policy, ok := o.(*networkingv1.NetworkPolicy); ok {
			policies = append(policies, policy)
		}
	}
	require.Len(t, policies, 1)
	selector, err := metav1.LabelSelectorAsSelector(&policies[0].Spec.PodSelector)
	require.NoError(t, err)
	require.Len(t, policies[0].Spec.Ingress, 1)
	require.Len(t, policies[0].Spec.Ingress[0].From, 1)
	from, err := metav1.LabelSelectorAsSelector(policies[0].Spec.Ingress[0].From[0].PodSelector)
	require.NoError(t, err)
	for name, p := range archivePods(t) {
		require.True(t, selector.Matches(labels.Set(p.labels)), name)
		require.True(t, from.Matches(labels.Set(p.labels)), name)
	}
	require.False(t, from.Matches(labels.Set{"app.kubernetes.io/name": "store"}))
}

// thanosCommand cuts arguments into the command's words and its flags.
func thanosCommand(args []string) (words, flags []string) {
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--") })
	return args[:i], args[i:]
}

// TestThanosHasTheFlags holds every flag to the real program's help.
func TestThanosHasTheFlags(t *testing.T) {
	for name, c := range archiveContainers(t) {
		if name == "grafana" {
			require.Empty(t, c.Args)
			continue
		}
		t.Run(name, func(t *testing.T) {
			words, flags := thanosCommand(c.Args)
			help, err := exec.Command(program(t, ".cache", "bin", "thanos"), append(slices.Clip(words), "--help")...).CombinedOutput()
			require.NoError(t, err)
			for _, f := range flags {
				m := regexp.MustCompile(`^--(?:no-)?([a-z0-9.-]+)`).FindStringSubmatch(f)
				require.Regexp(t, `--(\[no-\])?`+regexp.QuoteMeta(m[1])+`[ =]`, string(help))
			}
			require.Equal(t, strings.Contains(strings.Join(flags, " "), "objstore"), c.VolumeMounts != nil)
		})
	}
}

// TestArchiveComposeIsTheManifests: the same programs with the same arguments,
// configured by the same files.
func TestArchiveComposeIsTheManifests(t *testing.T) {
	p := project(t, "archive")
	require.NotContains(t, p.Services, "compactor", "it writes: not by a mere up")
	p, err := p.WithProfiles([]string{"*"})
	require.NoError(t, err)
	containers := archiveContainers(t)
	require.Len(t, p.Services, len(containers))
	for name, c := range containers {
		s := p.Services[name]
		require.Equal(t, c.Image, s.Image, name)
		require.Equal(t, c.Args, []string(s.Command), name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				require.Equal(t, e.Value, *s.Environment[e.Name], e.Name)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == "bind" {
				mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(v.Target, m.MountPath) })
				require.True(t, mounted, v.Target)
				_, err := os.Stat(v.Source)
				require.NoError(t, err)
			}
		}
	}
}

func TestArchiveAlerts(t *testing.T) {
	p := harness.Promtool(t, harness.Dir(t), "promtool-rules", "test", "rules", deployed(t, "archive", "alerts_test.yaml"))
	require.Zero(t, p.Wait(), p.Log())
}
