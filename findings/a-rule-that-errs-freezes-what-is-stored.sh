#!/usr/bin/env bash
# kube-apiserver v1.37.2: a rule of a CRD that ends with an error on a stored object refuses every update of it, also one of its labels or its status.
#
# CRD validation ratcheting (KEP-4008) admits an update where all that is invalid was stored before and is not changed. It does so for a
# value of a type that the schema no longer has, and for a rule (x-kubernetes-validations) that is false. A rule that cannot be evaluated on
# the stored value, since its type is another by now, is not ratcheted; to ask whether the field is there (has) is enough for that.
#
# So who changes the type of a field that some rule reads freezes each stored object that has the field: no controller can write its
# status or take its finalizer away. Server-side apply cannot mend it, also not with --force-conflicts, since it reads the stored object by
# the new schema. A merge patch that sets the field anew can.
#
# Seen: an update of a label in each of the three cases, then server-side apply and a merge patch.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
crd() { # TYPE RULE
  k apply --server-side -f - >/dev/null <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Thing, plural: things}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {enabled: {type: $1}, generation: {type: integer, enum: [$3]}}
            x-kubernetes-validations: [{rule: "$2", message: the rule is false}]
YAML
  in_force() { thing probe "\"generation\": $1" | k create --dry-run=server -f - | grep -q created; }
  eventually in_force "$3" # The number is taken by this schema alone.
}
thing() { echo "{\"apiVersion\": \"example.com/v1\", \"kind\": \"Thing\", \"metadata\": {\"name\": \"$1\"}, \"spec\": {$2}}"; }
answer() { { "$@" 2>&1 || true; } | grep -v '^Warning' | sed -E 's/^The Thing "a" is invalid: //; s/^Error from server[^:]*: //; s/, got &value.*//'; }
label() { answer k label thing a "seen=$1" --overwrite; }
apply() { thing a '"enabled": "yes"' | answer k apply --server-side --force-conflicts -f -; }

crd boolean true 1
thing a '"enabled": true' | k create -f - >/dev/null
crd string true 2
another_type=$(label type)
crd string 'has(self.generation)' 3
false_rule=$(label false)
crd string "!has(self.enabled) || self.enabled != ''" 4
seen "$(
  echo "its type is another: $another_type"
  echo "a rule is false: $false_rule"
  echo "a rule cannot be evaluated: $(label error)"
  echo "server-side apply of a string: $(apply)"
  echo "a merge patch with a string: $(answer k patch thing a --type=merge -p '{"spec": {"enabled": "yes"}}')"
)" 'its type is another: thing.example.com/a labeled
a rule is false: thing.example.com/a labeled
a rule cannot be evaluated: spec: Invalid value: "object": invalid data, expected string, got bool evaluating rule: the rule is false
server-side apply of a string: failed to create typed live object (/a; example.com/v1, Kind=Thing): .spec.enabled: expected string
a merge patch with a string: thing.example.com/a patched'
