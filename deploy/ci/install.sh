#!/usr/bin/env bash
# Puts benchkeep and Prometheus into a folder of a CI job, from their releases,
# with their checksums compared:
#
#   install.sh <folder>
#
# What the PATH has already is not fetched.
set -euo pipefail

benchkeep=v0.1.0
prometheus=3.15.0

dir=${1:?a folder}
case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *) echo "install.sh: no release for $(uname -m)" >&2; exit 1 ;;
esac
mkdir -p "$dir"
cd "$dir"

# fetch downloads files of a release, and checks the first by the second.
fetch() { # URL, file, checksums
  curl --silent --show-error --fail --location --retry 3 --remote-name "$1/$2" --remote-name "$1/$3"
  grep --extended-regexp "[ *]$2\$" "$3" | sha256sum --check --strict --quiet
}

if ! command -v benchkeep >/dev/null; then
  fetch "https://github.com/benchkeep/benchkeep/releases/download/$benchkeep" "benchkeep-linux-$arch" SHA256SUMS
  install -m 755 "benchkeep-linux-$arch" benchkeep
fi
if ! command -v prometheus >/dev/null; then
  release=prometheus-$prometheus.linux-$arch
  fetch "https://github.com/prometheus/prometheus/releases/download/v$prometheus" "$release.tar.gz" sha256sums.txt
  tar --extract --gzip --strip-components=1 --file="$release.tar.gz" "$release/prometheus"
fi
