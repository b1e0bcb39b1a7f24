package policies

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/correction"
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
		if kinds[0].Kind == baseline.KindOf(object).Kind+"List" &&
			(o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(object.GetLabels()))) {
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

// held is a cache of what bears a profile's name on a shelf, but for what it has not heard of.
type held struct {
	*shelf
	unheard []string
}

func (h *held) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := baseline.KindOf(into.(baseline.Object))
	for _, o := range h.objects {
		if baseline.KindOf(o) == kind && o.GetName() == key.Name && h.hears(o) {
			return nil
		}
	}
	return apierrors.NewNotFound(kind.GroupVersion().WithResource(kind.Resource).GroupResource(), key.Name)
}

func (h *held) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	some := &shelf{}
	for _, o := range h.objects {
		if h.hears(o) {
			some.objects = append(some.objects, o)
		}
	}
	return some.List(ctx, list, options...)
}

func (h *held) hears(o baseline.Object) bool {
	_, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
	return labelled && !slices.Contains(h.unheard, o.GetName())
}

func (s *shelf) Delete(_ context.Context, _ client.Object, options ...client.DeleteOption) error {
	var o client.DeleteOptions
	o.ApplyOptions(options)
	s.deleted = append(s.deleted, o)
	return nil
}

func policyKindNamed(concern string, labels map[string]string) baseline.Object {
	o := baseline.ClusterKinds[0].New()
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
		unheard []string
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
		"what the cache has not heard of at the start": {
			there:   []baseline.Object{policyKindNamed("images", ours)},
			unheard: []string{"bulwark-restricted-images"},
			desired: desired, want: []string{"images"}, reads: 2 + 1,
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
			p := &reader{client: &held{s, tc.unheard}, live: s, unlabelled: newUnlabelled()}
			p.unlabelled.swept = tc.swept
			for _, o := range tc.lost {
				p.unlabelled.add(o)
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

// TestAPolicyThatIsSeenUnderAnotherNameIsLost holds that a policy which the cache sees for the
// first time is looked for by its own profile, if it bears another's name by then.
func TestAPolicyThatIsSeenUnderAnotherNameIsLost(t *testing.T) {
	for label, want := range map[string][]string{"restricted": nil, "nobody": {"restricted"}, "": {"restricted"}} {
		k := &Keeper{reader: &reader{unlabelled: newUnlabelled()}}
		policy := policyKindNamed("images", map[string]string{v1alpha1.ProfileLabel: label})
		got := k.NoteSeen(policy)
		if diff := cmp.Diff(want, got); diff != "" || k.reader.unlabelled.has(policy) != (want != nil) {
			t.Errorf("under the name %q (-want +got): %s", label, diff)
		}
	}
}

// TestAPolicyIsDeletedAsItWasFound holds that a deletion fails if somebody has put a finalizer on
// the policy since: it would stay in force for ever.
func TestAPolicyIsDeletedAsItWasFound(t *testing.T) {
	policy := policyKindNamed("images", nil)
	policy.SetUID("u")
	policy.SetResourceVersion("7")
	s := &shelf{}
	if err := (correction.Writer{Client: s}).Remove(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	want := &metav1.Preconditions{UID: new(policy.GetUID()), ResourceVersion: new("7")}
	if diff := cmp.Diff(want, s.deleted[0].Preconditions); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// TestEveryPolicyIsNamed holds that each policy that a profile can declare is found by its name.
func TestEveryPolicyIsNamed(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Spec: v1alpha1.SecurityProfileSpec{
		Workloads: &v1alpha1.Workloads{
			RunAsNonRoot:        v1alpha1.RequirementRequire,
			AllowedServiceTypes: []corev1.ServiceType{"ClusterIP"},
		},
		Images:     &v1alpha1.Images{Digest: v1alpha1.RequirementRequire},
		Protection: &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire, Tamper: v1alpha1.ProhibitionForbid},
		Network:    &v1alpha1.Network{TenantPolicies: v1alpha1.TenantPoliciesDeny},
		Rollout:    v1alpha1.RolloutWhenSafe,
	}}
	var want, got []string
	for _, o := range admission.Objects(admission.Render(profile, admission.Cluster{})) {
		want = append(want, baseline.Describe(o))
	}
	for _, o := range admission.Named(profile.Name) {
		got = append(got, baseline.Describe(o))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-rendered +named): %s", diff)
	}
}
