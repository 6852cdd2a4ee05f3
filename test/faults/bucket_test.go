package faults

import (
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestRequestsInTrouble finishes runs while requests to the bucket meet what
// networks and servers do. Each request that is hit is hit once; then the
// finish has to succeed within its time.
func TestRequestsInTrouble(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name  string
		hits  func(harness.Request) bool
		fault harness.Fault
	}{
		{"slow-down-every-request", always, harness.SlowDown()},
		{"internal-error-every-upload", uploads, harness.Answer(http.StatusInternalServerError, "InternalError")},
		{"done-but-answered-503", always, harness.After(harness.SlowDown())},
		{"done-but-answer-lost", always, harness.After(harness.Reset(0))},
		{"reset-before-the-body", uploads, harness.Reset(0)},
		{"reset-in-the-body", uploads, harness.Reset(300)},
		{"reset-of-deletes", deletes, harness.Reset(0)},
		{"refused-meta", putting("/meta.json"), harness.SlowDown()},
		{"refused-index", putting("/index"), harness.SlowDown()},
		{"refused-chunks", putting("/chunks/000001"), harness.SlowDown()},
		{"refused-manifest", putting(".json"), harness.SlowDown()},
		{"slow-uploads", uploads, harness.Slow(20_000)},
		{"one-stalled-upload", once(putting("/index")), harness.Stall()},
		{"one-stalled-look", once(looks), harness.Stall()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			direct := server.Another(t, dir, c.name)
			proxy, bucket := harness.StartProxy(t, dir, direct)
			r := startRun(t, dir, bucket, c.name)
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sendReplacing(t, sender, direct, c.name, windowStart(3))
			sender.Close()
			hit := 0
			seen := map[string]bool{}
			proxy.On(func(req harness.Request) harness.Fault {
				if seen[req.String()] || !c.hits(req) {
					return nil
				}
				seen[req.String()] = true
				hit++
				return c.fault
			})
			terminate(t, r, 0)
			proxy.On(nil)
			if hit == 0 {
				t.Error("the fault did not hit any request")
			}
			checkArchived(t, dir, direct, c.name, sender)
		})
	}
}

func always(harness.Request) bool       { return true }
func uploads(req harness.Request) bool  { return req.Method == http.MethodPut }
func deletes(req harness.Request) bool  { return req.Method == http.MethodDelete }
func looks(req harness.Request) bool    { return req.Method == http.MethodHead }
func manifest(req harness.Request) bool { return strings.HasPrefix(req.Object, "benchkeep/runs/") }

func putting(suffix string) func(harness.Request) bool {
	return func(req harness.Request) bool { return req.Puts(suffix) }
}

// once is true for the first request only that the function knows.
func once(known func(harness.Request) bool) func(harness.Request) bool {
	done := false
	return func(req harness.Request) bool {
		hit := !done && known(req)
		done = done || hit
		return hit
	}
}

// TestBucketNeverWorks finishes runs whose bucket refuses for good. The exit
// code has to say so, the log why, without the secret; the data stays for a
// resume with what works.
func TestBucketNeverWorks(t *testing.T) {
	t.Parallel()
	const secret = "wrong-and-secret-all-the-same"
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, c := range []struct {
		name   string
		bucket func(t *testing.T, dir string, b harness.Bucket) harness.Bucket
		tells  string
	}{
		{"wrong-secret", func(t *testing.T, dir string, b harness.Bucket) harness.Bucket {
			return b.WrongSecret(t, dir, secret)
		}, "signature"},
		{"no-such-bucket", func(t *testing.T, dir string, b harness.Bucket) harness.Bucket {
			return b.Missing(t, dir, "nobody-made-this")
		}, "bucket does not exist"},
		{"full", func(t *testing.T, dir string, b harness.Bucket) harness.Bucket {
			proxy, b := harness.StartProxy(t, dir, b)
			proxy.On(refusing(harness.Answer(http.StatusInsufficientStorage, "XMinioStorageFull"), uploads))
			return b
		}, "XMinioStorageFull"},
		{"read-only", func(t *testing.T, dir string, b harness.Bucket) harness.Bucket {
			proxy, b := harness.StartProxy(t, dir, b)
			proxy.On(refusing(harness.Answer(http.StatusForbidden, "AccessDenied"), uploads))
			return b
		}, "AccessDenied"},
		{"meta-refused", func(t *testing.T, dir string, b harness.Bucket) harness.Bucket {
			proxy, b := harness.StartProxy(t, dir, b)
			proxy.On(refusing(harness.Answer(http.StatusForbidden, "AccessDenied"), putting("/meta.json")))
			return b
		}, "AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			good := server.Another(t, dir, c.name)
			r := startRun(t, dir, c.bucket(t, dir, good), c.name, "--finish.timeout=4s")
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sender.Send(spans("some", 5, windowStart(2), windowStart(0), minute)...)
			sender.Close()
			terminate(t, r, 2)
			checkKept(t, good, c.name)
			if !strings.Contains(strings.ToLower(r.Log()), strings.ToLower(c.tells)) {
				t.Errorf("the log does not tell that the trouble is %q", c.tells)
			}
			if strings.Contains(r.Log(), secret) {
				t.Error("the log tells the secret")
			}
			resume(t, dir, r.Storage, good)
			checkArchived(t, dir, good, c.name, sender)
		})
	}
}

// refusing does the fault to every request that the function knows.
func refusing(fault harness.Fault, known func(harness.Request) bool) func(harness.Request) harness.Fault {
	return func(req harness.Request) harness.Fault {
		if known(req) {
			return fault
		}
		return nil
	}
}

// TestMetaIsLast fails whatever is uploaded of a block but meta.json: then
// there must be no meta.json.
func TestMetaIsLast(t *testing.T) {
	t.Parallel()
	dir := harness.Dir(t)
	server := harness.StartBucket(t, dir)
	for _, object := range []string{"/index", "/chunks/000001"} {
		t.Run(path.Base(object), func(t *testing.T) {
			t.Parallel()
			run := "meta-last-" + path.Base(object)
			direct := server.Another(t, dir, run)
			proxy, bucket := harness.StartProxy(t, dir, direct)
			proxy.On(refusing(harness.SlowDown(), putting(object)))
			r := startRun(t, dir, bucket, run, "--finish.timeout=4s")
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sender.Send(spans("some", 5, windowStart(2), windowStart(0), minute)...)
			sender.Close()
			terminate(t, r, 2)
			if blocks := direct.Blocks(t); len(blocks) != 0 {
				t.Errorf("%d blocks are visible without %s", len(blocks), object)
			}
			checkKept(t, direct, run)
			proxy.On(nil)
			r = r.Again()
			r.WaitState("archived")
			terminate(t, r, 0)
			checkArchived(t, dir, direct, run, sender)
		})
	}
}
