#!/usr/bin/env bash
# kube-apiserver v1.37.2: a LimitRange's default limit for containers makes a pod with pod-level limits invalid.
#
# A pod may give its resources once for all containers (spec.resources, KEP-2837), and its containers none. The LimitRanger does not look at
# spec.resources: it sets its default limit on each container all the same. Validation, which comes after, compares each container's limit
# with the pod's, and refuses the pod for a number that its author never wrote.
#
# So a namespace with an old LimitRange refuses a part of the pods that use the new field. The error names spec.resources.containers[0], a
# field that no pod has.
#
# Seen: a pod whose pod-level limit is below the default, one whose limit is above it, and one that has no pod-level limit.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver --disable-admission-plugins=ServiceAccount
k apply -f - >/dev/null <<'YAML'
{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: Container, default: {memory: 512Mi}, defaultRequest: {memory: 64Mi}}]}}
YAML
pod() { # NAME RESOURCES: the container's limit as it was created, or why the pod was refused.
  echo "{apiVersion: v1, kind: Pod, metadata: {name: $1, namespace: default}, spec: {$2 containers: [{name: c, image: i}]}}" |
    k create --dry-run=server -f - -o jsonpath='the container has the limit {.spec.containers[0].resources.limits.memory}' 2>&1 |
    sed -E 's/^The Pod "[a-z]+" is invalid: //'
}
defaulted() { pod probe "" | grep -q 512Mi; }
eventually defaulted
seen "$(
  echo "256Mi for the pod: $(pod below 'resources: {limits: {memory: 256Mi}},')"
  echo "1Gi for the pod: $(pod above 'resources: {limits: {memory: 1Gi}},')"
  echo "nothing for the pod: $(pod without '')"
)" '256Mi for the pod: spec.resources.containers[0][memory].limits: Invalid value: "512Mi": must be less than or equal to pod limits of 256Mi
1Gi for the pod: the container has the limit 512Mi
nothing for the pod: the container has the limit 512Mi'
