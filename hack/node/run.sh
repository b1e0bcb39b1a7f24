#!/usr/bin/env bash
# Runs a command against a real node: a control plane, containerd, kubelet, kube-proxy and a policy
# engine, in namespaces of their own. Of the machine itself, a cgroup and six settings of the kernel
# change, and are put back. KUBECONFIG is set for the command.
#
#   hack/node/run.sh bin/e2e.test -test.v
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
hack/node/possible.sh

exec 8> /run/lock/bulwark-node # The cgroup is for one node at a time.
flock --nonblock 8 || { echo "waiting for another node on this machine" && flock 8; }
cgroups=$(awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts)
work=$(mktemp -d "$PWD/bin/node/run.XXXXXX")
# The kubelet sets these for the whole machine.
sysctls=$(cd /proc/sys && grep -Hs . vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes || true)
clean() {
  while IFS=: read -r setting value; do echo "$value" > "/proc/sys/$setting"; done <<< "$sysctls"
  for cgroup in $cgroups; do
    [ ! -d "$cgroup/bulwark-node" ] || find "$cgroup/bulwark-node" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
  if [ -n "${KEEP:-}" ]; then echo "logs are in $work"; else rm -rf "$work"; fi
}
trap clean EXIT
for cgroup in $cgroups; do
  mkdir -p "$cgroup/bulwark-node"
  for file in cpuset.cpus cpuset.mems; do
    [ ! -f "$cgroup/bulwark-node/$file" ] || cat "$cgroup/$file" > "$cgroup/bulwark-node/$file" 2>/dev/null || true
  done
done

# Every process of the node dies with the first one of its PID namespace.
unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc hack/node/inside.sh "$work" "$@"
