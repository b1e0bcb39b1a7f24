#!/usr/bin/env bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from their Go modules into the given folder.
# Does nothing for a binary that is there. About ten minutes on two cores with an empty Go build cache, and seconds after.
#
#   hack/controlplane/build.sh bin/k8s/v1.37.2
set -euo pipefail

out=$(mkdir -p "${1:?usage: build.sh FOLDER}" && cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.} && minor=${minor%%.*}
package=k8s.io/component-base/version
ldflags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"

# progress reads one line a compiled package and says how far the build is.
progress() {
  awk -v name="$1" -v total="$2" -v tty="$([ -t 1 ] && echo 1 || echo 0)" '
    /^[a-z0-9][^ ]*$/ { done++; pct = int(100 * done / total); if (pct > 99) pct = 99
      if (tty) { printf "\r  %-24s %3d %% of %d packages", name, pct, total; fflush() }
      else if (pct >= next_pct) { printf "  %-24s %3d %% of %d packages\n", name, pct, total; fflush(); next_pct = pct + 10 }
      next }
    { if (tty) printf "\n"; print; fflush() }
    END { if (tty && done) printf "\n" }'
}

build() {
  local name=$1 pkg=$2 total start=$SECONDS
  [ -x "$out/$name" ] && return
  total=$(CGO_ENABLED=0 go list -deps "$pkg" 2>/dev/null | wc -l)
  echo "building $name ($total packages)"
  CGO_ENABLED=0 go build -v -trimpath -ldflags "$ldflags" -o "$out/.$name.partial" "$pkg" 2>&1 | progress "$name" "$total"
  mv "$out/.$name.partial" "$out/$name"
  echo "built    $name in $((SECONDS - start)) s"
}

missing=0
for name in etcd kube-apiserver kube-controller-manager kubectl; do [ -x "$out/$name" ] || missing=1; done
[ $missing = 0 ] && exit 0

echo "Kubernetes $version control plane, from source: 10 to 20 minutes on 2 cores the first time, cached after."
build etcd go.etcd.io/etcd/server/v3
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
build kubectl k8s.io/kubernetes/cmd/kubectl
echo "control plane ready in $out"
