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
	// Address is the S3 server's.
	Address string
}

// StartBucket starts an S3 server with one empty bucket.
func StartBucket(t testing.TB, dir string) Bucket {
	t.Helper()
	// The posix backend takes every folder below its own for a bucket. Object
	// metadata goes to a second folder, because not every file system that
	// tests run on has extended attributes.
	buckets, sidecar := Sub(t, dir, "s3"), Sub(t, dir, "metadata")
	address := FreeAddress(t)
	b := Bucket{Dir: Sub(t, buckets, bucketName), Address: address}
	env := []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	p := start(t, dir, "versitygw", tool(t, "versitygw"), env,
		"--quiet", "--port", address, "--health", "/health", "posix", "--sidecar", sidecar, buckets)
	p.waitReady("http://" + address + "/health")
	b.ConfigFile = WriteFile(t, dir, "objstore.yml", S3Config(address))
	return b
}

// Another is a second, empty bucket of the same S3 server.
func (b Bucket) Another(t testing.TB, dir, name string) Bucket {
	t.Helper()
	return Bucket{
		ConfigFile: WriteFile(t, dir, "objstore-"+name+".yml", s3Config(b.Address, name, secretKey)),
		Dir:        Sub(t, filepath.Dir(b.Dir), name),
		Address:    b.Address,
	}
}

// Via is the bucket as it is reached through another address of its server.
func (b Bucket) Via(t testing.TB, dir, address string) Bucket {
	t.Helper()
	name := filepath.Base(b.Dir)
	b.Address = address
	b.ConfigFile = WriteFile(t, dir, "objstore-"+name+"-via.yml", s3Config(address, name, secretKey))
	return b
}

// WrongSecret is the bucket with credentials that its server does not accept.
func (b Bucket) WrongSecret(t testing.TB, dir, secret string) Bucket {
	t.Helper()
	name := filepath.Base(b.Dir)
	b.ConfigFile = WriteFile(t, dir, "objstore-"+name+"-with-wrong-secret.yml", s3Config(b.Address, name, secret))
	return b
}

// Missing is a bucket that the server does not have.
func (b Bucket) Missing(t testing.TB, dir, name string) Bucket {
	t.Helper()
	return Bucket{
		ConfigFile: WriteFile(t, dir, "objstore-"+name+"-missing.yml", s3Config(b.Address, name, secretKey)),
		Address:    b.Address,
	}
}

// S3Config is an objstore configuration for an S3 endpoint.
func S3Config(address string) string { return s3Config(address, bucketName, secretKey) }

func s3Config(address, bucket, secret string) string {
	return fmt.Sprintf(`type: S3
config:
  bucket: %s
  endpoint: %s
  region: us-east-1
  insecure: true
  access_key: %s
  secret_key: %s
`, bucket, address, accessKey, secret)
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
