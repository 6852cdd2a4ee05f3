package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/benchkeep/benchkeep/test/harness"
)

// A ciJob is what a CI system runs of a recipe, in the environment that it gives.
type ciJob struct {
	// benchmark is the script that runs the benchmark, always the one that is
	// run afterwards, however the first ended.
	benchmark, always string
	env, envAlways    map[string]string
	// compare is the script of the gate, comment the one that leaves the comment,
	// if the recipe has one; report is what it keeps for people to open.
	compare, comment       string
	envCompare, envComment map[string]string
	report                 string
	run                    string
	branch, repo, workflow string
	// cancel does to the benchmark's process what the system does to the
	// processes of a cancelled job.
	cancel func(t *testing.T, pid int)
	// link finds the link to Grafana where the recipe leaves it.
	link func(t *testing.T, dir string) string
}

const (
	commit       = "0123abc0123abc0123abc0123abc0123abc0123a"
	grafana      = "https://grafana.example.com"
	commentToken = "t0ken-that-n0body-sees"
)

// ciJobs give the recipes as each system would run them in a folder, with a
// bucket's configuration as a secret file.
func ciJobs() map[string]func(t testing.TB, dir, objstore string) ciJob {
	return map[string]func(t testing.TB, dir, objstore string) ciJob{
		"GitHub Actions": githubJob, "GitLab CI": gitlabJob, "Jenkins": jenkinsJob, "Tekton": tektonJob,
	}
}

// one tells a process a signal, group all that it has started as well.
func one(s syscall.Signal) func(*testing.T, int) {
	return func(t *testing.T, pid int) { require.NoError(t, syscall.Kill(pid, s)) }
}

func group(s syscall.Signal) func(*testing.T, int) {
	return func(t *testing.T, pid int) { require.NoError(t, syscall.Kill(-pid, s)) }
}

// The YAML of an action, as far as GitHub's metadata syntax knows it.
type githubAction struct {
	Name, Description string
	Inputs            map[string]struct {
		Description string
		Required    bool
		Default     string
	}
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []struct {
			Name, ID, If, Shell, Run, Uses string
			Env, With                      map[string]string
		}
	}
}

// readAction reads an action of three steps.
func readAction(t testing.TB, elem ...string) (action githubAction) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, deployed(t, elem...))), &action))
	require.Equal(t, "composite", action.Runs.Using)
	require.Len(t, action.Runs.Steps, 3)
	for _, s := range action.Runs.Steps {
		require.Equal(t, s.Run != "", s.Shell == "bash", s.Name)
		require.Equal(t, s.Run == "", s.Uses != "", s.Name)
	}
	return action
}

// exampleOfGate is what the example of a workflow gives the gate.
func exampleOfGate(t testing.TB) map[string]string {
	t.Helper()
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string
				With map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, deployed(t, "ci", "github", "workflow.yml"))), &workflow))
	steps := workflow.Jobs["benchmark"].Steps
	require.Contains(t, steps[len(steps)-1].Uses, "/compare@")
	return steps[len(steps)-1].With
}

var githubExpression = regexp.MustCompile(`\$\{\{ (.*?) \}\}`)

func githubJob(t testing.TB, dir, objstore string) ciJob {
	t.Helper()
	action := readAction(t, "ci", "github", "action.yml")
	prepare, benchmark, archive := action.Runs.Steps[0], action.Runs.Steps[1], action.Runs.Steps[2]
	require.Contains(t, archive.If, "always()")
	gate := readAction(t, "ci", "github", "compare", "action.yml")
	compare, report, comment := gate.Runs.Steps[0], gate.Runs.Steps[1], gate.Runs.Steps[2]
	for _, s := range []string{report.If, comment.If} {
		require.Equal(t, "always()", s)
	}
	temp := harness.Sub(t, dir, "temp")
	env := map[string]string{
		"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_SHA": commit,
		"GITHUB_REF_NAME": "7/merge", "GITHUB_HEAD_REF": "faster-parser", "GITHUB_REPOSITORY": "example/product", "GITHUB_WORKFLOW": "nightly",
		"GITHUB_ACTION_PATH": deployed(t, "ci", "github"), "RUNNER_TEMP": temp, "GITHUB_PATH": filepath.Join(temp, "path"),
		"GITHUB_OUTPUT": filepath.Join(temp, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(temp, "step-summary.md"),
		"GITHUB_SERVER_URL": "https://github.com",
	}
	expressions := map[string]string{
		"inputs.run-id || format('{0}-{1}-{2}-{3}', github.run_id, github.run_attempt, github.job, strategy.job-index)": "4711-2-benchmark-1",
		"inputs.objstore-config": read(t, objstore), "inputs.prometheus-config": action.Inputs["prometheus-config"].Default,
		"inputs.grafana-url": grafana, "inputs.run": "./benchmark --duration=10m", "steps.prepare.outputs.run-id": "4711-2-benchmark-1",
		"github.repository": "example/product", "matrix.threads": "8", "steps.benchmark.outputs.run-id": "4711-2-benchmark-1",
		"secrets.BENCHMARKS_BUCKET": read(t, objstore), "runner.temp": temp, "github.event.pull_request.number": "7",
		"inputs.last": gate.Inputs["last"].Default, "inputs.fail-on": gate.Inputs["fail-on"].Default, "inputs.token": commentToken,
	}
	for name, value := range exampleOfGate(t) {
		expressions["inputs."+name] = evaluate(t, githubExpression, value, expressions)
	}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(env)
		for name, value := range more {
			all[name] = evaluate(t, githubExpression, value, expressions)
		}
		return all
	}
	// Both steps in one shell: the first one's variables are no business of the second.
	first := with(prepare.Env)
	maps.Copy(first, with(benchmark.Env))
	ofGate := func(more map[string]string) map[string]string {
		all := with(more)
		all["GITHUB_ACTION_PATH"] = deployed(t, "ci", "github", "compare")
		return all
	}
	return ciJob{
		benchmark: "(" + prepare.Run + ")\nunset OBJSTORE_CONFIG RUN_ID\n" + benchmark.Run, always: archive.Run,
		env: first, envAlways: with(archive.Env),
		compare: compare.Run, comment: comment.Run, envCompare: ofGate(compare.Env), envComment: ofGate(comment.Env),
		report: evaluate(t, githubExpression, report.With["path"], expressions),
		run:    "4711-2-benchmark-1", branch: "faster-parser", repo: "example/product", workflow: "nightly",
		cancel: one(syscall.SIGINT),
		link: func(t *testing.T, dir string) string {
			require.Contains(t, read(t, filepath.Join(temp, "step-summary.md")), "| samples |")
			require.NoFileExists(t, filepath.Join(temp, "objstore.yaml"))
			return read(t, filepath.Join(temp, "output"))
		},
	}
}

// evaluate replaces a system's expressions by their values, all of which have
// to be known.
func evaluate(t testing.TB, expression *regexp.Regexp, text string, values map[string]string) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(match string) string {
		name := expression.FindStringSubmatch(match)[1]
		value, ok := values[name]
		require.True(t, ok, "no value for %s", match)
		return value
	})
}

type gitlabTemplate struct {
	Extends      string
	Rules        []struct{ If string }
	Variables    map[string]string
	Timeout      string
	BeforeScript []string `json:"before_script"`
	Script       []string
	AfterScript  []string `json:"after_script"`
	Artifacts    struct {
		When     string
		ExposeAs string `json:"expose_as"`
		Paths    []string
		Reports  struct{ Annotations string }
	}
}

func gitlabJob(t testing.TB, dir, objstore string) ciJob {
	t.Helper()
	var jobs map[string]gitlabTemplate
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, deployed(t, "ci", "gitlab", "benchmark.gitlab-ci.yml"))), &jobs))
	template, job := jobs[".benchkeep"], jobs["benchmark"]
	require.Equal(t, ".benchkeep", job.Extends)
	require.Equal(t, "always", template.Artifacts.When)
	require.NotEmpty(t, template.Artifacts.ExposeAs)
	require.NotContains(t, strings.Join(template.Artifacts.Paths, " "), "*", "GitLab refuses it beside expose_as")
	env := map[string]string{
		"CI": "true", "GITLAB_CI": "true", "CI_JOB_ID": "815", "CI_PIPELINE_ID": "42", "CI_COMMIT_SHA": commit,
		"CI_COMMIT_REF_NAME": "faster-parser", "CI_PROJECT_PATH": "example/product", "CI_PROJECT_DIR": dir, "OBJSTORE_CONFIG": objstore,
		"CI_DEFAULT_BRANCH": "main", "CI_JOB_URL": "https://gitlab.example.com/example/product/-/jobs/815",
	}
	for name, value := range template.Variables {
		env[name] = os.Expand(value, func(name string) string { return env[name] })
	}
	lines := func(scripts ...[]string) string {
		script := "set -eo pipefail"
		for _, s := range scripts {
			script += "\n" + strings.Join(s, "\n")
		}
		return script
	}
	ofRequest, after := maps.Clone(env), template.AfterScript
	maps.Copy(ofRequest, map[string]string{"CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_PROJECT_ID": "81", "GITLAB_TOKEN": commentToken})
	return ciJob{
		benchmark: lines(template.BeforeScript, job.Script), always: lines(after),
		env: env, envAlways: env,
		// GitLab does not mind how after_script ends.
		compare: lines(template.BeforeScript, job.Script[1:]), comment: lines(after[:1], after[len(after)-1:]) + " || true",
		envCompare: maps.Clone(ofRequest), envComment: ofRequest,
		report: filepath.Join(dir, template.Artifacts.Paths[0]),
		run:    "815", branch: "faster-parser", repo: "example/product", workflow: "42",
		// The container goes.
		cancel: group(syscall.SIGKILL),
		link: func(t *testing.T, dir string) string {
			return read(t, filepath.Join(dir, template.Artifacts.Reports.Annotations))
		},
	}
}

func jenkinsJob(t testing.TB, dir, objstore string) ciJob {
	t.Helper()
	text := read(t, deployed(t, "ci", "jenkins", "Jenkinsfile"))
	require.Equal(t, strings.Count(text, "{"), strings.Count(text, "}"))
	shells := regexp.MustCompile(`(?s)sh '''\n(.*?)'''`).FindAllStringSubmatch(text, -1)
	require.Len(t, shells, 4)
	require.Less(t, strings.Index(text, "post {"), strings.Index(text, shells[2][1]))
	env := map[string]string{
		"JENKINS_URL": "https://jenkins.example.com/", "BUILD_TAG": "jenkins-bench-faster%2Fparser-12", "BUILD_NUMBER": "12", "BUILD_ID": "12", "CHANGE_ID": "7",
		"JOB_NAME": "bench/faster%2Fparser", "GIT_COMMIT": commit, "BRANCH_NAME": "faster/parser", "GIT_URL": "https://git.example.com/product",
		"WORKSPACE": dir, "GRAFANA_URL": grafana, "BENCHKEEP_OBJSTORE_CONFIG_FILE": objstore,
	}
	for _, m := range regexp.MustCompile(`(?m)^ {8}([A-Z_]+) = (".*"|'.*')$`).FindAllStringSubmatch(text, -1) {
		env[m[1]] = evaluate(t, regexp.MustCompile(`\$\{(.*?)\}`), strings.Trim(m[2], `"'`), map[string]string{
			"env.BUILD_TAG.replaceAll('[^A-Za-z0-9._-]+', '-')": "jenkins-bench-faster-2Fparser-12",
			"env.BUILD_NUMBER": "12", "env.BUILD_URL": "https://jenkins.example.com/job/bench/12/",
		})
	}
	withToken := maps.Clone(env)
	withToken["GITHUB_TOKEN"] = commentToken
	require.Contains(t, text, `${env.REPORT_DIR}/report.html"`)
	return ciJob{
		benchmark: "set -e\n" + shells[0][1], always: "set -e\n" + shells[2][1],
		env: env, envAlways: env,
		compare: "set -e\n" + shells[1][1], comment: "set -e\n" + shells[3][1],
		envCompare: maps.Clone(env), envComment: withToken,
		report: filepath.Join(dir, env["REPORT_DIR"], "report.html"),
		run:    "jenkins-bench-faster-2Fparser-12", branch: "faster/parser", repo: "https://git.example.com/product", workflow: "bench/faster%2Fparser",
		cancel: group(syscall.SIGTERM),
		link: func(t *testing.T, dir string) string {
			lines := strings.Split(strings.TrimSpace(read(t, filepath.Join(dir, "summary.md"))), "\n")
			return lines[len(lines)-1]
		},
	}
}

type tektonObject struct {
	APIVersion string `json:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		Params     []struct{ Name, Type, Default string }
		Results    []struct{ Name, Description, Value string }
		Workspaces []struct {
			Name, Description string
			MountPath         string `json:"mountPath"`
		}
		Steps []struct {
			Name, Image, Script string
			WorkingDir          string `json:"workingDir"`
			Env                 []struct{ Name, Value string }
		}
		Tasks, Finally []struct {
			Name       string
			RunAfter   []string              `json:"runAfter"`
			TaskRef    struct{ Name string } `json:"taskRef"`
			Params     []struct{ Name, Value string }
			Workspaces []struct{ Name, Workspace string }
		}
	}
}

// tektonObjects are the Tasks and the Pipeline, by their name.
func tektonObjects(t testing.TB) (tasks map[string]tektonObject, pipeline tektonObject) {
	t.Helper()
	tasks = map[string]tektonObject{}
	for _, document := range strings.Split(read(t, deployed(t, "ci", "tekton", "task.yaml")), "\n---\n") {
		var task tektonObject
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), &task))
		require.Equal(t, "tekton.dev/v1 Task", task.APIVersion+" "+task.Kind)
		tasks[task.Metadata.Name] = task
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(read(t, deployed(t, "ci", "tekton", "pipeline.yaml"))), &pipeline))
	require.Equal(t, "tekton.dev/v1 Pipeline", pipeline.APIVersion+" "+pipeline.Kind)
	return tasks, pipeline
}

var tektonExpression = regexp.MustCompile(`\$\(((?:params|workspaces|results|context)\.[a-zA-Z.-]+)\)`)

func tektonJob(t testing.TB, dir, objstore string) ciJob {
	t.Helper()
	tasks, pipeline := tektonObjects(t)
	require.Len(t, pipeline.Spec.Tasks, 2)
	require.Equal(t, []string{pipeline.Spec.Tasks[0].Name}, pipeline.Spec.Tasks[1].RunAfter)
	require.Len(t, pipeline.Spec.Finally, 1)
	values := map[string]string{
		"context.pipelineRun.name": "benchmark-x7k2p", "context.pipeline.name": "benchmark",
		"params.commit": commit, "params.branch": "faster-parser", "params.repository": "example/product", "params.grafana-url": grafana,
		"workspaces.source.path": dir, "workspaces.bucket.path": filepath.Dir(objstore), "results.url.path": filepath.Join(dir, "url"),
	}
	require.NoError(t, os.Rename(objstore, filepath.Join(dir, "s3.yaml")))
	run := func(ref string, given []struct{ Name, Value string }) (string, map[string]string) {
		task, inner := tasks[ref], maps.Clone(values)
		require.Len(t, given, len(task.Spec.Params), ref)
		for _, p := range given {
			inner["params."+p.Name] = evaluate(t, tektonExpression, p.Value, values)
		}
		env := map[string]string{}
		require.Len(t, task.Spec.Steps, 1)
		step := task.Spec.Steps[0]
		for _, e := range step.Env {
			env[e.Name] = evaluate(t, tektonExpression, e.Value, inner)
		}
		require.Equal(t, dir, evaluate(t, tektonExpression, step.WorkingDir, inner))
		return evaluate(t, tektonExpression, step.Script, inner), env
	}
	job := ciJob{
		run: "benchmark-x7k2p", branch: "faster-parser", repo: "example/product", workflow: "benchmark",
		// Tekton's entrypoint passes signals on to the group.
		cancel: group(syscall.SIGTERM),
		link:   func(t *testing.T, dir string) string { return read(t, filepath.Join(dir, "url")) },
	}
	job.benchmark, job.env = run(pipeline.Spec.Tasks[0].TaskRef.Name, pipeline.Spec.Tasks[0].Params)
	job.compare, job.envCompare = run(pipeline.Spec.Tasks[1].TaskRef.Name, pipeline.Spec.Tasks[1].Params)
	job.report = filepath.Join(dir, "benchmark-report", "report.html")
	job.always, job.envAlways = run(pipeline.Spec.Finally[0].TaskRef.Name, pipeline.Spec.Finally[0].Params)
	return job
}
