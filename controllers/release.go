package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// release carries out the deletionPolicy of the profiles that no longer apply to the namespace, on what they left in it, and returns
// what the report has become by that. It does nothing where nothing is left.
//
// If the profile of the report retains, the report forgets all before anything that bears our label is abandoned: from then on only the
// label tells what is ours. Else, what was abandoned and what somebody stripped would look the same to a profile that takes over before
// the report is gone.
func (r *NamespaceReconciler) release(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, leaving func(profile string) bool,
) (*v1alpha1.NamespacePosture, error) {
	left, err := r.objects.AllLabelled(ctx, ns.Name)
	if err != nil {
		return report, err
	}
	left = slices.DeleteFunc(append(left, ns), func(o baseline.Object) bool { return !baseline.IsLabelled(o) })
	remaining := report
	var before *v1alpha1.SecurityProfile
	var stripped, accounts []baseline.Object // What is stripped, and those of it that go last.
	var failures []error
	if report != nil && leaving(report.Profile) {
		if before, err = inventory.Profile(ctx, r.Client, report.Profile); err != nil {
			return report, err
		}
		stripped, err = r.strippedOf(ctx, report, left)
		failures = append(failures, err)
		if !retains(before) {
			stripped, accounts = withoutAccounts(stripped)
		}
		failures = append(failures, r.releaseStripped(ctx, before, stripped))
	}
	if retains(before) {
		if err := errors.Join(failures...); err != nil {
			return report, err
		}
		if remaining, err = r.forget(ctx, report); err != nil {
			return report, err
		}
	}
	left = slices.DeleteFunc(left, func(o baseline.Object) bool { return !leaving(o.GetLabels()[v1alpha1.ProfileLabel]) })
	failures = append(failures, r.releaseLabelled(ctx, ns, report, accountsLast(left)), r.releaseStripped(ctx, before, accounts))
	return remaining, errors.Join(failures...)
}

// releaseLabelled carries out on each object the deletionPolicy of the profile whose label it bears. A copy that comes back each time waits.
func (r *NamespaceReconciler) releaseLabelled(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, objects []baseline.Object,
) error {
	unreported, err := r.joinedWithoutReport(ctx, ns, report)
	if err != nil {
		return err
	}
	var failures []error
	for _, o := range objects {
		if isCopy(report, o, unreported) && r.waits(ns.Name, o) {
			continue
		}
		profile, err := inventory.Profile(ctx, r.Client, o.GetLabels()[v1alpha1.ProfileLabel])
		if err == nil {
			err = r.letGo(ctx, o, profile, drift.Ours(o) || posture.MemoryOf(report).WasInPlace(o))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("releasing %s: %w", describe(o), err))
		} else if isCopy(report, o, unreported) {
			r.traceRelease(ctx, ns, o, profile)
		}
	}
	if unreported != "" && len(failures) == 0 {
		stands := &v1alpha1.NamespacePosture{Profile: unreported, Enforcement: v1alpha1.Enforce}
		r.announceDeparture(ctx, ns, stands, "no profile selects the namespace any more, and it had no report yet")
	}
	return errors.Join(failures...)
}

// strippedOf is what was in place by the last report and bears our label no more.
func (r *NamespaceReconciler) strippedOf(
	ctx context.Context, report *v1alpha1.NamespacePosture, labelled []baseline.Object,
) ([]baseline.Object, error) {
	held := map[v1alpha1.ObjectReference]bool{}
	for _, o := range labelled {
		held[baseline.Reference(o)] = true
	}
	return r.objects.Unlabelled(ctx, report, held)
}

// releaseStripped carries the deletionPolicy of a profile out on what bears our label no more.
func (r *NamespaceReconciler) releaseStripped(ctx context.Context, profile *v1alpha1.SecurityProfile, objects []baseline.Object) error {
	var failures []error
	for _, o := range objects {
		if err := r.letGo(ctx, o, profile, true); err != nil {
			failures = append(failures, fmt.Errorf("releasing %s: %w", describe(o), err))
		}
	}
	return errors.Join(failures...)
}

// forget takes out of a report what it says was in place, if it says that of anything.
func (r *NamespaceReconciler) forget(ctx context.Context, report *v1alpha1.NamespacePosture) (*v1alpha1.NamespacePosture, error) {
	if len(posture.MemoryOf(report).InPlace()) == 0 {
		return report, nil
	}
	if reportmemory.IsRecalled(report) {
		r.reports.Release(report.Namespace)
		return nil, nil
	}
	forgotten := report.DeepCopy()
	forgotten.Objects, forgotten.InPlace = nil, nil
	r.reports.Seal(forgotten)
	if err := r.Client.Update(ctx, forgotten); err != nil {
		return report, fmt.Errorf("taking what is retained out of the report of namespace %s: %w", report.Namespace, err)
	}
	return forgotten, nil
}

// letGo carries the deletionPolicy of a profile out on one object, which we have made or somebody has forged. One that may not be
// abandoned, since it grants more than the operator may, is deleted if no profile declared that: whoever forged it could hold a deleted
// profile back for ever. What the profile did declare is tried again, since the operator may have lost for a moment what it may grant.
func (r *NamespaceReconciler) letGo(ctx context.Context, o baseline.Object, profile *v1alpha1.SecurityProfile, made bool) error {
	if retains(profile) {
		switch err := r.corrections.Writer.Abandon(ctx, o, made); {
		case !escalates(o, err):
			return client.IgnoreNotFound(err)
		case declares(profile, o) && r.bindsDeclared(ctx, profile, o):
			return err
		}
	}
	return client.IgnoreNotFound(r.corrections.Writer.Remove(ctx, o))
}

// escalates recognises the API server's refusal to write a Role or a RoleBinding that grants more than its writer holds, or of
// which nobody can tell, because the role is missing: that is "not found" too, in the name of the binding.
func escalates(o baseline.Object, err error) bool {
	if _, binds := o.(*rbacv1.RoleBinding); binds && apierrors.IsNotFound(err) {
		return true
	}
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held")
}

// declares reports whether an object holds what the profile declares of it. That the last report speaks of the object would not
// do: whoever adds a rule to our Role could hold the deleted profile back by it.
func declares(profile *v1alpha1.SecurityProfile, o baseline.Object) bool {
	content := baseline.KindOf(o).Content
	return slices.ContainsFunc(baseline.Render(profile, o.GetNamespace()), func(want baseline.Object) bool {
		return baseline.Reference(want) == baseline.Reference(o) && equality.Semantic.DeepEqual(content(want), content(o))
	})
}

// bindsDeclared reports whether an object does not bind a Role of the namespace, or binds one that is as the profile declares it.
// One that is missing grants nothing, until somebody makes a Role of that name, and one that somebody has stripped of our labels and
// loosened grants what the operator may not: whoever did that could hold a deleted profile back for ever.
func (r *NamespaceReconciler) bindsDeclared(ctx context.Context, profile *v1alpha1.SecurityProfile, o baseline.Object) bool {
	binding, ok := o.(*rbacv1.RoleBinding)
	if !ok || binding.RoleRef.Kind != "Role" {
		return true
	}
	role := &rbacv1.Role{}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role)
	if err != nil { // What cannot be read now is looked at again.
		return !apierrors.IsNotFound(err)
	}
	return declares(profile, role)
}

// retains reports whether a profile leaves its baseline behind. One that is gone without its finalizer having been honoured left
// no wish: its objects are owned by nothing, and the garbage collector deletes them anyway.
func retains(profile *v1alpha1.SecurityProfile) bool {
	return profile != nil && profile.EffectiveDeletionPolicy() == v1alpha1.Retain
}
