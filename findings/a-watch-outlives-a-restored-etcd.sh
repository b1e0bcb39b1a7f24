#!/usr/bin/env bash
# kube-apiserver v1.37.2, etcd: a watch goes on after etcd was restored from a snapshot, without an error and without the events.
#
# Restoring a snapshot takes the revision back, and with it the resourceVersion of everything. A client that resumes its watch where it was
# names a version that is still to come. The API server does not answer 410 Gone, or anything else: it accepts the watch, and is silent about
# all that happens until the old version is reached again. An informer resumes so, and its cache then holds what never was.
#
# Who caches must notice by himself, by comparing the version of a fresh list with the latest that he has heard of. (etcdutl has
# --bump-revision and --mark-compacted for those who restore.)
#
# Seen: the status, the number of events and of errors of a watch at the version of before, while a ConfigMap is made that a list has.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
eventually k get namespace default
sleep 5 # For the API server's own first writes.
kill -STOP "$etcd_pid"
cp -r "$dir/etcd" "$dir/snapshot" # What a machine leaves behind that loses its power.
kill -CONT "$etcd_pid"
for i in $(seq 100); do echo "{apiVersion: v1, kind: ConfigMap, metadata: {name: lost-$i, namespace: default}}"; echo ---; done | k create -f - >/dev/null
before=$(k get --raw '/api/v1/namespaces/default/configmaps' | sed -E 's/^[^}]*"resourceVersion":"([0-9]+)".*/\1/')
kill -9 "$apiserver_pid" "$etcd_pid"
wait "$apiserver_pid" "$etcd_pid" 2>/dev/null || true
rm -rf "$dir/etcd"
mv "$dir/snapshot" "$dir/etcd"
start_etcd
start_apiserver
curl -sk -w '%{http_code}' -H "Authorization: Bearer admin" -o "$dir/events" \
  "https://127.0.0.1:$api_port/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=$before&timeoutSeconds=10" >"$dir/status" &
watch=$!
sleep 3 # The watch is there by then.
k create configmap made-since >/dev/null
after=$(k get configmap made-since -o jsonpath='{.metadata.resourceVersion}')
wait "$watch"
touch "$dir/events"
seen "the version has gone back: $([ "$after" -lt "$before" ] && echo yes || echo no)
the watch: status $(cat "$dir/status"), $(grep -c '"type":"ADDED"' "$dir/events" || true) events, $(grep -c '"type":"ERROR"' "$dir/events" || true) errors
a list has it: $(k get configmap made-since -o name)" 'the version has gone back: yes
the watch: status 200, 0 events, 0 errors
a list has it: configmap/made-since'
