#!/usr/bin/env bash
# kube-apiserver v1.37.2: who may only `get` pods/exec is refused, without a reason.
#
# exec was authorized by the HTTP method alone: POST is `create`, and GET, by which a WebSocket begins, is `get`. So a role that may read
# everything (get of */*) could enter pods. By now a connection by GET is authorized for `create` as well (the feature gate is
# AuthorizePodWebsocketUpgradeCreatePermission). The refusal says nothing of that: its message ends where a reason should be, and names `get`
# or `create`, neither of which is missing to somebody who reads the role.
#
# Seen: what a GET of pods/exec is answered with the verb get alone, and with create too (then admission and the kubelet are next: the pod
# runs on no node).
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
printf 'reader,reader,2\nboth,both,3\n' >>"$dir/tokens"
start_etcd
start_apiserver --disable-admission-plugins=ServiceAccount
k apply -f - >/dev/null <<'YAML'
{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: default}, spec: {containers: [{name: c, image: i}]}}
YAML
for verbs in reader:get both:get,create; do
  k create role "${verbs%:*}" --verb="${verbs#*:}" --resource=pods/exec >/dev/null
  k create rolebinding "${verbs%:*}" --role="${verbs%:*}" --user="${verbs%:*}" >/dev/null
done
ask() { # What a WebSocket to a pod is answered.
  curl -sk --http1.1 -H "Authorization: Bearer $1" -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" \
    -H "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==" -H "Sec-WebSocket-Protocol: v5.channel.k8s.io" \
    "https://127.0.0.1:$api_port/api/v1/namespaces/default/pods/p/exec?command=sh&stdout=true" | tr -d '\n' |
    sed -E 's/.*"message": "(.*)",  "reason": "([A-Za-z]+)".*"code": ([0-9]+).*/\3 \2: \1/'
}
eventually k_as reader auth can-i get pods --subresource=exec
eventually k_as both auth can-i create pods --subresource=exec
seen "get: $(ask reader)
get and create: $(ask both)" 'get: 403 Forbidden: pods \"p\" is forbidden: 
get and create: 400 BadRequest: pod p does not have a host assigned'
