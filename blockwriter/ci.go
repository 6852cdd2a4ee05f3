package blockwriter

import (
	"cmp"
	"maps"
	"regexp"
	"strings"
)

// A ciSystem says where a CI system puts what identifies a job. Of several
// environment variables the first that is set counts. To support another
// system, add a row.
type ciSystem struct {
	name                                      string
	run, commit, branch, repository, pipeline []string
	// attempt tells apart what shares a run; the first is 1.
	attempt []string
}

// ciSystems are tried in order. The first row is for systems without variables
// of their own, and for overriding what another row finds.
var ciSystems = []ciSystem{
	{
		name: "benchkeep", run: []string{"BENCHKEEP_RUN_ID"},
		commit: []string{"BENCHKEEP_COMMIT"}, branch: []string{"BENCHKEEP_BRANCH"},
		repository: []string{"BENCHKEEP_REPOSITORY"}, pipeline: []string{"BENCHKEEP_PIPELINE"},
	},
	{
		// https://docs.github.com/actions/reference/workflows-and-actions/variables
		name: "GitHub Actions", run: []string{"GITHUB_RUN_ID"}, attempt: []string{"GITHUB_RUN_ATTEMPT"},
		commit: []string{"GITHUB_SHA"}, branch: []string{"GITHUB_HEAD_REF", "GITHUB_REF_NAME"},
		repository: []string{"GITHUB_REPOSITORY"}, pipeline: []string{"GITHUB_WORKFLOW"},
	},
	{
		// https://docs.gitlab.com/ci/variables/predefined_variables/
		name: "GitLab CI", run: []string{"CI_JOB_ID"},
		commit: []string{"CI_COMMIT_SHA"}, branch: []string{"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"},
		repository: []string{"CI_PROJECT_PATH"}, pipeline: []string{"CI_PIPELINE_ID"},
	},
	{
		// https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
		// BUILD_ID alone repeats from job to job.
		name: "Jenkins", run: []string{"BUILD_TAG"},
		commit: []string{"GIT_COMMIT"}, branch: []string{"CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"},
		repository: []string{"GIT_URL"}, pipeline: []string{"JOB_NAME"},
	},
	{
		// https://buildkite.com/docs/pipelines/configure/environment-variables
		name: "Buildkite", run: []string{"BUILDKITE_JOB_ID"},
		commit: []string{"BUILDKITE_COMMIT"}, branch: []string{"BUILDKITE_BRANCH"},
		repository: []string{"BUILDKITE_REPO"}, pipeline: []string{"BUILDKITE_PIPELINE_SLUG"},
	},
	{
		// https://circleci.com/docs/variables/
		name: "CircleCI", run: []string{"CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_BUILD_NUM"},
		commit: []string{"CIRCLE_SHA1"}, branch: []string{"CIRCLE_BRANCH"},
		repository: []string{"CIRCLE_REPOSITORY_URL"}, pipeline: []string{"CIRCLE_JOB"},
	},
	{
		// https://learn.microsoft.com/azure/devops/pipelines/build/variables
		name: "Azure Pipelines", run: []string{"BUILD_BUILDID"},
		commit: []string{"BUILD_SOURCEVERSION"}, branch: []string{"SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCHNAME"},
		repository: []string{"BUILD_REPOSITORY_NAME"}, pipeline: []string{"BUILD_DEFINITIONNAME"},
	},
}

// DetectCI finds what the environment tells of the CI job: an id for the run,
// and the labels commit, branch, repository and pipeline. What is not known is
// left out.
func DetectCI(getenv func(string) string) (run string, labels map[string]string) {
	own := ciSystems[0]
	run, labels = runIDFrom(firstSet(getenv, own.run)), own.labels(getenv)
	id, found := detectSystem(getenv)
	maps.Copy(found, labels) // one's own come first
	return cmp.Or(run, id), found
}

// detectSystem finds the CI system: the one whose job id is set, or else one
// that some label is known of.
func detectSystem(getenv func(string) string) (run string, labels map[string]string) {
	labels = map[string]string{}
	for _, s := range ciSystems[1:] {
		found := s.labels(getenv)
		if id := runIDFrom(firstSet(getenv, s.run)); id != "" {
			// Attempts of one workflow run share its id; the first goes without a number.
			if attempt := firstSet(getenv, s.attempt); attempt != "" && attempt != "1" {
				id += "-" + attempt
			}
			return id, found
		}
		if len(labels) == 0 {
			labels = found
		}
	}
	return "", labels
}

func (s ciSystem) labels(getenv func(string) string) map[string]string {
	labels := map[string]string{}
	for name, variables := range map[string][]string{
		"commit": s.commit, "branch": s.branch, "repository": s.repository, "pipeline": s.pipeline,
	} {
		if v := firstSet(getenv, variables); v != "" {
			labels[name] = withoutCredentials(strings.ToValidUTF8(v, "\ufffd"))
		}
	}
	return labels
}

func firstSet(getenv func(string) string, variables []string) string {
	for _, v := range variables {
		if value := getenv(v); value != "" {
			return value
		}
	}
	return ""
}

var notInRunID = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// runIDFrom makes a valid run id of what a CI system calls the job.
func runIDFrom(id string) string {
	id = strings.TrimLeft(notInRunID.ReplaceAllString(id, "-"), "._-")
	return id[:min(len(id), 120)]
}

// credentials are user and password of a URL, whether or not it is a valid one.
var credentials = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)[^/]*@`)

// withoutCredentials drops user and password of a URL: repositories are cloned
// with tokens, and labels are there for everyone to read.
func withoutCredentials(value string) string {
	return credentials.ReplaceAllString(value, "$1")
}
