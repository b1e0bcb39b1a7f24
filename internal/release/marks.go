package release

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// A namespace's label and its report name a profile. Tenants may be able to write both, so that
// they tell where to look for what a profile has left, and never which profile governs.

// Marks are the names of profiles that a namespace and its report bear.
func Marks(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) []string {
	marks := []string{profileOf(ns)}
	if report != nil {
		marks = append(marks, report.Profile)
	}
	return marks
}

// IsForged reports whether a namespace bears the label of a profile that did not govern it before
// this one does: no report speaks of that, or it never governed anything.
func IsForged(
	selector *selection.Selector, governing *v1alpha1.SecurityProfile,
	ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) bool {
	mark := profileOf(ns)
	if !baseline.IsLabelled(ns) || mark == governing.Name {
		return false
	}
	return report == nil || report.Profile != mark || selector.NeverGoverned(mark)
}

// ForgedReplaced is the notice that the forged label of a namespace was replaced, if that is not
// recorded as drift.
func ForgedReplaced(p *posture.Pass, outcomes []drift.Outcome) []events.Addressed {
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == baseline.Reference(p.Namespace) })
	if !p.Forged || i < 0 || !outcomes[i].Done || outcomes[i].Recorded {
		return nil
	}
	return []events.Addressed{markRemoved(p.Namespace, profileOf(p.Namespace))}
}

// RemoveMark removes the label of another profile than the one that governs from a namespace.
func (n *Namespaces) RemoveMark(
	ctx context.Context, ns *corev1.Namespace, governing string,
) ([]events.Addressed, error) {
	mark := profileOf(ns)
	if !baseline.IsLabelled(ns) || mark == governing {
		return nil, nil
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, v1alpha1.ProfileLabel)
	if err := n.Writer.PatchMetadata(ctx, ns, patch); err != nil {
		return nil, fmt.Errorf("taking the label of profile %q off namespace %s: %w", mark, ns.Name, err)
	}
	return []events.Addressed{markRemoved(ns, mark)}, nil
}

func markRemoved(ns *corev1.Namespace, mark string) events.Addressed {
	return events.Addressed{Regarding: ns, Notice: events.Notice{
		Object: baseline.Reference(ns), Type: corev1.EventTypeWarning,
		Reason: v1alpha1.EventRemoved, Action: "Release",
		Note: fmt.Sprintf("Namespace %s bore the label of SecurityProfile %s, which does not govern this namespace: "+
			"that label was taken off", ns.Name, mark),
	}}
}

// profileOf is the profile whose label an object bears.
func profileOf(o baseline.Object) string { return o.GetLabels()[v1alpha1.ProfileLabel] }
