#!/usr/bin/env bash
# What run.sh runs in the new namespaces. The control plane is at 192.0.2.1; the node is at 192.0.2.2,
# in a network namespace of its own, so that what pods send to the API server is forwarded and meets
# the policies. 198.51.100.10 and .20 are hosts outside of the cluster.
set -euo pipefail

work=$1 && shift
root=$PWD
bin=$root/bin/node
assets=${KUBEBUILDER_ASSETS:-$root/bin/k8s/v1.37.2}
logs=$work/logs
lib=$(echo "$bin"/debian/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$lib XTABLES_LIBDIR=$lib/xtables
export PATH=$bin:$bin/path:$bin/debian/usr/sbin:$PATH

mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p "$logs" "$work/cni" "$work/certs" /run/netns /var/run/netns
hostname node

on_node() { nsenter --net=/run/netns/node "$@"; }
kubectl() { "$assets/kubectl" --kubeconfig "$work/admin.kubeconfig" "$@"; }
await() { # await SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2 && shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "waited in vain for $what" >&2; tail -n 5 "$logs"/*.log >&2; return 1; }
    sleep 0.5
  done
}

network() {
  ip link set lo up
  ip netns add node
  ip link add node0 type veth peer name eth0 netns node
  ip addr add 192.0.2.1/24 dev node0
  ip addr add 198.51.100.10/32 dev node0
  ip addr add 198.51.100.20/32 dev node0
  ip link set node0 up
  ip route add 10.244.0.0/24 via 192.0.2.2
  ip route add 10.96.0.0/16 via 192.0.2.2
  on_node ip link set lo up
  on_node ip addr add 192.0.2.2/24 dev eth0
  on_node ip link set eth0 up
  on_node ip route add default via 192.0.2.1
  for setting in ipv4/ip_forward bridge/bridge-nf-call-iptables; do
    on_node sh -c "echo 1 > /proc/sys/net/$setting"
  done
  # What kube-network-policies would ask of nftables, whose queue not every kernel has, by iptables.
  on_node iptables -t mangle -A POSTROUTING -m owner --uid-owner 0 -j ACCEPT
  on_node iptables -t mangle -A POSTROUTING -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
  on_node iptables -t mangle -A POSTROUTING -s 10.244.0.0/24 -j NFQUEUE --queue-num 100
  on_node iptables -t mangle -A POSTROUTING -d 10.244.0.0/24 -j NFQUEUE --queue-num 100
  busybox httpd -p 198.51.100.10:8080 -h /run && busybox httpd -p 198.51.100.20:8080 -h /run
  busybox httpd -p 198.51.100.10:8081 -h /run
}

kubeconfig() { # kubeconfig NAME TOKEN
  cat > "$work/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: node, cluster: {server: "https://192.0.2.1:6443", certificate-authority: $work/certs/apiserver.crt}}]
users: [{name: user, user: {token: $2}}]
contexts: [{name: node, context: {cluster: node, user: user}}]
current-context: node
YAML
}

controlplane() {
  openssl genrsa -out "$work/sa.key" 2048 2>/dev/null
  : > "$work/tokens.csv"
  local name user groups token
  while IFS=, read -r name user groups; do
    token=$(openssl rand -hex 16)
    echo "$token,$user,$user,$groups" >> "$work/tokens.csv"
    kubeconfig "$name" "$token"
  done <<'CSV'
admin,admin,"system:masters"
kube-controller-manager,system:kube-controller-manager,
kube-scheduler,system:kube-scheduler,
kube-proxy,system:kube-proxy,
kubelet,system:node:node,"system:nodes"
CSV
  "$assets/etcd" --data-dir "$work/etcd" --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync \
    > "$logs/etcd.log" 2>&1 &
  "$assets/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --cert-dir "$work/certs" \
    --advertise-address 192.0.2.1 --secure-port 6443 --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-issuer https://kubernetes.default.svc --service-account-signing-key-file "$work/sa.key" \
    --service-account-key-file "$work/sa.key" --token-auth-file "$work/tokens.csv" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --kubelet-preferred-address-types InternalIP > "$logs/kube-apiserver.log" 2>&1 &
  await 120 "kube-apiserver" kubectl get --raw /readyz
  "$assets/kube-controller-manager" --kubeconfig "$work/kube-controller-manager.kubeconfig" \
    --leader-elect=false --bind-address 127.0.0.1 --cert-dir "$work/kcm" --use-service-account-credentials \
    --service-account-private-key-file "$work/sa.key" --root-ca-file "$work/certs/apiserver.crt" \
    > "$logs/kube-controller-manager.log" 2>&1 &
  kube-scheduler --kubeconfig "$work/kube-scheduler.kubeconfig" --leader-elect=false --bind-address 127.0.0.1 \
    --cert-dir "$work/scheduler" > "$logs/kube-scheduler.log" 2>&1 &
}

runtime() { on_node containerd --config "$work/containerd.toml" >> "$logs/containerd.log" 2>&1 & }

kubelet_() {
  await 60 "containerd" ctr version # Without it the kubelet ends.
  on_node kubelet --config "$work/kubelet.yaml" --kubeconfig "$work/kubelet.kubeconfig" --root-dir "$work/kubelet" \
    --cert-dir "$work/kubelet-pki" --node-ip 192.0.2.2 --hostname-override node >> "$logs/kubelet.log" 2>&1 &
}

engine() {
  local dir=/run/secrets/kubernetes.io/serviceaccount
  mkdir -p "$dir"
  cp "$work/certs/apiserver.crt" "$dir/ca.crt"
  kubectl create token kube-network-policies -n kube-system --duration 12h > "$dir/token"
  # It ends with containerd, and is started again, as a DaemonSet would.
  while true; do
    KUBERNETES_SERVICE_HOST=192.0.2.1 KUBERNETES_SERVICE_PORT=6443 on_node kube-network-policies \
      --hostname-override node --netfilter-bug-1766-fix=false --metrics-bind-address 127.0.0.1:9080 || sleep 1
  done >> "$logs/kube-network-policies.log" 2>&1 &
}

# restart is what a power cut does: kubelet, containerd and every container are killed, and the first two are started.
restart() {
  local pid containers
  containers=$(grep -ls bulwark-node /proc/[0-9]*/cgroup | cut -d/ -f3 || true)
  for pid in $(pgrep -x 'kubelet|containerd|containerd-shim|kube-network-po') $containers; do
    [ "$pid" = 1 ] || kill -KILL "$pid" 2>/dev/null || true
  done
  sleep 1
  runtime
  kubelet_
}

for file in kubelet.yaml containerd.toml kube-proxy.yaml; do
  sed -e "s#WORK#$work#g" -e "s#BIN#$bin#g" "hack/node/config/$file" > "$work/$file"
done
cp hack/node/config/cni.conflist "$work/cni/10-pods.conflist"
: > "$work/resolv.conf"

network
echo "control plane"
controlplane
echo "node"
runtime
await 60 "containerd" ctr version
for image in "$bin"/images/*.tar "$bin"/image/bulwark-oci.tar; do
  ctr -n k8s.io images import --local "$image" > /dev/null
done
kubelet_
on_node kube-proxy --config "$work/kube-proxy.yaml" > "$logs/kube-proxy.log" 2>&1 &
kubectl apply -f hack/node/config/cluster.yaml > "$logs/apply.log"
engine
await 120 "the node to be ready" kubectl wait --for=condition=Ready node/node --timeout=1s
await 120 "cluster DNS" kubectl -n kube-system wait --for=condition=Available deployment/coredns --timeout=1s
echo "node ready after $SECONDS s"

module() { go version -m "$bin/$1" | awk -v module="$2" '$2 == module {print $3}'; }
E2E_VERSIONS="runc $(runc --version | awk 'NR == 1 {print $3}'), $(iptables --version)"
E2E_VERSIONS+=", cgroups on $(stat -f -c %T /sys/fs/cgroup)"
E2E_VERSIONS+=", kube-network-policies $(module kube-network-policies sigs.k8s.io/kube-network-policies)"
E2E_VERSIONS+=", CoreDNS $(module coredns github.com/coredns/coredns)"
export E2E_VERSIONS

trap restart HUP
export KUBECONFIG=$work/admin.kubeconfig E2E_KUBECONFIG=$work/admin.kubeconfig
NODE_RESTART="kill -HUP $$" OUTSIDE=198.51.100.10,198.51.100.20 "$@" &
test=$!
while true; do
  status=0
  wait $test || status=$?
  kill -0 $test 2>/dev/null || exit $status
done
