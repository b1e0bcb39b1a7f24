# For the scripts of findings, which set $version and source it: a control plane of its own in the temporary folder $dir, from
# the public Go modules that go.mod pins here.
#
# start_etcd, start_apiserver [FLAG…] and start_manager start what they say; k is kubectl as a member of system:masters, and
# k_as TOKEN … as the user of a line "TOKEN,USER,UID" that was added to $dir/tokens before the API server was started. All of it ends,
# and $dir goes, with the script.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
assets=${KUBEBUILDER_ASSETS:-$root/bin/k8s/$version}
[ -n "${KUBEBUILDER_ASSETS:-}" ] || "$root/hack/controlplane/build.sh" "$assets"
dir=$(mktemp -d)
etcd_pid="" apiserver_pid="" manager_pid=""
end() {
  for pid in $manager_pid $apiserver_pid $etcd_pid; do
    kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true # It ends with the status of what was killed.
  done
  rm -rf "$dir"
}
trap end EXIT
port() { # A port that is free, or was a moment ago.
  local p
  while p=$((20000 + RANDOM % 12000)); (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do :; done
  echo "$p"
}
etcd_port=$(port) peer_port=$(port) api_port=$(port) manager_port=$(port)
openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
echo 'admin,admin,1,"system:masters"' >"$dir/tokens"
eventually() { # Tries the command for a minute.
  for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  echo "it never came to: $*" >&2
  return 1
}
k_as() { local token=$1; shift; "$assets/kubectl" --server="https://127.0.0.1:$api_port" --insecure-skip-tls-verify --token="$token" "$@"; }
k() { k_as admin "$@"; }
start_etcd() {
  "$assets/etcd" --data-dir="$dir/etcd" --listen-client-urls="http://127.0.0.1:$etcd_port" --advertise-client-urls="http://127.0.0.1:$etcd_port" \
    --listen-peer-urls="http://127.0.0.1:$peer_port" --unsafe-no-fsync --log-level=error >"$dir/etcd.log" 2>&1 &
  etcd_pid=$!
}
start_apiserver() {
  "$assets/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd_port" --bind-address=127.0.0.1 --secure-port="$api_port" --cert-dir="$dir/certs" \
    --endpoint-reconciler-type=none --authorization-mode=RBAC --token-auth-file="$dir/tokens" --service-account-issuer=https://localhost \
    --service-account-signing-key-file="$dir/sa.key" --service-account-key-file="$dir/sa.key" --service-cluster-ip-range=10.0.0.0/24 "$@" \
    >"$dir/apiserver.log" 2>&1 &
  apiserver_pid=$!
  eventually k get --raw /readyz
}
start_manager() {
  k config set-cluster c --server="https://127.0.0.1:$api_port" --insecure-skip-tls-verify --kubeconfig="$dir/kubeconfig" >/dev/null
  k config set-credentials u --token=admin --kubeconfig="$dir/kubeconfig" >/dev/null
  k config set-context c --cluster=c --user=u --kubeconfig="$dir/kubeconfig" >/dev/null
  k config use-context c --kubeconfig="$dir/kubeconfig" >/dev/null
  "$assets/kube-controller-manager" --kubeconfig="$dir/kubeconfig" --bind-address=127.0.0.1 --secure-port="$manager_port" --cert-dir="$dir/manager" \
    --leader-elect=false --service-account-private-key-file="$dir/sa.key" --use-service-account-credentials "$@" >"$dir/manager.log" 2>&1 &
  manager_pid=$!
  eventually k get serviceaccount default
}
# seen compares what was seen with what the script describes, and ends.
seen() {
  echo "$1"
  [ "$1" = "$2" ] || { echo "it behaves in another way by now; expected:"; echo "$2"; exit 1; }
  echo "as described: Kubernetes $version"
}
