#!/usr/bin/env bash
# Runs `go build` and says how far it is. Only the packages that Go's build cache does not hold are counted.
#
#   hack/build.sh NAME [FLAG...] -- PACKAGE...
set -euo pipefail

name=${1:?usage: build.sh NAME [FLAG...] -- PACKAGE...} && shift
flags=()
while [ "${1:?no packages given}" != -- ]; do flags+=("$1") && shift; done
shift

# The compiler collects its garbage less often: a seventh less work, for some hundred MiB more memory.
export GOGC=${GOGC:-400}

# progress reads one line a compiled package.
progress() {
  awk -v name="$name" -v total="$1" -v tty="$([ -t 1 ] && echo 1 || echo 0)" '
    /^[a-z0-9][^ ]*$/ { done++; if (done > total) total = done
      pct = int(100 * done / total)
      if (tty) { printf "\r  %3d %% of %d packages", pct, total; fflush() }
      else if (pct >= shown + 10) { printf "  %3d %% of %d packages\n", pct, total; fflush(); shown = pct - pct % 10 }
      next }
    { if (tty && done) printf "\n"; print; fflush() }
    END { if (tty && done) printf "\n" }'
}

missing=$(go list -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' "$@" | grep -c . || true)
start=$SECONDS
echo "building $name ($missing packages to compile)"
go build -v "${flags[@]}" "$@" 2>&1 | progress "$missing"
echo "built    $name in $((SECONDS - start)) s"
