// Package kubernetes proves benchkeep's life as a part of pods: the layouts below
// deploy/kubernetes, in a cluster of one node made for the test.
//
// What matters there is the kubelet's doing: who starts after whom, who is told
// SIGTERM when, what is mounted read-only, what survives the restart of a
// container. Nothing but a kubelet shows that, so that the cluster is a real
// one: etcd, API server, controller manager, scheduler and kubelet, and the
// Prometheus operator for the layout that needs it, from Go modules; containerd,
// runc and the CNI plug-ins from Debian's packages, unpacked and not installed.
// Images need no registry: those of the manifests are made from our own static
// programs and carry the very names that the manifests ask for. The bucket is an
// S3 server on the node.
//
// The manifests are taken as they stand, but for what is the user's to set: the
// namespace, the Secret for the bucket, the run's id where no Job gives it, and
// the benchmark. The benchmark says how often it was scraped, and every sample
// of every scrape has to be in the bucket, once.
//
// Everything runs in namespaces of its own: processes, mounts, network. They
// end with the test, whichever way it ends, and with them every process, mount
// and interface. /run, /var/log and what a kubelet sets in /proc/sys are copies
// that nobody else sees. Of a test that was killed, empty cgroups are left,
// which the next one removes, and a folder below TMPDIR.
//
// All of it takes root. `make test-kubernetes` gets the programs first.
package kubernetes
