package release

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reports"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Profiles finds what remains of a profile that is being deleted.
type Profiles struct {
	// Client reads from the cache and sees its own writes.
	Client client.Client
	// Contests remember the objects that somebody makes again each time they are released.
	Contests *contention.Contests
	// Clock is the time.
	Clock clock.PassiveClock
	// Protected are names and globs of namespaces in which nothing is changed.
	Protected []string
}

// Remain reports whether any object outside of terminating namespaces still bears the profile's
// name.
func (p *Profiles) Remain(ctx context.Context, profile string) (bool, error) {
	all, err := inventory.ReportsOf(ctx, p.Client, profile)
	if err != nil {
		return false, err
	}
	for namespace, report := range all {
		if reports.IsEnding(report) || p.Contests.IsRemovalContested(namespace, posture.Reference, p.Clock.Now()) {
			continue // It goes by itself, or somebody makes it anew each time.
		}
		if standing, err := p.isStanding(ctx, namespace); err != nil || standing {
			return true, err
		}
	}
	for i := range baseline.Kinds {
		if remains, err := p.remainsOf(ctx, &baseline.Kinds[i], profile, all); err != nil || remains {
			return true, err
		}
	}
	return false, nil
}

func (p *Profiles) remainsOf(
	ctx context.Context, kind *baseline.Kind, profile string, reports map[string]*v1alpha1.NamespacePosture,
) (bool, error) {
	items, err := inventory.List(ctx, p.Client, kind, client.MatchingLabels{v1alpha1.ProfileLabel: profile})
	if err != nil {
		return false, err
	}
	for _, o := range items {
		if o.GetDeletionTimestamp() != nil {
			continue // It goes when its finalizers are removed.
		}
		if !baseline.BelongsToNamespace(o) && !drift.Ours(o) {
			continue // It is unmanaged: anybody can write the label on an object of their own.
		}
		namespace := cmp.Or(o.GetNamespace(), o.GetName()) // A Namespace is in itself.
		switch again, err := p.isMadeAgain(ctx, namespace, o, reports[namespace]); {
		case err != nil:
			return false, err
		case again:
			continue
		}
		if standing, err := p.isStanding(ctx, namespace); err != nil || standing {
			return true, err
		}
	}
	return false, nil
}

// isMadeAgain reports whether somebody makes an object again each time it is removed, or ever new
// ones under other names. The latter counts only if neither a report nor the namespace says that
// there is a baseline: such objects are removed one by one, and no deletion waits for the last.
func (p *Profiles) isMadeAgain(
	ctx context.Context, namespace string, o baseline.Object, report *v1alpha1.NamespacePosture,
) (bool, error) {
	now, ref := p.Clock.Now(), baseline.Reference(o)
	if p.Contests.IsRemovalContested(namespace, ref, now) {
		return true, nil
	}
	if report != nil || !p.Contests.IsKindContested(namespace, ref, now) {
		return false, nil
	}
	var ns corev1.Namespace
	if err := p.Client.Get(ctx, client.ObjectKey{Name: namespace}, &ns, client.UnsafeDisableDeepCopy); err != nil {
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	}
	return profileOf(&ns) != profileOf(o), nil
}

// isStanding reports whether the namespace exists, is not being deleted, and is not protected.
func (p *Profiles) isStanding(ctx context.Context, name string) (bool, error) {
	if selection.New(nil, p.Protected).Protects(name) {
		return false, nil
	}
	var ns corev1.Namespace
	if err := p.Client.Get(ctx, client.ObjectKey{Name: name}, &ns, client.UnsafeDisableDeepCopy); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return ns.DeletionTimestamp.IsZero(), nil
}

// Left says what still bears the profile's name: how many objects of which kinds, in which
// namespaces.
func (p *Profiles) Left(ctx context.Context, profile string) (string, error) {
	var counts []string
	namespaces := map[string]bool{}
	kinds := slices.Concat(baseline.Kinds, baseline.ClusterKinds)
	for i := range kinds {
		items, err := inventory.List(ctx, p.Client, &kinds[i], client.MatchingLabels{v1alpha1.ProfileLabel: profile})
		if err != nil {
			return "", err
		}
		if len(items) > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", len(items), kinds[i].Resource))
		}
		if i >= len(baseline.Kinds) {
			continue // Policies are in no namespace.
		}
		for _, o := range items {
			namespaces[cmp.Or(o.GetNamespace(), o.GetName())] = true // A Namespace is in itself.
		}
	}
	left := cmp.Or(strings.Join(counts, ", "), "nothing")
	if len(namespaces) > 0 {
		names := posture.FirstNames(slices.Collect(maps.Keys(namespaces)))
		left += fmt.Sprintf(", in %d namespaces (%s)", len(namespaces), names)
	}
	return left, nil
}
