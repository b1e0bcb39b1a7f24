#!/usr/bin/env bash
# Builds what the benchmark of kubectl posture is held against, each from a module of its own: Kyverno's CLI (2,555 packages: 20 minutes on
# two cores, once) and kube-score. One that cannot be built is named, and the benchmark leaves it out.
#
#   hack/peers.sh bin/peers
set -euo pipefail

out=$(mkdir -p "${1:?usage: peers.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/peers"
export CGO_ENABLED=0

build() { # NAME MODULE PACKAGE
  [ -x "$out/$1" ] && return
  (cd "$2" && ../../build.sh "$1" -ldflags "-s -w" -o "$out/.$1.partial" -- "$3") && mv "$out/.$1.partial" "$out/$1" && return
  echo "$1 cannot be built: the benchmark goes without it" >&2
}
build kube-score kube-score github.com/zegl/kube-score/cmd/kube-score
build kyverno kyverno github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno
