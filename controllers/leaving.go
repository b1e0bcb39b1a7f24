package controllers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/release"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// leave takes away what is left of a baseline in a namespace that no profile governs. The report
// goes last: as long as it is there, it remembers the baseline.
func (r *NamespaceReconciler) leave(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (reconcile.Result, error) {
	left, err := r.releases.Depart(ctx, ns, report, nil)
	r.tellReleased(&left)
	if err != nil {
		return reconcile.Result{}, err
	}
	waits := reconcile.Result{RequeueAfter: left.Wait}
	if report == nil || r.releases.Awaits(ctx, report, left.Wait) {
		return waits, nil
	}
	if err := r.posts.Delete(ctx, report); err != nil {
		return reconcile.Result{}, err
	}
	r.events.TellEach(r.releases.Departed(ctx, ns, report, "no profile selects the namespace"))
	return waits, nil
}

// audit evaluates a namespace that a profile only audits. That profile writes nothing, so that the
// objects that others have left go first, as their deletionPolicy says. If the baseline that the
// report speaks of is deferred, so is the next report.
func (r *NamespaceReconciler) audit(
	ctx context.Context, p *posture.Pass, selecting []*v1alpha1.SecurityProfile,
) (reconcile.Result, error) {
	report, staying := p.Report(), profilesNamed(selecting)
	removes := release.IsMarked(p.Namespace, report) && !staying[report.Profile]
	left, err := r.releases.Depart(ctx, p.Namespace, report, staying)
	r.tellReleased(&left)
	if err != nil {
		return reconcile.Result{}, err
	}
	if report != nil && !staying[report.Profile] && r.releases.Awaits(ctx, report, left.Wait) {
		return reconcile.Result{RequeueAfter: left.Wait}, nil
	}
	if removes {
		r.events.TellEach(r.releases.Departed(ctx, p.Namespace, report,
			"SecurityProfile "+p.Profile.Name+" governs the namespace and only audits"))
	}
	result, err := r.establish(ctx, p.With(left.Report))
	if err == nil {
		result.RequeueAfter = soonest(result.RequeueAfter, left.Wait)
	}
	return result, err
}

// suspend is the pass over a namespace whose profile cannot be carried out. The baseline stays,
// since nobody knows what it ought to be, and the report says so. Only objects of profiles that are
// being deleted go: no other pass would take them away.
func (r *NamespaceReconciler) suspend(
	ctx context.Context, ns *corev1.Namespace, previous *v1alpha1.NamespacePosture,
	profile *v1alpha1.SecurityProfile, why error,
) error {
	r.departures.End(ns.Name)
	r.forgetCounts(ns.Name)
	left, unreleased := r.releases.DepartDeleted(ctx, ns, reports.Recall(profile, previous), profile.Name)
	r.tellReleased(&left)
	removed, unmarked := r.releases.RemoveMark(ctx, ns, profile.Name)
	r.events.TellEach(removed)
	report := posture.Stalled(profile, ns, left.Report, why, r.Clock.Now())
	return errors.Join(unreleased, unmarked, r.posts.Write(ctx, left.Report, report))
}

// leaveAlone tells which objects bear a profile's label in a protected namespace.
func (r *NamespaceReconciler) leaveAlone(ctx context.Context, ns *corev1.Namespace) error {
	notices, err := r.releases.LeaveAlone(ctx, ns, r.queue.IsOvertakable(requestFor(ns.Name)))
	r.events.TellEach(notices)
	return err
}

// endReportIn removes the finalizers of the report in a namespace that is being deleted, in which
// nothing else is done.
func (r *NamespaceReconciler) endReportIn(ctx context.Context, ns *corev1.Namespace) error {
	if selection.New(nil, r.Protected).Protects(ns.Name) {
		return nil
	}
	report, err := inventory.Report(ctx, r.Client, ns.Name)
	if err != nil {
		return err
	}
	return r.posts.End(ctx, report)
}

// tellReleased tells what a release came to.
func (r *NamespaceReconciler) tellReleased(results *release.Results) {
	r.events.TellEach(results.Notices)
	for _, c := range results.Contested {
		r.Metrics.Contested(c.Profile, c.Kind)
	}
}

// profilesNamed are the names of profiles.
func profilesNamed(profiles []*v1alpha1.SecurityProfile) map[string]bool {
	named := map[string]bool{}
	for _, p := range profiles {
		named[p.Name] = true
	}
	return named
}

// brokenGoverning is the profile that governs the namespace and cannot be carried out, and why; no
// error if there is none.
func brokenGoverning(
	selector *selection.Selector, selecting []*v1alpha1.SecurityProfile,
	ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (*v1alpha1.SecurityProfile, error) {
	if len(selecting) == 0 {
		broken := selector.Unremembered(release.Marks(ns, report)...)
		if broken == nil {
			return nil, nil
		}
		return broken, selector.Invalid(broken.Name)
	}
	if !hasFinalizer(selecting[0]) {
		return nil, nil
	}
	return selecting[0], selector.Invalid(selecting[0].Name)
}
