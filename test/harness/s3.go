package harness

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
)

const (
	bucketName = "benchmarks"
	accessKey  = "benchkeep"
	secretKey  = "not-a-secret"
)

// A Bucket is a bucket for Thanos and benchkeep.
type Bucket struct {
	// ConfigFile is Thanos' objstore YAML.
	ConfigFile string
	// Dir is the bucket's folder: the S3 server stores objects as plain files.
	Dir string
}

// StartBucket starts an S3 server with one empty bucket.
func StartBucket(t testing.TB, dir string) Bucket {
	t.Helper()
	// The posix backend takes every folder below its own for a bucket. Object
	// metadata goes to a second folder, because not every file system that
	// tests run on has extended attributes.
	buckets, sidecar := Sub(t, dir, "s3"), Sub(t, dir, "metadata")
	b := Bucket{Dir: Sub(t, buckets, bucketName)}
	address := FreeAddress(t)
	env := []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	p := start(t, dir, "versitygw", tool(t, "versitygw"), env,
		"--quiet", "--port", address, "--health", "/health", "posix", "--sidecar", sidecar, buckets)
	p.waitReady("http://" + address + "/health")
	b.ConfigFile = WriteFile(t, dir, "objstore.yml", S3Config(address))
	return b
}

// S3Config is an objstore configuration for an S3 endpoint.
func S3Config(address string) string {
	return fmt.Sprintf(`type: S3
config:
  bucket: %s
  endpoint: %s
  region: us-east-1
  insecure: true
  access_key: %s
  secret_key: %s
`, bucketName, address, accessKey, secretKey)
}

// UnreachableBucket is the configuration of a bucket that refuses connections.
func UnreachableBucket(t testing.TB, dir string) Bucket {
	t.Helper()
	return Bucket{ConfigFile: WriteFile(t, dir, "objstore-unreachable.yml", S3Config(FreeAddress(t)))}
}

// HangingBucket is the configuration of a bucket whose server accepts
// connections and then never answers.
func HangingBucket(t testing.TB, dir string) Bucket {
	t.Helper()
	l, err := net.Listen("tcp", FreeAddress(t))
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	// Nobody accepts: the kernel completes the handshakes and buffers what the
	// client sends, which is all that a server that hangs does.
	return Bucket{ConfigFile: WriteFile(t, dir, "objstore-hanging.yml", S3Config(l.Addr().String()))}
}

// path is a file below the bucket's folder.
func (b Bucket) path(elem ...string) string {
	return filepath.Join(append([]string{b.Dir}, elem...)...)
}
