#!/usr/bin/env bash
# kube-apiserver v1.37.2: a JSON patch whose "test" fails is answered 422 Invalid, not 409 Conflict.
#
# A "test" of a JSON patch (RFC 6902) is how a client says "only if it still is as I have seen it". RFC 5789 has 409 for a patch that
# meets a resource in another state. The API server answers 422 with the reason Invalid, as for an object that breaks validation, and so
# does it for an operation on a path that is not there. The one thing that tells them apart from a real violation is the text.
#
# Who retries by the usual helper (retry.RetryOnConflict, which asks for 409) never does; who takes Invalid for a lasting refusal reports
# a race as one. Set metadata.resourceVersion in the patch to get a 409.
#
# Seen: the HTTP status and the reason of a failed test, of a path that is not there, and of a resourceVersion that is old.
version=v1.37.2
source "$(dirname "${BASH_SOURCE[0]}")/../hack/controlplane/scripting.sh"
start_etcd
start_apiserver
k create configmap c --from-literal=a=1 >/dev/null
patch() { # The status and the reason of the answer to a patch.
  curl -sk -X PATCH -H "Authorization: Bearer admin" -H "Content-Type: application/$1+json" -d "$2" \
    "https://127.0.0.1:$api_port/api/v1/namespaces/default/configmaps/c" | tr -d '\n' | sed -E 's/.*"reason": "([A-Za-z]+)".*"code": ([0-9]+).*/\2 \1/'
}
seen "$(
  echo "test fails: $(patch json-patch '[{"op":"test","path":"/data/a","value":"2"},{"op":"replace","path":"/data/a","value":"3"}]')"
  echo "no such path: $(patch json-patch '[{"op":"remove","path":"/data/b"}]')"
  echo "old resourceVersion: $(patch json-patch '[{"op":"replace","path":"/metadata/resourceVersion","value":"1"}]')"
)" 'test fails: 422 Invalid
no such path: 422 Invalid
old resourceVersion: 409 Conflict'
