#!/usr/bin/env bash
# Runs the suites that hold what Bulwark effects on the control plane in KUBEBUILDER_ASSETS: test/integration beside the
# others. It ends with rows for docs/compatibility.md: how many tests passed, and what was skipped since that version of
# Kubernetes lacks something. What the suites say is in bin/compat.
#
#   hack/compat.sh v1.34.4
#
#   INTEGRATION_PROCS    in how many processes the specs of test/integration run
set -euo pipefail

version=${1:?usage: compat.sh VERSION}
found=$("${KUBEBUILDER_ASSETS:?is not set}/kube-apiserver" --version)
[ "$found" = "Kubernetes $version" ] || { echo "KUBEBUILDER_ASSETS holds $found, not $version" >&2; exit 1; }
logs=bin/compat/$version
rm -rf "$logs" && mkdir -p "$logs"

# specs SUITE FLAG... runs a suite of specs as make test does: one that fails is tried once more.
specs() {
  go tool ginkgo --flake-attempts=2 --keep-going --succinct=false --timeout=60m --no-color \
    --output-dir="$logs" --junit-report="$1.xml" "${@:2}" "./test/$1"
}

# row counts what a suite said.
row() {
  local log=$logs/$1.log passed failed lacks
  passed=$(awk '/^ *--- PASS: / {n++} / Passed \| / {specs = $3} END {print (specs ? specs : n + 0)}' "$log")
  failed=$(awk '/^ *--- FAIL: / {n++} / Passed \| / {specs = $6} END {print (specs != "" ? specs : n + 0)}' "$log")
  lacks=$(cat "$log" "$logs/$1.xml" 2>/dev/null |
    grep -oE '(message="skipped - |_test\.go:[0-9]+: )needs Kubernetes [^"]*' | sed 's/.*needs Kubernetes/×/' |
    sort | uniq -c | sed 's/^ *//' | paste -sd ';' | sed 's/;/; /g' || true)
  echo "| $version | \`test/$1\` | $passed | $failed | ${lacks:-none} | $(date +%F) | $2 s |" >>"$logs/rows"
}

# suite runs one with the command that follows its name.
suite() {
  local began=$SECONDS failed=0
  echo "running test/$1 on Kubernetes $version"
  "${@:2}" >"$logs/$1.log" 2>&1 || failed=1
  row "$1" $((SECONDS - began))
  echo "test/$1 took $((SECONDS - began)) s$([ "$failed" = 0 ] || echo ", and failed: see $logs/$1.log")"
  return "$failed"
}

# progress says each minute how far the longest suite is.
progress() {
  while ! read -rt 60 <><(:); do
    echo "    test/integration: $(grep -o '•' "$logs/integration.log" | wc -l) specs have ended after $SECONDS s"
  done
}

status=0
suite integration specs integration --procs="${INTEGRATION_PROCS:-4}" &
integration=$!
progress &
progress=$!
suite fixpoint go test ./test/fixpoint -count=1 -v -timeout 30m || status=1
suite admission go test ./test/admission -count=1 -v -timeout 30m || status=1
suite attack specs attack || status=1
wait "$integration" || status=1
kill "$progress"
echo "| Kubernetes | suite | passed | failed | skipped | date | took |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
cat "$logs/rows"
exit "$status"
