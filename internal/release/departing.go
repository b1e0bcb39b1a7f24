package release

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reports"
)

// Namespaces releases what profiles have left in namespaces.
type Namespaces struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Live reads from the API server, for what the cache does not hold.
	Live client.Reader
	// Objects finds the objects of a namespace.
	Objects *inventory.Objects
	// Writer removes and abandons objects.
	Writer correction.Writer
	// Reports writes what reports have become.
	Reports *reports.Writer
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces in which nothing is changed.
	Protected []string

	// Departures remember the namespaces that wait for their second look.
	Departures *Departures
	// Contests remember the objects that somebody makes again each time they are released.
	Contests *contention.Contests
	// Deferred remembers the removals that wait for that.
	Deferred *contention.DeferredRemovals
}

// Depart releases what is left in a namespace of profiles that do not select it.
//
//	the profile                                       is released
//	stays                                             not at all
//	is being deleted                                  at once: it selects nothing any more, for good
//	may select the namespace again in a moment, by a  after a second look at the namespace and the
//	label that is put back or an edit that is undone  profiles, which asks the API server itself
//	left only copies: neither the report nor the      at once: there is no baseline that could be lost
//	namespace speaks of it
func (n *Namespaces) Depart(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, staying map[string]bool,
) (Results, error) {
	unchanged := Results{Report: report}
	left, err := n.leftBy(ctx, ns, report)
	maps.DeleteFunc(left, func(profile string, _ bool) bool { return staying[profile] })
	if err != nil || len(left) == 0 {
		n.Departures.End(ns.Name)
		return unchanged, err
	}
	var wait time.Duration
	if n.mayReturn(ctx, ns, report, left) {
		if wait = n.Departures.Wait(ns, n.Clock.Now()); wait == 0 {
			if wait, err = n.lookAgain(ctx, ns, left, staying); err != nil {
				return unchanged, err
			}
		}
	}
	leaving := func(profile string) bool { return !staying[profile] }
	if wait > 0 {
		leaving = func(profile string) bool { return !staying[profile] && n.isGoing(ctx, profile) }
	}
	results, err := n.release(ctx, ns, report, leaving)
	results.Wait = wait
	return results, err
}

// Awaits reports whether a report has to stay until the second look.
func (n *Namespaces) Awaits(ctx context.Context, report *v1alpha1.NamespacePosture, wait time.Duration) bool {
	return wait > 0 && report != nil && !n.isGoing(ctx, report.Profile)
}

// DepartDeleted releases only what is left of profiles that are being deleted.
func (n *Namespaces) DepartDeleted(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, staying string,
) (Results, error) {
	left, err := n.leftBy(ctx, ns, report)
	if err != nil {
		return Results{Report: report}, err
	}
	leaving := func(profile string) bool { return profile != staying && n.isGoing(ctx, profile) }
	for profile := range left {
		if !leaving(profile) {
			continue
		}
		results, err := n.release(ctx, ns, report, leaving)
		if err == nil && report != nil && leaving(report.Profile) {
			results.Notices = append(results.Notices, n.Departed(ctx, ns, report, "")...)
		}
		return results, err
	}
	return Results{Report: report}, nil
}

// IsMarked reports whether the baseline that a report speaks of still marks the namespace.
func IsMarked(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) bool {
	return report != nil && ns.Labels[v1alpha1.ProfileLabel] == report.Profile
}

// mayReturn reports whether a baseline that was left here may be its profile's again: the report or
// the label of the namespace tells of one, and not all of the profiles that left something are
// being deleted.
func (n *Namespaces) mayReturn(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture, left map[string]bool,
) bool {
	if !left[profileOf(ns)] && (report == nil || !left[report.Profile]) {
		return false
	}
	for profile := range left {
		if !n.isGoing(ctx, profile) {
			return true
		}
	}
	return false
}

// leftBy names the profiles that have left something in a namespace, by label or by report.
func (n *Namespaces) leftBy(
	ctx context.Context, ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) (map[string]bool, error) {
	labelled, err := n.Objects.AllLabelled(ctx, ns.Name)
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

// isGoing reports whether the profile of this name is being deleted. A profile that is not found
// may be one that the cache has not heard of.
func (n *Namespaces) isGoing(ctx context.Context, name string) bool {
	profile, err := inventory.Profile(ctx, n.Client, name)
	return err == nil && profile != nil && !profile.DeletionTimestamp.IsZero()
}

// lookAgain is the second look, which asks the API server. The baseline stays, since the cache is
// behind, and the next look is as far away as the first one was, if
//
//  1. the namespace is being deleted, or is another one of the same name,
//  2. another profile takes the namespace over,
//  3. a profile that left something selects the namespace,
//  4. a profile may have governed the namespace by a spec that nobody knows any more.
func (n *Namespaces) lookAgain(
	ctx context.Context, ns *corev1.Namespace, left, staying map[string]bool,
) (wait time.Duration, err error) {
	var live corev1.Namespace
	if err := n.Live.Get(ctx, client.ObjectKeyFromObject(ns), &live); err != nil {
		return 0, fmt.Errorf("looking again at namespace %s: %w", ns.Name, err)
	}
	selector, err := inventory.Selector(ctx, n.Live, n.Protected)
	if err != nil {
		return 0, err
	}
	stays := live.UID != ns.UID || !live.DeletionTimestamp.IsZero()
	if p := selector.Governing(&live); p != nil {
		stays = stays || !staying[p.Name] || p.EffectiveEnforcement() != v1alpha1.EnforcementAudit
	}
	for profile := range left {
		selects, _ := selector.Standing(profile, &live)
		stays = stays || selects
	}
	stays = stays || selector.Unremembered(profileOf(&live)) != nil
	if !stays {
		return 0, nil
	}
	n.Departures.End(ns.Name)
	return n.Departures.Wait(ns, n.Clock.Now()), nil
}

// MissFormer fails if the profile from which this one takes the namespace over is only missing from
// the cache. Then there is no handover yet, and the objects that the former declares must not go.
func (n *Namespaces) MissFormer(ctx context.Context, p *posture.Pass) error {
	last := p.Report()
	if last == nil || last.Profile == "" || last.Profile == p.Profile.Name {
		return nil
	}
	former, err := inventory.Profile(ctx, n.Client, last.Profile)
	if err != nil || former != nil {
		return err
	}
	if len(content.IsPathSegmentName(last.Profile)) > 0 {
		// No profile bears such a name, and a client refuses to ask for it: whoever forged the
		// report would keep the baseline out.
		return nil
	}
	var live v1alpha1.SecurityProfile
	switch err := n.Live.Get(ctx, client.ObjectKey{Name: last.Profile}, &live); {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading SecurityProfile %s: %w", last.Profile, err)
	}
	return fmt.Errorf("the cache does not hold SecurityProfile %s yet, which governed namespace %s",
		last.Profile, p.Namespace.Name)
}
