package doors

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// climbing are names that would leave their directory, were they used as they
// are. Environments cannot hold NUL, flags neither.
var climbing = []string{
	"../up", "../../../../tmp/up", "/absolute", "a/b", `..\up`, "..", ".", "%2e%2e%2fup", "..%2fup", "a/../../up", "~root", "a\nb", "\u202e", "-rf", "",
}

// TestNamesThatClimb gives names that climb wherever a name can come from. They
// are refused with exit code 1 or made harmless, and nothing is written but
// below the storage path, and in the bucket below the run's own folder.
func TestNamesThatClimb(t *testing.T) {
	t.Parallel()
	for source, c := range map[string]struct {
		env, arg string
		refused  bool // where the name is a user's own
	}{
		"flag":       {arg: "--run.id=", refused: true},
		"variable":   {env: "BENCHKEEP_RUN_ID="},
		"GitHub":     {env: "GITHUB_ACTIONS=true\nGITHUB_RUN_ID="},
		"attempt":    {env: "GITHUB_ACTIONS=true\nGITHUB_RUN_ID=1\nGITHUB_RUN_ATTEMPT="},
		"GitLab":     {env: "GITLAB_CI=true\nCI_JOB_ID="},
		"Jenkins":    {env: "BUILD_TAG="},
		"label":      {arg: "--run.label=branch="},
		"branch":     {env: "BENCHKEEP_RUN_ID=run\nBENCHKEEP_BRANCH="},
		"label name": {arg: "--run.label=%=value", refused: true},
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			for _, name := range climbing {
				climb(t, c.env, c.arg, name, c.refused)
			}
		})
	}
}

// climb starts a receiver with one name in its environment or flags.
func climb(t *testing.T, env, arg, name string, refused bool) {
	t.Helper()
	dir := harness.Sub(t, harness.Dir(t), "deep", "below")
	b := harness.DirectoryBucket(t, dir)
	var environment []string
	if env != "" {
		environment = strings.Split(env+strings.ReplaceAll(name, "\n", " "), "\n")
	}
	address := harness.FreeAddress(t)
	args := []string{"receive", "--storage.path=data", "--objstore.config-file=" + b.ConfigFile, "--web.listen-address=" + address, "--finish.quiet=1ms"}
	if arg != "" {
		before, after, named := strings.Cut(arg, "%")
		if !named {
			before, after = arg, ""
		}
		args = append(args, before+name+after)
	}
	p := harness.StartBenchkeep(t, dir, "benchkeep", environment, args...)
	if refused && name != "" {
		if code := p.Wait(); code != 1 {
			t.Errorf("%s%s%q: exit code %d, want 1", env, arg, name, code)
		}
	} else if opened(t, p, address) {
		r := &harness.Receiver{Process: p, Address: address, URL: "http://" + address}
		sender := harness.NewSender(t, r, harness.RemoteWriteV2)
		sender.Send(one(name+"up", time.Now().UnixMilli(), 1, "path", name+"x"))
		sender.Close()
		terminate(t, p)
	}
	checkPlaces(t, filepath.Dir(filepath.Dir(dir)), name)
}

// opened waits until the receiver serves, or has refused its flags.
func opened(t *testing.T, p *harness.Process, address string) (serves bool) {
	t.Helper()
	c := attacker(t)
	harness.Until(t, "a receiver or a refusal", func() error {
		if p.Running() != nil {
			return nil
		}
		got, err := do(c, "GET", "http://"+address+"/-/ready", nil, nil)
		if err == nil && got.status != 200 {
			err = errBusy
		}
		serves = err == nil
		return err
	})
	c.CloseIdleConnections()
	if code := 1; !serves && p.Wait() != code {
		t.Errorf("benchkeep exited with code %d, want %d", p.Wait(), code)
	}
	return serves
}

// checkPlaces checks that all files are where they belong.
func checkPlaces(t *testing.T, top, name string) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(top, "deep", "below"), path)
		if err != nil {
			return err
		}
		inPlace := rel == "benchkeep.log" || rel == "objstore-directory.yml"
		for _, place := range []string{"data/*", "data/*/*", "data/*/*/*", "bucket/0*/*", "bucket/0*/chunks/*", "bucket/benchkeep/runs/*/*.json"} {
			match, err := filepath.Match(place, rel)
			inPlace = inPlace || match && err == nil
		}
		if !inPlace {
			t.Errorf("name %q: %s is out of place", name, rel)
		}
		return nil
	})
	if err != nil {
		t.Errorf("name %q: %v", name, err)
	}
}
