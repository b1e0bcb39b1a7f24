package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// everyProfile names every profile, also those that are gone.
func everyProfile(string) bool { return true }

// leave takes away what is left of a baseline in a namespace that no profile governs. The report goes last: as long as it is
// there, somebody remembers.
func (r *NamespaceReconciler) leave(ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture) error {
	if err := r.release(ctx, ns, everyProfile); err != nil || report == nil {
		return err
	}
	uid := report.UID
	if err := r.Client.Delete(ctx, report, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the report of namespace %s: %w", ns.Name, err)
	}
	return nil
}

// profilesOtherThan names every profile but these.
func profilesOtherThan(profiles []*v1alpha1.SecurityProfile) func(string) bool {
	return func(name string) bool {
		return !slices.ContainsFunc(profiles, func(p *v1alpha1.SecurityProfile) bool { return p.Name == name })
	}
}

// release carries out the deletionPolicy of the profiles that no longer apply to the namespace, on what they left in it. It
// does nothing where nothing is left.
func (r *NamespaceReconciler) release(ctx context.Context, ns *corev1.Namespace, leaving func(profile string) bool) error {
	left, err := r.labelled(ctx, ns.Name)
	if err != nil {
		return err
	}
	left = append(left, ns)
	var failures []error
	for _, o := range left {
		profile, labelled := o.GetLabels()[v1alpha1.ProfileLabel]
		if !labelled || !leaving(profile) {
			continue
		}
		policy, err := r.deletionPolicy(ctx, profile)
		if err == nil {
			err = r.letGo(ctx, o, policy)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("releasing %s: %w", describe(o), err))
		}
	}
	return errors.Join(failures...)
}

// letGo carries a deletionPolicy out on one object. One that may not be abandoned, since it grants more than the operator may,
// is deleted: no profile declared that, and whoever forged it could hold a deleted profile back for ever.
func (r *NamespaceReconciler) letGo(ctx context.Context, o baseline.Object, policy v1alpha1.DeletionPolicy) error {
	if policy == v1alpha1.Retain {
		if err := r.abandon(ctx, o); !escalates(err) {
			return err
		}
	}
	return client.IgnoreNotFound(r.remove(ctx, o))
}

// escalates recognises the API server's refusal to write a Role or a RoleBinding that grants more than its writer holds.
func escalates(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held")
}

// deletionPolicy is that of the profile. One that is gone without its finalizer having been honoured left no wish: its
// objects are owned by nothing, and the garbage collector deletes them anyway.
func (r *NamespaceReconciler) deletionPolicy(ctx context.Context, name string) (v1alpha1.DeletionPolicy, error) {
	var profile v1alpha1.SecurityProfile
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &profile, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return v1alpha1.Delete, nil
	case err != nil:
		return "", fmt.Errorf("reading SecurityProfile %s: %w", name, err)
	}
	return profile.EffectiveDeletionPolicy(), nil
}
