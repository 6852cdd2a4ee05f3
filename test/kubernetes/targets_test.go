package kubernetes

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchkeep/benchkeep/test/harness"
)

// startTargets starts n pods that a Prometheus finds through the API server.
func (c *cluster) startTargets(t testing.TB, dir, namespace string, n int) []*pod {
	t.Helper()
	yes, no, user := true, false, int64(65532)
	for i := range n {
		_, err := c.client.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name:   fmt.Sprintf("benchmark-%d", i),
				Labels: map[string]string{"app.kubernetes.io/part-of": "benchmark"},
			},
			Spec: corev1.PodSpec{
				SecurityContext: &corev1.PodSecurityContext{
					RunAsNonRoot: &yes, RunAsUser: &user,
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
				},
				Containers: []corev1.Container{{
					Name: "benchmark", Image: benchmarkImage, Args: []string{"-listen=:8080"},
					Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8080}},
					SecurityContext: &corev1.SecurityContext{
						AllowPrivilegeEscalation: &no,
						Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					},
				}},
			},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	pods := c.pods(t, dir, namespace, "app.kubernetes.io/part-of=benchmark", n)
	for _, p := range pods {
		p.waitReady()
	}
	return pods
}

// endTargets ends the pods after a few scrapes, and gives what they have
// exposed, with the labels that all of them have from their targets.
func endTargets(t testing.TB, pods []*pod, labels ...string) harness.Set {
	t.Helper()
	for _, p := range pods {
		waitScrapes(t, p.logFile("benchmark", 0), 3)
	}
	for _, p := range pods {
		p.delete()
	}
	all := harness.Set{}
	for _, p := range pods {
		p.waitGone()
		own := []string{"instance", p.now().Status.PodIP + ":8080", "pod", p.name}
		all.AddSet(exposed(scrapes(t, p.logFile("benchmark", 0)), append(own, labels...)...))
	}
	return all
}
