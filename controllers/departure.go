package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// DefaultRemovalDelay is how long the two looks are apart before a baseline is taken away.
const DefaultRemovalDelay = 10 * time.Second

// leave takes away what is left of a baseline in a namespace that no profile governs. The report goes last: as long as it is
// there, somebody remembers.
func (r *NamespaceReconciler) leave(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (reconcile.Result, error) {
	_, wait, err := r.depart(ctx, ns, report, nil)
	if err != nil || r.awaits(ctx, report, wait) {
		return resultAfter(wait, err)
	}
	if report == nil {
		return resultAfter(wait, nil)
	}
	if err := r.deleteReport(ctx, report); err != nil {
		return reconcile.Result{}, err
	}
	r.announceDeparture(ctx, ns, report, "no profile selects the namespace")
	return resultAfter(wait, nil)
}

// audit evaluates a namespace that a profile only audits. What others have left in it goes first, as their deletionPolicy says,
// since that profile writes nothing. If the baseline that the report speaks of has to wait, so has the next report.
func (r *NamespaceReconciler) audit(ctx context.Context, p *posture.Pass, selecting []*v1alpha1.SecurityProfile) (reconcile.Result, error) {
	report, staying := p.Report(), profilesNamed(selecting)
	removes := r.standsFor(p.Namespace, report) && !staying[report.Profile]
	remaining, wait, err := r.depart(ctx, p.Namespace, report, staying)
	if err != nil || report != nil && !staying[report.Profile] && r.awaits(ctx, report, wait) {
		return resultAfter(wait, err)
	}
	if removes {
		r.announceDeparture(ctx, p.Namespace, report, "SecurityProfile "+p.Profile.Name+" governs the namespace and only audits")
	}
	result, err := r.establish(ctx, p.With(remaining))
	if err == nil && wait > 0 && (result.RequeueAfter == 0 || wait < result.RequeueAfter) {
		result.RequeueAfter = wait
	}
	return result, err
}

// missFormer finds out whether the profile from which this one takes the namespace over is only missing from the cache. If it is,
// there is no handover yet, and what the former declares must not go.
func (r *NamespaceReconciler) missFormer(ctx context.Context, p *posture.Pass) error {
	last := p.Report()
	if last == nil || last.Profile == "" || last.Profile == p.Profile.Name {
		return nil
	}
	former, err := inventory.Profile(ctx, r.Client, last.Profile)
	if err != nil || former != nil {
		return err
	}
	if last.Profile == "" || len(content.IsPathSegmentName(last.Profile)) > 0 {
		// No profile bears such a name, and a client refuses to ask for it: whoever forged the report
		// would keep the baseline out.
		return nil
	}
	var live v1alpha1.SecurityProfile
	switch err := r.Live.Get(ctx, client.ObjectKey{Name: last.Profile}, &live); {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading SecurityProfile %s: %w", last.Profile, err)
	}
	return fmt.Errorf("the cache does not hold SecurityProfile %s yet, which governed namespace %s", last.Profile, p.Namespace.Name)
}

// standsFor reports whether the baseline that a report speaks of still marks the namespace.
func (*NamespaceReconciler) standsFor(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) bool {
	return report != nil && ns.Labels[v1alpha1.ProfileLabel] == report.Profile
}

// awaits reports whether a report has to stay until the second look.
func (r *NamespaceReconciler) awaits(ctx context.Context, report *v1alpha1.NamespacePosture, wait time.Duration) bool {
	return wait > 0 && report != nil && !r.isGoing(ctx, report.Profile)
}

func resultAfter(wait time.Duration, err error) (reconcile.Result, error) {
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: wait}, nil
}

// depart releases what is left in a namespace of profiles that do not select it, and returns what the report has become by
// that, and how long it is until the rest may be released.
//
// A profile that is being deleted selects nothing any more, for good: what it left goes at once. Any other may select the
// namespace again in a moment, by a label that is put back or an edit that is undone: what it left is released after a second
// look at the namespace and the profiles, which asks the API server itself. Copies of what bears a profile's label, where neither
// the report nor the namespace speaks of it, are no baseline that could be lost.
func (r *NamespaceReconciler) depart(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, staying map[string]bool,
) (remaining *v1alpha1.NamespacePosture, wait time.Duration, err error) {
	left, err := r.leftBy(ctx, ns, report)
	maps.DeleteFunc(left, func(profile string, _ bool) bool { return staying[profile] })
	if err != nil || len(left) == 0 {
		r.departures.end(ns.Name)
		return report, 0, err
	}
	leaving := func(profile string) bool { return !staying[profile] }
	going := func(profile string) bool { return r.isGoing(ctx, profile) }
	if r.mayReturn(ctx, ns, report, left) {
		if wait = r.departures.wait(ns, r.Clock.Now()); wait == 0 {
			if wait, err = r.lookAgain(ctx, ns, left, staying); err != nil {
				return report, 0, err
			}
		}
	}
	if wait > 0 {
		leaving = func(profile string) bool { return !staying[profile] && going(profile) }
	}
	remaining, err = r.release(ctx, ns, report, leaving)
	return remaining, wait, err
}

// mayReturn reports whether a baseline that was left here may be its profile's again: by the report or the label of the namespace
// there is one, and not all of the profiles that left something are being deleted.
func (r *NamespaceReconciler) mayReturn(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, left map[string]bool,
) bool {
	if !left[profileOf(ns)] && (report == nil || !left[report.Profile]) {
		return false
	}
	return slices.ContainsFunc(slices.Collect(maps.Keys(left)), func(profile string) bool { return !r.isGoing(ctx, profile) })
}

// leftBy names the profiles that have left something in a namespace, by label or by report.
func (r *NamespaceReconciler) leftBy(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (map[string]bool, error) {
	labelled, err := r.objects.AllLabelled(ctx, ns.Name)
	if err != nil {
		return nil, err
	}
	left := map[string]bool{}
	for _, o := range append(labelled, ns) {
		if profile, marked := o.GetLabels()[v1alpha1.ProfileLabel]; marked {
			left[profile] = true
		}
	}
	if report != nil {
		left[report.Profile] = true
	}
	return left, nil
}

// isGoing reports whether the profile of this name is being deleted. One that is not found may be one that the cache has not
// heard of.
func (r *NamespaceReconciler) isGoing(ctx context.Context, name string) bool {
	profile, err := inventory.Profile(ctx, r.Client, name)
	return err == nil && profile != nil && !profile.DeletionTimestamp.IsZero()
}

// lookAgain is the second look: it asks the API server whether any of the profiles that left
// something selects the namespace, or may have governed it by a spec that nobody knows any more, or
// another takes it over. If so, the cache is behind, and the next look is as far away as the first
// one was.
func (r *NamespaceReconciler) lookAgain(
	ctx context.Context, ns *corev1.Namespace, left, staying map[string]bool,
) (wait time.Duration, err error) {
	var live corev1.Namespace
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(ns), &live); err != nil {
		return 0, fmt.Errorf("looking again at namespace %s: %w", ns.Name, err)
	}
	selector, err := inventory.Selector(ctx, r.Live, r.Protected)
	if err != nil {
		return 0, err
	}
	stays := live.UID != ns.UID || !live.DeletionTimestamp.IsZero()
	if p := selector.Governing(&live); p != nil {
		stays = stays || !staying[p.Name] || p.EffectiveEnforcement() != v1alpha1.Audit
	}
	for profile := range left {
		selects, _ := selector.Standing(profile, &live)
		stays = stays || selects
	}
	stays = stays || selector.Unremembered(profileOf(&live)) != nil
	if !stays {
		return 0, nil
	}
	r.departures.end(ns.Name)
	return r.departures.wait(ns, r.Clock.Now()), nil
}

// announceDeparture tells the namespace, and the profile if there still is one, what has become of a baseline.
func (r *NamespaceReconciler) announceDeparture(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, why string,
) {
	if report.Enforcement != v1alpha1.Enforce {
		return // There was none.
	}
	profile, err := inventory.Profile(ctx, r.Client, report.Profile)
	if err != nil {
		profile = nil
	}
	if profile != nil && !profile.DeletionTimestamp.IsZero() {
		why = "the profile is being deleted"
	}
	told := events.Notice{
		Type: corev1.EventTypeNormal, Reason: v1alpha1.EventBaselineRemoved, Action: "Remove",
		Note: "the baseline of SecurityProfile " + report.Profile + " was removed",
	}
	switch before := takeover.Remembered(ns.Annotations); {
	case retains(profile):
		told.Reason, told.Action = v1alpha1.EventBaselineRetained, "Retain"
		told.Note = "the baseline of SecurityProfile " + report.Profile + " stays, unmanaged"
	case len(before) > 0:
		told.Note += ", and the Pod Security labels of before are given back (" + inWords(before) + ")"
	}
	told.Note += ": " + why
	r.events.TellAlways(ns, told)
	if profile != nil {
		told.Object, told.Note = baseline.Reference(ns), "namespace "+ns.Name+": "+told.Note
		r.events.TellAlways(profile, told)
	}
}

// inWords is labels of Pod Security as a person writes them.
func inWords(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, strings.TrimPrefix(key, v1alpha1.PodSecurityPrefix)+"="+labels[key])
	}
	return strings.Join(words, ", ")
}

// profilesNamed are the names of profiles.
func profilesNamed(profiles []*v1alpha1.SecurityProfile) map[string]bool {
	named := map[string]bool{}
	for _, p := range profiles {
		named[p.Name] = true
	}
	return named
}

// accountsLast puts objects in the order in which to take them away: the tokens of a ServiceAccount die with its UID, and nobody
// can make it again as it was.
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
