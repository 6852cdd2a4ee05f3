package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1alpha1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A pod is a pod as one of a layout's objects describes it.
type pod struct {
	spec        corev1.PodSpec
	annotations map[string]string
	labels      map[string]string
	// replicas is how many of them there are.
	replicas int32
	// byOperator says that the operator makes the Prometheus container: its
	// probes, its security context and its arguments are not ours.
	byOperator bool
}

// pods are the pods of a layout.
func pods(t testing.TB, layout string) []pod {
	t.Helper()
	var found []pod
	for _, o := range objects(t, layout) {
		switch o := o.(type) {
		case *batchv1.Job:
			found = append(found, podOf(o.Spec.Template, 1))
		case *appsv1.Deployment:
			found = append(found, podOf(o.Spec.Template, *o.Spec.Replicas))
		case *appsv1.StatefulSet:
			found = append(found, podOf(o.Spec.Template, *o.Spec.Replicas))
		case *monitoringv1alpha1.PrometheusAgent:
			found = append(found, podOfAgent(o))
		}
	}
	if layout != "base" {
		require.Len(t, found, 1, layout)
	}
	return found
}

func podOf(template corev1.PodTemplateSpec, replicas int32) pod {
	return pod{spec: template.Spec, annotations: template.Annotations, labels: template.Labels, replicas: replicas}
}

// podOfAgent is the pod that the operator makes, as far as it is known here:
// Prometheus in a container of its own, what is given beside it.
func podOfAgent(agent *monitoringv1alpha1.PrometheusAgent) pod {
	s := agent.Spec
	prometheus := corev1.Container{Name: "prometheus", Image: *s.Image, Args: []string{"--agent"}}
	for _, a := range s.AdditionalArgs {
		prometheus.Args = append(prometheus.Args, "--"+a.Name+"="+a.Value)
	}
	return pod{
		spec: corev1.PodSpec{
			InitContainers:                s.InitContainers,
			Containers:                    append([]corev1.Container{prometheus}, s.Containers...),
			Volumes:                       s.Volumes,
			SecurityContext:               s.SecurityContext,
			TerminationGracePeriodSeconds: s.TerminationGracePeriodSeconds,
			EnableServiceLinks:            s.EnableServiceLinks,
			ServiceAccountName:            s.ServiceAccountName,
		},
		annotations: s.PodMetadata.Annotations,
		labels:      s.PodMetadata.Labels,
		replicas:    1,
		byOperator:  true,
	}
}

// eachPod runs a test for the pod of every layout.
func eachPod(t *testing.T, test func(*testing.T, pod)) {
	for _, layout := range layouts(t) {
		for _, p := range pods(t, layout) {
			t.Run(layout, func(t *testing.T) { test(t, p) })
		}
	}
}

// container finds a container of either kind.
func (p pod) container(t testing.TB, name string) corev1.Container {
	t.Helper()
	for _, c := range slices.Concat(p.spec.InitContainers, p.spec.Containers) {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("the pod has no container %q", name)
	return corev1.Container{}
}

// ours are the containers whose every field is given here.
func (p pod) ours() []corev1.Container {
	all := slices.Concat(p.spec.InitContainers, p.spec.Containers)
	return slices.DeleteFunc(all, func(c corev1.Container) bool { return p.byOperator && c.Name == "prometheus" })
}

// volume finds what a path of a container lies on.
func (p pod) volume(c corev1.Container, path string) (corev1.Volume, bool) {
	for _, m := range c.VolumeMounts {
		if path != m.MountPath && !strings.HasPrefix(path, m.MountPath+"/") {
			continue
		}
		for _, v := range p.spec.Volumes {
			if v.Name == m.Name {
				return v, true
			}
		}
	}
	return corev1.Volume{}, false
}

// flag gives the value of a flag among arguments.
func flag(args []string, name string) string {
	for _, a := range args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

func duration(t testing.TB, args []string, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(flag(args, name))
	require.NoError(t, err, "--%s of %v", name, args)
	return d
}

func sidecar(name string) func(corev1.Container) bool {
	return func(c corev1.Container) bool {
		return c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	}
}

// TestBenchkeepOutlivesPrometheus checks the order of starting and stopping.
// Native sidecars start in order, each when the one before has passed its
// startup probe, and are stopped in reverse after the containers.
func TestBenchkeepOutlivesPrometheus(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		isBenchkeep := func(c corev1.Container) bool { return c.Name == "benchkeep" }
		if slices.ContainsFunc(p.spec.Containers, isBenchkeep) {
			// Both are told SIGTERM at once: the drain has to outlast the flush.
			require.Greater(t,
				duration(t, p.container(t, "benchkeep").Args, "finish.drain-timeout"),
				duration(t, p.container(t, "prometheus").Args, "storage.remote.flush-deadline"))
			return
		}
		require.Equal(t, 0, slices.IndexFunc(p.spec.InitContainers, sidecar("benchkeep")))
		require.NotNil(t, p.container(t, "benchkeep").StartupProbe, "Prometheus would not wait for it")
		if i := slices.IndexFunc(p.spec.InitContainers, func(c corev1.Container) bool { return c.Name == "prometheus" }); i >= 0 {
			require.Equal(t, 1, i)
			require.True(t, sidecar("prometheus")(p.spec.InitContainers[i]), "it would be waited for")
			require.NotNil(t, p.spec.InitContainers[i].StartupProbe, "the benchmark would not wait for it")
			return
		}
		require.NotEmpty(t, p.container(t, "prometheus"))
	})
}

// TestGracePeriodHoldsTheFinish adds up what the end of a pod may take.
func TestGracePeriodHoldsTheFinish(t *testing.T) {
	const reserve = 30 * time.Second
	// What the Job's comment allows the benchmark for its own SIGTERM.
	allowances := map[string]time.Duration{"benchmark": 30 * time.Second}
	eachPod(t, func(t *testing.T, p pod) {
		grace := time.Duration(*p.spec.TerminationGracePeriodSeconds) * time.Second
		finish := duration(t, p.container(t, "benchkeep").Args, "finish.timeout")
		flush := duration(t, p.container(t, "prometheus").Args, "storage.remote.flush-deadline")
		needed := finish
		if slices.ContainsFunc(p.spec.InitContainers, sidecar("benchkeep")) {
			needed += flush // one after the other
		} else {
			require.Greater(t, finish, duration(t, p.container(t, "benchkeep").Args, "finish.drain-timeout"))
		}
		for _, c := range p.spec.Containers {
			needed += allowances[c.Name]
		}
		require.Equal(t, needed+reserve, grace)
	})
}

func TestSecurityContexts(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		s := p.spec.SecurityContext
		require.True(t, *s.RunAsNonRoot)
		require.NotZero(t, *s.RunAsUser)
		require.NotZero(t, *s.RunAsGroup)
		require.NotZero(t, *s.FSGroup)
		require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, s.SeccompProfile.Type)
		require.False(t, *p.spec.EnableServiceLinks)
		require.False(t, p.spec.HostNetwork || p.spec.HostPID || p.spec.HostIPC)
		if p.spec.ServiceAccountName == "" {
			require.False(t, *p.spec.AutomountServiceAccountToken, "nobody in the pod talks to the API server")
		}
		for _, c := range p.ours() {
			require.NotNil(t, c.SecurityContext, c.Name)
			require.False(t, *c.SecurityContext.AllowPrivilegeEscalation, c.Name)
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, c.Name)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, c.Name)
			require.Empty(t, c.SecurityContext.Capabilities.Add, c.Name)
			require.Nil(t, c.SecurityContext.RunAsUser, c.Name)
			require.Nil(t, c.SecurityContext.Privileged, c.Name)
			require.Nil(t, c.SecurityContext.SeccompProfile, c.Name)
		}
	})
}

func TestResources(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		for _, c := range p.ours() {
			require.NotZero(t, c.Resources.Requests.Cpu().MilliValue(), c.Name)
			require.NotZero(t, c.Resources.Requests.Memory().Value(), c.Name)
			require.NotZero(t, c.Resources.Limits.Memory().Value(), c.Name)
			require.Zero(t, c.Resources.Limits.Cpu().MilliValue(), "%s: a CPU limit stretches the finish", c.Name)
		}
		// Its data is on the node's disk; the scheduler has to know.
		require.Contains(t, p.container(t, "benchkeep").Resources.Requests, corev1.ResourceEphemeralStorage)
	})
}

// TestStorageOutlivesTheContainer: what is written goes to an emptyDir, which
// a restart of the container leaves as it is. Its size is not limited, because
// the kubelet evicts a pod that goes beyond it, at once and without a finish.
func TestStorageOutlivesTheContainer(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		for _, path := range []struct{ container, flag string }{
			{"benchkeep", "storage.path"},
			{"prometheus", "storage.agent.path"},
			{"prometheus", "storage.tsdb.path"},
		} {
			c := p.container(t, path.container)
			dir := flag(c.Args, path.flag)
			if dir == "" && path.container == "prometheus" {
				continue // the other mode, or the operator's
			}
			v, ok := p.volume(c, dir)
			require.True(t, ok, "%s lies on no volume", dir)
			require.NotNil(t, v.EmptyDir)
			require.Nil(t, v.EmptyDir.SizeLimit)
			require.Empty(t, v.EmptyDir.Medium)
		}
	})
}

func TestBucketIsASecret(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		c := p.container(t, "benchkeep")
		file := flag(c.Args, "objstore.config-file")
		require.True(t, strings.HasSuffix(file, "/s3.yaml"), file)
		v, ok := p.volume(c, file)
		require.True(t, ok)
		require.NotNil(t, v.Secret)
	})
}

// TestRunComesFromThePod checks that the run's id and labels are the pod's own,
// so that no two runs share an id by mistake.
func TestRunComesFromThePod(t *testing.T) {
	eachPod(t, func(t *testing.T, p pod) {
		from := map[string]string{}
		for _, e := range p.container(t, "benchkeep").Env {
			if e.ValueFrom != nil {
				from[e.Name] = e.ValueFrom.FieldRef.FieldPath
			}
		}
		require.Contains(t, []string{"metadata.labels['batch.kubernetes.io/job-name']", "metadata.annotations['benchkeep/run']"}, from["BENCHKEEP_RUN_ID"])
		for _, label := range []string{"commit", "branch", "repository", "pipeline"} {
			require.Equal(t, "metadata.annotations['benchkeep/"+label+"']", from["BENCHKEEP_"+strings.ToUpper(label)])
		}
	})
}

// TestNobodyElseGetsIn checks the policy that makes up for listening on all
// addresses: it selects the pod, and lets nobody in.
func TestNobodyElseGetsIn(t *testing.T) {
	for _, layout := range layouts(t) {
		for _, p := range pods(t, layout) {
			var policies []*networkingv1.NetworkPolicy
			for _, o := range objects(t, layout) {
				if policy, ok := o.(*networkingv1.NetworkPolicy); ok {
					policies = append(policies, policy)
				}
			}
			require.Len(t, policies, 1, layout)
			selector, err := metav1.LabelSelectorAsSelector(&policies[0].Spec.PodSelector)
			require.NoError(t, err)
			require.True(t, selector.Matches(labels.Set(p.labels)), layout)
			require.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}, policies[0].Spec.PolicyTypes)
			require.Empty(t, policies[0].Spec.Ingress, layout)
		}
	}
}

// TestPreStopFinishes checks the variant: the hook, and nothing else.
func TestPreStopFinishes(t *testing.T) {
	hooked := pods(t, "deployment-preStop")[0].container(t, "benchkeep")
	require.Equal(t, []string{"benchkeep", "finish"}, hooked.Lifecycle.PreStop.Exec.Command)
	hooked.Lifecycle = nil
	require.Equal(t, pods(t, "deployment")[0].container(t, "benchkeep"), hooked, "nothing else differs")
}
