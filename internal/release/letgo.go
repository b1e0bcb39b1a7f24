package release

import (
	"context"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// letGo carries the deletionPolicy of a profile out on one object, which Bulwark made or somebody
// forged.
//
//	the profile  the API server                       the profile        the object is
//	deletes      anything                             either             removed
//	retains      lets the object be abandoned         either             abandoned
//	retains      refuses that for another reason      either             tried again
//	retains      refuses that, since the object       declares that      tried again: the operator may have
//	             grants more than the operator may                       lost its permissions for a moment
//	retains      as before                            does not declare   removed: its forger could delay the
//	                                                  that               profile's deletion for ever
func (n *Namespaces) letGo(
	ctx context.Context, o baseline.Object, profile *v1alpha1.SecurityProfile, made bool,
) error {
	if retains(profile) {
		switch err := n.Writer.Abandon(ctx, o, made); {
		case !escalates(o, err):
			return client.IgnoreNotFound(err)
		case declares(profile, o) && n.bindsDeclared(ctx, profile, o):
			return err
		}
	}
	return client.IgnoreNotFound(n.Writer.Remove(ctx, o))
}

// escalates recognises the API server's refusal to write a Role or a RoleBinding that grants more
// than its writer holds. If the role of a binding is missing, nobody can tell that: the API server
// says "not found", in the name of the binding.
func escalates(o baseline.Object, err error) bool {
	if _, binds := o.(*rbacv1.RoleBinding); binds && apierrors.IsNotFound(err) {
		return true
	}
	return apierrors.IsForbidden(err) &&
		strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held")
}

// declares reports whether an object contains what the profile declares of it. It does not suffice
// that the last report speaks of the object: whoever adds a rule to our Role could delay the
// profile's deletion for ever.
func declares(profile *v1alpha1.SecurityProfile, o baseline.Object) bool {
	content := baseline.KindOf(o).Content
	return slices.ContainsFunc(baseline.Render(profile, o.GetNamespace()), func(want baseline.Object) bool {
		return baseline.Reference(want) == baseline.Reference(o) && equality.Semantic.DeepEqual(content(want), content(o))
	})
}

// bindsDeclared reports whether an object does not bind a Role of the namespace, or binds one that
// is as the profile declares it.
//
//  1. A Role that is missing grants nothing, until somebody makes one of that name.
//  2. A Role that somebody has unlabelled and loosened grants what the operator may not: whoever
//     did that could delay the profile's deletion for ever.
func (n *Namespaces) bindsDeclared(ctx context.Context, profile *v1alpha1.SecurityProfile, o baseline.Object) bool {
	binding, ok := o.(*rbacv1.RoleBinding)
	if !ok || binding.RoleRef.Kind != "Role" {
		return true
	}
	role := &rbacv1.Role{}
	err := n.Live.Get(ctx, client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role)
	if err != nil { // A Role that cannot be read now is read again.
		return !apierrors.IsNotFound(err)
	}
	return declares(profile, role)
}

// retains reports whether a profile leaves its baseline behind. A profile that is gone although it
// had a finalizer left no wish: the owner of its objects is missing, and the garbage collector
// deletes them.
func retains(profile *v1alpha1.SecurityProfile) bool {
	return profile != nil && profile.EffectiveDeletionPolicy() == v1alpha1.DeletionPolicyRetain
}
