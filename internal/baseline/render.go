package baseline

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Render is the baseline that the profile declares for the namespace of this name: every object,
// with every value that the API server would default, in the order in which to apply them. Applied
// and read back, they compare equal to themselves.
func Render(profile *v1alpha1.SecurityProfile, namespace string) []Object {
	// The spec is copied, since the caller's may be shared with a cache, and the objects hold parts
	// of it.
	r := renderer{profile: profile, spec: profile.Spec.DeepCopy(), namespace: namespace}
	objects := []Object{r.namespaceLabels()}
	objects = append(objects, r.networkPolicies()...)
	objects = append(objects, r.limitRanges()...)
	objects = append(objects, r.resourceQuotas()...)
	objects = append(objects, r.serviceAccounts()...)
	objects = append(objects, r.roles()...)
	objects = append(objects, r.roleBindings()...)
	return objects
}

// renderer is what every object of one baseline has in common.
type renderer struct {
	profile   *v1alpha1.SecurityProfile
	spec      *v1alpha1.SecurityProfileSpec
	namespace string
}

// owned is the metadata of an object that Bulwark makes: its prefix, its labels, its owner, and
// nothing copied from the profile.
func (r *renderer) owned(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: r.namespace,
		Name:      v1alpha1.NamePrefix + name,
		Labels: map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
			v1alpha1.ProfileLabel:   r.profile.Name,
		},
		OwnerReferences: Owner(r.profile),
	}
}

// Owner is the reference by which Kubernetes' garbage collector knows whose an object is. A profile
// that was never stored has no UID and can own nothing; what one retains it does not own, since a
// foreground deletion would take it along.
func Owner(profile *v1alpha1.SecurityProfile) []metav1.OwnerReference {
	if profile.EffectiveDeletionPolicy() == v1alpha1.DeletionPolicyRetain {
		return nil
	}
	return OwnerReference(profile)
}

// OwnerReference is the reference to a profile, whatever becomes of what it owns.
func OwnerReference(profile *v1alpha1.SecurityProfile) []metav1.OwnerReference {
	if profile.UID == "" {
		return nil
	}
	return []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       "SecurityProfile",
		Name:       profile.Name,
		UID:        profile.UID,
		Controller: ptr.To(true),
	}}
}

// namespaceLabels is the Namespace with the labels that the baseline sets on it, and nothing else.
func (r *renderer) namespaceLabels() Object {
	labels := map[string]string{v1alpha1.ProfileLabel: r.profile.Name}
	PodSecurityLabels(r.spec.PodSecurity, labels)
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.namespace, Labels: labels}}
}
