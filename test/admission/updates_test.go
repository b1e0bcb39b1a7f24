package admission

import (
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// requested are resources that can be changed while the pod runs.
const requested = ", resources: {requests: {cpu: 10m}}"

const rootWritable = "readOnlyRootFilesystem: container app must"

// updateScenarios are about what is there when the rules come.
var updateScenarios = []scenario{
	{
		name: "updates", spec: "workloads: {readOnlyRootFilesystem: Require}, images: {allowedRegistries: [ghcr.io]}",
		held: append(manifests(
			"{apiVersion: v1, kind: Pod, metadata: {name: held, finalizers: [example.com/hold]}, spec: {"+only(
				image("ghcr.io/x:v1"),
			)+"}}",
		),
			held("Pod", "violating", only(image("ghcr.io/x:v1")+requested)),
			held("Pod", "keeping", only(image("ghcr.io/x:v1")+requested+", "+own("readOnlyRootFilesystem: true"))),
			held("Deployment", "violating", only(image("ghcr.io/x:v1"), "terminationGracePeriodSeconds: 0")),
			held("Deployment", "keeping", only(image("ghcr.io/x:v1")+", "+own("readOnlyRootFilesystem: true"))),
			held("CronJob", "violating", only(image("ghcr.io/x:v1"))),
		),
		cases: []testcase{
			pod("a new one that breaks both", only(image("x")), rootWritable),
			{
				sentence: "the image of a pod that runs is changed to one that may be",
				old:      "Pod keeping",
				change:   first("image", "ghcr.io/x:v2"),
			},
			{
				sentence: "the image of a pod that runs is changed to one that may not",
				old:      "Pod keeping",
				change:   first("image", "quay.io/x:v2"),
				want:     "allowedRegistries: container app",
			},
			{
				sentence: "the image of a pod that breaks another rule is changed",
				old:      "Pod violating",
				change:   first("image", "ghcr.io/x:v2"),
			},
			{
				sentence: "the image of a pod that breaks another rule is changed to one that may not",
				old:      "Pod violating",
				change:   first("image", "quay.io/x:v2"),
				want:     "allowedRegistries: container app",
			},
			{
				sentence: "a label of a pod that breaks a rule is changed",
				old:      "Pod violating",
				change:   set("b", "metadata", "labels", "a"),
			},
			{
				sentence: "a pod that breaks a rule gets a finalizer",
				old:      "Pod violating",
				change:   set([]any{"example.com/hold"}, "metadata", "finalizers"),
			},
			{
				sentence: "a pod that breaks a rule loses its finalizer",
				old:      "Pod held",
				change:   set([]any{}, "metadata", "finalizers"),
			},
			{sentence: "a pod that breaks a rule is deleted", old: "Pod violating"},
			{
				sentence:    "a pod that breaks a rule gets an ephemeral container",
				old:         "Pod violating",
				subresource: "ephemeralcontainers",
				change:      debugging(image("ghcr.io/x:v1") + ", " + own("readOnlyRootFilesystem: true")),
			},
			{
				sentence:    "a pod that breaks a rule gets an ephemeral container that breaks it too",
				old:         "Pod violating",
				subresource: "ephemeralcontainers",
				change:      debugging(image("ghcr.io/x:v1")),
				want:        "readOnlyRootFilesystem: container debugger must",
			},
			{sentence: "a pod that breaks a rule is resized", old: "Pod violating", subresource: "resize",
				change: first("resources", map[string]any{"requests": map[string]any{"cpu": "20m"}})},
			{sentence: "a pod that keeps the rules is resized", old: "Pod keeping", subresource: "resize",
				change: first("resources", map[string]any{"requests": map[string]any{"cpu": "20m"}})},
			{
				sentence: "a Deployment that breaks a rule is scaled",
				old:      "Deployment violating",
				change:   set(int64(3), "spec", "replicas"),
			},
			{
				sentence: "a Deployment that breaks a rule is paused",
				old:      "Deployment violating",
				change:   set(true, "spec", "paused"),
			},
			{sentence: "the template of a Deployment that breaks a rule gets an annotation", old: "Deployment violating",
				change: set("now", "spec", "template", "metadata", "annotations", "restartedAt")},
			{sentence: "the template of a Deployment that breaks a rule is changed", old: "Deployment violating",
				change: set(int64(1), "spec", "template", "spec", "terminationGracePeriodSeconds")},
			{sentence: "the template of a Deployment that keeps the rules is changed", old: "Deployment keeping",
				change: set(int64(1), "spec", "template", "spec", "terminationGracePeriodSeconds")},
			{
				sentence: "a CronJob that breaks a rule is suspended",
				old:      "CronJob violating",
				change:   set(true, "spec", "suspend"),
			},
			{sentence: "the template of a CronJob that breaks a rule is changed", old: "CronJob violating",
				change: set(int64(1), "spec", "jobTemplate", "spec", "template", "spec", "terminationGracePeriodSeconds")},
		},
	},
	{
		name: "old-pods",
		spec: "workloads: {readOnlyRootFilesystem: Require, runAsNonRoot: Require, dropAllCapabilities: Require, seccomp: [RuntimeDefault], " +
			"requireLimits: [cpu, memory], requireProbes: [Liveness], hostPath: {policy: Forbid}, hostPort: {policy: Forbid}, hostNetwork: Forbid, automountServiceAccountToken: Forbid}, " +
			"images: {digest: Require, pullPolicy: Always}",
		held: []func(*testing.T) *unstructured.Unstructured{
			held("Pod", "gated", only("", "schedulingGates: [{name: queue.example.com/admission}]")),
			held(
				"Pod",
				"old",
				only(
					"ports: [{containerPort: 80, hostPort: 80}], "+mounted("logs", "")+", resources: {requests: {cpu: 10m}}",
					volumes(volume("logs", "/var/log")),
					initially(""),
					"hostNetwork: false",
				),
			),
		},
		cases: []testcase{
			pod("a new one", only(""), "digest: container app must"),
			{sentence: "the gate is taken off", old: "Pod gated", change: set([]any{}, "spec", "schedulingGates")},
			{sentence: "the gate is taken off, and where it may run is narrowed", old: "Pod gated",
				change: func(t *testing.T, o *unstructured.Unstructured) {
					set([]any{}, "spec", "schedulingGates")(t, o)
					set("a", "spec", "nodeSelector", "zone")(t, o)
				}},
			{sentence: "a toleration is added", old: "Pod old", change: func(t *testing.T, o *unstructured.Unstructured) {
				tolerations, _, err := unstructured.NestedSlice(o.Object, "spec", "tolerations")
				if err != nil {
					t.Fatal(err)
				}
				set(append(tolerations, map[string]any{"key": "a", "operator": "Exists"}), "spec", "tolerations")(t, o)
			}},
			{sentence: "a deadline is set", old: "Pod old", change: set(int64(3600), "spec", "activeDeadlineSeconds")},
			{sentence: "an annotation is set", old: "Pod old", change: set("b", "metadata", "annotations", "a")},
			{sentence: "its request is raised", old: "Pod old", subresource: "resize",
				change: first("resources", map[string]any{"requests": map[string]any{"cpu": "20m"}})},
			{
				sentence:    "a limit is added, beside which another is missing still",
				old:         "Pod old",
				subresource: "resize",
				change: first(
					"resources",
					map[string]any{"requests": map[string]any{"cpu": "20m"}, "limits": map[string]any{"cpu": "30m"}},
				),
			},
			{sentence: "its image is changed to one by digest", old: "Pod old", change: first("image", "app"+digest)},
			{
				sentence: "its image is changed to another tag",
				old:      "Pod old",
				change:   first("image", "app:v2"),
				want:     "digest: container app must",
			},
			{
				sentence: "the image of its init container is changed to another tag",
				old:      "Pod old",
				change:   inPodSpec(inContainer("initContainers", "image", "app:v2")),
				want:     "digest: container setup must",
			},
			{
				sentence:    "it is debugged by a container that keeps the rules",
				old:         "Pod old",
				subresource: "ephemeralcontainers",
				change:      debugging(kept),
			},
			{
				sentence:    "it is debugged by one that breaks one",
				old:         "Pod old",
				subresource: "ephemeralcontainers",
				change: debugging(
					image("app"+digest) + ", imagePullPolicy: Always",
				),
				want: "readOnlyRootFilesystem: container debugger must",
			},
			{
				sentence:    "it is debugged by one of another image",
				old:         "Pod old",
				subresource: "ephemeralcontainers",
				change: debugging(
					image("app:v1") + ", imagePullPolicy: Always, " + hardened,
				),
				want: "digest: container debugger must",
			},
			{
				sentence:    "it is debugged by one that mounts what should not be there",
				old:         "Pod old",
				subresource: "ephemeralcontainers",
				change:      debugging(kept + ", " + mounted("logs", readOnly)),
				want:        "hostPath: volume logs must be no hostPath",
			},
		},
	},
	{
		name: "old-limits", spec: "workloads: {requireLimits: [memory], requireRequests: [cpu]}",
		held: []func(*testing.T) *unstructured.Unstructured{
			held("Pod", "limited", only(asked("requests: {cpu: 10m, memory: 1Mi}, limits: {cpu: 20m}"))),
			held("Pod", "keeping", only(asked("requests: {cpu: 10m, memory: 1Mi}, limits: {cpu: 20m, memory: 2Mi}"))),
		},
		cases: []testcase{
			pod("a new one", only(""), "requireLimitsMemory: container app must"),
			{sentence: "a limit that there was is raised", old: "Pod limited", subresource: "resize", change: first("resources",
				map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "1Mi"}, "limits": map[string]any{"cpu": "30m"}})},
			{
				sentence:    "the request for what has no limit is changed",
				old:         "Pod limited",
				subresource: "resize",
				change: first("resources",
					map[string]any{"requests": map[string]any{"cpu": "10m", "memory": "2Mi"}, "limits": map[string]any{"cpu": "20m"}}),
			},
			{
				sentence:    "the limit is raised where it is asked",
				old:         "Pod keeping",
				subresource: "resize",
				change: first(
					"resources",
					map[string]any{
						"requests": map[string]any{"cpu": "10m", "memory": "1Mi"},
						"limits":   map[string]any{"cpu": "20m", "memory": "3Mi"},
					},
				),
			},
		},
	},
	{
		name: "old-templates",
		spec: "workloads: {readOnlyRootFilesystem: Require, runAsNonRoot: Require, dropAllCapabilities: Require, seccomp: [RuntimeDefault], appArmor: [RuntimeDefault], " +
			"seLinux: [container_t], requireLimits: [memory], requireProbes: [Liveness], hostPath: {policy: AllowListed, allowed: [{pathPrefix: /data, readOnly: Require}]}, hostPort: {policy: Forbid}, hostNetwork: Forbid, " +
			"automountServiceAccountToken: Forbid}, images: {allowedRegistries: [ghcr.io], digest: Require, pullPolicy: Always}",
		held: []func(*testing.T) *unstructured.Unstructured{
			held(
				"Deployment",
				"old",
				"containers: ["+container("app", old)+", "+container("twin", own("privileged: false"))+"], "+initially("")+
					", hostNetwork: true, automountServiceAccountToken: true, "+volumes(volume("logs", "/var/log"), volume("data", "/data"), "{name: tmp, emptyDir: {}}"),
			),
			held(
				"CronJob",
				"old",
				only(old, initially(""), volumes(volume("logs", "/var/log"), volume("data", "/data"), "{name: tmp, emptyDir: {}}")),
			),
			held("Deployment", "windows", only("", windows)),
			held("StatefulSet", "inheriting", only(own("runAsUser: 1000"), inPod("runAsUser: 1001, runAsGroup: 1"))),
		},
		cases: append([]testcase{
			pod("a new one", only(""), "digest: container app must"),
			{
				sentence: "of a CronJob: a variable of the environment",
				old:      "CronJob old",
				change:   inPodSpec(inContainer("containers", "env", []any{map[string]any{"name": "a", "value": "b"}})),
			},
			{
				sentence: "of a CronJob: what is judged",
				old:      "CronJob old",
				change:   inPodSpec(inContainer("containers", "securityContext", map[string]any{"runAsNonRoot": false})),
				want:     "runAsNonRoot: container app must",
			},
			{
				sentence: "what cannot be on Windows is asked of Linux",
				old:      "Deployment windows",
				change:   inPodSpec(func(spec map[string]any) { spec["os"] = map[string]any{"name": "linux"} }),
				want:     "readOnlyRootFilesystem: container app",
			},
			{
				sentence: "the pod's user is changed, which no container has",
				old:      "StatefulSet inheriting",
				change:   inPodSpec(inSecurityContext("runAsUser", int64(0))),
			},
			{
				sentence: "the pod says nothing of root any more",
				old:      "StatefulSet inheriting",
				change:   inPodSpec(inSecurityContext("runAsNonRoot", false)),
				want:     "runAsNonRoot: container app",
			},
			{
				sentence: "the pod's group is changed",
				old:      "StatefulSet inheriting",
				change:   inPodSpec(inSecurityContext("runAsGroup", int64(2))),
			},
		}, ofOldDeployment(map[string]templateCase{
			"a variable of the environment": {
				change: inContainer("containers", "env", []any{map[string]any{"name": "a", "value": "b"}}),
			},
			"a command": {change: inContainer("containers", "command", []any{"true"})},
			"a toleration": {
				change: func(spec map[string]any) { spec["tolerations"] = []any{map[string]any{"operator": "Exists"}} },
			},
			"a service account": {change: func(spec map[string]any) { spec["serviceAccountName"] = "other" }},
			"another order of the containers": {change: func(spec map[string]any) {
				c := spec["containers"].([]any)
				c[0], c[1] = c[1], c[0]
			}},
			"a container less": {
				change: func(spec map[string]any) { spec["containers"] = spec["containers"].([]any)[1:] },
			},
			"an image that may be": {
				change: inContainer("containers", "image", "ghcr.io/x"+digest),
			},
			"an image that may not be": {
				change: inContainer("containers", "image", "ghcr.io/x:v1"),
				want:   "digest: container app must",
			},
			"an image of another registry": {
				change: inContainer("containers", "image", "quay.io/x"+digest),
				want:   "allowedRegistries: container app must",
			},
			"a pull policy that may not be": {
				change: inContainer("containers", "imagePullPolicy", "Never"),
				want:   "pullPolicy: container app must",
			},
			"a pull policy that may be, of an image that may not": {
				change: inContainer("containers", "imagePullPolicy", "Always"),
			},
			"a security context that breaks as much": {
				change: inContainer("containers", "securityContext", map[string]any{"readOnlyRootFilesystem": false}),
				want:   "readOnlyRootFilesystem: container app must",
			},
			"a security context that breaks less": {
				change: inContainer(
					"containers",
					"securityContext",
					map[string]any{"readOnlyRootFilesystem": true, "runAsNonRoot": true},
				),
			},
			"a security context that breaks less and touches what it still breaks": {
				change: inContainer(
					"containers",
					"securityContext",
					map[string]any{"readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []any{"NET_RAW"}}},
				),
				want: "dropAllCapabilities: container app must",
			},
			"one rule is kept from now on": {
				change: inContainer("initContainers", "securityContext", map[string]any{"readOnlyRootFilesystem": true}),
			},
			"another seccomp profile that may not be": {
				change: inContainer(
					"initContainers",
					"securityContext",
					map[string]any{"seccompProfile": map[string]any{"type": "Unconfined"}},
				),
				want: "seccomp: container setup must",
			},
			"a pod's seccomp profile that may not be": {change: func(spec map[string]any) {
				spec["securityContext"] = map[string]any{"seccompProfile": map[string]any{"type": "Unconfined"}}
			}, want: "seccomp: containers app, twin, setup must"},
			"a pod's seccomp profile that may be": {change: func(spec map[string]any) {
				spec["securityContext"] = map[string]any{"seccompProfile": map[string]any{"type": "RuntimeDefault"}}
			}},
			"a pod's AppArmor profile that may not be": {change: func(spec map[string]any) {
				spec["securityContext"] = map[string]any{"appArmorProfile": map[string]any{"type": "Unconfined"}}
			}, want: "appArmor: containers app, twin, setup must"},
			"a container's name": {
				change: inContainer("containers", "name", "renamed"),
				want:   "readOnlyRootFilesystem: container renamed must",
			},
			"two containers' names": {change: func(spec map[string]any) {
				c := spec["containers"].([]any)
				c[0].(map[string]any)["name"], c[1].(map[string]any)["name"] = "twin", "app"
			}, want: "hostPort: container twin must"},
			"a container more": {change: func(spec map[string]any) {
				spec["containers"] = append(
					spec["containers"].([]any),
					map[string]any{"name": "more", "image": "ghcr.io/x" + digest},
				)
			}, want: "readOnlyRootFilesystem: container more must"},
			"a container becomes an init container": {change: func(spec map[string]any) {
				c := spec["containers"].([]any)
				spec["containers"], spec["initContainers"] = c[1:], append(spec["initContainers"].([]any), c[0])
			}, want: "readOnlyRootFilesystem: container app must"},
			"an init container becomes a container": {change: func(spec map[string]any) {
				spec["containers"] = append(spec["containers"].([]any), spec["initContainers"].([]any)...)
				delete(spec, "initContainers")
			}, want: "readOnlyRootFilesystem: container setup must"},
			"an init container becomes a sidecar": {
				change: inContainer("initContainers", "restartPolicy", "Always"),
				want:   "requireProbesLiveness: container setup must",
			},
			"a limit that is missing, of which a request is changed": {
				change: inContainer("containers", "resources", map[string]any{"requests": map[string]any{"memory": "2Mi"}}),
			},
			"a limit of nothing": {
				change: inContainer("containers", "resources", map[string]any{"limits": map[string]any{"memory": "0"}}),
				want:   "requireLimitsMemory: container app must",
			},
			"a port of the host more": {change: inContainer("containers", "ports", []any{
				map[string]any{
					"containerPort": int64(80),
					"hostPort":      int64(80),
				},
				map[string]any{"containerPort": int64(81), "hostPort": int64(81)},
			}), want: "hostPort: container app must"},
			"the host's network is left": {change: func(spec map[string]any) {
				spec["hostNetwork"] = false
				delete(spec["containers"].([]any)[0].(map[string]any), "ports")
			}},
			"the token is not asked for any more": {
				change: func(spec map[string]any) { delete(spec, "automountServiceAccountToken") },
			},
			"a volume of the host more": {change: func(spec map[string]any) {
				spec["volumes"] = append(
					spec["volumes"].([]any),
					map[string]any{"name": "root", "hostPath": map[string]any{"path": "/"}},
				)
			}, want: "hostPath: volume root must"},
			"a volume that is mounted becomes one of the host": {change: func(spec map[string]any) {
				v := spec["volumes"].([]any)[2].(map[string]any)
				delete(v, "emptyDir")
				v["hostPath"] = map[string]any{"path": "/etc"}
			}, want: "hostPath: volume tmp must"},
			"another path of the host": {change: func(spec map[string]any) {
				spec["volumes"].([]any)[0].(map[string]any)["hostPath"] = map[string]any{"path": "/etc"}
			}, want: "hostPath: volume logs must"},
			"a volume of the host is mounted by another container": {change: func(spec map[string]any) {
				spec["containers"].([]any)[1].(map[string]any)["volumeMounts"] = []any{
					map[string]any{"name": "logs", "mountPath": "/mnt"},
				}
			}, want: "hostPath: volume logs must"},
			"a volume is mounted at another place": {change: inContainer("containers", "volumeMounts", []any{
				map[string]any{
					"name":      "logs",
					"mountPath": "/elsewhere",
				},
				map[string]any{"name": "data", "mountPath": "/data"},
				map[string]any{"name": "tmp", "mountPath": "/tmp"},
			})},
			"one volume is not mounted any more": {change: inContainer("containers", "volumeMounts", []any{
				map[string]any{"name": "logs", "mountPath": "/mnt"}, map[string]any{"name": "tmp", "mountPath": "/tmp"},
			})},
			"a volume that was mounted for writing is mounted by one more for reading": {change: func(spec map[string]any) {
				spec["containers"].([]any)[1].(map[string]any)["volumeMounts"] = []any{
					map[string]any{"name": "data", "mountPath": "/mnt", "readOnly": true},
				}
			}, want: "hostPath: volume data must"},
		})...),
	},
}

const (
	// hardened is a security context of a container that keeps the rules for it, and kept the
	// fields of such a container.
	hardened = "securityContext: {readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"
	old      = "ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {memory: 1Mi}}, " +
		"volumeMounts: [{name: logs, mountPath: /mnt}, {name: data, mountPath: /data}, {name: tmp, mountPath: /tmp}]"
)

var kept = image("app"+digest) + ", imagePullPolicy: Always, " + hardened

// templateCase is a change of a pod spec, and what is to be said of it.
type templateCase struct {
	change func(spec map[string]any)
	want   string
}

// ofOldDeployment are requests that change the template of the Deployment old.
func ofOldDeployment(changes map[string]templateCase) []testcase {
	var cases []testcase
	for _, sentence := range slices.Sorted(maps.Keys(changes)) {
		c := changes[sentence]
		cases = append(
			cases,
			testcase{sentence: "of a Deployment: " + sentence, old: "Deployment old", change: inPodSpec(c.change), want: c.want},
		)
	}
	return cases
}

// inPodSpec is a change of the pod spec of an object.
func inPodSpec(change func(spec map[string]any)) func(*testing.T, *unstructured.Unstructured) {
	return func(t *testing.T, o *unstructured.Unstructured) {
		t.Helper()
		path := map[string][]string{
			"Pod": {"spec"}, "CronJob": {"spec", "jobTemplate", "spec", "template", "spec"},
		}[o.GetKind()]
		if path == nil {
			path = []string{"spec", "template", "spec"}
		}
		spec, found, err := unstructured.NestedFieldNoCopy(o.Object, path...)
		if err != nil || !found {
			t.Fatalf("%s has no pod spec: %v", o.GetKind(), err)
		}
		change(spec.(map[string]any))
	}
}

// inContainer is a change of the first container of a list of a pod spec.
func inContainer(list, field string, value any) func(map[string]any) {
	return func(spec map[string]any) { spec[list].([]any)[0].(map[string]any)[field] = value }
}

// inSecurityContext is a change of the pod's own security context.
func inSecurityContext(field string, value any) func(map[string]any) {
	return func(spec map[string]any) { spec["securityContext"].(map[string]any)[field] = value }
}
