#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules into the given folder, which is
# named for the version of Kubernetes. v1.34.mod pins those of v1.34 and so on; go.mod pins what all else runs on.
# Does nothing for a binary that is there. About five minutes on two cores with an empty Go build cache, else seconds.
#
#   hack/controlplane/build.sh bin/k8s/v1.37.2
set -euo pipefail

out=$(mkdir -p "${1:?usage: build.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
export CGO_ENABLED=0

declare -A packages=(
  [etcd]=go.etcd.io/etcd/server/v3
  [kube-apiserver]=k8s.io/kubernetes/cmd/kube-apiserver
  [kube-controller-manager]=k8s.io/kubernetes/cmd/kube-controller-manager
  [kubectl]=k8s.io/kubernetes/cmd/kubectl
)
missing=()
for name in etcd kube-apiserver kube-controller-manager kubectl; do [ -x "$out/$name" ] || missing+=("$name"); done
[ ${#missing[@]} = 0 ] && exit 0

version=$(basename "$out")
minor=${version#v1.} && minor=${minor%%.*}
modfile=go.mod && [ -f "v1.$minor.mod" ] && modfile=v1.$minor.mod
GOFLAGS="$(go env GOFLAGS) -modfile=$modfile" && export GOFLAGS
pinned=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
[ "$pinned" = "$version" ] ||
  { echo "hack/controlplane/$modfile pins $pinned, not $version: run hack/controlplane/pin.sh $version" >&2; exit 1; }
set=k8s.io/component-base/version
ldflags="-s -w -X $set.gitVersion=$version -X $set.gitMajor=1 -X $set.gitMinor=$minor -X $set.gitTreeState=clean"

echo "Kubernetes $version control plane, from source: 5 minutes on 2 cores the first time, cached after."
for name in "${missing[@]}"; do
  ../build.sh "$name" -ldflags "$ldflags" -o "$out/.$name.partial" -- "${packages[$name]}"
  mv "$out/.$name.partial" "$out/$name"
done
echo "control plane ready in $out"
