#!/usr/bin/env bash
# kube-apiserver v1.37.2: of a ResourceQuota only status.hard is enforced. spec.hard is not, until a controller has copied it.
#
# The admission plugin compares usage with status.hard, the copy that the quota controller of kube-controller-manager makes. Until it has, and
# for ever where it does not run, a new quota refuses nothing and a quota that was tightened holds by what it was. Who writes
# resourcequotas/status decides what is enforced, whatever the spec says.
#
# Look at status.hard, not at spec.hard, before you call a quota in force.
#
# Seen, without kube-controller-manager: what becomes of ConfigMaps where spec.hard allows none, before and after its copy is in the
# status, and where the spec allows a hundred by then.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
k create namespace q >/dev/null
k create quota none -n q --hard=count/configmaps=0 >/dev/null
admitted() { if k create configmap "$1" -n q >/dev/null 2>&1; then echo admitted; else echo refused; fi; }
status() {
  k patch quota none -n q --subresource=status --type=merge -p "{\"status\":{\"hard\":{\"$1\":\"$2\"},\"used\":{\"$1\":\"$3\"}}}" >/dev/null
}
held() { [[ $(k create configmap held -n q --dry-run=server 2>&1) == *"exceeded quota"* ]]; } # The API server hears of a status by a watch.
result="spec.hard allows none, status is empty: $(admitted a), $(admitted b)"
status count/configmaps 0 0
eventually held
result+="
spec.hard is copied to status.hard: $(admitted c)"
k patch quota none -n q --type=merge -p '{"spec":{"hard":{"count/configmaps":"100"}}}' >/dev/null
sleep 3 # That the API server has heard of the new spec, it gives no sign.
result+="
spec.hard allows 100, status.hard still none: $(admitted d)"
seen "$result" 'spec.hard allows none, status is empty: admitted, admitted
spec.hard is copied to status.hard: refused
spec.hard allows 100, status.hard still none: refused'
