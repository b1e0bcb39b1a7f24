package admission

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const (
	operatorUser = controlplane.OperatorUser
	inHostNet    = "hostNetwork: the pod must not set hostNetwork to true"
)

func manifests(texts ...string) []func(*testing.T) *unstructured.Unstructured {
	var all []func(*testing.T) *unstructured.Unstructured
	for _, text := range texts {
		all = append(all, manifest(text))
	}
	return all
}

// hostPod is a pod that breaks the rule of all scenarios here, in a namespace.
func hostPod(sentence, namespace, want string) testcase {
	return testcase{
		sentence:  sentence,
		namespace: namespace,
		object:    held("Pod", "x", only("", "hostNetwork: true")),
		want:      want,
	}
}

// whereScenarios are about where a profile's rules hold, and what they do.
var whereScenarios = []scenario{
	{
		name: "excluded",
		spec: "excludeNamespaces: ['excluded-*', excluded2, '?xcluded3'], workloads: {hostNetwork: Forbid}",
		others: map[string]string{
			"excluded-ci":     "",
			"excluded2":       "",
			"excluded3":       "",
			"excluded4":       "",
			"not-excluded-ci": "",
		},
		cases: []testcase{
			hostPod("in the namespace", "", inHostNet),
			hostPod("in one that a glob excludes", "excluded-ci", ""),
			hostPod("in one that is excluded by name", "excluded2", ""),
			hostPod("in one that a question mark excludes", "excluded3", ""),
			hostPod("in one that is called alike", "excluded4", inHostNet),
			hostPod("in one that ends alike", "not-excluded-ci", inHostNet),
		},
	},
	{
		name:      "protected",
		spec:      "workloads: {hostNetwork: Forbid}",
		protected: []string{"protected-[a-c]*", `protected\-x`, "protected-[^d-z]"},
		others: map[string]string{
			"protected-a":  "",
			"protected-b2": "",
			"protected-d":  "",
			"protected-x":  "",
			"protected-0":  "",
			"protected-z":  "",
		},
		cases: []testcase{
			hostPod("in the namespace", "", inHostNet),
			hostPod("in one of a class", "protected-a", ""),
			hostPod("in a longer one of a class", "protected-b2", ""),
			hostPod("in one not of the class", "protected-d", inHostNet),
			hostPod("in one named with an escape", "protected-x", ""),
			hostPod("in one of the negated class", "protected-0", ""),
			hostPod("in one not of the negated class", "protected-z", inHostNet),
		},
	},
	{
		name: "outranked", spec: "workloads: {hostNetwork: Forbid}, network: {defaultDeny: [Ingress], tenantPolicies: Deny}",
		outranking: []string{
			"namespaceSelector: {matchLabels: {tier: prod}}, excludeNamespaces: ['*-free']",
			"namespaceSelector: {matchExpressions: [{key: suite, operator: In, values: [outranked]}, {key: team, operator: Exists}, {key: team, operator: NotIn, values: [ours]}]}",
		},
		others: map[string]string{
			"outranked-prod":      "tier=prod",
			"outranked-dev":       "tier=dev",
			"outranked-prod-free": "tier=prod",
			"outranked-team":      "team=theirs",
			"outranked-ours":      "team=ours",
		},
		cases: []testcase{
			hostPod("in the namespace", "", inHostNet),
			hostPod("where another governs", "outranked-prod", ""),
			hostPod("where the label is another", "outranked-dev", inHostNet),
			hostPod("where the other is excluded", "outranked-prod-free", inHostNet),
			hostPod("where a second governs", "outranked-team", ""),
			hostPod("where the second does not", "outranked-ours", inHostNet),
			{
				sentence:  "a NetworkPolicy where another governs",
				namespace: "outranked-prod",
				object:    manifest(networkPolicyOf("x", "ingress: [{}]")),
			},
			{
				sentence:  "a NetworkPolicy where no other does",
				namespace: "outranked-dev",
				object:    manifest(networkPolicyOf("x", "ingress: [{}]")),
				want:      noneMay,
			},
		},
	},
	{
		name:   "expressions",
		others: map[string]string{"expressions-a": "mark=a", "expressions-b": "mark=b"},
		spec:   "namespaceSelector: {matchLabels: {suite: expressions}, matchExpressions: [{key: mark, operator: NotIn, values: [a]}]}, workloads: {hostNetwork: Forbid}",
		cases: []testcase{
			hostPod("without the label", "", inHostNet),
			hostPod("with the value", "expressions-a", ""),
			hostPod("with another value", "expressions-b", inHostNet),
		},
	},
	{
		name: "warn", spec: "workloads: {action: Warn, hostNetwork: Forbid, runAsNonRoot: Require}",
		cases: ofEveryKind([]testcase{
			pod(
				"both are broken",
				only("", "hostNetwork: true"),
				"runAsNonRoot: container app must set securityContext.runAsNonRoot to true and runAsUser not to 0, or the pod must; "+inHostNet,
			),
			pod("neither is broken", only(own("runAsNonRoot: true")), ""),
		}),
	},
	{
		name: "warn-of-one", spec: "workloads: {action: Warn, hostNetwork: Forbid}, images: {denyTags: [latest]}",
		cases: []testcase{
			pod("what warns", only("", "hostNetwork: true"), inHostNet),
			pod("what denies", only(image("x:latest")), "denyTags: container app"),
			pod("both", only(image("x:latest"), "hostNetwork: true"), inHostNet),
		},
	},
	{
		name: "audit", spec: "workloads: {action: Audit, hostNetwork: Forbid, allowedServiceTypes: [ClusterIP]}",
		cases: []testcase{
			pod("it is broken", only("", "hostNetwork: true"), inHostNet),
			creating("a template breaks it", "Deployment", only("", "hostNetwork: true"), inHostNet),
			pod("it is kept", only(""), ""),
			service("a Service of another type", "type: NodePort", wrongType),
		},
	},
	{
		name: "enforcement-audit",
		spec: "enforcement: Audit, workloads: {action: Deny, hostNetwork: Forbid, allowedServiceTypes: [ClusterIP]}, images: {action: Audit, denyTags: [latest]}, " +
			"network: {defaultDeny: [Ingress], tenantPolicies: Deny}, protection: {readyGate: Require, tamper: Forbid}",
		cases: []testcase{
			pod("a pod", only("", "hostNetwork: true"), inHostNet),
			pod("an image", only(image("x:latest")), "denyTags: container app"),
			service("a Service", "type: NodePort", wrongType),
			networkPolicy("a NetworkPolicy", "ingress: [{}]", noneMay),
			{
				sentence: "a reserved name",
				object:   manifest(networkPolicyOf("bulwark-x", "ingress: [{}]")),
				want:     "names that begin with bulwark- are reserved",
			},
			pod("a pod that keeps all, though there is no posture", only(""), ""),
		},
	},
}
