package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

// TestCIRecipes runs each recipe with a benchmark that succeeds, one that fails,
// and one that the system cancels. The run is archived each time, with the
// labels of the job, and the job has a link to it.
func TestCIRecipes(t *testing.T) {
	for _, script := range []string{"install.sh", "gate.sh", "after.sh", "comment.sh", "github/action.yml", "github/compare/action.yml", "github/workflow.yml",
		"gitlab/benchmark.gitlab-ci.yml", "jenkins/Jenkinsfile", "tekton/task.yaml"} {
		requireVariables(t, read(t, deployed(t, "ci", script)))
	}
	for system, jobOf := range ciJobs() {
		for _, c := range []struct {
			name, then string
			code       int
		}{{"succeeds", "exit 0", 0}, {"fails", "exit 7", 7}, {"cancelled", "", -1}} {
			t.Run(system+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r, bucket := newRecipe(t, harness.DirectoryBucket)
				job := jobOf(t, r.dir, bucket.ConfigFile)
				r.checkOut(t)
				benchmark := "exec sleep 600"
				if c.then != "" {
					benchmark = r.afterScrapes(c.then)[2]
				}
				require.NoError(t, os.WriteFile(filepath.Join(r.dir, "benchmark"), []byte("#!/usr/bin/env bash\n"+benchmark+"\n"), 0o755))

				step := startProgram(t, r.dir, "/usr/bin/env", []string{"bash", "-c", job.benchmark}, r.environment(job.env)...)
				if c.then == "" {
					requireSamples(t, r.receiver)
					job.cancel(t, step.cmd.Process.Pid)
					require.NotZero(t, step.wait())
				} else {
					require.Equal(t, c.code, step.wait())
				}
				always := startProgram(t, r.dir, "/usr/bin/env", []string{"bash", "-c", job.always}, r.environment(job.envAlways)...)
				require.Zero(t, always.wait())

				m := bucket.Manifest(t, job.run)
				require.Equal(t, "archived", m.State)
				require.True(t, m.Complete)
				require.NotZero(t, m.Archived)
				require.Equal(t, map[string]string{"run": job.run, "commit": commit, "branch": job.branch,
					"repository": job.repo, "pipeline": job.workflow}, m.Labels)
				link := job.link(t, r.dir)
				require.Regexp(t, regexp.QuoteMeta(grafana+"/d/benchkeep-run?var-run="+job.run)+`&from=\d{13}&to=\d{13}\b`, link)
			})
		}
	}
}

// checkOut puts the scripts into ci/, and queries beside them.
func (r recipe) checkOut(t *testing.T) {
	t.Helper()
	ci := harness.Sub(t, r.dir, "ci")
	for _, script := range []string{"shell/run-benchmark.sh", "ci/install.sh", "ci/gate.sh", "ci/after.sh", "ci/comment.sh"} {
		require.NoError(t, os.Symlink(deployed(t, script), filepath.Join(ci, filepath.Base(script))))
	}
	harness.WriteFile(t, ci, "queries.yaml", latencyQuery)
}

// environment is that of a CI system's job, besides which only addresses and
// the PATH are the test's.
func (r recipe) environment(job map[string]string) []string {
	var env []string
	for _, e := range r.env {
		name, _, _ := strings.Cut(e, "=")
		if name != "BENCHKEEP_RUN_ID" && name != "BENCHKEEP_OBJSTORE_CONFIG_FILE" {
			env = append(env, e)
		}
	}
	for name, value := range job {
		env = append(env, name+"="+value)
	}
	return env
}

// TestGitHubWorkflow lints the example and the actions with actionlint, which
// also holds the inputs that the one gives to those that the others take.
func TestGitHubWorkflow(t *testing.T) {
	dir := harness.Dir(t)
	actionlint := filepath.Join(dir, "actionlint")
	build := exec.Command("go", "build", "-o", actionlint, "github.com/rhysd/actionlint/cmd/actionlint")
	build.Dir = filepath.Join(harness.Root(t), "test", "tools", "actionlint")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	harness.Sub(t, dir, ".git") // the root of a project
	example := read(t, deployed(t, "ci", "github", "workflow.yml"))
	for _, action := range []string{"github", "github/compare"} {
		harness.WriteFile(t, harness.Sub(t, dir, "deploy", "ci", action), "action.yml", read(t, deployed(t, "ci", action, "action.yml")))
		released := "benchkeep/benchkeep/deploy/ci/" + action + "@v0.1.0"
		require.Contains(t, example, released)
		example = strings.ReplaceAll(example, released, "./deploy/ci/"+action)
	}
	lint := func(change ...string) error {
		workflow := harness.WriteFile(t, harness.Sub(t, dir, ".github", "workflows"), "benchmark.yml", strings.NewReplacer(change...).Replace(example))
		run := exec.Command(actionlint, "-shellcheck=", "-pyflakes=", workflow)
		run.Dir = dir
		out, err := run.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	require.NoError(t, lint())
	for right, wrong := range map[string]string{
		"objstore-config:": "bucket:", "runs-on:": "runs-in:", "matrix.threads": "matrix.thread",
		"base:": "main:", "outputs.run-id": "outputs.run", "pull-requests:": "pull-request:",
	} {
		require.ErrorContains(t, lint(right, wrong), "exit status 1", wrong)
	}
}

// TestTektonPipelineFitsItsTasks: parameters and workspaces that a Task asks for
// are given, and nothing else.
func TestTektonPipelineFitsItsTasks(t *testing.T) {
	tasks, pipeline := tektonObjects(t)
	for _, used := range append(pipeline.Spec.Tasks, pipeline.Spec.Finally...) {
		task, ok := tasks[used.TaskRef.Name]
		require.True(t, ok, used.TaskRef.Name)
		var wants, gets []string
		for _, p := range task.Spec.Params {
			wants = append(wants, p.Name)
		}
		for _, w := range task.Spec.Workspaces {
			wants = append(wants, w.Name)
		}
		for _, p := range used.Params {
			gets = append(gets, p.Name)
		}
		for _, w := range used.Workspaces {
			gets = append(gets, w.Name)
		}
		require.ElementsMatch(t, wants, gets)
	}
	require.Equal(t, "$(finally."+pipeline.Spec.Finally[0].Name+".results.url)", pipeline.Spec.Results[0].Value)
}

// TestCIInstall lets install.sh fetch from a stand-in for curl: what it fetches
// is named as the releases name it, and a wrong checksum ends it.
func TestCIInstall(t *testing.T) {
	const curl = `#!/usr/bin/env bash
for a; do case $a in https://*) echo "$a" >>urls; cp "$RELEASES/${a##*/}" .;; esac; done
`
	for _, c := range []struct{ name, checksum, says string }{{"right", "", ""}, {"wrong", "0", "sha256sum"}} {
		t.Run(c.name, func(t *testing.T) {
			dir := harness.Dir(t)
			path, releases := harness.Sub(t, dir, "path"), harness.Sub(t, dir, "releases")
			require.NoError(t, os.WriteFile(filepath.Join(path, "curl"), []byte(curl), 0o755))
			make := exec.Command("bash", "-euc", `
				prometheus=prometheus-`+strings.TrimPrefix(prometheusVersion(t), "v")+`.linux-amd64
				mkdir "$prometheus"; echo prometheus >"$prometheus/prometheus"
				tar --create --gzip --file="$prometheus.tar.gz" "$prometheus"; rm -r "$prometheus"
				echo benchkeep >benchkeep-linux-amd64
				sha256sum "$prometheus.tar.gz" >sha256sums.txt
				sha256sum benchkeep-linux-amd64 | sed "s/^./`+c.checksum+`&/" >SHA256SUMS`)
			make.Dir = releases
			out, err := make.CombinedOutput()
			require.NoError(t, err, "%s", out)
			install := exec.Command("bash", "-c", `uname() { echo x86_64; }; export -f uname; `+deployed(t, "ci", "install.sh")+" "+filepath.Join(dir, "bin"))
			install.Env = []string{"PATH=" + path + ":/usr/bin:/bin", "RELEASES=" + releases}
			out, err = install.CombinedOutput()
			if c.says != "" {
				require.ErrorContains(t, err, "exit status")
				require.Contains(t, string(out), c.says)
				require.NoFileExists(t, filepath.Join(dir, "bin", "benchkeep"))
				return
			}
			require.NoError(t, err, "%s", out)
			require.Equal(t, "benchkeep\n", read(t, filepath.Join(dir, "bin", "benchkeep")))
			require.Equal(t, "prometheus\n", read(t, filepath.Join(dir, "bin", "prometheus")))
			require.Equal(t, 4, strings.Count(read(t, filepath.Join(dir, "bin", "urls")), "/releases/download/v"))
		})
	}
}
