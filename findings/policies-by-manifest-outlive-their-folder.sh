#!/usr/bin/env bash
# kube-apiserver v1.37.2: policies by manifest are lifted by an empty folder, and not by a folder that is gone.
#
# The folder of staticManifestsDir (KEP-5793) is read again when it changes. A folder without manifests is a configuration of no
# policies, and they are lifted. A folder that cannot be read is an error, and what was in force stays in force, as it does with a manifest
# that cannot be read. At a start of the API server it is the other way round: an empty folder is fine, and without the folder it does not start.
#
# A file that is written in place is empty for a moment, which lifts everything: write it beside, under a name that does not end with
# .yaml, .yml or .json, and rename it. A kustomization.yaml in the folder is read too, and is an error.
#
# Seen: whether a ConfigMap that a policy refuses is refused, as each of these happens to the folder.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
mkdir "$dir/policies"
cat >"$dir/admission.yaml" <<YAML
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionPolicy
  configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: ValidatingAdmissionPolicyConfiguration, staticManifestsDir: $dir/policies}
YAML
cat >"$dir/p.yaml" <<'YAML'
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-configmaps.static.k8s.io}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  validations: [{expression: 'object.metadata.name != "probe"'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-configmaps.static.k8s.io}
spec: {policyName: no-configmaps.static.k8s.io, validationActions: [Deny]}
YAML
cp "$dir/p.yaml" "$dir/policies/"
start_etcd
start_apiserver --admission-control-config-file="$dir/admission.yaml"
passes() { k create configmap probe --dry-run=server; }
refused() { ! passes >/dev/null 2>&1; }
tell() { if passes >/dev/null 2>&1; then echo "$1: admitted"; else echo "$1: refused"; fi; }
eventually refused
result=$(tell "the manifest is there")
rm "$dir/policies/p.yaml"
eventually passes
result+=$'\n'$(tell "the folder is empty")
cp "$dir/p.yaml" "$dir/policies/p.new" && mv "$dir/policies/p.new" "$dir/policies/p.yaml"
eventually refused
echo "kind: Kustomization" >"$dir/policies/kustomization.yaml"
rm "$dir/policies/p.yaml"
sleep 3 # Longer than a change takes to be read.
result+=$'\n'$(tell "the manifest is gone, and something unreadable is there")
mv "$dir/policies" "$dir/away"
sleep 70 # A folder that is gone tells of no changes: it is looked at once a minute.
result+=$'\n'$(tell "the folder is gone")
seen "$result" 'the manifest is there: refused
the folder is empty: admitted
the manifest is gone, and something unreadable is there: refused
the folder is gone: refused'
