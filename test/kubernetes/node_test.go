package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// nodeName is the node's name in the cluster.
const nodeName = "node"

// The path of a socket has to be short: this is containerd's, and a folder on
// which the kubelet's is mounted, which has some.
const (
	socket     = "/run/containerd.sock"
	kubeletDir = "/run/kubelet"
)

// startContainerd starts containerd with the images in it.
func startContainerd(t testing.TB, dir string) {
	t.Helper()
	packages := filepath.Join(harness.Root(t), debianPackages)
	// Layers are copied, because not every file system can be the lower one of
	// an overlay. Without the right to lower them, out-of-memory scores stay.
	config := harness.WriteFile(t, dir, "containerd.toml", fmt.Sprintf(`version = 2
root = %[1]q
state = "/run/containerd"
[grpc]
  address = %[2]q
[plugins."io.containerd.internal.v1.opt"]
  path = %[3]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[4]q
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %[5]q
  conf_dir = %[6]q
`, filepath.Join(dir, "containerd"), socket, filepath.Join(dir, "opt"), pauseImage,
		filepath.Join(packages, "usr/lib/cni"), harness.Sub(t, dir, "cni")))
	// A pod has a cable to the node and an address, nothing else.
	harness.WriteFile(t, filepath.Join(dir, "cni"), "pods.conflist", `{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [{
    "type": "ptp",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
  }]
}`)
	start(t, dir, find(t, debianPackages, "usr/bin/containerd"), nil, "--config="+config)
	harness.Until(t, "containerd to listen", func() error {
		_, err := os.Stat(socket)
		return err
	})
	importImages(t, dir)
}

func importImages(t testing.TB, dir string) {
	t.Helper()
	for _, image := range images(t, dir) {
		path := filepath.Join(dir, "image.tar")
		image.archive(t, path)
		run(t, nil, find(t, debianPackages, "usr/bin/ctr"),
			"--address="+socket, "--namespace=k8s.io", "images", "import", "--snapshotter=native", path)
		require.NoError(t, os.Remove(path))
	}
}

// startKubelet starts a kubelet that registers its node.
func startKubelet(t testing.TB, dir, kubeconfig string) {
	t.Helper()
	// Nobody but the test's own programs is on this network.
	config := harness.WriteFile(t, dir, "kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %s
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /%s
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
evictionHard: {}
imageGCHighThresholdPercent: 100
containerRuntimeEndpoint: unix://%s
podLogsDir: %s
resolvConf: ""
volumePluginDir: %s
`, nodeAddress, os.Getenv(cgroups), socket, harness.Sub(t, dir, "pod-logs"), harness.Sub(t, dir, "volume-plugins")))
	require.NoError(t, os.Mkdir(kubeletDir, 0o755))
	require.NoError(t, syscall.Mount(harness.Sub(t, dir, "kubelet"), kubeletDir, "", syscall.MS_BIND, ""))
	start(t, dir, find(t, goPrograms, "kubelet"), nil,
		"--config="+config,
		"--kubeconfig="+kubeconfig,
		"--root-dir="+kubeletDir,
		"--cert-dir="+harness.Sub(t, dir, "kubelet-certificates"),
		"--hostname-override="+nodeName,
		"--node-ip="+nodeAddress)
}
