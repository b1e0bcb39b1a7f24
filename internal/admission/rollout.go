package admission

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// maxHeld bounds the rules of a section that are in force in some namespaces in place of those that
// are declared. Where more would be, those that are declared are in force.
const maxHeld = 8

// PodRollout is what reports say of the roll-out of a profile's rules for pods (spec.rollout:
// WhenSafe).
type PodRollout struct {
	// Pending is the number of namespaces whose report is not of this generation yet.
	Pending int
	// Held are the rules that are in force in some namespaces in place of those that are declared.
	Held []Held
}

// WaitsForReports reports whether the policies of a profile depend on the reports of its
// namespaces.
func WaitsForReports(profile *v1alpha1.SecurityProfile) bool {
	return profile.WaitsUntilSafe() && profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce &&
		len(PodSections(profile)) > 0
}

// PodRolloutOf reads the reports on the namespaces that a profile governs.
func PodRolloutOf(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, namespaces []corev1.Namespace,
	reports map[string]*v1alpha1.NamespacePosture,
) PodRollout {
	var rollout PodRollout
	if !WaitsForReports(profile) {
		return rollout
	}
	declared := map[v1alpha1.ObjectReference]string{}
	sections := PodSections(profile)
	for i := range sections {
		declared[sections[i].Policy(profile.Name)] = sections[i].Content
	}
	for i := range namespaces {
		ns := &namespaces[i]
		if _, governs := selector.Standing(profile.Name, ns); governs && ns.DeletionTimestamp.IsZero() {
			rollout.add(profile, declared, reports[ns.Name])
		}
	}
	slices.SortFunc(rollout.Held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Content, b.Content))
	})
	return rollout
}

// add adds what the report on one namespace says, if there is one.
func (r *PodRollout) add(
	profile *v1alpha1.SecurityProfile, declared map[v1alpha1.ObjectReference]string, report *v1alpha1.NamespacePosture,
) {
	if report == nil || report.ProfileGeneration != profile.Generation ||
		report.Enforcement != v1alpha1.EnforcementEnforce {
		r.Pending++
	}
	if report == nil {
		return
	}
	for _, in := range report.OperatorState.InPlace {
		if content, is := declared[in.Object]; is && in.Content != "" && in.Content != content {
			r.hold(Held{Policy: in.Object.Name, Content: in.Content})
		}
	}
}

// hold adds rules that are in force somewhere, up to a bound for each section.
func (r *PodRollout) hold(held Held) {
	of := 0
	for _, other := range r.Held {
		if other == held {
			return
		}
		if other.Policy == held.Policy {
			of++
		}
	}
	if of < maxHeld {
		r.Held = append(r.Held, held)
	}
}
