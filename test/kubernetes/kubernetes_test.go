package kubernetes

import "testing"

// TestCluster runs everything in one cluster: each test in a namespace and with
// a bucket of its own.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	for name, test := range map[string]func(*testing.T, *cluster){
		"Manifests":         testManifests,
		"JobComplete":       testJobComplete,
		"JobFailed":         testJobFailed,
		"PodDeleted":        testPodDeleted,
		"ReceiverKilled":    testReceiverKilled,
		"Operator":          testOperator,
		"Sharded":           testSharded,
		"DeploymentScaled":  testDeploymentScaled,
		"DeploymentPreStop": testDeploymentPreStop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}
