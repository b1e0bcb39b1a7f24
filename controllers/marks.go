package controllers

import (
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
// they tell where to look for what a profile has left, and never who governs.

// marksOn are the names of profiles that a namespace and its report bear.
func marksOn(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) []string {
	marks := []string{profileOf(ns)}
	if report != nil {
		marks = append(marks, report.Profile)
	}
	return marks
}

// forgedMark reports whether a namespace bears the label of a profile that did not govern it before
// this one does: no report speaks of that, or it never governed anything.
func forgedMark(
	selector *selection.Selector, governing *v1alpha1.SecurityProfile,
	ns *corev1.Namespace, report *v1alpha1.NamespacePosture,
) bool {
	mark := profileOf(ns)
	if !baseline.IsLabelled(ns) || mark == governing.Name {
		return false
	}
	return report == nil || report.Profile != mark || selector.NeverGoverned(mark)
}

// tellMark tells that the forged label of a namespace was replaced, where that is not told as
// drift.
func (r *NamespaceReconciler) tellMark(p *posture.Pass, outcomes []drift.Outcome) {
	i := slices.IndexFunc(outcomes, func(o drift.Outcome) bool { return o.Object == baseline.Reference(p.Namespace) })
	if p.Forged && i >= 0 && outcomes[i].Done && !outcomes[i].Recorded {
		r.tellMarkOff(p.Namespace, profileOf(p.Namespace))
	}
}

func (r *NamespaceReconciler) tellMarkOff(ns *corev1.Namespace, mark string) {
	what := fmt.Sprintf("Namespace %s bore the label of SecurityProfile %s, which does not govern this namespace: "+
		"that label was taken off", ns.Name, mark)
	r.events.Tell(ns, "", events.Notice{
		Object: baseline.Reference(ns), Type: corev1.EventTypeWarning,
		Reason: v1alpha1.EventRemoved, Action: "Release", Note: what,
	})
}
