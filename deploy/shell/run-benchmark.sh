#!/usr/bin/env bash
# Runs a benchmark with a Prometheus (agent mode) and benchkeep beside it, and
# archives its metrics, however the benchmark ends:
#
#   run-benchmark.sh <benchmark> [argument...]
#
# The exit code is the benchmark's, or, if that was 0, benchkeep's: 2 says that
# not everything is in the bucket. benchkeep is configured by its environment
# (BENCHKEEP_OBJSTORE_CONFIG_FILE, BENCHKEEP_RUN_ID and so on); the CI systems
# that it knows need no id. Also:
#
#   PROMETHEUS_CONFIG   what to scrape and where to send it, ./prometheus.yml
#   PROMETHEUS_ADDRESS  where Prometheus listens, 127.0.0.1:9090
#   RUN_DIR             for the data and logs of both, ./benchmark-run
set -uo pipefail

config=${PROMETHEUS_CONFIG:-prometheus.yml}
prometheus_address=${PROMETHEUS_ADDRESS:-127.0.0.1:9090}
dir=${RUN_DIR:-benchmark-run}
export BENCHKEEP_WEB_LISTEN_ADDRESS=${BENCHKEEP_WEB_LISTEN_ADDRESS:-127.0.0.1:19291}
export BENCHKEEP_STORAGE_PATH=${BENCHKEEP_STORAGE_PATH:-$dir/benchkeep}
benchmark='' prometheus='' receiver='' cancelled=''

# ready waits until the address says that it is, or the process has ended.
ready() { # name, process, address
  until curl --silent --fail --output /dev/null "http://$3/-/ready"; do
    if ! kill -0 "$2" 2>/dev/null; then
      echo "$1 did not start:" >&2
      tail "$dir/$1.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# gone waits for a process' end and gives its exit code. A signal to this shell
# interrupts a wait, which then has to begin again.
gone() { # process
  local code
  while wait "$1"; code=$?; kill -0 "$1" 2>/dev/null; do :; done
  return "$code"
}

start() {
  mkdir -p "$dir" || return
  benchkeep receive >"$dir/benchkeep.log" 2>&1 & receiver=$!
  ready benchkeep "$receiver" "$BENCHKEEP_WEB_LISTEN_ADDRESS" || { receiver=''; return 1; }
  # New targets are scraped after 1 s, not after the usual 5.
  prometheus --agent --config.file="$config" --web.listen-address="$prometheus_address" \
    --storage.agent.path="$dir/prometheus" --storage.remote.flush-deadline=30s \
    --scrape.discovery-reload-interval=1s >"$dir/prometheus.log" 2>&1 & prometheus=$!
  ready prometheus "$prometheus" "$prometheus_address"
}

# archive ends Prometheus, which sends what it has, then the run. What benchkeep
# says of the finish is this function's exit code.
archive() {
  local code=1
  if [[ $prometheus ]]; then
    kill "$prometheus" 2>/dev/null
    gone "$prometheus"
  fi
  if [[ $receiver ]]; then
    benchkeep finish --url="http://$BENCHKEEP_WEB_LISTEN_ADDRESS"
    code=$?
    kill "$receiver" 2>/dev/null # archived, it has only to exit; failed, it tries once more
    gone "$receiver" && code=0
  fi
  return "$code"
}

# A CI job that is cancelled ends the benchmark, and goes on to archive.
trap 'cancelled=1; [[ $benchmark ]] && kill "$benchmark" 2>/dev/null' TERM INT

code=1
if start && [[ ! $cancelled ]]; then
  "$@" & benchmark=$!
  gone "$benchmark"
  code=$?
fi
archive
archived=$?
if ((code == 0)); then code=$archived; fi
exit "$code"
