#!/usr/bin/env bash
# Builds Argo CD's application controller and repo-server and runs the story of test/gitops on them: make argocd. They need
# redis-server and git from the system's packages, and get a network of their own, since the controller serves its metrics on
# every address. Arguments are those of the story.
#
#   hack/argocd/run.sh [-drift=10m] [-docs=docs/gitops.md]
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
declare -A packages=([redis-server]=redis-server [git]=git [unshare]=util-linux [ip]=iproute2)

missing=()
for name in "${!packages[@]}"; do command -v "$name" >/dev/null || missing+=("${packages[$name]}"); done
if [ ${#missing[@]} != 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "make argocd needs ${missing[*]}: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]}"
  # Debian starts a Redis that it installs. The story starts its own, on loopback.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

cd "$root/hack/argocd"
../build.sh bin/argocd -ldflags "-s -w" -o "$root/bin/argocd" -- .
module=$(go list -m -f '{{.Dir}} {{.Version}}' github.com/argoproj/argo-cd/v3)

cd "$root"
hack/build.sh bin/gitops -o bin/gitops -- ./test/gitops
# kube-apiserver looks for a default route to tell its own address, also where it serves on loopback.
# shellcheck disable=SC2016 # The inner shell expands its arguments.
network='ip link set lo up && ip address add 192.0.2.1 dev lo && ip route add default dev lo && exec "$@"'
exec unshare --map-root-user --net sh -c "$network" sh \
  bin/gitops -module="${module% *}" -version="${module#* }" "$@"
