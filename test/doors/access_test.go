package doors

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	user     = "prometheus"
	password = "correct-horse-battery-staple"
)

// endpoints are all that a receiver has, and some that it has not: nobody may
// learn which from outside. The finish is last, it ends the run.
var endpoints = []struct{ method, path string }{
	{http.MethodPost, "/api/v1/write"}, {http.MethodPost, "/api/v1/receive"},
	{http.MethodGet, "/api/v1/status"}, {http.MethodGet, "/-/healthy"}, {http.MethodGet, "/-/ready"},
	{http.MethodGet, "/metrics"}, {http.MethodGet, "/"},
	{http.MethodGet, "/debug/pprof/"}, {http.MethodGet, "/debug/pprof/heap"}, {http.MethodGet, "/debug/pprof/goroutine"},
	{http.MethodGet, "/debug/pprof/profile?seconds=1"}, {http.MethodGet, "/debug/pprof/trace?seconds=0.1"}, {http.MethodPost, "/debug/pprof/symbol"},
	{http.MethodGet, "//api/v1/status"}, {http.MethodGet, "/-/../api/v1/status"}, {http.MethodGet, "/nowhere"},
	{http.MethodPut, "/finish"}, {http.MethodPost, "/finish?wait=false"}, {http.MethodPost, "/finish"},
}

// webConfig is the configuration that SECURITY.md shows, with the files and the
// hash of the test in place of the ones there.
func webConfig(t *testing.T, dir string, replace ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(harness.Root(t), "SECURITY.md"))
	if err != nil {
		t.Fatalf("read SECURITY.md: %v", err)
	}
	_, rest, found := strings.Cut(string(raw), "```yaml\n# web.yml\n")
	example, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("SECURITY.md shows no web.yml")
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(example, replace[i]) {
			t.Fatalf("the web.yml of SECURITY.md has no %q", replace[i])
		}
	}
	return harness.WriteFile(t, dir, "web.yml", strings.NewReplacer(replace...).Replace(example))
}

// passwordHash is what basic auth stores.
func passwordHash(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatalf("hash password: %v", err)
	}
	return string(hash)
}

// A house is a receiver behind a door.
type house struct {
	*harness.Process
	bucket harness.Bucket
	host   string
}

func (h house) url(userinfo string) string { return "https://" + userinfo + h.host }

// build starts a receiver with a web configuration, and waits until it lets in
// who belongs.
func build(t *testing.T, dir, run, web, userinfo string, belongs *http.Client, args ...string) house {
	t.Helper()
	h := house{bucket: harness.DirectoryBucket(t, dir), host: harness.FreeAddress(t)}
	h.Process = harness.StartBenchkeep(t, dir, "benchkeep", nil, append([]string{"receive", "--run.id=" + run, "--log.level=debug",
		"--storage.path=data", "--objstore.config-file=" + h.bucket.ConfigFile, "--web.listen-address=" + h.host, "--web.config.file=" + web}, args...)...)
	h.WaitServing(belongs, h.url(userinfo)+"/-/ready")
	return h
}

// TestBasicAuth closes the door with TLS and a password, as SECURITY.md shows.
func TestBasicAuth(t *testing.T) {
	t.Parallel()
	const run = "basic-auth"
	dir := harness.Dir(t)
	ca := newAuthority(t, dir, "authority")
	cert, key := ca.issue("server")
	web := webConfig(t, dir, "/etc/benchkeep/tls.crt", cert, "/etc/benchkeep/tls.key", key, "$2y$10$REPLACE", passwordHash(t))
	me := user + ":" + password + "@"
	belongs := ca.client(true)
	h := build(t, dir, run, web, me, belongs)
	sender := harness.NewSenderVia(t, h.url(me)+"/api/v1/write", ca.client(true), harness.RemoteWriteV2)
	sender.Send(one("up", time.Now().UnixMilli(), 1))

	stranger := ca.client(true)
	for _, userinfo := range []string{"", user + "@", user + ":wrong@", "root:" + password + "@", ":" + password + "@", "%00:%00@"} {
		for _, e := range endpoints {
			got, err := do(stranger, e.method, h.url(userinfo)+e.path, nil, bytes.NewReader(nil))
			if err != nil || got.status != http.StatusUnauthorized {
				t.Errorf("%s %s as %q: answer %d, error %v, want 401", e.method, e.path, userinfo, got.status, err)
			}
		}
	}
	if got, err := do(stranger, http.MethodGet, "http://"+h.host+"/api/v1/status", nil, nil); err == nil && got.status != http.StatusBadRequest {
		t.Errorf("without TLS: answer %d", got.status)
	}
	checkOpen(t, belongs, h.url(me))
	sender.Close()
	belongs.CloseIdleConnections()
	finishBy(t, dir, h, h.url(me), "SSL_CERT_FILE="+ca.File)
	terminate(t, h.Process)
	checkArchived(t, dir, h.bucket, run, sender)
	if log := h.Log(); strings.Contains(log, password) {
		t.Error("the log shows the password")
	}
}

// checkOpen checks that who belongs gets an answer from each endpoint.
func checkOpen(t *testing.T, c *http.Client, url string) {
	t.Helper()
	for _, e := range endpoints {
		if e.path == "/nowhere" || strings.HasPrefix(e.path, "/finish") {
			continue
		}
		var header map[string]string
		var body []byte
		if e.method == http.MethodPost && strings.HasPrefix(e.path, "/api/") {
			header, body = headersV1(), snap()
		}
		got, err := do(c, e.method, url+e.path, header, bytes.NewReader(body))
		if err != nil || got.status >= 300 {
			t.Errorf("%s %s as one who belongs: answer %d, error %v", e.method, e.path, got.status, err)
		}
	}
}

// finishBy asks for the finish with the command for it.
func finishBy(t *testing.T, dir string, h house, url string, env ...string) {
	t.Helper()
	p := harness.StartBenchkeep(t, dir, "finish", env, "finish", "--url="+url)
	if code := p.Wait(); code != 0 {
		t.Errorf("benchkeep finish exited with code %d, want 0:\n%s", code, p.Log())
	}
	// The log's first line is the command itself.
	if _, log, _ := strings.Cut(p.Log(), "\n"); strings.Contains(log, password) {
		t.Errorf("benchkeep finish shows the password:\n%s", log)
	}
	if !strings.Contains(h.Log(), "every writer has closed its connection") {
		t.Errorf("the drain did not see that the writer was gone:\n%s", h.Log())
	}
}

// TestFinishTurnedAway asks for the finish with what does not open the door:
// that is told, with exit code 1 and without the password.
func TestFinishTurnedAway(t *testing.T) {
	t.Parallel()
	const run = "turned-away"
	dir := harness.Dir(t)
	ca := newAuthority(t, dir, "authority")
	cert, key := ca.issue("server")
	web := webConfig(t, dir, "/etc/benchkeep/tls.crt", cert, "/etc/benchkeep/tls.key", key, "$2y$10$REPLACE", passwordHash(t))
	h := build(t, dir, run, web, user+":"+password+"@", ca.client(false), "--finish.quiet=100ms")
	const wrong = "wr0ngwr0ng"
	trust := "SSL_CERT_FILE=" + ca.File
	for name, c := range map[string]struct{ env, url string }{
		"wrong password":    {trust, h.url(user + ":" + wrong + "@")},
		"unknown authority": {"SSL_CERT_FILE=" + cert + ".missing", h.url(user + ":" + wrong + "@")},
		"no TLS":            {trust, "http://" + user + ":" + wrong + "@" + h.host},
		"nobody there":      {trust, "https://" + user + ":" + wrong + "@" + harness.FreeAddress(t)},
		"broken URL":        {trust, "https://" + user + ":" + wrong + "@127.0.0.1:port"},
		"broken escape":     {trust, "https://" + user + ":" + wrong + "%zz@" + h.host},
		"no scheme":         {trust, user + ":" + wrong + "@" + h.host},
	} {
		p := harness.StartBenchkeep(t, harness.Sub(t, dir, name), "finish", []string{c.env, "SSL_CERT_DIR=/nonexistent"}, "finish", "--url="+c.url)
		if code := p.Wait(); code != 1 {
			t.Errorf("%s: exit code %d, want 1", name, code)
		}
		if _, log, _ := strings.Cut(p.Log(), "\n"); strings.Contains(log, wrong) || !strings.Contains(log, "--url") {
			t.Errorf("%s: the message shows the password or not the flag:\n%s", name, log)
		}
	}
	terminate(t, h.Process)
}

// TestClientCertificates lets in only who shows a certificate of the authority.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			t.Parallel()
			const run = "client-certificates"
			dir := harness.Dir(t)
			ca, other := newAuthority(t, dir, "authority"), newAuthority(t, dir, "other")
			cert, key := ca.issue("server")
			web := harness.WriteFile(t, dir, "web.yml", fmt.Sprintf("tls_server_config:\n  cert_file: %s\n  key_file: %s\n"+
				"  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: %s\nhttp_server_config:\n  http2: %t\n", cert, key, ca.File, http2))
			mine, myKey := ca.issue("client")
			belongs := ca.client(http2, mine, myKey)
			h := build(t, dir, run, web, "", belongs)
			sender := harness.NewSenderVia(t, h.url("")+"/api/v1/write", ca.client(http2, mine, myKey), harness.RemoteWriteV1)
			sender.Send(one("up", time.Now().UnixMilli(), 1))

			theirs, theirKey := other.issue("client")
			for name, stranger := range map[string]*http.Client{"none": ca.client(http2), "another authority's": ca.client(http2, theirs, theirKey)} {
				for _, e := range endpoints {
					if got, err := do(stranger, e.method, h.url("")+e.path, nil, nil); err == nil {
						t.Errorf("%s %s with certificate %s: answer %d, want no handshake", e.method, e.path, name, got.status)
					}
				}
			}
			checkProtocol(t, belongs, h.url(""), http2)
			checkOpen(t, belongs, h.url(""))
			sender.Close()
			belongs.CloseIdleConnections()
			// `benchkeep finish` has no client certificate to show: the signal
			// is the way to finish, and one over HTTP from a client that has.
			terminate(t, h.Process)
			if !strings.Contains(h.Log(), "every writer has closed its connection") {
				t.Errorf("the drain did not see that the writer was gone:\n%s", h.Log())
			}
			checkArchived(t, dir, h.bucket, run, sender)
		})
	}
}

// checkProtocol checks that the test speaks what it means to.
func checkProtocol(t *testing.T, c *http.Client, url string, http2 bool) {
	t.Helper()
	resp, err := c.Get(url + "/-/healthy")
	if err != nil {
		t.Fatalf("healthy: %v", err)
	}
	resp.Body.Close()
	if got := resp.ProtoMajor == 2; got != http2 {
		t.Errorf("the connection speaks %s, want HTTP/2: %t", resp.Proto, http2)
	}
	if resp.TLS == nil || resp.TLS.Version < tls.VersionTLS12 {
		t.Error("the connection is not TLS 1.2 or newer")
	}
}
