package posture

import (
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// Weaknesses are what is found in a namespace, and how much there is of it beyond what is known in
// words.
type Weaknesses struct {
	Found  []v1alpha1.Finding
	Totals []v1alpha1.FindingTotal
	// PodsUnseen is set if pods were to be looked at, and could not be.
	PodsUnseen bool
}

// Carry returns the weaknesses with what the last report says of pods, as far as the profile still
// looks for it.
func (w Weaknesses) Carry(m Memory, profile *v1alpha1.SecurityProfile) Weaknesses {
	ofPods := func(id v1alpha1.FindingID) bool {
		return slices.Contains(findings.OfPods, id) && findings.LooksForInPods(profile, id)
	}
	found, totals := slices.Clone(w.Found), slices.Clone(w.Totals)
	for _, f := range m.last().Findings {
		if ofPods(f.ID) {
			found = append(found, findings.Printable(f))
		}
	}
	for _, t := range m.last().FindingTotals {
		if ofPods(t.ID) {
			totals = append(totals, t)
		}
	}
	findings.Sort(found)
	findings.SortTotals(totals)
	return Weaknesses{Found: found, Totals: totals, PodsUnseen: w.PodsUnseen}
}

// setWeaknesses sets what weakens the baseline.
func setWeaknesses(report *v1alpha1.NamespacePosture, w Weaknesses) {
	report.FindingTotals, report.PodsUnseen = w.Totals, w.PodsUnseen
	report.Summary.Findings = total(w.Totals)
	report.Findings = w.Found[:min(len(w.Found), v1alpha1.MaxFindings)]
	report.Truncated += max(0, int64(report.Summary.Findings)-int64(len(report.Findings)))
}

func total(totals []v1alpha1.FindingTotal) int32 {
	var n int32
	for _, t := range totals {
		n += t.Count
	}
	return n
}
