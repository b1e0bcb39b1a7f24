package baseline

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const defaultServiceAccount = "default"

func (r *renderer) roles() []Object {
	if r.spec.RBAC == nil {
		return nil
	}
	var roles []Object
	for _, role := range r.spec.RBAC.Roles {
		object := &rbacv1.Role{ObjectMeta: r.owned(string(role.Name))}
		for _, rule := range role.Rules {
			object.Rules = append(object.Rules, rule.AsPolicyRule())
		}
		roles = append(roles, object)
	}
	return roles
}

func (r *renderer) roleBindings() []Object {
	if r.spec.RBAC == nil {
		return nil
	}
	var bindings []Object
	add := func(name v1alpha1.ObjectName, kind, role string, subjects []v1alpha1.Subject) {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: r.owned(string(name)),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		}
		for _, subject := range subjects {
			binding.Subjects = append(binding.Subjects, subject.AsSubject(r.namespace))
		}
		bindings = append(bindings, binding)
	}
	for _, role := range r.spec.RBAC.Roles {
		add(
			role.Name,
			"Role",
			v1alpha1.NamePrefix+string(role.Name),
			append(role.Subjects, r.serviceAccountsWith(role.Name)...),
		)
	}
	for _, binding := range r.spec.RBAC.Bindings {
		add(binding.Name, "ClusterRole", binding.ClusterRole, binding.Subjects)
	}
	return bindings
}

// serviceAccountsWith are the declared service accounts that a role is granted to.
func (r *renderer) serviceAccountsWith(role v1alpha1.ObjectName) []v1alpha1.Subject {
	var subjects []v1alpha1.Subject
	for _, account := range r.spec.RBAC.ServiceAccounts {
		if slices.Contains(account.Roles, role) {
			subjects = append(subjects, v1alpha1.Subject{
				Kind: rbacv1.ServiceAccountKind,
				Name: v1alpha1.NamePrefix + string(account.Name),
			})
		}
	}
	slices.SortFunc(subjects, func(a, b v1alpha1.Subject) int { return cmp.Compare(a.Name, b.Name) })
	return subjects
}

// serviceAccounts are the declared ones, and default with the one field that the profile sets. The
// namespace has default from Kubernetes and its users: it bears the label by which it is watched,
// but neither owner nor prefix.
func (r *renderer) serviceAccounts() []Object {
	if r.spec.RBAC == nil {
		return nil
	}
	var accounts []Object
	if set := r.spec.RBAC.DefaultServiceAccount; set != nil {
		accounts = append(accounts, &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: r.namespace,
				Name:      defaultServiceAccount,
				Labels:    map[string]string{v1alpha1.ProfileLabel: r.profile.Name},
			},
			AutomountServiceAccountToken: ptr.To(set.EffectiveAutomount()),
		})
	}
	for _, account := range r.spec.RBAC.ServiceAccounts {
		accounts = append(accounts, &corev1.ServiceAccount{
			ObjectMeta:                   r.owned(string(account.Name)),
			AutomountServiceAccountToken: ptr.To(account.EffectiveAutomount()),
		})
	}
	return accounts
}

// BelongsToNamespace reports whether an object comes with the namespace: it may be changed, but not
// made or deleted.
func BelongsToNamespace(o Object) bool {
	switch o.(type) {
	case *corev1.Namespace:
		return true
	case *corev1.ServiceAccount:
		return o.GetName() == defaultServiceAccount
	}
	return false
}
