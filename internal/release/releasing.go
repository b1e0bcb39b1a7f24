package release

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// releasing is the release of what profiles left in one namespace.
type releasing struct {
	*Namespaces
	ns     *corev1.Namespace
	report *v1alpha1.NamespacePosture
	told   Results
}

// release carries out the deletionPolicy of the profiles that no longer apply to the namespace, on
// the objects that they left in it. It does nothing if there are none.
//
// If the profile of the report retains, the report forgets all before any labelled object is
// abandoned: from then on only the label tells which objects are Bulwark's. Otherwise, to a profile
// that takes over before the report is gone, abandoned and unlabelled objects would look the same.
func (n *Namespaces) release(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, leaving func(profile string) bool,
) (Results, error) {
	r := &releasing{Namespaces: n, ns: ns, report: report, told: Results{Report: report}}
	err := r.release(ctx, leaving)
	return r.told, err
}

func (r *releasing) release(ctx context.Context, leaving func(profile string) bool) error {
	labelled, err := r.Objects.AllLabelled(ctx, r.ns.Name)
	if err != nil {
		return err
	}
	labelled = slices.DeleteFunc(append(labelled, r.ns), func(o baseline.Object) bool { return !baseline.IsLabelled(o) })
	var before *v1alpha1.SecurityProfile
	var unlabelled, accounts []baseline.Object // The accounts are unlabelled, too, and go last.
	var failures []error
	if r.report != nil && leaving(r.report.Profile) {
		if before, err = inventory.Profile(ctx, r.Client, r.report.Profile); err != nil {
			return err
		}
		unlabelled, err = r.unlabelled(ctx, labelled)
		failures = append(failures, err)
		if !retains(before) {
			unlabelled, accounts = withoutAccounts(unlabelled)
		}
		failures = append(failures, r.releaseUnlabelled(ctx, before, unlabelled))
	}
	if retains(before) {
		if err := errors.Join(failures...); err != nil {
			return err
		}
		if r.told.Report, err = r.Reports.Forget(ctx, r.report); err != nil {
			return err
		}
	}
	labelled = slices.DeleteFunc(labelled, func(o baseline.Object) bool { return !leaving(profileOf(o)) })
	failures = append(failures, r.releaseLabelled(ctx, accountsLast(labelled)), r.releaseUnlabelled(ctx, before, accounts))
	return errors.Join(failures...)
}

// releaseLabelled carries out on each object the deletionPolicy of the profile whose label it
// bears. The release of a copy that somebody makes again each time is deferred.
func (r *releasing) releaseLabelled(ctx context.Context, objects []baseline.Object) error {
	unreported, err := r.joinedWithoutReport(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, o := range objects {
		if isCopy(r.report, o, unreported) && r.waits(o) {
			continue
		}
		profile, err := inventory.Profile(ctx, r.Client, profileOf(o))
		if err == nil {
			err = r.letGo(ctx, o, profile, drift.Ours(o) || posture.MemoryOf(r.report).WasInPlace(o))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("releasing %s: %w", baseline.Describe(o), err))
		} else if isCopy(r.report, o, unreported) {
			r.traceRelease(ctx, o, profile)
		}
	}
	if unreported != "" && len(failures) == 0 {
		stands := &v1alpha1.NamespacePosture{Profile: unreported, Enforcement: v1alpha1.EnforcementEnforce}
		r.told.Notices = append(r.told.Notices,
			r.Departed(ctx, r.ns, stands, "no profile selects the namespace any more, and it had no report yet")...)
	}
	return errors.Join(failures...)
}

// unlabelled are the objects that were in place by the last report and are unlabelled now.
func (r *releasing) unlabelled(ctx context.Context, labelled []baseline.Object) ([]baseline.Object, error) {
	known := map[v1alpha1.ObjectReference]bool{}
	for _, o := range labelled {
		known[baseline.Reference(o)] = true
	}
	return r.Objects.Unlabelled(ctx, r.report, known)
}

// releaseUnlabelled carries the deletionPolicy of a profile out on unlabelled objects.
func (r *releasing) releaseUnlabelled(
	ctx context.Context, profile *v1alpha1.SecurityProfile, objects []baseline.Object,
) error {
	var failures []error
	for _, o := range objects {
		if err := r.letGo(ctx, o, profile, true); err != nil {
			failures = append(failures, fmt.Errorf("releasing %s: %w", baseline.Describe(o), err))
		}
	}
	return errors.Join(failures...)
}

// accountsLast puts objects in the order in which to take them away: the tokens of a ServiceAccount
// die with its UID, and nobody can make it again as it was.
func accountsLast(objects []baseline.Object) []baseline.Object {
	return slices.Concat(withoutAccounts(objects))
}

// withoutAccounts takes the ServiceAccounts that Bulwark makes out of objects.
func withoutAccounts(objects []baseline.Object) (others, accounts []baseline.Object) {
	for _, o := range objects {
		if _, ok := o.(*corev1.ServiceAccount); ok && !baseline.BelongsToNamespace(o) {
			accounts = append(accounts, o)
		} else {
			others = append(others, o)
		}
	}
	return others, accounts
}
