package doors

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// Secrets that nothing else looks like. A part of one is a part too much:
// shownPart is how much of one gives it away.
const (
	secretKey = "Zq7-sEcReT-kEy-of-the-bucket"
	accessKey = "XvAcCeSs-kEy-of-the-bucket"
	token     = "tOk3n-of-a-clone-url"
	shownPart = 5
)

// checkSecrets checks that a text shows no secret, nor the beginning of one.
func checkSecrets(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{secretKey, accessKey, token} {
		if at := strings.Index(text, secret[:shownPart]); at >= 0 {
			t.Errorf("%s shows %s: …%s…", what, secret, text[max(0, at-80):min(len(text), at+80)])
		}
	}
}

func s3Secrets(address string) string {
	return fmt.Sprintf("type: S3\nconfig:\n  bucket: b\n  endpoint: %s\n  region: r\n  insecure: true\n  access_key: %s\n  secret_key: %s\n",
		address, accessKey, secretKey)
}

// TestSecretsOfARun looks everywhere a run shows anything, at log level debug,
// with a bucket that does not answer and a finish that fails.
func TestSecretsOfARun(t *testing.T) {
	t.Parallel()
	for name, inline := range map[string]bool{"in-a-file": false, "on-the-command-line": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := harness.Dir(t)
			config := s3Secrets(harness.FreeAddress(t))
			flag := "--objstore.config=" + config
			if !inline {
				flag = "--objstore.config-file=" + harness.WriteFile(t, dir, "objstore.yml", config)
			}
			address := harness.FreeAddress(t)
			// What CI systems clone with, and what is no URL because of it.
			env := []string{"BENCHKEEP_REPOSITORY=https://ci:" + token + "@git.example/a.git", "BENCHKEEP_BRANCH=https://ci:" + token + "%zz@git.example/a.git",
				"BENCHKEEP_PIPELINE=ssh://" + token + "@git.example/a.git"}
			p := harness.StartBenchkeep(t, dir, "benchkeep", env, "receive", "--log.level=debug", "--run.id=secrets", "--storage.path=data",
				"--web.listen-address="+address, "--finish.quiet=1ms", "--finish.timeout=8s", flag)
			r := &harness.Receiver{Process: p, Address: address, URL: "http://" + address}
			r.WaitReady()
			sender := harness.NewSender(t, r, harness.RemoteWriteV2)
			sender.Send(one("up", time.Now().UnixMilli(), 1))
			sender.Close()
			checkPages(t, r)
			if status, _ := r.Finish(); status != 500 {
				t.Errorf("the finish was answered %d, want 500", status)
			}
			checkPages(t, r)
			p.Kill()
			p.Wait()
			_, log, _ := strings.Cut(p.Log(), "receive") // the first lines are the command
			checkSecrets(t, "log", log[strings.Index(log, "\ntime="):])
			checkStored(t, filepath.Join(dir, "data"))
		})
	}
}

// checkPages reads everything that a receiver serves.
func checkPages(t *testing.T, r *harness.Receiver) {
	t.Helper()
	c := attacker(t)
	for _, path := range []string{"/", "/api/v1/status", "/metrics", "/-/ready", "/-/healthy", "/debug/pprof/",
		"/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/config"} {
		got, err := do(c, "GET", r.URL+path, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		checkSecrets(t, path, got.body)
	}
}

// checkStored reads all files below the storage path, the manifest to be among them.
func checkStored(t *testing.T, storage string) {
	t.Helper()
	err := filepath.WalkDir(storage, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		checkSecrets(t, path, string(content))
		return err
	})
	if err != nil {
		t.Errorf("read storage path: %v", err)
	}
}

// TestSecretsOfABadBucket gives configurations that are wrong next to a secret,
// or because of it. The message names the flag, and no secret.
func TestSecretsOfABadBucket(t *testing.T) {
	t.Parallel()
	keys := "  bucket: b\n  endpoint: e:1\n  access_key: " + accessKey + "\n"
	for name, config := range map[string]string{
		"secret where a list goes":       "type: S3\nconfig:\n" + keys + "  secret_key: [" + secretKey + "]\n",
		"secret where a map goes":        "type: S3\nconfig:\n" + keys + "  secret_key: {" + secretKey + ": 1}\n",
		"secret where a bool goes":       "type: S3\nconfig:\n" + keys + "  insecure: " + secretKey + "\n",
		"secret where a number goes":     "type: S3\nconfig:\n" + keys + "  part_size: " + secretKey + "\n",
		"secret where a duration goes":   "type: S3\nconfig:\n" + keys + "  http_config: {idle_conn_timeout: " + secretKey + "}\n",
		"secret where the map goes":      "type: S3\nconfig:\n" + keys + "  sse_config: " + secretKey + "\n",
		"secret where the section goes":  "type: S3\nconfig: " + secretKey + "\n",
		"secret as the whole":            secretKey + "\n",
		"secret as the type":             "type: " + secretKey + "\nconfig:\n" + keys,
		"secret as a field":              "type: S3\nconfig: {bucket: b, secret_key:" + secretKey + "}\n",
		"secret as a field at the top":   secretKey + ": 1\ntype: S3\n",
		"secret as a field twice":        "type: S3\nconfig:\n  " + secretKey + ": 1\n  " + secretKey + ": 2\n",
		"unknown field beside":           "type: S3\nconfig:\n" + keys + "  secret_keys: " + secretKey + "\n",
		"wrong type beside":              "type: S3\nconfig:\n" + keys + "  secret_key: " + secretKey + "\n  insecure: maybe\n",
		"field twice":                    "type: S3\nconfig:\n" + keys + "  access_key: " + secretKey + "\n",
		"no space before the secret":     "type: S3\nconfig:\n  secret_key:" + secretKey + "\n",
		"quote that is not closed":       "type: S3\nconfig:\n  secret_key: \"" + secretKey + "\n",
		"anchor that is not there":       "type: S3\nconfig:\n  secret_key: *" + secretKey + "\n",
		"tag that is not there":          "type: S3\nconfig:\n  insecure: !!bool " + secretKey + "\n",
		"tab before the secret":          "type: S3\nconfig:\n\tsecret_key: " + secretKey + "\n",
		"endpoint with credentials":      "type: S3\nconfig:\n  bucket: b\n  endpoint: https://" + accessKey + ":" + secretKey + "@s3.example\n",
		"no endpoint":                    "type: S3\nconfig:\n  bucket: b\n  access_key: " + accessKey + "\n  secret_key: " + secretKey + "\n",
		"directory bucket with a secret": "type: FILESYSTEM\nconfig:\n  directory: [" + secretKey + "]\n  secret_key: " + secretKey + "\n",
		"Azure key that is no base64":    "type: AZURE\nconfig:\n  storage_account: a\n  storage_account_key: " + secretKey + "\n  container: c\n",
		"Azure connection string":        "type: AZURE\nconfig:\n  storage_connection_string: AccountKey=" + secretKey + "\n  container: c\n",
		"GCS account that is no JSON":    "type: GCS\nconfig:\n  bucket: b\n  service_account: '" + secretKey + "'\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, inline := range []bool{true, false} {
				dir := harness.Dir(t)
				flag := "--objstore.config=" + config
				if !inline {
					flag = "--objstore.config-file=" + harness.WriteFile(t, dir, "objstore.yml", config)
				}
				p := harness.Benchkeep(t, dir, "benchkeep", "receive", "--log.level=debug", "--storage.path=data",
					"--web.listen-address="+harness.FreeAddress(t), flag)
				if code := p.Wait(); code != 1 {
					t.Errorf("exit code %d, want 1", code)
				}
				log := p.Log()
				log = log[strings.Index(log, "\ntime="):] // the first lines are the command
				checkSecrets(t, "message", log)
				if !strings.Contains(log, "--objstore.config") {
					t.Errorf("the message does not name the flag:\n%s", log)
				}
			}
		})
	}
}
