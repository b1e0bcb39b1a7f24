package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/metrics"
)

// shelf is an API server that holds some policies, and a cache of those that bear a label.
type shelf struct {
	client.Client
	objects []baseline.Object
	reads   int
	deleted []client.DeleteOptions
}

func (s *shelf) Scheme() *runtime.Scheme { return clientgoscheme.Scheme }

func (s *shelf) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	kinds, _, err := s.Scheme().ObjectKinds(list)
	if err != nil {
		return err
	}
	var items []runtime.Object
	for _, object := range s.objects {
		if kinds[0].Kind == baseline.KindOf(object).Kind+"List" && (o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(object.GetLabels()))) {
			items = append(items, object)
		}
	}
	return meta.SetList(list, items)
}

func (s *shelf) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.reads++
	kind := baseline.KindOf(into.(baseline.Object))
	for _, object := range s.objects {
		if baseline.KindOf(object) == kind && object.GetName() == key.Name {
			into.SetName(key.Name)
			into.SetLabels(object.GetLabels())
			into.SetOwnerReferences(object.GetOwnerReferences())
			return nil
		}
	}
	return apierrors.NewNotFound(kind.GroupVersion().WithResource(kind.Resource).GroupResource(), key.Name)
}

func (s *shelf) Delete(_ context.Context, _ client.Object, options ...client.DeleteOption) error {
	var o client.DeleteOptions
	o.ApplyOptions(options)
	s.deleted = append(s.deleted, o)
	return nil
}

func policyKindNamed(concern string, labels map[string]string) baseline.Object {
	o := baseline.AdmissionKinds[0].New()
	o.SetName("bulwark-restricted-" + concern)
	o.SetLabels(labels)
	return o
}

func TestPoliciesThatTheCacheDoesNotHoldAreFound(t *testing.T) {
	profile, desired := aPolicedProfile() // It declares workloads.
	ours := map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile.Name}
	stripped := map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}
	renamed := map[string]string{v1alpha1.ProfileLabel: "nobody"}
	for sentence, tc := range map[string]struct {
		there   []baseline.Object
		desired []baseline.Object
		all     bool
		swept   bool
		lost    []baseline.Object
		want    []string
		reads   int
	}{
		"what bears the profile's name costs no read": {
			there:   []baseline.Object{policyKindNamed("workloads", ours), desired[1].DeepCopyObject().(baseline.Object)},
			desired: desired, want: []string{"workloads", "workloads"},
		},
		"what is desired and stripped": {
			there:   []baseline.Object{policyKindNamed("workloads", stripped)},
			desired: desired, want: []string{"workloads"}, reads: 2,
		},
		"what is desired and another maker's": {
			there:   []baseline.Object{policyKindNamed("workloads", nil)},
			desired: desired, want: []string{"workloads"}, reads: 2,
		},
		"what was stripped before the start and is no longer desired": {
			there:   []baseline.Object{policyKindNamed("images", stripped), policyKindNamed("services", nil)},
			desired: desired, want: []string{"images"}, reads: 2 + 1,
		},
		"what bore another profile's name before the start": {
			there:   []baseline.Object{policyKindNamed("images", map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "nobody"})},
			desired: desired, want: []string{"images"}, reads: 2 + 1,
		},
		"what bore nothing but another profile's name before the start": {
			there:   []baseline.Object{policyKindNamed("images", renamed)},
			desired: desired, want: []string{"images"}, reads: 2 + 1,
		},
		"what bears nothing but another profile's name since, as its event tells": {
			there:   []baseline.Object{policyKindNamed("images", renamed)},
			swept:   true,
			lost:    []baseline.Object{policyKindNamed("images", nil)},
			desired: desired, want: []string{"images"}, reads: 2 + 1,
		},
		"what bears nothing but another profile's name, of a profile that goes": {
			there: []baseline.Object{policyKindNamed("images", renamed)},
			all:   true, want: []string{"images"}, reads: 2 * 10,
		},
		"what was stripped since, as its event tells": {
			there:   []baseline.Object{policyKindNamed("images", stripped)},
			swept:   true,
			lost:    []baseline.Object{policyKindNamed("images", nil), policyKindNamed("services", nil)},
			desired: desired, want: []string{"images"}, reads: 2 + 2,
		},
		"what is stripped, of a profile that goes": {
			there: []baseline.Object{policyKindNamed("images", stripped), policyKindNamed("workloads", ours)},
			all:   true, want: []string{"images", "workloads"}, reads: 2*10 - 1,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := &shelf{objects: tc.there}
			p := &policies{client: s, live: s, strays: newStrays(), swept: tc.swept}
			for _, o := range tc.lost {
				p.strays.add(o)
			}
			found, err := p.gather(t.Context(), profile.Name, tc.desired, tc.all)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, o := range found {
				got = append(got, o.GetName()[len("bulwark-restricted-"):])
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" || s.reads != tc.reads {
				t.Errorf("with %d reads, and not %d (-want +got): %s", s.reads, tc.reads, diff)
			}
		})
	}
}

// Who puts a finalizer on a policy just before it is deleted would keep it in force for ever.
func TestAPolicyIsDeletedAsItWasFound(t *testing.T) {
	policy := policyKindNamed("images", nil)
	policy.SetUID("u")
	policy.SetResourceVersion("7")
	s := &shelf{}
	if err := (&policies{client: s}).remove(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	want := &metav1.Preconditions{UID: new(policy.GetUID()), ResourceVersion: new("7")}
	if diff := cmp.Diff(want, s.deleted[0].Preconditions); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// What is found by name must be all that a profile can declare.
func TestEveryPolicyIsNamed(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1alpha1.SecurityProfileSpec{
		Workloads:  &v1alpha1.Workloads{RunAsNonRoot: true, AllowedServiceTypes: []corev1.ServiceType{"ClusterIP"}},
		Images:     &v1alpha1.Images{RequireDigest: true},
		Protection: &v1alpha1.Protection{ReadyGate: true, Tamper: true},
		Network:    &v1alpha1.Network{TenantPolicies: v1alpha1.DenyTenantPolicies},
		Rollout:    v1alpha1.WhenSafe,
	}}
	var want, got []string
	for _, o := range admission.Objects(admission.Render(profile, admission.Cluster{})) {
		want = append(want, describe(o))
	}
	for _, o := range admission.Named(profile.Name) {
		got = append(got, describe(o))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-rendered +named): %s", diff)
	}
}

// A correction is not seen again: what no status could be written of, or what another object's error cut short, must not be lost.
func TestDriftIsRememberedUntilAStatusHoldsIt(t *testing.T) {
	profile, _ := aPolicedProfile()
	metrics, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	p := &policies{
		metrics: metrics, contests: contention.New(contention.DefaultSettings()), clock: clocktesting.NewFakePassiveClock(noon), unwritten: map[string][]drift.Outcome{}, patience: map[string]patience{},
	}
	remembered := func(o drift.Outcome, err error) int {
		p.note(profile, &o, err)
		return len(p.unwritten[profile.Name])
	}
	drifted := policyOutcome(v1alpha1.Corrected, nil)
	rolledOut := drifted
	rolledOut.Recorded = false
	pruned := drifted
	pruned.Change = v1alpha1.Unexpected
	for _, step := range []struct {
		what string
		o    drift.Outcome
		err  error
		want int
	}{
		{"the roll-out of a change", rolledOut, nil, 0},
		{"what the API server refused", drifted, errors.New("no"), 0},
		{"a drift", drifted, nil, 1},
		{"one that was gone already", pruned, apierrors.NewNotFound(schema.GroupResource{}, "x"), 2},
	} {
		if got := remembered(step.o, step.err); got != step.want {
			t.Errorf("after %s %d drifts are remembered, and not %d", step.what, got, step.want)
		}
	}
	p.written(profile.Name)
	if left := p.unwritten[profile.Name]; len(left) > 0 {
		t.Errorf("still remembered though a status holds them: %v", left)
	}
}
