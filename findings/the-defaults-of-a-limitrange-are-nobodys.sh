#!/usr/bin/env bash
# kube-apiserver v1.37.2: what the LimitRanger sets on a pod is nobody's in metadata.managedFields.
#
# A LimitRange's defaults are written into a pod by an admission plugin. Fields are given owners before mutating admission, so what the plugin
# sets has no owner: neither by create, where all that the client sends is its own, nor by server-side apply.
#
# So "what nobody owns was defaulted" is all that can be told, and by whom cannot; the annotation kubernetes.io/limit-ranger says it in
# prose.
#
# Seen: the request of a pod that asks for none, where a LimitRange has 50m, and how many managers own its cpu and its image.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver --disable-admission-plugins=ServiceAccount
k apply -f - >/dev/null <<'YAML'
{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: Container, defaultRequest: {cpu: 50m}}]}}
YAML
pod() { echo "{apiVersion: v1, kind: Pod, metadata: {name: $1, namespace: default}, spec: {containers: [{name: c, image: i}]}}"; }
eventually k create --dry-run=server -f <(pod probe)
pod created | k create --field-manager=creator -f - >/dev/null
pod applied | k apply --server-side --field-manager=applier -f - >/dev/null
owners() { k get pod "$1" --show-managed-fields -o json | grep -c "\"f:$2\"" || true; }
tell() {
  echo "$1: requests cpu $(k get pod "$1" -o jsonpath='{.spec.containers[0].resources.requests.cpu}'), owners of cpu $(owners "$1" cpu), of image $(owners "$1" image)"
}
k label pod created a=b --field-manager=labeller >/dev/null
seen "$(tell created; tell applied)" 'created: requests cpu 50m, owners of cpu 0, of image 1
applied: requests cpu 50m, owners of cpu 0, of image 1'
