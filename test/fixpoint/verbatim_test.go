package fixpoint

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// verbatim are those objects of the baseline that the profile spells out, with the profile's own
// words and nothing defaulted.
func verbatim(profile *v1alpha1.SecurityProfile, namespace string) []baseline.Object {
	spec := profile.Spec.DeepCopy()
	named := func(name v1alpha1.ObjectName) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.NamePrefix + string(name)}
	}
	var objects []baseline.Object
	if spec.Network != nil {
		for _, policy := range spec.Network.Policies {
			objects = append(objects, &networkingv1.NetworkPolicy{ObjectMeta: named(policy.Name), Spec: policy.Spec})
		}
	}
	if len(spec.Limits) > 0 {
		limits := &corev1.LimitRange{ObjectMeta: named("limits")}
		for _, item := range spec.Limits {
			limits.Spec.Limits = append(limits.Spec.Limits, corev1.LimitRangeItem(item))
		}
		slices.SortFunc(limits.Spec.Limits, func(a, b corev1.LimitRangeItem) int { return cmp.Compare(a.Type, b.Type) })
		objects = append(objects, limits)
	}
	for _, quota := range spec.Quotas {
		objects = append(objects, &corev1.ResourceQuota{ObjectMeta: named(quota.Name), Spec: quota.Spec})
	}
	return objects
}

// checkDefaults has the API server default what the profile spells out. A wrong default of ours
// would be stored as we send it, and would come back as rendered: only this tells it.
func (s *suite) checkDefaults(t reporter, profile *v1alpha1.SecurityProfile, desired []baseline.Object, given string) {
	t.Helper()
	for _, object := range verbatim(profile, desired[0].GetName()) {
		kind, reference := baseline.KindOf(object), baseline.Reference(object)
		if err := s.admin.Create(s.ctx, object.(client.Object), client.DryRunAll); err != nil {
			t.Fatalf("the API server refuses %s %s: %v\n%s", reference.Kind, reference.Name, err, given)
		}
		i := slices.IndexFunc(desired, func(o baseline.Object) bool { return baseline.Reference(o) == reference })
		if i < 0 {
			t.Fatalf("%s %s is not rendered:\n%s", reference.Kind, reference.Name, given)
		}
		if want := kind.Content(object); !equality.Semantic.DeepEqual(want, kind.Content(desired[i])) {
			t.Errorf("%s %s is not rendered as the API server defaults it:\n%s\nbut:\n%s\nof the profile:\n%s",
				reference.Kind, reference.Name, fixture.AsYAML(want), fixture.AsYAML(kind.Content(desired[i])), given)
		}
	}
}
