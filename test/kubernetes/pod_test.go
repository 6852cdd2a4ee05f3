package kubernetes

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/benchkeep/benchkeep/test/harness"
)

// benchkeepLabel is on each of the manifests' pods that have benchkeep in them.
const benchkeepLabel = "app.kubernetes.io/component=benchkeep"

// A pod is watched from when it is there until it is gone, with everything that
// its containers print: of a deleted pod nothing can be read any more.
type pod struct {
	t         testing.TB
	cluster   *cluster
	namespace string
	name      string
	dir       string
	logs      sync.WaitGroup

	mu     sync.Mutex
	latest *corev1.Pod
	gone   bool
	// followed are the containers whose logs are read, by id.
	followed map[string]bool
}

// pods waits until a namespace has n pods with a label, and watches them. Logs
// go to folders below dir.
func (c *cluster) pods(t testing.TB, dir, namespace, label string, n int) []*pod {
	t.Helper()
	var list *corev1.PodList
	harness.Until(t, fmt.Sprintf("%d pods", n), func() (err error) {
		list, err = c.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: label})
		if err == nil && len(list.Items) != n {
			err = fmt.Errorf("there are %d", len(list.Items))
		}
		return err
	})
	pods := make([]*pod, n)
	for i := range list.Items {
		name := list.Items[i].Name
		pods[i] = &pod{
			t: t, cluster: c, namespace: namespace, name: name, dir: harness.Sub(t, dir, name), followed: map[string]bool{},
		}
		pods[i].watch(&list.Items[i], list.ResourceVersion)
	}
	return pods
}

// thePod waits for the one pod with benchkeep in it that a namespace gets.
func (c *cluster) thePod(t testing.TB, dir, namespace string) *pod {
	t.Helper()
	return c.pods(t, dir, namespace, benchkeepLabel, 1)[0]
}

// watch sees how the pod is and what happens to it from then on.
func (p *pod) watch(listed *corev1.Pod, version string) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.see(ctx, watch.Event{Type: watch.Added, Object: listed})
	events, err := p.cluster.client.CoreV1().Pods(p.namespace).Watch(ctx, metav1.ListOptions{
		ResourceVersion: version, FieldSelector: "metadata.name=" + p.name,
	})
	require.NoError(p.t, err)
	var watching sync.WaitGroup
	watching.Go(func() {
		for event := range events.ResultChan() {
			p.see(ctx, event)
		}
	})
	p.t.Cleanup(func() {
		cancel()
		events.Stop()
		watching.Wait()
		p.logs.Wait()
		if p.t.Failed() {
			p.t.Logf("pod %s as last seen: %s", p.name, p.latest.Status.Phase)
			for _, s := range statuses(p.latest) {
				p.t.Logf("%s, restarted %d times: %s", s.Name, s.RestartCount, s.State.String())
			}
		}
	})
}

// see takes note of a change, and of the log of each container that is new.
func (p *pod) see(ctx context.Context, event watch.Event) {
	seen, ok := event.Object.(*corev1.Pod)
	if !ok {
		if ctx.Err() == nil {
			p.t.Errorf("watch pod: %v", event.Object)
		}
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest, p.gone = seen, event.Type == watch.Deleted
	for _, s := range statuses(seen) {
		if s.ContainerID == "" || p.followed[s.ContainerID] || p.gone {
			continue
		}
		p.followed[s.ContainerID] = true
		p.logs.Go(func() {
			if err := p.follow(ctx, s.Name, s.RestartCount); err != nil && ctx.Err() == nil {
				p.t.Errorf("follow log of %s: %v", s.Name, err)
			}
		})
	}
}

// follow writes what a container prints to a file until the container has ended.
func (p *pod) follow(ctx context.Context, container string, restart int32) error {
	to, err := os.Create(p.logFile(container, restart))
	if err != nil {
		return err
	}
	defer to.Close()
	options := &corev1.PodLogOptions{Container: container, Follow: true}
	stream, err := p.cluster.client.CoreV1().Pods(p.namespace).GetLogs(p.name, options).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = io.Copy(to, stream)
	return err
}

// logFile is the file with what a container has printed since its n-th restart.
func (p *pod) logFile(container string, restart int32) string {
	return filepath.Join(p.dir, fmt.Sprintf("%s-%d.log", container, restart))
}

// now is the pod as last seen.
func (p *pod) now() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

// statuses are those of all containers, in the order in which they start.
func statuses(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// status is a container's.
func (p *pod) status(container string) corev1.ContainerStatus {
	for _, s := range statuses(p.now()) {
		if s.Name == container {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// terminated is how a container ended, which it has to have done.
func (p *pod) terminated(container string) *corev1.ContainerStateTerminated {
	p.t.Helper()
	state := p.status(container).State
	require.NotNil(p.t, state.Terminated, "container %s has ended: %+v", container, state)
	return state.Terminated
}

// checkPeace checks that Prometheus and benchkeep ended by themselves: the
// kubelet kills what takes longer than the grace period.
func (p *pod) checkPeace() {
	p.t.Helper()
	require.Zero(p.t, p.terminated("prometheus").ExitCode)
	require.Zero(p.t, p.terminated("benchkeep").ExitCode)
}

// waitReady waits until all containers are ready.
func (p *pod) waitReady() {
	p.t.Helper()
	harness.Until(p.t, "the pod to be ready", func() error {
		now := statuses(p.now())
		for _, s := range now {
			if !s.Ready || s.Started == nil || !*s.Started {
				return fmt.Errorf("container %s: %+v", s.Name, s)
			}
		}
		if len(now) == 0 {
			return fmt.Errorf("no containers, %+v", p.now().Status)
		}
		return nil
	})
}

// waitEnded waits until the pod's phase is that of an ended one, or until it is
// gone, and everything that it printed is read.
func (p *pod) waitEnded() {
	p.t.Helper()
	harness.Until(p.t, "the pod to end", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if phase := p.latest.Status.Phase; !p.gone && phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("it is %s", phase)
		}
		return nil
	})
	p.logs.Wait()
}

// waitGone waits until the pod is deleted.
func (p *pod) waitGone() {
	p.t.Helper()
	harness.Until(p.t, "the pod to be gone", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.gone {
			return fmt.Errorf("it is %s", p.latest.Status.Phase)
		}
		return nil
	})
	p.logs.Wait()
}

// delete asks for the pod's deletion, with the grace period that it has.
func (p *pod) delete() {
	p.t.Helper()
	require.NoError(p.t, p.cluster.client.CoreV1().Pods(p.namespace).Delete(p.t.Context(), p.name, metav1.DeleteOptions{}))
}

// process is the id of the one process of a running container.
func (p *pod) process(container string) int {
	p.t.Helper()
	_, id, _ := strings.Cut(p.status(container).ContainerID, "://")
	require.NotEmpty(p.t, id, "container %s runs", container)
	entries, err := os.ReadDir("/proc")
	require.NoError(p.t, err)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// Processes that end meanwhile are none of those that are looked for.
		groups, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cgroup"))
		if strings.Contains(string(groups), "/"+id) {
			return pid
		}
	}
	p.t.Fatalf("container %s has no process", container)
	return 0
}

// kill ends a container's process as the kernel does when memory is short, and
// waits until the kubelet has started the container once more.
func (p *pod) kill(container string) {
	p.t.Helper()
	before := p.status(container)
	require.NoError(p.t, syscall.Kill(p.process(container), syscall.SIGKILL))
	harness.Until(p.t, container+" to be started again", func() error {
		now := p.status(container)
		if now.RestartCount == before.RestartCount || !now.Ready {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	require.EqualValues(p.t, 137, p.status(container).LastTerminationState.Terminated.ExitCode)
}
