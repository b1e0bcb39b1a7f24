#!/usr/bin/env bash
# Fails if a module that the operator and the control plane share is required in two versions: each would be compiled
# once more. k8s.io/kubernetes names its staging modules as v0.0.0 and replaces them.
#
#   hack/controlplane/versions.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

required() { awk '$1 == "require" { $1 = ""; $0 = $0 } $2 ~ /^v/ && $2 != "v0.0.0" && $0 !~ /=>/ { print $1, $2 }' "$1" | sort; }

differing=$(join <(required go.mod) <(required hack/controlplane/go.mod) | awk '$2 != $3')
[ -z "$differing" ] && exit 0
echo "$differing" | awk '{ print $1 ": go.mod has " $2 ", hack/controlplane/go.mod has " $3 }'
echo "require the newer of the two in both"
exit 1
