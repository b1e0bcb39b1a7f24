package drift

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

const namespace = "team-a"

// desired is the baseline of namespace team-a: one object of each kind, and the ServiceAccount
// default.
func desired() []baseline.Object {
	return baseline.Render(&v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{Name: "restricted", UID: "uid-1"},
		Spec: v1alpha1.SecurityProfileSpec{
			PodSecurity: &v1alpha1.PodSecurity{Enforce: "restricted"},
			Network:     &v1alpha1.Network{DefaultDeny: []networkingv1.PolicyType{"Ingress", "Egress"}},
			Limits:      []v1alpha1.LimitRangeItem{{Type: "Container", Max: quantities("cpu", "1")}},
			Quotas: []v1alpha1.Quota{{Name: "compute", Spec: corev1.ResourceQuotaSpec{
				Hard: quantities("requests.cpu", "1", "pods", "10"), Scopes: []corev1.ResourceQuotaScope{"NotTerminating"},
			}}},
			RBAC: &v1alpha1.RBAC{
				Roles: []v1alpha1.Role{{
					Name:     "developer",
					Rules:    []v1alpha1.PolicyRule{{Resources: []string{"pods"}, Verbs: []string{"get"}}},
					Subjects: []v1alpha1.Subject{{Kind: "Group", Name: "devs"}},
				}},
				ServiceAccounts:       []v1alpha1.ServiceAccount{{Name: "app"}},
				DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{},
			},
		},
	}, namespace)
}

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// reference names an object of the baseline by its kind.
func reference(kind, name string) v1alpha1.ObjectReference {
	for _, k := range baseline.Kinds {
		if k.Kind == kind {
			return v1alpha1.ObjectReference{APIVersion: k.GroupVersion().String(), Kind: kind, Name: name}
		}
	}
	panic("no managed kind " + kind)
}

// copies are deep copies of objects.
func copies(objects []baseline.Object) []baseline.Object {
	var out []baseline.Object
	for _, o := range objects {
		out = append(out, o.DeepCopyObject().(baseline.Object))
	}
	return out
}

// stored is the baseline as the API server would give it back.
func stored() []baseline.Object {
	objects := copies(desired())
	for _, o := range objects {
		o.SetUID("uid-of-object")
		o.SetResourceVersion("42")
		o.SetGeneration(3)
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "bulwark"}})
	}
	return objects
}

// find is the object of type T and the name among the objects.
func find[T baseline.Object](objects []baseline.Object, name string) T {
	for _, o := range objects {
		if typed, ok := o.(T); ok && o.GetName() == name {
			return typed
		}
	}
	panic("no object " + name)
}

func policyOf(objects []baseline.Object) *networkingv1.NetworkPolicy {
	return find[*networkingv1.NetworkPolicy](objects, "bulwark-default-deny")
}

func quotaOf(objects []baseline.Object) *corev1.ResourceQuota {
	return find[*corev1.ResourceQuota](objects, "bulwark-compute")
}

func limitsOf(objects []baseline.Object) *corev1.LimitRange {
	return find[*corev1.LimitRange](objects, "bulwark-limits")
}

func roleOf(objects []baseline.Object) *rbacv1.Role {
	return find[*rbacv1.Role](objects, "bulwark-developer")
}

func bindingOf(objects []baseline.Object) *rbacv1.RoleBinding {
	return find[*rbacv1.RoleBinding](objects, "bulwark-developer")
}

func accountOf(objects []baseline.Object) *corev1.ServiceAccount {
	return find[*corev1.ServiceAccount](objects, "bulwark-app")
}

func defaultAccountOf(objects []baseline.Object) *corev1.ServiceAccount {
	return find[*corev1.ServiceAccount](objects, "default")
}

func namespaceOf(objects []baseline.Object) *corev1.Namespace {
	return find[*corev1.Namespace](objects, namespace)
}

func owner(apiVersion, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: apiVersion, Kind: kind, Name: name, UID: "uid-2", Controller: ptr.To(true)}
}

// edited is an object after a change.
func edited[T baseline.Object](object T, change func(T)) T {
	change(object)
	return object
}

func texts(fields []Field) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.String())
	}
	return out
}

func objectMeta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: "bulwark-" + name, Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy},
	}
}

func role(name string) *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: objectMeta(name), Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}}}}
}

func binding() *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: objectMeta("dev"),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "bulwark-dev"},
		Subjects:   []rbacv1.Subject{{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "devs"}},
	}
}

func quota(pods string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: objectMeta("compute"), Spec: corev1.ResourceQuotaSpec{Hard: quantities("pods", pods)},
	}
}

func account(name string, automount bool) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: objectMeta(name), AutomountServiceAccountToken: &automount}
}
