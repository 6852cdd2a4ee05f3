#!/usr/bin/env bash
# Comes after run-benchmark.sh in a CI job, however that has ended: completes the
# archive if it was killed, and prints, as Markdown, what was kept and where to
# look at it. The exit code is benchkeep's: 2 says that not everything is in the
# bucket. Besides what run-benchmark.sh takes, and BENCHKEEP_RUN_ID:
#
#   GRAFANA_URL  the archive's Grafana; without it there is no link
set -uo pipefail

dir=${RUN_DIR:-benchmark-run}
export BENCHKEEP_STORAGE_PATH=${BENCHKEEP_STORAGE_PATH:-$dir/benchkeep}
address=${BENCHKEEP_WEB_LISTEN_ADDRESS:-127.0.0.1:19291}

# complete ends what is left of the run. A receiver that has outlived its script,
# or that a cancelled job has told to end, is asked first; it goes on by itself.
# One that was killed has left its log on disk.
complete() {
  benchkeep finish --url="http://$address" >&2 2>/dev/null && return
  local code tries=10 # its last moments may still hold the storage path
  until benchkeep resume >&2; code=$?; ((code != 1 || --tries == 0)); do sleep 1; done
  return "$code"
}

if [[ ! -d $BENCHKEEP_STORAGE_PATH ]]; then
  echo "There is no run: benchkeep did not start."
  exit 1
fi
complete
code=$?
case $code in
  0) echo "Run \`$BENCHKEEP_RUN_ID\` is archived." ;;
  *) echo "Run \`$BENCHKEEP_RUN_ID\` is **not** archived, its data is in \`$BENCHKEEP_STORAGE_PATH\`." ;;
esac
if details=$(benchkeep runs show "$BENCHKEEP_RUN_ID" 2>/dev/null); then
  # What it says first is one line for each of the run's properties.
  printf '\n| | |\n|---|---|\n'
  awk 'NF == 0 { exit } { name = $1; sub(/^[^ ]+ +/, ""); print "| " name " | " $0 " |" }' <<<"$details"
fi
if [[ ${GRAFANA_URL:-} ]]; then
  # The folder has changed last when the programs began to write into it.
  began=$(stat --format=%Y "$dir")
  printf '\n[Look at it in Grafana](%s/d/benchkeep-run?var-run=%s&from=%d000&to=%d000)\n' \
    "${GRAFANA_URL%/}" "$BENCHKEEP_RUN_ID" "$((began - 30))" "$(date +%s)"
fi
exit "$code"
