#!/usr/bin/env bash
# Comes after run-benchmark.sh in a CI job, once the run is archived: compares it
# with others, such as the last ones of the main branch, and prints what changed.
# The exit code is that of `benchkeep compare`: 4 says that the run is worse, 2 that
# not everything could be judged, 1 that something is set up wrongly. While there is
# no run to compare with it is 0, since one has to be the first, and the comment says
# that nothing was judged. Besides BENCHKEEP_RUN_ID and the bucket:
#
#   BASE               the runs to compare with, as '{branch="main",repository="example/product"}'
#   BENCHKEEP_LAST     how many of them, the newest; 10
#   BENCHKEEP_QUERIES  what to compare, and what is better, as docs/compare.md has it
#   BENCHKEEP_FAIL_ON  what is worse; regression, by the thresholds of the queries
#   REPORT_DIR         for comment.md and report.html; ./benchmark-report
#   REPORT_URL         where people find report.html; without it there is no link
#
# And whatever else `benchkeep compare` takes from its environment. There is a
# comment, however the comparison ends; comment.sh puts it where people see it.
set -uo pipefail

: "${BASE:?the runs to compare with}" "${BENCHKEEP_RUN_ID:?the run to judge}"
export BENCHKEEP_LAST=${BENCHKEEP_LAST:-10} BENCHKEEP_FAIL_ON=${BENCHKEEP_FAIL_ON:-regression}
dir=${REPORT_DIR:-benchmark-report}
compared=$dir/compared.md said=$dir/said.txt

# fit leaves out the last lines of what is more than a comment may have: GitHub
# takes 65,536 characters.
fit() {
  LC_ALL=C awk '{ size += length($0) + 1 } size > 64000 { print "\nThe rest does not fit into a comment."; exit } { print }'
}

# comment prints the comment. By its first line, which nobody sees, the next one
# finds it again: whoever compares with the same runs, means the same.
comment() {
  echo "<!-- benchkeep compare $(sha256sum <<<"$BASE" | cut --characters=-16) -->"
  if [[ -s $compared ]]; then
    fit <"$compared"
  else
    if [[ $first ]]; then
      echo "⚠️ There is nothing to compare the run with yet, so **nothing was judged**:"
    else
      echo "⚠️ The run **could not be compared**:"
    fi
    echo
    sed 's/^/    /' "$said" | fit # indented, it is code, whatever it says
  fi
  if [[ ${REPORT_URL:-} && -s $dir/report.html ]]; then printf '\n[Report with charts](%s)\n' "$REPORT_URL"; fi
}

mkdir -p "$dir" && rm -f "$dir"/{comment.md,report.html} || exit 1 # of an earlier job
benchkeep compare "$BASE" "$BENCHKEEP_RUN_ID" -o table -o markdown="$compared" -o html="$dir/report.html" 2>"$said"
code=$?
cat "$said" >&2
# It has understood all that it was told by the time that it says so.
first=''
if ((code == 1)) && grep --quiet --extended-regexp '^benchkeep: no (archived )?run (but .* )?matches ' "$said"; then
  first=1 code=0
fi
comment >"$dir/comment.md"
rm -f "$compared" "$said"
exit "$code"
