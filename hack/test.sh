#!/usr/bin/env bash
# Runs the tests.
#
#   hack/test.sh units   those that start no control plane
#   hack/test.sh         all: test/integration in processes with a control plane each, and beside it
#                        every other package. Suites wait more than they compute, so that side by
#                        side they keep the cores at work.
#
#   INTEGRATION_PROCS    in how many processes the specs of test/integration run
#   TEST_PROCS           how many of the other packages run at a time
set -uo pipefail

# The suites that start a control plane. The longest begin first, so that none is left alone at the end.
suites=(attack chaos process admission static validation fixpoint tightening)
units=$(go list ./... | grep -vE "/test/(integration|$(IFS='|'; echo "${suites[*]}"))$")

if [ "${1:-}" = units ]; then
  go test -count=1 $units | grep -v 'no test files'
  exit
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
procs=${INTEGRATION_PROCS:-4}

# progress says now and then how many specs of test/integration have ended.
progress() {
  while ! read -rt 30 <><(:); do
    of=$(sed -n 's/^Will run \([0-9]*\) of.*/\1/p' "$log")
    [ -n "$of" ] && echo "    test/integration: $(grep -o '•' "$log" | wc -l) of $of specs after $SECONDS s"
  done
}

echo "running test/integration in $procs processes, and everything else beside it (8 to 13 minutes)"
go tool ginkgo --procs="$procs" --flake-attempts=2 --timeout=40m --no-color ./test/integration >"$log" 2>&1 &
integration=$!
progress &
progress=$!

failed=0
go test -p "${TEST_PROCS:-2}" -count=1 -timeout 20m "${suites[@]/#/./test/}" $units | grep -v 'no test files' || failed=1
for module in test/oracle test/argocd; do
  (cd "$module" && go test ./... -count=1) || failed=1
done
wait "$integration" || failed=1
kill "$progress"
if grep -q '^Test Suite Passed' "$log"; then
  grep '^Ran \|^SUCCESS\|^Ginkgo ran' "$log"
else
  cat "$log"
fi
exit "$failed"
