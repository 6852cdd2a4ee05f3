package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchkeep/benchkeep/test/harness"
)

// jobName is the Job's name in the manifest, which is the run's id.
const jobName = "benchmark"

// A jobRun is the Job of a test, with the test's benchmark in it.
type jobRun struct {
	*pod
	dir    string
	bucket harness.Bucket
	log    string
}

// startJob applies the overlay, with a benchmark that is started with the
// arguments, and waits until its pod is there.
func (c *cluster) startJob(t testing.TB, namespace string, args ...string) *jobRun {
	t.Helper()
	dir := harness.Sub(t, c.dir, namespace)
	bucket := c.bucket.Another(t, dir, namespace)
	c.namespace(t, namespace)
	c.apply(t, build(t, adapt(t, dir, namespace, job, bucket, fmt.Sprintf(`
patches:
  - target: {kind: Job}
    patch: |
      - {op: replace, path: /spec/template/spec/containers/0/image, value: %q}
      - {op: remove, path: /spec/template/spec/containers/0/command}
      - {op: replace, path: /spec/template/spec/containers/0/args, value: [%s]}
`, benchmarkImage, strings.Join(args, ", ")))))
	p := c.thePod(t, dir, namespace)
	return &jobRun{pod: p, dir: dir, bucket: bucket, log: p.logFile("benchmark", 0)}
}

// waitCondition waits until the Job is finished as asked for.
func (r *jobRun) waitCondition(want batchv1.JobConditionType) {
	r.t.Helper()
	harness.Until(r.t, "the Job to be "+string(want), func() error {
		job, err := r.cluster.client.BatchV1().Jobs(r.namespace).Get(r.t.Context(), jobName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range job.Status.Conditions {
			if condition.Type == want && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions: %v", job.Status.Conditions)
	})
}

// checkArchived checks the archive, and that Prometheus and benchkeep ended in
// order and in peace.
func (r *jobRun) checkArchived() harness.Manifest {
	r.t.Helper()
	r.checkPeace()
	order := []metav1.Time{
		r.terminated("benchmark").FinishedAt, r.terminated("prometheus").FinishedAt, r.terminated("benchkeep").FinishedAt,
	}
	require.False(r.t, order[1].Before(&order[0]), "Prometheus outlives the benchmark")
	require.False(r.t, order[2].Before(&order[1]), "benchkeep outlives Prometheus")

	m := checkArchived(r.t, r.dir, r.bucket, map[string]string{"run": jobName}, exposed(scrapes(r.t, r.log), "job", "benchmark", "instance", "127.0.0.1:8080"))
	require.Equal(r.t, "signal", m.Trigger)
	return m
}

// testJobComplete is a run as it should be.
func testJobComplete(t *testing.T, c *cluster) {
	r := c.startJob(t, "complete", "-scrapes=4")
	waitScrapes(t, r.log, 4)
	r.waitCondition(batchv1.JobComplete)
	r.waitEnded()
	require.Equal(t, corev1.PodSucceeded, r.now().Status.Phase)
	require.Len(t, r.checkArchived().Sessions, 1)
}

// testJobFailed is a run whose benchmark fails: what it showed before is kept.
func testJobFailed(t *testing.T, c *cluster) {
	r := c.startJob(t, "failed", "-scrapes=3", "-exit=3")
	waitScrapes(t, r.log, 3)
	r.waitCondition(batchv1.JobFailed)
	r.waitEnded()
	require.Equal(t, corev1.PodFailed, r.now().Status.Phase)
	require.EqualValues(t, 3, r.terminated("benchmark").ExitCode)
	r.checkArchived()
}

// testPodDeleted deletes the pod half-way, as `kubectl delete` or a node that is
// drained does.
func testPodDeleted(t *testing.T, c *cluster) {
	r := c.startJob(t, "deleted")
	r.waitReady()
	checkConfined(t, r.pod)
	checkProbed(t, r.pod)
	waitScrapes(t, r.log, 3)
	r.delete()
	r.waitGone()
	// No second pod begins the run once more.
	r.waitCondition(batchv1.JobFailed)
	require.EqualValues(t, 143, r.terminated("benchmark").ExitCode)
	r.checkArchived()
}

// testReceiverKilled kills benchkeep in mid-run.
func testReceiverKilled(t *testing.T, c *cluster) {
	r := c.startJob(t, "killed", "-scrapes=7")
	waitScrapes(t, r.log, 3)
	r.kill("benchkeep")
	waitScrapes(t, r.log, 7)
	r.waitCondition(batchv1.JobComplete)
	r.waitEnded()
	require.Len(t, r.checkArchived().Sessions, 2)
}
