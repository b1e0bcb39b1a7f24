package posture

import (
	"maps"
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Deferrals are what a pass defers since it would refuse what runs in the namespace. Under Audit
// they are what it would defer, if the profile were enforced. Nil defers nothing.
type Deferrals struct {
	// Blocked are the objects and policies that are deferred, with what they would refuse.
	Blocked []v1alpha1.BlockedObject
	// Kept is what is in place of each deferred object meanwhile; nil is nothing.
	Kept map[v1alpha1.ObjectReference]baseline.Object
	// Sections are the profile's sections of rules for pods, deferred or not.
	Sections []Section
	// Labels are those by which the namespace says which sections are deferred; none if it does not
	// say so.
	Labels map[string]string
}

// Section is a section of rules for pods in one namespace.
type Section struct {
	admission.PodSection
	// InForce are the rules that are in force in the namespace, after the pass.
	InForce string
	// WasDeferred says that by the last report the section was deferred, and Unknown that the
	// report does not say what was in force.
	WasDeferred, Unknown bool
}

// Deferred reports whether other rules are in force than those that are declared.
func (s *Section) Deferred() bool { return s.InForce != s.Content }

// rulesDeferred reports whether the namespace says that a section is deferred.
func (d *Deferrals) rulesDeferred() bool {
	return len(d.Labels) > 0 && slices.ContainsFunc(d.Sections, func(s Section) bool { return s.Deferred() })
}

// joined is what both maps hold.
func joined[K comparable, V any](a, b map[K]V) map[K]V {
	both := make(map[K]V, len(a)+len(b))
	maps.Copy(both, a)
	maps.Copy(both, b)
	return both
}

// Defers reports whether an object is deferred, or a Namespace for the sake of rules for pods.
func (d *Deferrals) Defers(ref v1alpha1.ObjectReference) bool {
	if d == nil {
		return false
	}
	_, kept := d.Kept[ref]
	return kept || ref.Kind == namespaceKind && d.rulesDeferred()
}

// Any reports whether anything is deferred.
func (d *Deferrals) Any() bool { return d != nil && (len(d.Kept) > 0 || d.rulesDeferred()) }

// Releases reports whether a drift is nothing but that sections are put in force which were
// deferred, or are said to be in force for the first time.
func (d *Deferrals) Releases(of *drift.Drift) bool {
	if d == nil || of.Object.Kind != namespaceKind || len(of.Fields) == 0 {
		return false
	}
	released := map[string]bool{}
	for i := range d.Sections {
		s := &d.Sections[i]
		released[s.Label] = s.Unknown || s.WasDeferred && !s.Deferred()
	}
	return !slices.ContainsFunc(of.Fields, func(f drift.Field) bool { return !released[f.Path[len(f.Path)-1]] })
}

// With returns what both defer.
func (d *Deferrals) With(other *Deferrals) *Deferrals {
	both := *d
	both.Blocked = slices.Concat(d.Blocked, other.Blocked)
	both.Sections = slices.Concat(d.Sections, other.Sections)
	both.Kept, both.Labels = joined(d.Kept, other.Kept), joined(d.Labels, other.Labels)
	return &both
}

// contents are what is in place after the pass of the objects and sections that may be deferred.
func (d *Deferrals) contents(p *Pass, desired []baseline.Object, outcomes []drift.Outcome) []v1alpha1.ObjectContent {
	contents := d.rules(p, outcomes)
	if !p.Defers() {
		return contents
	}
	for _, o := range desired {
		ref := baseline.Reference(o)
		if !baseline.CanRefuse(o) {
			continue
		}
		if kept, deferred := d.Kept[ref]; deferred {
			o = kept
		} else if !inPlaceNow(ref, outcomes) {
			before, remembered := p.Before(o)
			if !remembered {
				continue
			}
			o = before
		}
		if content := baseline.RefusingContent(o); len(content) <= v1alpha1.MaxContent {
			contents = append(contents, v1alpha1.ObjectContent{Object: ref, Content: content})
		} // What is larger is not remembered: it is held against what is found.
	}
	return contents
}

// rules are the rules for pods that are in force after the pass.
func (d *Deferrals) rules(p *Pass, outcomes []drift.Outcome) []v1alpha1.ObjectContent {
	if p.Audits() {
		return nil
	}
	var contents []v1alpha1.ObjectContent
	labelled := inPlaceNow(baseline.Reference(p.Namespace), outcomes)
	for i := range d.Sections {
		s := &d.Sections[i]
		content := s.InForce
		if !labelled && p.Report() != nil {
			content, _ = p.RulesInForce(&s.PodSection)
		}
		contents = append(contents, v1alpha1.ObjectContent{Object: s.Policy(p.Profile.Name), Content: content})
	}
	return contents
}

// inPlaceNow reports whether an object is as declared after the pass.
func inPlaceNow(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) bool {
	o := drift.OutcomeOf(ref, outcomes)
	return o == nil || o.State == v1alpha1.DriftStateCorrected || o.Done && len(o.Mutated) == 0
}

// SectionLabels are the labels by which a namespace says which sections of a profile are deferred.
func SectionLabels(profile string, sections []Section) map[string]string {
	labels := map[string]string{}
	for i := range sections {
		s := &sections[i]
		labels[s.Label] = admission.Enforced
		if s.Deferred() {
			labels[s.Label] = admission.Waits(profile, s.InForce)
		}
	}
	return labels
}
