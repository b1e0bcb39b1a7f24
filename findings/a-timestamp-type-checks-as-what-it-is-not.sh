#!/usr/bin/env bash
# kube-apiserver v1.37.2: in an admission policy metadata.creationTimestamp is a string, though the type check takes it for a timestamp.
#
# The check of policies (kube-controller-manager, status.typeChecking) declares the field as a timestamp, as CRDs' own CEL has a date-time.
# At admission it is a string of RFC 3339. So a comparison with a timestamp is accepted, shows no warning, and then fails at each request: with
# failurePolicy Fail everything is refused. timestamp(...) around the field is right in both.
#
# On CREATE the value is the API server's own clock, in a dry run too, whatever the client sends.
#
# Seen: the warnings and the verdict of both forms, and of a client's own creationTimestamp of 2001.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
start_manager --controllers=serviceaccount-controller,validatingadmissionpolicy-status-controller
policy() { # NAME EXPRESSION: it is for ConfigMaps that bear the name as a label.
  k apply -f - >/dev/null <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: $1}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  validations: [{expression: "$2"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: $1}
spec: {policyName: $1, validationActions: [Deny], matchResources: {objectSelector: {matchLabels: {policy: $1}}}}
YAML
}
later="timestamp('2999-01-01T00:00:00Z')"
policy bare "object.metadata.creationTimestamp < $later"
policy wrapped "timestamp(object.metadata.creationTimestamp) < $later"
policy clock "timestamp(object.metadata.creationTimestamp) > timestamp('2020-01-01T00:00:00Z')"
policy never "false"
configmap() { # POLICY: what becomes of one that says that it was created in 2001.
  { k create --dry-run=server -f - 2>&1 || true; } <<YAML | sed -E 's/.*(no such overload|failed expression).*/refused: \1/; s/.*created.*/admitted/'
{apiVersion: v1, kind: ConfigMap, metadata: {name: $1, namespace: default, creationTimestamp: "2001-01-01T00:00:00Z", labels: {policy: $1}}}
YAML
}
checked() { k get validatingadmissionpolicy "$1" -o jsonpath='{.status.observedGeneration}' | grep -q 1; }
in_force() { configmap never | grep -q refused; }
result=""
eventually in_force
for name in bare wrapped clock; do
  eventually checked "$name"
  warnings=$(k get validatingadmissionpolicy "$name" -o jsonpath='{.status.typeChecking.expressionWarnings}')
  result+="$name: ${warnings:-no warning}, $(configmap "$name")"$'\n'
done
seen "${result%$'\n'}" 'bare: no warning, refused: no such overload
wrapped: no warning, admitted
clock: no warning, admitted'
