package kubernetes

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/benchkeep/benchkeep/test/harness"
)

// Where the control plane listens, on the node's own network.
const (
	etcdURL      = "http://127.0.0.1:2379"
	apiServerURL = "https://" + nodeAddress
	s3Address    = nodeAddress + ":7070"
)

// token is what clients of the API server show that are no pods.
const token = "not-a-secret"

// A cluster is a Kubernetes cluster of one node, and an S3 server beside it.
type cluster struct {
	client *kubernetes.Clientset
	config *rest.Config
	// kubeconfig says programs how the API server is reached.
	kubeconfig string
	dir        string
	// bucket is a bucket of the S3 server, which tests have others of.
	bucket harness.Bucket
}

// startCluster starts a cluster and waits until it takes pods.
func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{dir: harness.Dir(t)}
	t.Cleanup(func() { unmount(t, c.dir, "/run") })
	c.bucket = startBucket(t, c.dir)
	c.startControlPlane(t)
	c.defineOperatorResources(t)
	startContainerd(t, c.dir)
	startKubelet(t, c.dir, c.kubeconfig)
	c.waitNode(t)
	return c
}

// waitNode waits until the cluster has its node, ready for pods.
func (c *cluster) waitNode(t testing.TB) {
	t.Helper()
	harness.Until(t, "the node to be ready", func() error {
		node, err := c.client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("conditions: %v", node.Status.Conditions)
	})
}

// startBucket starts an S3 server on the address that pods reach.
func startBucket(t testing.TB, dir string) harness.Bucket {
	t.Helper()
	bucket := harness.Bucket{Dir: harness.Sub(t, dir, "s3", "none"), Address: s3Address}
	start(t, dir, find(t, goPrograms, "versitygw"), []string{"ROOT_ACCESS_KEY=benchkeep", "ROOT_SECRET_KEY=not-a-secret"},
		"--quiet", "--port", s3Address, "--health", "/health",
		"posix", "--sidecar", harness.Sub(t, dir, "metadata"), filepath.Dir(bucket.Dir))
	harness.Until(t, "the S3 server to be ready", func() error { return answers("http://" + s3Address + "/health") })
	return bucket
}

// startControlPlane starts everything of a cluster but its node.
func (c *cluster) startControlPlane(t testing.TB) {
	t.Helper()
	start(t, c.dir, find(t, goPrograms, "etcd"), nil, "--data-dir="+filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync")
	certificates := harness.Sub(t, c.dir, "certificates")
	key := harness.WriteFile(t, certificates, "service-accounts.pem", newKey(t))
	tokens := harness.WriteFile(t, c.dir, "tokens.csv", token+",test,test,system:masters\n")
	start(t, c.dir, find(t, goPrograms, "kube-apiserver"), nil,
		"--etcd-servers="+etcdURL,
		"--advertise-address="+nodeAddress,
		"--secure-port=443",
		"--cert-dir="+certificates,
		"--token-auth-file="+tokens,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+key,
		"--service-account-signing-key-file="+key,
		"--kubelet-preferred-address-types=InternalIP",
		"--service-cluster-ip-range="+serviceAddress+"/24")
	c.config = &rest.Config{
		Host:            apiServerURL,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		QPS:             -1,
	}
	var err error
	c.client, err = kubernetes.NewForConfig(c.config)
	require.NoError(t, err)
	harness.Until(t, "the API server to be ready", func() error {
		return c.client.RESTClient().Get().AbsPath("/readyz").Do(t.Context()).Error()
	})

	c.kubeconfig = harness.WriteFile(t, c.dir, "kubeconfig.yaml", fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: test, user: {token: %q}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
`, apiServerURL, token))
	start(t, c.dir, find(t, goPrograms, "kube-scheduler"), nil,
		"--kubeconfig="+c.kubeconfig, "--leader-elect=false", "--secure-port=0")
	start(t, c.dir, find(t, goPrograms, "kube-controller-manager"), nil,
		"--kubeconfig="+c.kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file="+key,
		"--root-ca-file="+filepath.Join(certificates, "apiserver.crt"))
}

// newKey is an RSA key as PEM.
func newKey(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return string(pem.EncodeToMemory(block))
}

// namespace makes a namespace in which only pods may run that meet the strictest
// of the pod security standards.
func (c *cluster) namespace(t testing.TB, name string) {
	t.Helper()
	_, err := c.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	// Pods are refused without it.
	harness.Until(t, "the service account of the namespace", func() error {
		_, err := c.client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
}

// answers is nil when a URL answers 200.
func answers(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
