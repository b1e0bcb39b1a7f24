#!/usr/bin/env bash
# Runs the tests.
#
#   hack/test.sh units   those that start no control plane
#   hack/test.sh         all, in three rows side by side: test/integration in processes with a control
#                        plane each; the other suites of specs; everything else. They wait more than
#                        they compute. test/chart needs Helm, and make chart runs it.
#
#   INTEGRATION_PROCS    in how many processes the specs of test/integration run
#
# A spec that fails is tried once more and told as flaky: several control planes share the cores. Of
# the tests that start none, Go runs those of which something has changed, and those whose children
# read what it cannot see.
set -uo pipefail

specs=(attack process static validation)
others=(chaos admission parity fixpoint tightening)
suites=$(IFS='|'; echo "integration|chart|${specs[*]}|${others[*]}")
units=$(go list ./... | grep -vE "/test/($suites)$")
anew=$(grep -E '/(test/house|internal/cli|internal/check)$' <<<"$units")

# test_units runs the tests that start no control plane.
test_units() {
  local failed=0
  go test -p 1 -count=1 $anew || failed=1
  go test -p 1 $(grep -vxF "$anew" <<<"$units") | grep -v 'no test files' || failed=1
  return "$failed"
}

if [ "${1:-}" = units ]; then
  echo "running the tests that start no control plane (half a minute, once built)"
  test_units
  exit
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# row NAME ARG... runs suites of specs, and keeps what they say.
row() {
  go tool ginkgo --flake-attempts=2 --keep-going --succinct=false --timeout=40m --no-color "${@:2}" >"$logs/$1" 2>&1
}

# progress says now and then how many specs have ended.
progress() {
  local of row
  while ! read -rt 30 <><(:); do
    for row in integration suites; do
      of=$(sed -n 's/^Will run \([0-9]*\) of.*/\1/p' "$logs/$row" | awk '{n += $1} END {print n}')
      [ -n "$of" ] && echo "    $row: $(grep -o '•' "$logs/$row" | wc -l) of $of specs begun after $SECONDS s"
    done
  done
}

# tell says how a row ended: all that it said if a spec failed, else the sums and what was flaky.
tell() {
  if grep -q '^Test Suite Passed' "$logs/$1"; then
    grep -A1 '^Ran \|^Running Suite\|FLAKEY' "$logs/$1" | grep -v '^[=-]*$'
  else
    cat "$logs/$1"
  fi
}

procs=${INTEGRATION_PROCS:-6}
echo "running test/integration in $procs processes, and everything else beside it (usually 11 minutes)"
row integration --procs="$procs" ./test/integration &
integration=$!
row suites "${specs[@]/#/./test/}" &
spec_suites=$!
progress &
progress=$!

failed=0
go test -p 1 -count=1 -timeout 20m "${others[@]/#/./test/}" || failed=1
test_units || failed=1
wait "$integration" || failed=1
wait "$spec_suites" || failed=1
kill "$progress"
# Alone: suites of others start an API server, too, and have no second try.
for module in test/oracle test/argocd test/posturetest/example test/grafana hack/image; do
  (cd "$module" && go test ./... -count=1) || failed=1
done
tell suites
tell integration
exit "$failed"
