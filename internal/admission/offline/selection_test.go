package offline

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/authentication/user"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

var (
	labelKeys   = []string{"tier", "example.com/team", "kubernetes.io/metadata.name"}
	labelValues = []string{"a", "b", "", "a.b", "team-a"}
	names       = []string{"a", "b", "team-a", "team-b", "team-ab", "ci-1-x", "kube-system", "kube-x", "0", "a-b"}
)

// often makes as many checks. A failure tells the seed, and -rapid.seed replays it.
func often(t *testing.T, checks int) {
	t.Helper()
	for name, value := range map[string]string{"rapid.checks": fmt.Sprint(checks), "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
}

func drawn[T any](t *rapid.T, name string, from ...T) T { return rapid.SampledFrom(from).Draw(t, name) }

func several[T comparable](t *rapid.T, name string, most int, from ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, most, rapid.ID[T]).Draw(t, name)
}

func labelled(t *rapid.T, name string, most int) map[string]string {
	labels := map[string]string{}
	for _, key := range several(t, name, most, labelKeys...) {
		labels[key] = drawn(t, name+" "+key, labelValues...)
	}
	return labels
}

// selecting is a profile that guards, and that forbids the host's network.
func selecting(t *rapid.T, name string) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Priority = drawn[int32](t, "priority", 0, 1)
	p.Spec.NamespaceSelector.MatchLabels = labelled(t, "matchLabels", 1)
	for range rapid.IntRange(0, 2).Draw(t, "expressions") {
		e := v1alpha1.LabelRequirement{Key: drawn(t, "key", labelKeys...), Operator: drawn(
			t,
			"operator",
			metav1.LabelSelectorOpIn,
			metav1.LabelSelectorOpNotIn,
			metav1.LabelSelectorOpExists,
			metav1.LabelSelectorOpDoesNotExist,
		)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = rapid.SliceOfN(rapid.SampledFrom(labelValues), 1, 2).Draw(t, "values")
		}
		p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions, e)
	}
	p.Spec.ExcludeNamespaces = several(t, "exclude", 2, "team-a", "team-*", "?", "*-b", "**", "c?-*-*", "no-such")
	p.Spec.Workloads = &v1alpha1.Workloads{HostNetwork: v1alpha1.ProhibitionForbid}
	p.Spec.Protection = &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
	return p
}

// brokenAt is since when profiles are broken.
var brokenAt = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// breaks leaves of a profile what its status remembers.
func breaks(t *rapid.T, p *v1alpha1.SecurityProfile) {
	p.Status.Selection = selection.Remember(p)
	if drawn(t, "known since when", true, false) {
		p.Status.Selection = selection.Broken(p, brokenAt)
	}
	// An earlier schema accepted it, and nothing can hold it.
	_ = p.Spec.UnmarshalJSON([]byte(`{"limits":[{"type":"Container","max":{"cpu":"1e0.5"}}]}`))
}

// A request is held against a profile's rules if and only if the profile governs its namespace:
// what the policies say of that in CEL is held against package selection, for what is in a
// namespace and for the labels of the namespace itself.
func TestAdmissionHoldsWhereTheProfileGoverns(t *testing.T) {
	often(t, 100)
	rapid.Check(t, func(t *rapid.T) {
		var profiles []v1alpha1.SecurityProfile
		for _, name := range rapid.Permutation([]string{"p", "q", "r"}).Draw(t, "names")[:rapid.IntRange(1, 3).Draw(t, "profiles")] {
			profile := selecting(t, name)
			if drawn(t, "broken", false, false, true) {
				breaks(t, &profile)
			}
			profiles = append(profiles, profile)
		}
		protected, err := selection.Protected(several(
			t,
			"protected",
			2,
			"team-[a-b]",
			"[^a-z]*",
			"kube-*",
			`team\-a`,
			"[a-a-]",
			"team-[b-a]",
			"?-[b]",
			"[éa-c]",
			`[\-t]eam-?b`,
			"no/such",
		)...)
		if err != nil {
			protected, _ = selection.Protected()
		}
		selector := selection.New(profiles, protected)
		for i := range profiles {
			p := &profiles[i]
			if selector.Invalid(p.Name) != nil {
				continue // Its policies stay as they were.
			}
			e, err := New(p, bulwark.Cluster{Outranking: selector.Outranking(p), Protected: protected, Operator: "operator"})
			if err != nil {
				t.Fatal(err)
			}
			for range 4 {
				namespace := drawn(t, "namespace", names...)
				was, is := labelled(t, "labels", 2), labelled(t, "labels then", 2)
				created := brokenAt.Add(drawn(t, "created", -time.Second, 0, time.Second))
				of := func(labels map[string]string) *corev1.Namespace {
					ns := namespaceOf(namespace, labels)
					ns.CreationTimestamp = metav1.NewTime(created)
					return ns
				}
				// A profile governs if it is the first that selects.
				governs := func(labels map[string]string) bool {
					governing := selector.Governing(of(labels))
					return governing != nil && governing.Name == p.Name
				}
				if got, want := refuses(t, e, of(was)), governs(was); got != want {
					t.Errorf("%s in namespace %s %v: governs: %t, refuses: %t", p.Name, namespace, was, want, got)
				}
				if got, want := holdsBack(t, e, of(was), of(is)), governs(was) && !governs(is); got != want {
					t.Errorf("%s, namespace %s from %v to %v: is shed: %t, is held back: %t", p.Name, namespace, was, is, want, got)
				}
			}
		}
	})
}

// Where there is no report yet, the gate is shut if and only if the profile governs, though the API
// server looks for the report before it asks whether it does.
func TestTheGateIsShutWhereTheProfileGoverns(t *testing.T) {
	often(t, 200)
	rapid.Check(t, func(t *rapid.T) {
		var profiles []v1alpha1.SecurityProfile
		for _, name := range rapid.Permutation([]string{"p", "q"}).Draw(t, "names") {
			profiles = append(profiles, selecting(t, name))
		}
		own := &profiles[0]
		own.Spec.Workloads, own.Spec.Protection = nil, &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire}
		protected, err := selection.Protected(several(t, "protected", 1, "team-a", "kube-*", "no/such")...)
		if err != nil {
			t.Fatal(err)
		}
		selector := selection.New(profiles, protected)
		e, err := New(own, bulwark.Cluster{Outranking: selector.Outranking(own), Protected: protected, Operator: "operator"})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			name := drawn(t, "namespace", names...)
			labels := labelled(t, "labels", 2)
			labels[corev1.LabelMetadataName] = name
			violations, err := e.Evaluate(t.Context(), Request{
				Object:    HeaviestPod(),
				Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}},
				User:      tenant,
			})
			if err != nil {
				t.Fatal(err)
			}
			governing := selector.Governing(namespaceOf(name, labels))
			if governs := governing != nil && governing.Name == own.Name; governs != (len(violations) > 0) {
				t.Errorf("namespace %s %v: governs: %t, refuses: %v", name, labels, governs, violations)
			}
		}
	})
}

// refuses reports whether a pod of the host's network is refused in a namespace of these labels.
func refuses(t *rapid.T, e *Evaluator, ns *corev1.Namespace) bool {
	pod := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "x", "namespace": ns.Name},
		"spec": map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "c", "image": "x"}}},
	}}
	violations, err := e.Evaluate(t.Context(), Request{Object: pod, Namespace: ns, User: tenant})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		if !strings.HasPrefix(v.Message, "hostNetwork: the pod must not") {
			t.Fatalf("%s: %s", v.Policy, v.Message)
		}
	}
	return len(violations) > 0
}

var tenant = &user.DefaultInfo{Name: "tenant", Groups: []string{user.AllAuthenticated}}

// holdsBack reports whether a change of a namespace's labels is refused since the namespace would
// lose the profile.
func holdsBack(t *rapid.T, e *Evaluator, was, is *corev1.Namespace) bool {
	request := func(ns *corev1.Namespace) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns.Name},
		}}
		u.SetCreationTimestamp(ns.CreationTimestamp)
		if len(ns.Labels) > 0 {
			u.SetLabels(ns.Labels)
		}
		return u
	}
	violations, err := e.Evaluate(t.Context(), Request{Object: request(is), OldObject: request(was), User: tenant})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		if !strings.HasPrefix(v.Message, "the namespace would lose its baseline") {
			t.Fatalf("%s: %s", v.Policy, v.Message)
		}
	}
	return len(violations) > 0
}

func namespaceOf(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}
