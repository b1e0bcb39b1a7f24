package admission

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// tolerating are the tolerations of a pod spec.
func tolerating(tolerations string) string { return "tolerations: [" + tolerations + "]" }

const (
	byAll        = "{operator: Exists}"
	controlPlane = "{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}"
	dedicated    = "{key: example.com/dedicated, value: team-a, effect: NoSchedule}"
	ofConditions = "{key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute}, {key: node.kubernetes.io/unschedulable, operator: Exists}"

	noToleration = "tolerations: toleration node-role.kubernetes.io/control-plane must be no toleration"
	noNodeName   = "nodeName: the pod must not set nodeName, since the scheduler alone chooses its node"
)

// bindsItself is what a pod looks like that has been bound, and a template whose pods bind
// themselves.
const bindsItself = "nodeName: node-1"

var schedulingScenarios = []scenario{
	{
		name: "nodename", spec: "workloads: {nodeName: Forbid}",
		held: []func(*testing.T) *unstructured.Unstructured{
			held(
				"Pod",
				"bound",
				only("", bindsItself),
			),
			held("Deployment", "old", only("", bindsItself)),
			held("Deployment", "free", only("")),
		},
		cases: append(
			ofEveryKind([]testcase{
				pod("names its node", only("", bindsItself), noNodeName),
				pod("names a node with all else it needs", only("", bindsItself, tolerating(byAll)), noNodeName),
				pod("names none", only(""), ""),
				pod("says that it names none", only("", "nodeName: ''"), ""),
				pod(
					"is drawn to a node, which the scheduler decides",
					only("", "nodeSelector: {kubernetes.io/hostname: node-1}"),
					"",
				),
			}),
			testcase{sentence: "a pod that runs is changed", old: "Pod bound", change: first("image", "app:v2")},
			testcase{
				sentence:    "a pod that runs is debugged",
				old:         "Pod bound",
				subresource: "ephemeralcontainers",
				change:      debugging(""),
			},
			testcase{sentence: "a template that named its node before", old: "Deployment old",
				change: inPodSpec(inContainer("containers", "image", "app:v2"))},
			testcase{
				sentence: "it names another",
				old:      "Deployment old",
				change:   inPodSpec(has("nodeName", "node-2")),
				want:     noNodeName,
			},
			testcase{
				sentence: "a template comes to name its node",
				old:      "Deployment free",
				change:   inPodSpec(has("nodeName", "node-1")),
				want:     noNodeName,
			},
		),
	},
	{
		name: "untolerant", spec: "workloads: {tolerations: {policy: Forbid}}",
		held: []func(*testing.T) *unstructured.Unstructured{
			held("Pod", "running", only("")), held("Pod", "old", only("", tolerating(controlPlane))),
		},
		cases: append(
			ofEveryKind([]testcase{
				pod("tolerates the control plane", only("", tolerating(controlPlane)), noToleration),
				pod(
					"tolerates every taint",
					only("", tolerating(byAll)),
					"tolerations: toleration of every taint must be no toleration",
				),
				pod(
					"tolerates every taint of an effect",
					only("", tolerating("{operator: Exists, effect: NoExecute}")),
					"of every taint must",
				),
				pod("hides it behind another", only("", tolerating(ofConditions+", "+controlPlane)), noToleration),
				pod("tolerates what Kubernetes has DaemonSets tolerate", only("", tolerating(ofConditions)), ""),
				pod(
					"a key that only begins likewise",
					only("", tolerating("{key: node.kubernetes.io, operator: Exists}")),
					"toleration node.kubernetes.io must",
				),
				pod("tolerates nothing", only(""), ""),
			}),
			testcase{
				sentence: "a pod that waits comes to tolerate more",
				old:      "Pod running",
				change:   added(controlPlaneTaint),
				want:     noToleration,
			},
			testcase{
				sentence: "it comes to tolerate all",
				old:      "Pod running",
				change:   added(map[string]any{"operator": "Exists"}),
				want:     "of every taint must",
			},
			testcase{sentence: "it tolerated that before, and does for longer", old: "Pod old", change: added(map[string]any{
				"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule",
			})},
		),
	},
	{
		name: "tolerant",
		spec: "workloads: {tolerations: {policy: AllowListed, allowed: [{key: example.com/dedicated, values: [team-a, team-b]}, {key: gpu}]}}",
		cases: ofEveryKind([]testcase{
			pod("one that is allowed", only("", tolerating(dedicated)), ""),
			pod(
				"one that says its operator",
				only("", tolerating("{key: example.com/dedicated, operator: Equal, value: team-b}")),
				"",
			),
			pod(
				"another value",
				only("", tolerating("{key: example.com/dedicated, value: team-c}")),
				"toleration example.com/dedicated must be no toleration but example.com/dedicated=team-a, team-b, gpu",
			),
			pod("no value", only("", tolerating("{key: example.com/dedicated}")), "toleration example.com/dedicated must"),
			pod(
				"every value",
				only("", tolerating("{key: example.com/dedicated, operator: Exists}")),
				"toleration example.com/dedicated must",
			),
			pod(
				"any value of a key that is allowed without",
				only("", tolerating("{key: gpu, operator: Exists}, {key: gpu, value: a100, effect: NoSchedule}")),
				"",
			),
			pod(
				"a key that only begins likewise",
				only("", tolerating("{key: gpus, operator: Exists}")),
				"toleration gpus must",
			),
			pod("the control plane", only("", tolerating(controlPlane)), noToleration),
		}),
	},
	{
		name: "priority",
		spec: "workloads: {priorityClasses: {policy: AllowListed, allowed: [system-node-critical]}}", // Of those there are in each cluster.
		held: []func(*testing.T) *unstructured.Unstructured{
			held(
				"Pod",
				"old",
				only("", "priorityClassName: system-cluster-critical"),
			),
			held("Deployment", "old", only("", "priorityClassName: system-cluster-critical")),
		},
		cases: append(
			ofEveryKind([]testcase{
				pod(
					"one that is not allowed",
					only("", "priorityClassName: system-cluster-critical"),
					"priorityClasses: the pod must have no priorityClassName but system-node-critical",
				),
				pod("one that is", only("", "priorityClassName: system-node-critical"), ""),
				pod("none", only(""), ""),
			}),
			testcase{sentence: "a pod that runs is changed", old: "Pod old", change: first("image", "app:v2")},
			testcase{
				sentence: "a template that had it before",
				old:      "Deployment old",
				change:   inPodSpec(inContainer("containers", "image", "app:v2")),
			},
			testcase{
				sentence: "a template comes to have another",
				old:      "Deployment old",
				change:   inPodSpec(has("priorityClassName", "other")),
				want:     "priorityClasses: the pod must",
			},
			testcase{sentence: "a template loses it", old: "Deployment old", change: inPodSpec(has("priorityClassName", ""))},
		),
	},
	{
		name: "nopriority", spec: "workloads: {priorityClasses: {policy: Forbid}}",
		cases: ofEveryKind([]testcase{
			pod(
				"one of Kubernetes' own",
				only("", "priorityClassName: system-node-critical"),
				"priorityClasses: the pod must have no priorityClassName",
			),
			pod("none", only(""), ""),
		}),
	},
}

var controlPlaneTaint = map[string]any{
	"key":      "node-role.kubernetes.io/control-plane",
	"operator": "Exists",
	"effect":   "NoSchedule",
}

// has is a change of a pod spec that sets a field.
func has(field string, value any) func(map[string]any) {
	return func(spec map[string]any) { spec[field] = value }
}

// added is a change of a pod that adds a toleration.
func added(toleration map[string]any) func(*testing.T, *unstructured.Unstructured) {
	return func(t *testing.T, o *unstructured.Unstructured) {
		t.Helper()
		tolerations, _, err := unstructured.NestedSlice(o.Object, "spec", "tolerations")
		if err != nil {
			t.Fatal(err)
		}
		set(append(tolerations, toleration), "spec", "tolerations")(t, o)
	}
}
