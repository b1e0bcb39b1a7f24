#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules into the given folder.
# Does nothing for a binary that is there. About five minutes on two cores with an empty Go build cache, and seconds after.
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

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.} && minor=${minor%%.*}
package=k8s.io/component-base/version
ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"

echo "Kubernetes $version control plane, from source: 5 minutes on 2 cores the first time, cached after."
for name in "${missing[@]}"; do
  ../build.sh "$name" -ldflags "$ldflags" -o "$out/.$name.partial" -- "${packages[$name]}"
  mv "$out/.$name.partial" "$out/$name"
done
echo "control plane ready in $out"
