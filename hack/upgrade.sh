#!/usr/bin/env bash
# Builds the operator of an older commit beside its manifests, and walks from there to this tree and back.
#
#   hack/upgrade.sh COMMIT
set -euo pipefail

cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify --short "${1:?usage: upgrade.sh COMMIT}^{commit}")
from=$PWD/bin/upgrade/$commit
build=$PWD/hack/build.sh

rm -rf "$from" && mkdir -p "$from"
git archive "$commit" | tar x -C "$from"
(cd "$from" && "$build" "bin/manager of $commit" -o bin/manager -- ./cmd/manager)
echo "walking from $commit to $(git describe --always --dirty) and back: 3 minutes"
UPGRADE_FROM=$from go test ./test/upgrade -count=1 -v -timeout 20m
