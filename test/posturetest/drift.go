package posturetest

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Drift describes drifts of a namespace. An empty field is true of every drift.
type Drift struct {
	// Kind and Name are those of the object that drifted. A label of a namespace is drift of the
	// Namespace.
	Kind, Name string
	// Field is the path of a field that differed, such as spec.policyTypes, or of one above it.
	Field string
	// Change is how the object differed: Missing, Modified or Unexpected.
	Change v1alpha1.DriftChange
	// Manager is the field manager that caused it.
	Manager string
	// State is what became of it: Present, Corrected, Contested or Conflict.
	State v1alpha1.DriftState
}

// is reports whether the description is true of a drift.
func (d *Drift) is(entry *v1alpha1.DriftEntry) bool {
	return (d.Kind == "" || d.Kind == entry.Object.Kind) && (d.Name == "" || d.Name == entry.Object.Name) &&
		(d.Change == "" || d.Change == entry.Change) && (d.Manager == "" || d.Manager == entry.Manager) &&
		(d.State == "" || d.State == entry.State) && d.isOfField(entry.Fields)
}

func (d *Drift) isOfField(fields []v1alpha1.FieldDrift) bool {
	if d.Field == "" {
		return true
	}
	for _, f := range fields {
		below, ok := strings.CutPrefix(f.Path, d.Field)
		if ok && (below == "" || strings.HasPrefix(below, ".") || strings.HasPrefix(below, "[")) {
			return true
		}
	}
	return false
}

// String is the description as a sentence has it.
func (d *Drift) String() string {
	says := "drift"
	for _, part := range []struct{ before, value string }{
		{" of ", strings.TrimSpace(d.Kind + " " + d.Name)}, {" in ", d.Field}, {" by the field manager ", d.Manager},
		{", ", string(d.Change)}, {", ", string(d.State)},
	} {
		if part.value != "" {
			says += part.before + part.value
		}
	}
	return says
}

// described is a drift as a person reads it.
func described(entry *v1alpha1.DriftEntry) string {
	says := fmt.Sprintf("%s %s was %s and is %s", entry.Object.Kind, entry.Object.Name, entry.Change, entry.State)
	for _, f := range entry.Fields {
		says += fmt.Sprintf("; %s: want %s, got %s", f.Path, cmp.Or(f.Want, "none"), cmp.Or(f.Got, "none"))
	}
	if entry.Manager != "" {
		says += "; by the field manager " + entry.Manager
	}
	return says
}

// HaveDrift succeeds if the actual value is a Posture, and its report tells of such a drift. Drift
// that was corrected stays in the report, as history:
//
//	Eventually(bulwark.Posture).WithArguments("team-a").WithContext(ctx).Should(HaveDrift(Drift{
//		Kind: "NetworkPolicy", Name: "bulwark-default-deny", State: v1alpha1.DriftStateCorrected,
//	}))
func HaveDrift(such Drift) types.GomegaMatcher { return &driftMatcher{such} }

type driftMatcher struct{ such Drift }

// Match reports whether there is such a drift.
func (m *driftMatcher) Match(actual any) (bool, error) {
	posture, err := asPosture("HaveDrift", actual)
	if err != nil || posture.Report == nil {
		return false, err
	}
	for i := range posture.Report.Drift {
		if m.such.is(&posture.Report.Drift[i]) {
			return true, nil
		}
	}
	return false, nil
}

// FailureMessage lists the drift that there is.
func (m *driftMatcher) FailureMessage(actual any) string { return m.message(actual, "to have") }

// NegatedFailureMessage lists it too.
func (m *driftMatcher) NegatedFailureMessage(actual any) string {
	return m.message(actual, "not to have")
}

func (m *driftMatcher) message(actual any, toHave string) string {
	posture := actual.(*Posture)
	says := fmt.Sprintf("Expected namespace %s %s %s. ", posture.Namespace.Name, toHave, &m.such)
	switch r := posture.Report; {
	case r == nil:
		return says + "There is no report on it: no profile governs it, or Bulwark has not been there yet."
	case len(r.Drift) == 0:
		return says + "Its report tells of no drift."
	default:
		says += "Its report tells of:"
		for i := range r.Drift {
			says += "\n  " + described(&r.Drift[i])
		}
		return says
	}
}

// asPosture is the actual value of a matcher.
func asPosture(matcher string, actual any) (*Posture, error) {
	posture, ok := actual.(*Posture)
	if !ok || posture == nil {
		return nil, fmt.Errorf("%s expects what Posture returns, and not a %T", matcher, actual)
	}
	return posture, nil
}
