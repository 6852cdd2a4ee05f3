#!/usr/bin/env bash
# Leaves a file as a comment on the pull or merge request of a CI job. The next job
# changes that comment; it finds it by the file's first line, as gate.sh writes it:
#
#   comment.sh <file>
#
# Without a request, or a token, as in the jobs of most forks, it says so, and that
# is all. Needs curl and jq. For GitHub:
#
#   GITHUB_TOKEN       with pull-requests: write
#   GITHUB_REPOSITORY  owner/name
#   PULL_REQUEST       its number
#
# For GitLab, besides what a merge request's job has:
#
#   GITLAB_TOKEN       of the project, with the role Reporter and the scope api
set -euo pipefail
shopt -s inherit_errexit

file=${1:?a file}
nothing() { echo "comment.sh: no comment: $*"; exit; }

[[ -s $file ]] || nothing "there is no $file"
if [[ ${GITLAB_TOKEN:-} ]]; then
  [[ ${CI_MERGE_REQUEST_IID:-} ]] || nothing "this is not the job of a merge request"
  comments=$CI_API_V4_URL/projects/$CI_MERGE_REQUEST_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes
  one=$comments change=PUT authorization="PRIVATE-TOKEN: $GITLAB_TOKEN"
elif [[ ${GITHUB_TOKEN:-} ]]; then
  [[ ${PULL_REQUEST:-} ]] || nothing "this is not the job of a pull request"
  issues=${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues
  comments=$issues/$PULL_REQUEST/comments
  one=$issues/comments change=PATCH authorization="Authorization: Bearer $GITHUB_TOKEN"
else
  nothing "there is no token"
fi

# api calls it, with the token where no list of processes shows it.
api() { # method, URL, what else curl is told
  curl --silent --show-error --fail --max-time 60 --request "$1" --header @<(echo "$authorization") \
    --header "Content-Type: application/json" "${@:3}" "$2"
}

# number prints that of the comment that is there already, if there is one.
number() {
  local mark page=1 listed number
  mark=$(head -n 1 "$file")
  while listed=$(api GET "$comments?per_page=100&page=$page"); do
    number=$(jq --arg mark "$mark" '[.[] | select(.body // "" | startswith($mark)) | .id][0] // empty' <<<"$listed")
    if [[ $number ]] || (($(jq length <<<"$listed") < 100)); then echo "$number"; return; fi
    ((++page))
  done
  return 1
}

number=$(number)
body() { jq --raw-input --slurp '{body: .}' "$file"; }
if [[ $number ]]; then
  body | api "$change" "$one/$number" --data-binary @- >/dev/null
  echo "comment.sh: comment $number is changed"
else
  body | api POST "$comments" --data-binary @- >/dev/null
  echo "comment.sh: there is a new comment"
fi
