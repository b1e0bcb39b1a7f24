package posturetest

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// BeCompliantWith succeeds if the actual value is a Posture, and its namespace is governed by the
// profile, holds exactly what the profile declares, and nothing weakens that (see
// docs/findings.md). It does not only believe the report: it compares what the API server holds.
//
//	Eventually(bulwark.Posture).WithArguments("team-a").WithContext(ctx).Should(BeCompliantWith(profile))
func BeCompliantWith(profile *v1alpha1.SecurityProfile) types.GomegaMatcher {
	return &compliantMatcher{profile}
}

type compliantMatcher struct{ profile *v1alpha1.SecurityProfile }

// Match reports whether the namespace is compliant.
func (m *compliantMatcher) Match(actual any) (bool, error) {
	posture, err := asPosture("BeCompliantWith", actual)
	if err != nil {
		return false, err
	}
	return len(posture.differsFrom(m.profile)) == 0, nil
}

// FailureMessage lists what is in the way.
func (m *compliantMatcher) FailureMessage(actual any) string {
	posture := actual.(*Posture)
	return fmt.Sprintf("Expected namespace %s to be compliant with SecurityProfile %s. It is not:%s",
		posture.Namespace.Name, m.profile.Name, listed(posture.differsFrom(m.profile)))
}

// NegatedFailureMessage has nothing to list.
func (m *compliantMatcher) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("Expected namespace %s not to be compliant with SecurityProfile %s. It is.",
		actual.(*Posture).Namespace.Name, m.profile.Name)
}

// differsFrom is what keeps the namespace from being compliant with a profile.
func (p *Posture) differsFrom(profile *v1alpha1.SecurityProfile) []obstacle {
	if p.Report != nil && p.Profile == nil {
		return obstacles(hopeless, "SecurityProfile "+p.Report.Profile+", which the report is on, is gone")
	}
	if p.Report == nil || p.Report.Profile != profile.Name {
		return p.outdated(profile)
	}
	if stale := p.outdated(p.Profile); len(stale) > 0 {
		return stale
	}
	declared := p.Profile.DeepCopy() // Its uid is that of the owner of what was made for it.
	declared.Spec = *profile.Spec.DeepCopy()
	var all []obstacle
	for _, d := range drift.Compare(baseline.Render(declared, p.Namespace.Name), p.found, drift.Ours) {
		all = append(all, obstacle{says: difference(&d)})
	}
	if !p.Report.IsReady() {
		all = append(all, p.ofObjects()...)
	}
	for i := range p.Report.Blocked {
		b := &p.Report.Blocked[i]
		all = append(all, obstacle{says: fmt.Sprintf("%s %s waits: %s", b.Object.Kind, b.Object.Name, b.Message)})
	}
	for i := range p.Report.Findings {
		f := &p.Report.Findings[i]
		says := fmt.Sprintf("%s (%s): %s %s: %s", f.ID, f.Severity, f.Object.Kind, f.Object.Name, f.Message)
		all = append(all, obstacle{says: says})
	}
	return all
}

// difference is how an object differs from what is declared.
func difference(d *drift.Drift) string {
	says := fmt.Sprintf("%s %s is %s", d.Object.Kind, d.Object.Name, strings.ToLower(string(d.Change)))
	for _, f := range d.Fields {
		says += fmt.Sprintf("; %s: want %s, got %s", f, cmp.Or(f.Want, "none"), cmp.Or(f.Got, "none"))
	}
	return says
}
