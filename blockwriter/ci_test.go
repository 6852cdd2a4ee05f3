package blockwriter

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/archive"
)

func TestDetectCI(t *testing.T) {
	type env = map[string]string
	for name, tc := range map[string]struct {
		env    env
		run    string
		labels map[string]string
	}{
		"none":         {env{"HOME": "/root", "CI": "true"}, "", env{}},
		"empty values": {env{"GITHUB_RUN_ID": "", "GITHUB_SHA": "", "BENCHKEEP_RUN_ID": ""}, "", env{}},
		"of its own": {
			env{"BENCHKEEP_RUN_ID": "r", "BENCHKEEP_COMMIT": "c", "BENCHKEEP_BRANCH": "b", "BENCHKEEP_REPOSITORY": "o/r", "BENCHKEEP_PIPELINE": "p"},
			"r", env{"commit": "c", "branch": "b", "repository": "o/r", "pipeline": "p"},
		},
		"GitHub Actions, push": {
			env{"GITHUB_RUN_ID": "123", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_SHA": "c", "GITHUB_REF_NAME": "main", "GITHUB_HEAD_REF": "", "GITHUB_REPOSITORY": "o/r", "GITHUB_WORKFLOW": "Bench it"},
			"123", env{"commit": "c", "branch": "main", "repository": "o/r", "pipeline": "Bench it"},
		},
		"GitHub Actions, pull request": {
			env{"GITHUB_RUN_ID": "123", "GITHUB_SHA": "c", "GITHUB_REF_NAME": "7/merge", "GITHUB_HEAD_REF": "feature/x"},
			"123", env{"commit": "c", "branch": "feature/x"},
		},
		"GitHub Actions, second attempt":        {env{"GITHUB_RUN_ID": "123", "GITHUB_RUN_ATTEMPT": "2"}, "123-2", env{}},
		"GitHub Actions, tenth attempt":         {env{"GITHUB_RUN_ID": "123", "GITHUB_RUN_ATTEMPT": "10"}, "123-10", env{}},
		"GitHub Actions, attempt without a run": {env{"GITHUB_RUN_ATTEMPT": "2"}, "", env{}},
		"GitLab CI, branch": {
			env{"CI_JOB_ID": "5", "CI_COMMIT_SHA": "c", "CI_COMMIT_REF_NAME": "main", "CI_PROJECT_PATH": "g/p", "CI_PIPELINE_ID": "9"},
			"5", env{"commit": "c", "branch": "main", "repository": "g/p", "pipeline": "9"},
		},
		"GitLab CI, merge request": {
			env{"CI_JOB_ID": "5", "CI_COMMIT_REF_NAME": "refs/merge-requests/1/head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "x"},
			"5", env{"branch": "x"},
		},
		"Jenkins": {
			env{"BUILD_TAG": "jenkins-bench-17", "BUILD_ID": "17", "GIT_COMMIT": "c", "GIT_BRANCH": "origin/main", "GIT_URL": "https://host/o/r.git", "JOB_NAME": "bench"},
			"jenkins-bench-17", env{"commit": "c", "branch": "origin/main", "repository": "https://host/o/r.git", "pipeline": "bench"},
		},
		"Jenkins, multibranch":  {env{"BUILD_TAG": "t", "BRANCH_NAME": "PR-1", "GIT_BRANCH": "PR-1", "CHANGE_BRANCH": "x"}, "t", env{"branch": "x"}},
		"Jenkins, branch build": {env{"BUILD_TAG": "t", "BRANCH_NAME": "main", "GIT_BRANCH": "origin/main"}, "t", env{"branch": "main"}},
		"Buildkite": {
			env{"BUILDKITE_JOB_ID": "0191-a", "BUILDKITE_COMMIT": "c", "BUILDKITE_BRANCH": "main", "BUILDKITE_REPO": "git@host:o/r.git", "BUILDKITE_PIPELINE_SLUG": "bench"},
			"0191-a", env{"commit": "c", "branch": "main", "repository": "git@host:o/r.git", "pipeline": "bench"},
		},
		"CircleCI": {
			env{"CIRCLE_WORKFLOW_JOB_ID": "j", "CIRCLE_BUILD_NUM": "4", "CIRCLE_SHA1": "c", "CIRCLE_BRANCH": "main", "CIRCLE_REPOSITORY_URL": "https://host/o/r", "CIRCLE_JOB": "bench"},
			"j", env{"commit": "c", "branch": "main", "repository": "https://host/o/r", "pipeline": "bench"},
		},
		"CircleCI, server": {env{"CIRCLE_BUILD_NUM": "4"}, "4", env{}},
		"Azure Pipelines": {
			env{"BUILD_BUILDID": "8", "BUILD_SOURCEVERSION": "c", "BUILD_SOURCEBRANCHNAME": "main", "BUILD_REPOSITORY_NAME": "r", "BUILD_DEFINITIONNAME": "bench"},
			"8", env{"commit": "c", "branch": "main", "repository": "r", "pipeline": "bench"},
		},
		"Azure Pipelines, pull request": {
			env{"BUILD_BUILDID": "8", "BUILD_SOURCEBRANCHNAME": "merge", "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/x"},
			"8", env{"branch": "refs/heads/x"},
		},

		"own labels come first": {
			env{"BENCHKEEP_BRANCH": "mine", "GITHUB_RUN_ID": "123", "GITHUB_REF_NAME": "main", "GITHUB_SHA": "c"},
			"123", env{"branch": "mine", "commit": "c"},
		},
		"own id, labels of GitHub": {
			env{"BENCHKEEP_RUN_ID": "mine", "GITHUB_RUN_ID": "123", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_SHA": "c"},
			"mine", env{"commit": "c"},
		},
		"own id, labels of GitLab": {
			env{"BENCHKEEP_RUN_ID": "mine", "CI_JOB_ID": "5", "CI_COMMIT_SHA": "c", "CI_PROJECT_PATH": "g/p"},
			"mine", env{"commit": "c", "repository": "g/p"},
		},
		"the system that has the id has the labels": {
			env{"GITHUB_RUN_ID": "123", "GITHUB_SHA": "c", "GIT_BRANCH": "origin/main", "GIT_URL": "https://host/x"},
			"123", env{"commit": "c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run, labels := DetectCI(func(name string) string { return tc.env[name] })
			require.Equal(t, tc.run, run)
			require.Equal(t, tc.labels, labels)
			if run != "" {
				require.NoError(t, archive.ValidateRunID(run))
			}
			require.NoError(t, validateLabels(labels))
		})
	}
}

// Whatever a CI system calls a job, the run can have it for its name.
func TestRunIDsOfCIAreValid(t *testing.T) {
	for given, want := range map[string]string{
		"jenkins-folder/bench%2Fmain-17": "jenkins-folder-bench-2Fmain-17",
		"a b\tc":                         "a-b-c",
		"../../etc":                      "etc",
		"--x--":                          "x--",
		"überlang":                       "berlang",
		"a\xffb":                         "a-b",
		strings.Repeat("y", 300):         strings.Repeat("y", 120),
		"///":                            "",
		".":                              "",
	} {
		t.Run(given, func(t *testing.T) {
			run, _ := DetectCI(func(name string) string {
				return map[string]string{"BUILD_TAG": given}[name]
			})
			require.Equal(t, want, run)
			if run != "" {
				require.NoError(t, archive.ValidateRunID(run))
			}
		})
	}
	run, _ := DetectCI(func(name string) string {
		return map[string]string{"GITHUB_RUN_ID": strings.Repeat("9", 300), "GITHUB_RUN_ATTEMPT": "12"}[name]
	})
	require.Equal(t, strings.Repeat("9", 120)+"-12", run)
	require.NoError(t, archive.ValidateRunID(run))
}

// Repositories are cloned with tokens; labels are there for everyone to read.
func TestRepositoryLosesItsCredentials(t *testing.T) {
	for given, want := range map[string]string{
		"https://github.com/o/r.git":                   "https://github.com/o/r.git",
		"https://user:secret@host/o/r.git":             "https://host/o/r.git",
		"https://secret@host:8443/o/r.git":             "https://host:8443/o/r.git",
		"https://x-access-token:secret@github.com/o/r": "https://github.com/o/r",
		"https://oauth2:sec@ret@host/o/r":              "https://host/o/r",
		"ssh://git:secret@host:22/o/r.git":             "ssh://host:22/o/r.git",
		"git@host:o/r.git":                             "git@host:o/r.git",
		"o/r":                                          "o/r",
	} {
		t.Run(given, func(t *testing.T) { require.Equal(t, want, repositoryLabel(given)) })
	}
	// What is no URL to a parser is one to git all the same.
	for _, given := range []string{
		"https://user:sec%zzret@host/o/r.git", "https://user:sec^ret@host/o/r.git", "https://user:secret@host:port/o/r.git",
		"https://user:secret @host/o/r.git", "https://user:sec#ret@host/o/r.git", "https://user:secret@ho st/o/r.git", "https://user:secret@host/o/%zz",
	} {
		t.Run(given, func(t *testing.T) {
			label := repositoryLabel(given)
			require.NotContains(t, label, "ret")
			require.NotContains(t, label, "user")
		})
	}
}

func repositoryLabel(url string) string {
	_, labels := DetectCI(func(name string) string { return map[string]string{"BUILD_TAG": "t", "GIT_URL": url}[name] })
	return labels["repository"]
}

func TestLabelsOfCIAreUTF8(t *testing.T) {
	_, labels := DetectCI(func(name string) string { return map[string]string{"BUILD_TAG": "t", "GIT_BRANCH": "fix-\xff"}[name] })
	require.Equal(t, map[string]string{"branch": "fix-\ufffd"}, labels)
	require.NoError(t, validateLabels(labels))
}
