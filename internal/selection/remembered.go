package selection

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The operator itself knows which namespaces a profile governs. Labels of namespaces and reports
// are no proof, since tenants may be able to write them. So the status of a profile remembers what
// its last valid spec selects:
//
//	the spec    the status remembers   the profile governs
//	is valid    anything               what its spec selects
//	is broken   a selection            what that selects; nothing is corrected there. What was made
//	                                   since the spec is broken any other profile governs first
//	is broken   no selection           nothing
//
// A status that was written before there was this memory may hold none and still count namespaces
// that the profile governs. They are not known any more: see Unremembered.

// Remember is what the status of a profile shall hold of what its spec selects. While the spec
// cannot be carried out it is what the status holds already.
func Remember(profile *v1alpha1.SecurityProfile) *v1alpha1.RememberedSelection {
	if _, err := compile(profile); err != nil {
		return profile.Status.Selection
	}
	selection := selectionOf(&profile.Spec).DeepCopy()
	selection.Generation = profile.Generation
	if IsRemembered(profile) {
		selection.Generation = profile.Status.Selection.Generation
	}
	return selection
}

// Broken is what the status of a profile shall hold from when its spec cannot be carried out any
// more.
func Broken(profile *v1alpha1.SecurityProfile, now time.Time) *v1alpha1.RememberedSelection {
	known := profile.Status.Selection
	if known == nil || known.BrokenSince != nil {
		return known
	}
	broken := known.DeepCopy()
	broken.BrokenSince = &metav1.Time{Time: now.Truncate(time.Second)}
	return broken
}

// IsRemembered reports whether the status of a profile remembers what its spec selects.
func IsRemembered(profile *v1alpha1.SecurityProfile) bool {
	if profile.Status.Selection == nil {
		return false
	}
	now := selectionOf(&profile.Spec)
	now.Generation, now.BrokenSince = profile.Status.Selection.Generation, profile.Status.Selection.BrokenSince
	return equality.Semantic.DeepEqual(now, profile.Status.Selection)
}

// Remembers reports whether the status of a valid profile holds that it selects a namespace that
// its spec selects: then it goes on governing the namespace if its next spec is broken.
func Remembers(profile *v1alpha1.SecurityProfile, ns metav1.Object) bool {
	if profile.Status.Selection == nil || IsRemembered(profile) {
		return true // Nothing is remembered before a profile is held, or where the CRD is of an older release.
	}
	c, found := remembered(profile)
	return found && c.selects(ns)
}

// Yields reports whether a namespace was made since a profile is broken, as the later of two states
// of the profile alone remembers: from then on every other profile governs the namespace first.
func Yields(before, after *v1alpha1.SecurityProfile, ns metav1.Object) bool {
	was, _ := remembered(before)
	is, known := remembered(after)
	return known && is.isTooLateFor(ns) && !was.isTooLateFor(ns)
}

// selectionOf is what a spec selects, in the form in which a status holds it. It shares the spec's
// labels and lists.
func selectionOf(spec *v1alpha1.SecurityProfileSpec) *v1alpha1.RememberedSelection {
	selection := &v1alpha1.RememberedSelection{
		Enforcement: spec.Enforcement, Priority: spec.Priority,
		MatchLabels: spec.NamespaceSelector.MatchLabels, ExcludeNamespaces: spec.ExcludeNamespaces,
	}
	for _, r := range spec.NamespaceSelector.MatchExpressions {
		selection.MatchExpressions = append(selection.MatchExpressions, v1alpha1.RememberedRequirement(r))
	}
	return selection
}

// remembered is a profile with the selection that its status remembers in the place of its spec;
// false if there is none.
func remembered(profile *v1alpha1.SecurityProfile) (candidate, bool) {
	selection := profile.Status.Selection
	if selection == nil {
		return candidate{}, false
	}
	standIn := *profile
	standIn.Spec = v1alpha1.SecurityProfileSpec{
		Enforcement: selection.Enforcement, Priority: selection.Priority, DeletionPolicy: profile.Spec.DeletionPolicy,
		NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: selection.MatchLabels},
		ExcludeNamespaces: selection.ExcludeNamespaces,
	}
	for _, r := range selection.MatchExpressions {
		standIn.Spec.NamespaceSelector.MatchExpressions = append(
			standIn.Spec.NamespaceSelector.MatchExpressions, v1alpha1.LabelRequirement(r))
	}
	selector, err := compile(&standIn)
	return candidate{profile: &standIn, selector: selector, until: selection.BrokenSince}, err == nil
}

// Unremembered is the first of the named profiles that is broken and governs namespaces by its
// status, which does not say which ones; nil if none is. Where no other profile governs, its name
// on a namespace is reason enough to leave all as it is.
func (s *Selector) Unremembered(names ...string) *v1alpha1.SecurityProfile {
	for _, name := range names {
		if profile := s.unremembered[name]; profile != nil {
			return profile
		}
	}
	return nil
}

// NeverGoverned reports whether the profile of this name is broken and has governed nothing.
func (s *Selector) NeverGoverned(name string) bool {
	i := slices.IndexFunc(s.profiles, func(c candidate) bool { return c.profile.Name == name })
	return s.invalid[name] != nil && i < 0 && s.unremembered[name] == nil
}
