package admission

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// managed is a manifest of what Bulwark made for the profile tamper.
func managed(kind, version, rest string) string {
	return "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: bulwark-x, labels: " +
		"{security.bulwark.dev/profile: tamper, app.kubernetes.io/managed-by: bulwark}}" + rest + "}"
}

const (
	ofBaseline = "the object is a part of the namespace's baseline and is changed by Bulwark alone"
	forged     = "the label security.bulwark.dev/profile is set by Bulwark alone"
	reserved   = "names that begin with bulwark- are reserved"
	declared   = "the profile declares the Pod Security labels of the namespace: pod-security.kubernetes.io/enforce"
	shed       = "the namespace would lose its baseline by these labels"
	forgedOn   = "the label security.bulwark.dev/profile of a namespace is set by Bulwark alone"
	rewritten  = "the annotation security.bulwark.dev/pod-security-before of a namespace is set by Bulwark alone"
	governedBy = v1alpha1.ProfileLabel + "="
	notThere   = "wait until the baseline of SecurityProfile gate is in place there: Bulwark has not been there"
	notReady   = "wait until the baseline of SecurityProfile gate is in place there: its NamespacePosture posture is not ready"
	noReport   = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
)

// namespaceWith is a manifest of a Namespace with labels, as YAML.
func namespaceWith(name string, labels ...string) string {
	return "{apiVersion: v1, kind: Namespace, metadata: {name: " + name + ", labels: {kubernetes.io/metadata.name: " + name + ", " +
		strings.Join(
			labels,
			", ",
		) + "}}}"
}

func labelling(key, value string) func(*testing.T, *unstructured.Unstructured) {
	return set(value, "metadata", "labels", key)
}

var rewriting = set(
	`{"pod-security.kubernetes.io/enforce":"privileged"}`,
	"metadata",
	"annotations",
	v1alpha1.PodSecurityBeforeAnnotation,
)

// unlabelling is a change that takes a label away.
func unlabelling(key string) func(*testing.T, *unstructured.Unstructured) {
	return func(_ *testing.T, o *unstructured.Unstructured) {
		unstructured.RemoveNestedField(o.Object, "metadata", "labels", key)
	}
}

// protectionScenarios are about what guards the baseline.
var protectionScenarios = []scenario{
	{
		name: "tamper",
		spec: "excludeNamespaces: [tamper-excluded], podSecurity: {enforce: baseline}, network: {defaultDeny: [Ingress]}, rbac: {defaultServiceAccount: {}}, " +
			"protection: {tamper: Forbid, breakGlassGroups: [" + responders + "]}",
		outranking: []string{
			"enforcement: Audit, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tamper-left}}",
		},
		others: map[string]string{"tamper-left": governedBy + "tamper"},
		held: manifests(
			managed(
				"NetworkPolicy",
				"networking.k8s.io/v1",
				", spec: {podSelector: {}}",
			),
			managed("ResourceQuota", "v1", ", spec: {hard: {pods: 5}}"),
			managed(
				"ServiceAccount",
				"v1",
				", automountServiceAccountToken: false",
			),
			networkPolicyOf("theirs", "ingress: []"),
			serviceOf("bulwark-x", "type: ClusterIP"),
		),
		cases: []testcase{
			networkPolicy("one of their own", "ingress: []", ""),
			{
				sentence: "one with a reserved name",
				object:   manifest(networkPolicyOf("bulwark-y", "ingress: []")),
				want:     reserved,
			},
			{sentence: "one with a name that is nearly reserved", object: manifest(networkPolicyOf("bulwarky", "ingress: []"))},
			{
				sentence: "one of a kind that Bulwark does not manage, with a reserved name",
				object:   manifest(serviceOf("bulwark-y", "type: ClusterIP")),
			},
			{
				sentence: "one that says that it is Bulwark's",
				object: manifest("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x, " +
					"labels: {security.bulwark.dev/profile: tamper}}, spec: {podSelector: {}}}"),
				want: forged,
			},
			{
				sentence: "the spec of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   set("b", "spec", "podSelector", "matchLabels", "a"),
				want:     ofBaseline,
			},
			{sentence: "an unmanaged label of a managed one", old: "NetworkPolicy bulwark-x", change: labelling("a", "b")},
			{
				sentence: "the label managed-by of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   unlabelling(v1alpha1.ManagedByLabel),
				want:     ofBaseline,
			},
			{
				sentence: "all labels of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   set(map[string]any{"a": "b"}, "metadata", "labels"),
				want:     ofBaseline,
			},
			{
				sentence: "the profile's label of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   unlabelling(v1alpha1.ProfileLabel),
				want:     ofBaseline,
			},
			{
				sentence: "another profile's label on a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   labelling(v1alpha1.ProfileLabel, "another"),
				want:     ofBaseline,
			},
			{
				sentence: "an annotation of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   set("b", "metadata", "annotations", "a"),
			},
			{
				sentence: "a finalizer of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   set([]any{"example.com/hold"}, "metadata", "finalizers"),
			},
			{
				sentence: "an owner of a managed one",
				old:      "NetworkPolicy bulwark-x",
				want:     ofBaseline,
				change: set(
					[]any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}},
					"metadata",
					"ownerReferences",
				),
			},
			{sentence: "a finalizer and the spec of a managed one", old: "NetworkPolicy bulwark-x", want: ofBaseline,
				change: func(t *testing.T, o *unstructured.Unstructured) {
					set([]any{"example.com/hold"}, "metadata", "finalizers")(t, o)
					set("b", "spec", "podSelector", "matchLabels", "a")(t, o)
				}},
			{
				sentence: "nothing of a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   func(*testing.T, *unstructured.Unstructured) {},
			},
			{sentence: "a managed one is deleted", old: "NetworkPolicy bulwark-x", want: ofBaseline},
			{
				sentence: "one of their own is changed",
				old:      "NetworkPolicy theirs",
				change:   set("b", "spec", "podSelector", "matchLabels", "a"),
			},
			{
				sentence: "one of their own is made Bulwark's",
				old:      "NetworkPolicy theirs",
				change:   labelling(v1alpha1.ProfileLabel, "tamper"),
				want:     forged,
			},
			{sentence: "one of their own is deleted", old: "NetworkPolicy theirs"},
			{
				sentence: "a service account is let pull images",
				old:      "ServiceAccount bulwark-x",
				change:   set([]any{map[string]any{"name": "s"}}, "imagePullSecrets"),
			},
			{
				sentence: "a service account is annotated",
				old:      "ServiceAccount bulwark-x",
				change:   set("b", "metadata", "annotations", "a"),
			},
			{
				sentence: "a service account has its token mounted",
				old:      "ServiceAccount bulwark-x",
				change:   set(true, "automountServiceAccountToken"),
				want:     ofBaseline,
			},
			{sentence: "a service account says nothing of its token", old: "ServiceAccount bulwark-x", want: ofBaseline,
				change: func(_ *testing.T, o *unstructured.Unstructured) {
					unstructured.RemoveNestedField(o.Object, "automountServiceAccountToken")
				}},
			{sentence: "a service account is deleted", old: "ServiceAccount bulwark-x", want: ofBaseline},
			{
				sentence: "Bulwark changes a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   unlabelling(v1alpha1.ManagedByLabel),
				by:       operatorUser,
			},
			{sentence: "Bulwark deletes a managed one", old: "NetworkPolicy bulwark-x", by: operatorUser},
			{
				sentence: "a responder changes a managed one",
				old:      "NetworkPolicy bulwark-x",
				change:   unlabelling(v1alpha1.ManagedByLabel),
				by:       responder,
			},
			{sentence: "a responder deletes a managed one", old: "NetworkPolicy bulwark-x", by: responder},
			{
				sentence: "a responder makes one with a reserved name",
				object:   manifest(networkPolicyOf("bulwark-y", "ingress: []")),
				by:       responder,
			},

			{sentence: "a label of the namespace", old: "Namespace tamper", change: labelling("a", "b")},
			{
				sentence: "the Pod Security level of the namespace",
				old:      "Namespace tamper",
				change:   labelling("pod-security.kubernetes.io/enforce", "privileged"),
				want:     declared,
			},
			{
				sentence: "the Pod Security level that is declared",
				old:      "Namespace tamper",
				change:   labelling("pod-security.kubernetes.io/enforce", "baseline"),
			},
			{
				sentence: "a Pod Security mode that is not declared",
				old:      "Namespace tamper",
				change:   labelling("pod-security.kubernetes.io/warn", "privileged"),
			},
			{
				sentence: "the namespace is taken out of the selection",
				old:      "Namespace tamper",
				change:   unlabelling("suite"),
				want:     shed,
			},
			{
				sentence: "the namespace is put into another selection",
				old:      "Namespace tamper",
				change:   labelling("suite", "another"),
				want:     shed,
			},
			{
				sentence: "the namespace is said to be governed",
				old:      "Namespace tamper",
				change:   labelling(v1alpha1.ProfileLabel, "tamper"),
				want:     forgedOn,
			},
			{
				sentence: "the namespace is said to be governed by another",
				old:      "Namespace tamper",
				change:   labelling(v1alpha1.ProfileLabel, "another"),
				want:     forgedOn,
			},
			{sentence: "a namespace is restored with the label of the profile that governs it",
				object: manifest(namespaceWith("restored", "suite: tamper", "security.bulwark.dev/profile: tamper"))},
			{sentence: "a namespace is restored as it was saved", object: manifest(namespaceWith(
				"restored",
				"suite: tamper",
				"security.bulwark.dev/profile: tamper",
				"pod-security.kubernetes.io/enforce: baseline",
				"pod-security.kubernetes.io/enforce-version: latest",
			))},
			{
				sentence: "a namespace is restored with a lower Pod Security level",
				want:     declared,
				object: manifest(namespaceWith("restored", "suite: tamper",
					"security.bulwark.dev/profile: tamper", "pod-security.kubernetes.io/enforce: privileged")),
			},
			{
				sentence: "a namespace is restored with the label of a profile that does not govern it",
				object: manifest(
					namespaceWith("restored", "suite: tamper", "security.bulwark.dev/profile: another"),
				),
				want: forgedOn,
			},
			{sentence: "a namespace is made with the label of the profile, which does not select it",
				object: manifest(namespaceWith("restored", "security.bulwark.dev/profile: tamper")), want: forgedOn},
			{
				sentence: "a namespace is made with the label of the profile, which another outranks there",
				object: manifest(
					namespaceWith("tamper-left", "suite: tamper", "security.bulwark.dev/profile: tamper"),
				),
				want: forgedOn,
			},
			{
				sentence: "a namespace is made with the label of the profile, which excludes it",
				object: manifest(
					namespaceWith("tamper-excluded", "suite: tamper", "security.bulwark.dev/profile: tamper"),
				),
				want: forgedOn,
			},
			{
				sentence: "what the namespace remembers of before is rewritten",
				old:      "Namespace tamper",
				change:   rewriting,
				want:     rewritten,
			},
			{
				sentence: "another annotation of the namespace is written",
				old:      "Namespace tamper",
				change:   set("b", "metadata", "annotations", "a"),
			},
			{
				sentence: "a responder rewrites what the namespace remembers",
				old:      "Namespace tamper",
				change:   rewriting,
				by:       responder,
			},
			{
				sentence: "a namespace of another profile says that it remembers something",
				old:      "Namespace updates",
				change:   rewriting,
			},
			{
				sentence: "a responder takes the namespace out of the selection",
				old:      "Namespace tamper",
				change:   unlabelling("suite"),
				by:       responder,
			},
			{sentence: "a namespace of another profile", old: "Namespace updates", change: unlabelling("suite")},
			{sentence: "a namespace of another profile is said to be governed by this one", old: "Namespace updates",
				change: labelling(v1alpha1.ProfileLabel, "tamper"), want: forgedOn},
			{
				sentence: "a namespace that one governs by now that audits is said to be governed by another",
				old:      "Namespace tamper-left",
				change:   labelling(v1alpha1.ProfileLabel, "another"),
				want:     forgedOn,
			},
			{
				sentence: "a namespace that one governs by now that audits is taken out of the selection",
				old:      "Namespace tamper-left",
				change:   unlabelling("suite"),
			},
			{
				sentence: "a namespace of another profile is put into the selection",
				old:      "Namespace updates",
				change:   labelling("suite", "tamper"),
			},
		},
	},
	{
		name:       "gate",
		spec:       "excludeNamespaces: ['gate-excluded*'], network: {defaultDeny: [Ingress]}, protection: {readyGate: Require}",
		outranking: []string{"namespaceSelector: {matchLabels: {tier: prod}}"},
		protected:  []string{"gate-protected"},
		others: map[string]string{
			"gate-waiting":        governedBy + "gate",
			"gate-ready":          governedBy + "gate",
			"gate-stale":          "",
			"gate-of-another":     governedBy + "another",
			"gate-without-report": governedBy + "gate",
			"gate-outlived":       governedBy + "gate",
			"gate-excluded":       "",
			"gate-excluded-late":  governedBy + "gate",
			"gate-protected":      "",
			"gate-prod":           "tier=prod",
		},
		postures: map[string]bool{
			"gate-waiting":       false,
			"gate-ready":         true,
			"gate-stale":         true,
			"gate-of-another":    true,
			"gate-excluded-late": false,
			"gate-outlived":      true,
		},
		outlived: []string{"gate-outlived"},
		held:     heldPods(only("")),
		cases: []testcase{
			hostPod("Bulwark has not been there", "", notThere),
			hostPod("there is no report", "gate-without-report", noReport),
			hostPod("the report says that it is not in place", "gate-waiting", notReady),
			hostPod("the report says that it is in place", "gate-ready", ""),
			hostPod("the report is of a namespace before this one", "gate-stale", notThere),
			hostPod(
				"the report is of a namespace before this one, which was made with the profile's label",
				"gate-outlived",
				notReady,
			),
			hostPod("the namespace is still another profile's", "gate-of-another", notThere),
			hostPod("the namespace is excluded", "gate-excluded", ""),
			hostPod("the namespace is excluded since", "gate-excluded-late", ""),
			hostPod("the namespace is protected", "gate-protected", ""),
			hostPod("the namespace is governed by another profile", "gate-prod", ""),
			creating("a template needs no report", "Deployment", only(""), ""),
			{sentence: "a pod that runs is changed", old: "Pod running", change: first("image", "x:v2")},
			{sentence: "a pod that runs is deleted", old: "Pod running"},
		},
	},
}
