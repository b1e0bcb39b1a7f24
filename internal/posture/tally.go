package posture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// maxTallied bounds the drift that is kept while reports are summed: the history of ten thousand
// namespaces is never sorted whole.
const maxTallied = 32 * v1alpha1.MaxDrift

// tally is what the reports of a profile come to.
type tally struct {
	counts     v1alpha1.NamespaceCounts
	joined     int32    // not ready yet, and joined so lately that nobody is worried
	pending    []string // no report of this generation yet; those below have one
	drifted    []string
	conflicted []string
	failed     []string
	refusal    refusalExample // one of what the API server refuses in these
	blocked    []string
	uncounted  uncountedNamespaces
	weakened   []string
	contested  []string                        // what is told of each object that is contested, or that admission changes
	findings   map[v1alpha1.FindingTotal]int32 // by id and severity, with no count
	driftTotal int64
	drift      []v1alpha1.DriftEntry

	lately Lately
}

// add counts one governed namespace by its report, if there is one.
func (t *tally) add(profile *v1alpha1.SecurityProfile, namespace string, report *v1alpha1.NamespacePosture) {
	t.counts.Selected++
	if t.settles(profile, namespace, report) {
		t.counts.Pending++
		t.joined++
		t.addReport(profile, namespace, report)
		return
	}
	if report == nil {
		t.counts.Pending++
		t.pending = append(t.pending, namespace)
		t.addReport(profile, namespace, nil)
		return
	}
	current := report.ProfileGeneration == profile.Generation
	if !current { // It still counts, but says nothing on whether this generation can be carried out.
		t.pending = append(t.pending, namespace)
	}
	trouble := t.countWorst(report, current)
	if current && trouble != nil {
		*trouble = append(*trouble, namespace)
	}
	if current {
		t.addContested(report)
		t.addRefusal(report)
	}
	t.addReport(profile, namespace, report)
}

// countWorst counts a namespace where it is worst off, and returns the list that names such
// namespaces, if there is one.
func (t *tally) countWorst(report *v1alpha1.NamespacePosture, current bool) *[]string {
	switch s := report.Summary; {
	case s.Failed > 0:
		t.counts.Failed++
		return &t.failed
	case s.Conflicted > 0:
		t.counts.Conflicted++
		return &t.conflicted
	case s.Drifted > 0:
		t.counts.Drifted++
		return &t.drifted
	case s.Uncounted > 0:
		t.counts.Uncounted++
		t.uncounted.add(report, current)
		return &t.uncounted.names
	case s.Blocked > 0:
		t.counts.Blocked++
		return &t.blocked
	case len(report.FindingTotals) > 0:
		t.counts.Weakened++
		return &t.weakened
	}
	t.counts.Compliant++
	return nil
}

// settles reports whether a namespace joined lately and has yet to become ready. A state that needs
// somebody's help is told at once, and so is a quota that is not counted: that has been waited for
// already.
func (t *tally) settles(profile *v1alpha1.SecurityProfile, namespace string, report *v1alpha1.NamespacePosture) bool {
	if report == nil {
		return t.lately.has(namespace, false)
	}
	s := report.Summary
	if report.IsReady() || s.Failed+s.Conflicted+s.Contested+s.Uncounted > 0 ||
		report.ProfileGeneration != profile.Generation {
		return false
	}
	return profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce && t.lately.has(namespace, true)
}

// addReport adds what a report tells beside the state of its namespace. Where there is none, or
// none that is believed, the history stays what the profile's status says of it: the next report
// goes on from there.
func (t *tally) addReport(profile *v1alpha1.SecurityProfile, namespace string, report *v1alpha1.NamespacePosture) {
	if report == nil {
		recalled := Recalled(&profile.Status, namespace)
		t.driftTotal = Add(t.driftTotal, int64(len(recalled)))
		t.addDrift(namespace, recalled)
		return
	}
	t.addWeaknesses(report)
	t.driftTotal = Add(t.driftTotal, report.DriftTotal)
	t.addDrift(namespace, PrintableHistory(report.Drift))
	if len(t.drift) > maxTallied {
		t.keepNewest()
	}
}

// addDrift adds the drift of a namespace. A report speaks of its own, and names none.
func (t *tally) addDrift(namespace string, entries []v1alpha1.DriftEntry) {
	for _, entry := range entries {
		if entry.Namespace == "" {
			entry.Namespace = namespace
			t.drift = append(t.drift, entry)
		}
	}
}

// addWeaknesses counts what is contested and what weakens the baseline.
func (t *tally) addWeaknesses(report *v1alpha1.NamespacePosture) {
	contested := func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateContested }
	if report.Summary.Contested > 0 || slices.ContainsFunc(report.Drift, contested) {
		t.counts.Contested++
	}
	for _, f := range report.FindingTotals {
		id := v1alpha1.FindingTotal{ID: f.ID, Severity: f.Severity}
		t.findings[id] = AddCount(t.findings[id], f.Count)
	}
}

// addContested remembers who contests what, as the report says it.
func (t *tally) addContested(report *v1alpha1.NamespacePosture) {
	for _, o := range report.Objects {
		if isContested(o) || o.State == v1alpha1.ObjectStateDrifted && strings.HasPrefix(o.Message, ChangedByAdmission) {
			t.contested = append(t.contested, fmt.Sprintf("in namespace %s %s %s is %s",
				report.Namespace, o.Kind, o.Name, printable.Cut(o.Message, maxContestedRunes)))
		}
	}
}

// maxContestedRunes bounds what the condition says of one object that is contested.
const maxContestedRunes = 512

// keepNewest drops all drift that no status will hold. Of one object and second, the report has the
// newest first.
func (t *tally) keepNewest() {
	slices.SortStableFunc(t.drift, newestFirst)
	t.drift = t.drift[:min(len(t.drift), v1alpha1.MaxDrift)]
}

// findingTotals count the findings of all reports.
func (t *tally) findingTotals() []v1alpha1.FindingTotal {
	var totals []v1alpha1.FindingTotal
	for total, n := range t.findings {
		total.Count = n
		totals = append(totals, total)
	}
	slices.SortFunc(totals, func(a, b v1alpha1.FindingTotal) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Severity, b.Severity))
	})
	return totals
}
