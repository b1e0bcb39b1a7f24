package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// brokenGoverning is the profile that governs the namespace and cannot be carried out, and why; no
// error if there is none.
func brokenGoverning(
	selector *selection.Selector, selecting []*v1alpha1.SecurityProfile,
	ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (*v1alpha1.SecurityProfile, error) {
	if len(selecting) == 0 {
		broken := selector.Unremembered(marksOn(ns, report)...)
		if broken == nil {
			return nil, nil
		}
		return broken, selector.Invalid(broken.Name)
	}
	if !isHeld(selecting[0]) {
		return nil, nil
	}
	return selecting[0], selector.Invalid(selecting[0].Name)
}

// suspend is the pass over a namespace whose profile cannot be carried out. What is in place stays,
// since what ought to be is not known, and the report says so. Only what a profile left that is
// being deleted goes: nobody else would take it away.
func (r *NamespaceReconciler) suspend(
	ctx context.Context, ns *corev1.Namespace, previous *v1alpha1.NamespacePosture,
	profile *v1alpha1.SecurityProfile, why error,
) error {
	r.departures.end(ns.Name)
	r.counts.forget(ns.Name)
	previous, unreleased := r.releaseDeleted(ctx, ns, recall(profile, previous), profile.Name)
	unmarked := r.takeMarkOff(ctx, ns, profile.Name)
	report := posture.Stalled(profile, ns, previous, why)
	return errors.Join(unreleased, unmarked, r.writeReport(ctx, previous, report))
}

// releaseDeleted releases what profiles left in the namespace that are being deleted, and returns
// what the report has become by that.
func (r *NamespaceReconciler) releaseDeleted(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, staying string,
) (*v1alpha1.NamespacePosture, error) {
	left, err := r.leftBy(ctx, ns, report)
	if err != nil {
		return report, err
	}
	leaving := func(profile string) bool { return profile != staying && r.isGoing(ctx, profile) }
	for profile := range left {
		if !leaving(profile) {
			continue
		}
		remaining, err := r.release(ctx, ns, report, leaving)
		if err == nil && report != nil && leaving(report.Profile) {
			r.announceDeparture(ctx, ns, report, "")
		}
		return remaining, err
	}
	return report, nil
}

// takeMarkOff takes the label of another profile than the one that governs off a namespace, and
// tells it.
func (r *NamespaceReconciler) takeMarkOff(ctx context.Context, ns *corev1.Namespace, governing string) error {
	mark := profileOf(ns)
	if !baseline.IsLabelled(ns) || mark == governing {
		return nil
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, v1alpha1.ProfileLabel)
	if err := r.corrections.Writer.PatchMetadata(ctx, ns, patch); err != nil {
		return fmt.Errorf("taking the label of profile %q off namespace %s: %w", mark, ns.Name, err)
	}
	r.tellMarkOff(ns, mark)
	return nil
}

// addHolders adds the namespaces in which anything bears the label of a profile. Neither the label
// nor the report of a namespace that another profile governs tells that.
func (r *NamespaceReconciler) addHolders(ctx context.Context, profile string, namespaces map[string]bool) {
	for i := range baseline.Kinds[1:] {
		items, err := inventory.List(ctx, r.Client, &baseline.Kinds[1:][i],
			client.MatchingLabels{v1alpha1.ProfileLabel: profile}, client.DisableReadYourWritesConsistency)
		if err != nil { // They are reads of memory, and fail only when the operator is stopping.
			logf.FromContext(ctx).Error(err, "Listing what bears the label of a profile", "profile", profile)
			return
		}
		for _, o := range items {
			namespaces[o.GetNamespace()] = true
		}
	}
}
