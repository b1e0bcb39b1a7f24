package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

func TestPoliciesComeAndGoAsSeldomAsCanBe(t *testing.T) {
	var states []bool
	for block := range 4 {
		states = append(states, turns(block)...)
	}
	want := []bool{false, true, true, false, false, true, true, false}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Error(diff)
	}
}

func TestEachProbeIsRefusedByItsOwnPolicyAlone(t *testing.T) {
	profile, err := podsProfile("governed")
	if err != nil {
		t.Fatal(err)
	}
	evaluator, err := offline.New(profile, bulwark.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{batchLabel: "governed", v1alpha1.ProfileLabel: "governed"}
	request := offline.Request{
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "governed-00000", Labels: labels}},
		Posture: &v1alpha1.NamespacePosture{
			Profile:     "governed",
			Enforcement: v1alpha1.EnforcementEnforce,
			Status:      fixture.Ready(true),
		},
	}
	a := &admitting{profile: "governed", governed: "governed-00000", other: "elsewhere-00000"}
	for concern, pod := range a.probes() {
		pod.APIVersion, pod.Kind = "v1", "Pod"
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
		if err != nil {
			t.Fatal(err)
		}
		request.Object = &unstructured.Unstructured{Object: object}
		violations, err := evaluator.Evaluate(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, v := range violations {
			got = append(got, v.Policy)
		}
		if concern != "" {
			want = []string{"bulwark-governed-" + concern}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the probe of %q: %s", concern, diff)
		}
	}
}

func TestPodsAreTheSameInBothNamespaces(t *testing.T) {
	a := &admitting{governed: "governed-00000", other: "elsewhere-00000"}
	in, out := a.pod(true, "pod"), a.pod(false, "pod")
	if in.Namespace != a.governed || out.Namespace != a.other {
		t.Errorf("got %s and %s", in.Namespace, out.Namespace)
	}
	if diff := cmp.Diff(in.Spec, out.Spec); diff != "" {
		t.Error(diff)
	}
}

func TestAnAnswerIsThatOfThePolicyThatIsMeant(t *testing.T) {
	refusal := errors.New(
		"pods \"x\" is forbidden: ValidatingAdmissionPolicy 'bulwark-p-images' with binding 'bulwark-p-images' denied request: no",
	)
	for name, test := range map[string]struct {
		err     error
		refused bool
		want    bool
	}{
		"admitted, as it should be":         {nil, false, true},
		"admitted, and should not be":       {nil, true, false},
		"refused, as it should be":          {refusal, true, true},
		"refused, and should not be":        {refusal, false, false},
		"refused, but not for that reason":  {errors.New("exceeded quota"), true, false},
		"refused, by a policy of more name": {errors.New("ValidatingAdmissionPolicy 'bulwark-p-images-too' denied request"), true, false},
	} {
		if got := answersAs(test.err, test.refused, "bulwark-p-images"); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestWithoutPoliciesTheBaselineStays(t *testing.T) {
	profile, err := restricted("p")
	if err != nil {
		t.Fatal(err)
	}
	before := baseline.Render(profile, "ns")
	withoutPolicies(&profile.Spec)
	if left := bulwark.Render(profile, bulwark.Cluster{}); len(left) > 0 {
		t.Errorf("%d policies are left", len(left))
	}
	if diff := cmp.Diff(before, baseline.Render(profile, "ns")); diff != "" {
		t.Error(diff)
	}
}

func TestWritesOfPoliciesAreCountedByProfile(t *testing.T) {
	written := func(resource, name string) controlplane.Write {
		return controlplane.Write{Resource: resource, Name: name}
	}
	own := []controlplane.Write{
		written(
			"validatingadmissionpolicies",
			"bulwark-p-1-images",
		),
		written("validatingadmissionpolicybindings", "bulwark-p-1-images"),
	}
	all := slices.Concat(own, []controlplane.Write{
		written(
			"validatingadmissionpolicies",
			"bulwark-p-10-images",
		),
		written("securityprofiles", "p-1"),
		written("networkpolicies", "bulwark-p-1-x"),
	})
	if diff := cmp.Diff(own, policyWritesOf("p-1", all)); diff != "" {
		t.Error(diff)
	}
}

func TestAdmissionIsJudgedInTheGovernedNamespace(t *testing.T) {
	for name, test := range map[string]struct {
		with, elsewhere float64
		want            string
	}{
		"little is added":                {1.2, 1, "aim reached"},
		"half as much again":             {1.5, 1, "reached"},
		"it takes more than twice":       {2.1, 1, "NOT REACHED"},
		"elsewhere nothing must be held": {1, 9, "aim reached"},
	} {
		b := &bench{}
		b.judgeAdmission(map[arm][]float64{
			{governed: true}: {1, 1, 1}, {policies: true, governed: true}: {test.with, test.with, 7},
			{}: {1, 1, 1}, {policies: true}: {test.elsewhere, test.elsewhere, 7},
		})
		var bounded []figure
		for _, f := range b.results.Figures {
			if f.Bound != nil {
				bounded = append(bounded, f)
			}
		}
		if len(bounded) != 1 || bounded[0].Name != "admission, pod create, p50, policies over none" ||
			bounded[0].verdict() != test.want {
			t.Errorf("%s: got %+v", name, bounded)
		}
	}
}
