#!/usr/bin/env bash
# kube-controller-manager v1.37.2: the condition ReplicaFailure keeps the words of the first refusal, though another is the reason by now.
#
# A ReplicaSet whose pods are refused gets the condition ReplicaFailure with the API server's words. While it lasts, it is not written again: a
# condition of the same type, status and reason (FailedCreate) is left as it is, whatever its message. Once the first cause is mended and another
# one refuses the pods, the condition still tells of the first. So does the Deployment's condition, which is copied from it.
#
# The events of the ReplicaSet have the words of each refusal. Read the newest of them.
#
# Seen: the condition and the newest event, at first, and once a quota refuses in the place of a missing service account.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
start_manager
k apply -f - >/dev/null <<'YAML'
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: r, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: absent, containers: [{name: c, image: i}]}}
YAML
cause() { grep -oE "serviceaccount \"absent\" not found|exceeded quota: none" | head -1; }
condition() { k get replicaset r -o jsonpath='{.status.conditions[?(@.type=="ReplicaFailure")].message}' | cause; }
event() { k get events --field-selector=reason=FailedCreate --sort-by=.lastTimestamp -o jsonpath='{range .items[*]}{.message}{"\n"}{end}' | tac | cause; }
eventually condition
result="at first: the condition says $(condition), the newest event $(event)"
k create quota none --hard=pods=0 >/dev/null
quota_refuses() { event | grep -q quota; }
eventually k get quota none -o jsonpath='{.status.hard.pods}'
k create serviceaccount absent >/dev/null
eventually quota_refuses
sleep 2 # For a condition that would come after its event.
result+="
later: the condition says $(condition), the newest event $(event)"
seen "$result" 'at first: the condition says serviceaccount "absent" not found, the newest event serviceaccount "absent" not found
later: the condition says serviceaccount "absent" not found, the newest event exceeded quota: none'
