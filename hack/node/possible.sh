#!/usr/bin/env bash
# Fails where no node can run, and says why.
set -euo pipefail

skip() { echo "make node is skipped: $1" && exit 1; }
[ "$(uname -s)" = Linux ] || skip "a node is Linux, this is $(uname -s)"
[ "$(id -u)" = 0 ] || skip "a node needs root"
[ -w /proc/sys/kernel/panic ] || skip "a node needs root of the machine, not of a user namespace"
unshare --net --mount --pid --fork true 2>/dev/null || skip "namespaces of the kernel may not be made here"
unshare --net ip link add node0 type veth peer name eth0 2>/dev/null || skip "the kernel has no veth"
grep -qw overlay /proc/filesystems || skip "the kernel has no overlayfs"
command -v dpkg-deb > /dev/null || skip "runc, iptables and busybox are taken from Debian's packages: no dpkg here"
