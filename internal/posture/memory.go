package posture

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// Memory answers what a namespace was like when its last report was written. The zero value is that
// of a namespace without a report, and remembers nothing.
type Memory struct {
	report *v1alpha1.NamespacePosture
}

// MemoryOf is the memory that a report holds; of no report if that is nil.
func MemoryOf(report *v1alpha1.NamespacePosture) Memory { return Memory{report: report} }

// Report is the last report, or nil.
func (m Memory) Report() *v1alpha1.NamespacePosture { return m.report }

// last is the last report, or an empty one.
func (m Memory) last() *v1alpha1.NamespacePosture {
	if m.report == nil {
		return &v1alpha1.NamespacePosture{}
	}
	return m.report
}

// Object is an object as the last report has it, and whether it has it.
func (m Memory) Object(ref v1alpha1.ObjectReference) (v1alpha1.ManagedObject, bool) {
	for _, o := range m.last().Objects {
		if o.ObjectReference == ref {
			return o, true
		}
	}
	return v1alpha1.ManagedObject{}, false
}

// IsOf reports whether the last report speaks of the same namespace, profile, generation and
// enforcement. If it does not, what differs is the roll-out of a change and not drift.
func (m Memory) IsOf(profile *v1alpha1.SecurityProfile, namespace *corev1.Namespace) bool {
	return m.report != nil && m.report.Stalled() == "" &&
		m.report.NamespaceUID == namespace.UID &&
		m.report.Profile == profile.Name &&
		m.report.ProfileGeneration == profile.Generation &&
		m.report.Enforcement == profile.EffectiveEnforcement()
}

// WasInPlace reports whether an object that Bulwark had made was in place.
func (m Memory) WasInPlace(o baseline.Object) bool {
	remembered, known := m.Object(baseline.Reference(o))
	return known && m.wasInPlace(remembered)
}

// InPlace are the objects that Bulwark had made and that were in place.
func (m Memory) InPlace() []v1alpha1.ManagedObject {
	var objects []v1alpha1.ManagedObject
	for _, o := range m.last().Objects {
		if m.wasInPlace(o) {
			objects = append(objects, o)
		}
	}
	return objects
}

// wasInPlace reports whether an object of the last report was made by Bulwark, and in place:
//
//	state                        in place
//	Compliant Uncounted Drifted  yes
//	Blocked                      if the report remembers what was there before it, and that was something
//	Failed                       if the API server refused to delete it
//	Conflict                     no: it is unmanaged
//	any, under Audit             no
func (m Memory) wasInPlace(o v1alpha1.ManagedObject) bool {
	if m.last().Enforcement != v1alpha1.EnforcementEnforce {
		return false
	}
	switch o.State {
	case v1alpha1.ObjectStateCompliant, v1alpha1.ObjectStateUncounted, v1alpha1.ObjectStateDrifted:
		return true
	case v1alpha1.ObjectStateBlocked:
		return slices.ContainsFunc(m.last().OperatorState.InPlace, func(kept v1alpha1.ObjectContent) bool {
			return kept.Object == o.ObjectReference && kept.Content != ""
		})
	case v1alpha1.ObjectStateFailed:
		return strings.HasPrefix(o.Message, undeleted)
	}
	return false
}

// Content is what was in place of an object that may be deferred, as JSON: empty, and remembered,
// if nothing was.
func (m Memory) Content(ref v1alpha1.ObjectReference) (content string, remembered bool) {
	i := slices.IndexFunc(m.last().OperatorState.InPlace, func(c v1alpha1.ObjectContent) bool { return c.Object == ref })
	if i < 0 {
		return "", false
	}
	return m.report.OperatorState.InPlace[i].Content, true
}

// Before is what was in place of an object that may be deferred: nil, and remembered, if nothing
// was. Content that cannot be read is not remembered: somebody has written into the report.
func (m Memory) Before(want baseline.Object) (before baseline.Object, remembered bool) {
	content, remembered := m.Content(baseline.Reference(want))
	if !remembered || content == "" {
		return nil, remembered
	}
	before, err := baseline.WithRefusingContent(want, content)
	if err != nil {
		return nil, false
	}
	return before, true
}

// WasDeferred reports whether a section of rules for pods was deferred.
func (m Memory) WasDeferred(section *admission.PodSection) bool {
	return slices.ContainsFunc(m.last().Blocked, func(b v1alpha1.BlockedObject) bool {
		return b.Object == section.Policy(m.report.Profile)
	})
}

// History is the drift of the last report, in a form that people can read.
func (m Memory) History() []v1alpha1.DriftEntry { return PrintableHistory(m.last().Drift) }

// Exceeded is what the last report says of a quota that was exceeded, or nothing.
func (m Memory) Exceeded(quota v1alpha1.ObjectReference) string {
	for _, f := range m.last().Findings {
		if f.ID == v1alpha1.FindingIDQuotaExceeded && f.Object == quota {
			return f.Message
		}
	}
	return ""
}

// DoubtsPods reports whether pods weakened the baseline, or could not be looked at.
func (m Memory) DoubtsPods() bool {
	return m.last().PodsUnseen || slices.ContainsFunc(m.last().FindingTotals, func(t v1alpha1.FindingTotal) bool {
		return slices.Contains(findings.OfPods, t.ID)
	})
}
