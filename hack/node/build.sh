#!/usr/bin/env bash
# Builds what the node of make node consists of, from Go modules and Debian's packages, into the
# given folder. Nothing is installed. Does nothing for a file that is there. About ten minutes on two
# cores with an empty Go build cache.
#
#   hack/node/build.sh bin/node
set -euo pipefail

out=$(mkdir -p "${1:?usage: build.sh FOLDER}/cni" "$1/images" && cd "$1" && pwd)
node=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CGO_ENABLED=0

# build MODULE FILE PACKAGE FLAG...
build() {
  [ -x "$out/$2" ] || (cd "$node/$1" && "$node/../build.sh" "$2" "${@:4}" -o "$out/$2" -- "$3")
}

# debian FOLDER PACKAGE...: unpacks packages, which are checked by apt, and installs nothing.
debian() {
  local to=$1 packages && shift
  [ ! -d "$to" ] || return 0
  packages=$(mktemp -d) && mkdir "$to.partial"
  (cd "$packages" && apt-get -o APT::Sandbox::User=root -q download "$@" > /dev/null)
  for package in "$packages"/*.deb; do dpkg-deb -x "$package" "$to.partial"; done
  rm -r "$packages" && mv "$to.partial" "$to"
}

pack() { [ -f "$out/images/$1.tar" ] || "$out/plain" -out "$out/images/$1.tar" -name "localhost/$1:1" "${@:2}"; }

debian "$out/debian" busybox-static runc iptables libip4tc2 libip6tc2 libxtables12 libnftnl11 libnetfilter-conntrack3 \
  libnfnetlink0 libmnl0 libseccomp2
mkdir -p "$out/path"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sf ../debian/usr/sbin/xtables-legacy-multi "$out/path/$name"
done
ln -sf ../debian/bin/busybox "$out/path/busybox"

version=$(cd "$node/kubernetes" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
stamp="-X k8s.io/component-base/version"
for name in kubelet kube-proxy kube-scheduler; do
  build kubernetes $name k8s.io/kubernetes/cmd/$name \
    -ldflags "-s -w $stamp.gitVersion=$version $stamp.gitTreeState=clean"
done
containerd=github.com/containerd/containerd/v2
release=$(cd "$node/runtime" && go list -m -f '{{.Version}}' $containerd)
for name in containerd containerd-shim-runc-v2 ctr; do
  build runtime $name $containerd/cmd/$name -tags no_btrfs,no_devmapper,no_zfs \
    -ldflags "-s -w -X $containerd/version.Version=$release"
done
for plugin in main/bridge main/loopback ipam/host-local; do
  build runtime "cni/${plugin#*/}" "github.com/containernetworking/plugins/plugins/$plugin" -ldflags "-s -w"
done
build network kube-network-policies sigs.k8s.io/kube-network-policies/cmd -ldflags "-s -w"
build network coredns ./dns -ldflags "-s -w"
build ../image plain ./plain

# The pause container sleeps: its only task is to hold the namespaces of a pod.
pack pause -entrypoint "/bin/busybox sleep 100d" "$out/debian/bin/busybox=/bin/busybox"
links=()
for name in sh nc wget httpd nslookup timeout true ls cat; do links+=("/bin/$name@busybox"); done
pack busybox "$out/debian/bin/busybox=/bin/busybox" "${links[@]}"
pack coredns -entrypoint /coredns "$out/coredns=/coredns"
