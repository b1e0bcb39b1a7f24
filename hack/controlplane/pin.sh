#!/usr/bin/env bash
# Pins the control plane of a former or coming Kubernetes minor: writes v1.34.mod and v1.34.sum beside this script. They
# hold what that version's own go.mod holds: Go's version, its GODEBUG, etcd, and each staging module as published.
#
#   hack/controlplane/pin.sh v1.34.4
set -euo pipefail
version=${1:?usage: pin.sh VERSION}
cd "$(dirname "${BASH_SOURCE[0]}")"
minor=${version#v1.} minor=v1.${minor%%.*}

found=$(cd / && go mod download -json "k8s.io/kubernetes@$version") || { echo "$found" >&2; exit 1; }
upstream=$(sed -n 's/.*"GoMod": "\(.*\)",/\1/p' <<<"$found")
{
  echo "// Written by hack/controlplane/pin.sh $version: what make compat builds the control plane of $minor from."
  echo "module github.com/bulwark-dev/bulwark/hack/controlplane"
  grep -E '^(go|godebug) ' "$upstream"
  sed -n '/^tool (/,/^)/p' go.mod
  echo "require k8s.io/kubernetes $version"
  awk '$1 == "go.etcd.io/etcd/server/v3" { print "require", $1, $2 }' "$upstream"
  awk -v staged="v0${version#v1}" '$3 ~ /^\.\/staging/ { print "replace", $1, "=>", $1, staged }' "$upstream"
} >"$minor.mod"
go mod edit -fmt "$minor.mod"
go mod tidy -modfile="$minor.mod"
