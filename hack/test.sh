#!/usr/bin/env bash
# Runs the tests.
#
#   hack/test.sh units   those that start no control plane
#   hack/test.sh         all: every package but test/integration, and then that one, in processes
#                        with a control plane each
#
#   INTEGRATION_PROCS    in how many processes the specs of test/integration run: they wait more than
#                        they compute
#   TEST_PROCS           how many of the other packages run at a time
set -uo pipefail

# The suites that start a control plane. The longest begin first, so that none is left alone at the end.
suites=(attack chaos process admission static validation fixpoint tightening)
units=$(go list ./... | grep -vE "/test/(integration|$(IFS='|'; echo "${suites[*]}"))$")

if [ "${1:-}" = units ]; then
  go test -count=1 $units | grep -v 'no test files'
  exit
fi

procs=${INTEGRATION_PROCS:-3}
failed=0

echo "running the tests but for test/integration (about 8 minutes)"
go test -p "${TEST_PROCS:-2}" -count=1 -timeout 20m "${suites[@]/#/./test/}" $units | grep -v 'no test files' || failed=1
for module in test/oracle test/argocd; do
  (cd "$module" && go test ./... -count=1) || failed=1
done

echo "running test/integration, in $procs processes with a control plane each (about 13 minutes; a dot a spec)"
go tool ginkgo --procs="$procs" --flake-attempts=2 --timeout=40m --no-color ./test/integration || failed=1
exit "$failed"
