package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// maxNamed bounds the namespaces that a condition's message names.
const maxNamed = 5

// maxTallied bounds the drift that is kept while reports are summed: the history of ten thousand namespaces is never sorted whole.
const maxTallied = 32 * v1alpha1.MaxDrift

// tally is what the reports of a profile come to.
type tally struct {
	counts     v1alpha1.NamespaceCounts
	joined     int32    // not ready yet, and joined so lately that nobody is worried
	pending    []string // no report of this generation yet; those below have one
	drifted    []string
	conflicted []string
	failed     []string
	refusal    refusal // one of what the API server refuses in these
	blocked    []string
	uncounted  uncountedNamespaces
	weakened   []string
	contested  []string                        // what is told of each object that is contested, or that admission changes
	findings   map[v1alpha1.FindingTotal]int32 // by id and severity, with no count
	driftTotal int64
	drift      []v1alpha1.DriftEntry

	lately lately
}

// summarize is the status of a profile by the reports of the namespaces that it governs, and by what its policies came to if that is
// known. It is a pure function; the time is that of conditions that change. Lately tells whether a namespace joined so lately that it
// need not be ready yet.
func summarize(
	profile *v1alpha1.SecurityProfile, selector *selection.Selector, namespaces []corev1.Namespace,
	reports map[string]*v1alpha1.NamespacePosture, lately lately, policies *admission.Report, now time.Time,
) *v1alpha1.SecurityProfileStatus {
	t := &tally{findings: map[v1alpha1.FindingTotal]int32{}, lately: lately}
	for i := range namespaces {
		ns := &namespaces[i]
		if !ns.DeletionTimestamp.IsZero() {
			continue
		}
		switch selects, governs := selector.Standing(profile.Name, ns); {
		case governs:
			t.add(profile, ns.Name, reports[ns.Name])
		case selects:
			t.counts.Overridden++
		case isLeft(selector, ns, reports[ns.Name]):
			t.add(profile, ns.Name, reports[ns.Name]) // Its baseline stays until a second look has found that it is to go.
		}
	}
	t.keepNewest()
	for i := range t.drift { // The reports are the cache's, and what is written decodes the API server's answer.
		t.drift[i] = *t.drift[i].DeepCopy()
	}
	status := &v1alpha1.SecurityProfileStatus{
		ObservedGeneration: profile.Generation,
		Conditions:         slices.Clone(profile.Status.Conditions),
		Selection:          profile.Status.Selection,
		Namespaces:         t.counts,
		Findings:           t.findingTotals(),
		DriftTotal:         t.driftTotal,
		Drift:              t.drift,
	}
	recordPolicyDrift(profile, status, policies, now)
	setConditions(status, withPolicies(status, policies, t.conditions(profile), now), now)
	return status
}

// isLeft reports whether a namespace that nobody governs still has a report.
func isLeft(selector *selection.Selector, ns *corev1.Namespace, report *v1alpha1.NamespacePosture) bool {
	return report != nil && !isEnding(report) && !selector.Protects(ns.Name) && selector.Governing(ns) == nil
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

// countWorst counts a namespace where it is worst off, and returns the list that names such namespaces, if there is one.
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

// settles reports whether a namespace joined lately and has yet to become ready. What needs somebody's help is told at once, and so is
// that quotas are not counted: that has been waited for already.
func (t *tally) settles(profile *v1alpha1.SecurityProfile, namespace string, report *v1alpha1.NamespacePosture) bool {
	if report == nil {
		return t.lately.joined(namespace, false)
	}
	if s := report.Summary; report.Ready || s.Failed+s.Conflicted+s.Contested+s.Uncounted > 0 || report.ProfileGeneration != profile.Generation {
		return false
	}
	return profile.EffectiveEnforcement() == v1alpha1.Enforce && t.lately.joined(namespace, true)
}

// addReport adds what a report tells beside the state of its namespace. Where there is none, or
// none that is believed, the history stays what the profile's status says of it: the next report
// goes on from there.
func (t *tally) addReport(profile *v1alpha1.SecurityProfile, namespace string, report *v1alpha1.NamespacePosture) {
	if report == nil {
		recalled := posture.Recalled(&profile.Status, namespace)
		t.driftTotal = posture.Add(t.driftTotal, int64(len(recalled)))
		t.drift = append(t.drift, recalled...)
		return
	}
	t.addWeaknesses(report)
	t.driftTotal = posture.Add(t.driftTotal, report.DriftTotal)
	for _, entry := range posture.PrintableHistory(report.Drift) {
		if entry.Namespace == namespace || entry.Namespace == "" { // A report speaks of its own namespace only.
			entry.Namespace = namespace
			t.drift = append(t.drift, entry)
		}
	}
	if len(t.drift) > maxTallied {
		t.keepNewest()
	}
}

// addWeaknesses counts what is contested and what weakens the baseline.
func (t *tally) addWeaknesses(report *v1alpha1.NamespacePosture) {
	contested := func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.Contested }
	if report.Summary.Contested > 0 || slices.ContainsFunc(report.Drift, contested) {
		t.counts.Contested++
	}
	for _, f := range report.FindingTotals {
		id := v1alpha1.FindingTotal{ID: f.ID, Severity: f.Severity}
		t.findings[id] = posture.AddCount(t.findings[id], f.Count)
	}
}

// addContested remembers who contests what, as the report says it.
func (t *tally) addContested(report *v1alpha1.NamespacePosture) {
	for _, o := range report.Objects {
		if isContested(o) || o.State == v1alpha1.ObjectDrifted && strings.HasPrefix(o.Message, changedByAdmission) {
			t.contested = append(t.contested, fmt.Sprintf("in namespace %s %s %s is %s",
				report.Namespace, o.Kind, o.Name, printable.Cut(o.Message, maxContestedRunes)))
		}
	}
}

// maxContestedRunes bounds what the condition says of one object that is contested.
const maxContestedRunes = 512

// keepNewest drops all drift that no status will hold. Of one object and second, the report has the newest first.
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

// conditions are those that hold. Reconciling and Stalled are among them only while they are true.
func (t *tally) conditions(profile *v1alpha1.SecurityProfile) []metav1.Condition {
	compliant := metav1.Condition{
		Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonCompliant,
		Message: fmt.Sprintf("all %d selected namespaces hold what is declared%s", t.counts.Selected, t.butJoined()),
	}
	if ungood := t.troubles(); ungood != "" || len(t.pending) > 0 {
		compliant.Status, compliant.Reason, compliant.Message = metav1.ConditionFalse, t.worst(), ungood
		if ungood == "" {
			compliant.Message = t.waiting()
		}
	}
	ready := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInPlace,
		Message: fmt.Sprintf("the baseline is in place in all %d selected namespaces%s", t.counts.Selected, t.butJoined()),
	}
	audits := profile.EffectiveEnforcement() == v1alpha1.Audit
	if audits {
		ready.Reason = v1alpha1.ReasonAudited
		ready.Message = fmt.Sprintf("all %d selected namespaces are audited%s; nothing is enforced", t.counts.Selected, t.butJoined())
	}
	switch {
	case len(t.pending) > 0:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonProgressing, t.waiting()
	case !audits && t.worst() != v1alpha1.ReasonProgressing && t.worst() != v1alpha1.ReasonWeakened:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, compliant.Reason, compliant.Message
	}
	conditions := []metav1.Condition{ready, compliant}
	switch {
	case ready.Status == metav1.ConditionTrue:
	case len(t.failed)+len(t.conflicted) > 0, t.uncounted.never:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: t.worst(), Message: t.troubles(),
		})
	default:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message,
		})
	}
	return conditions
}

// worst is the reason of the gravest trouble.
func (t *tally) worst() string {
	switch {
	case len(t.failed) > 0:
		return v1alpha1.ReasonFailed
	case len(t.conflicted) > 0:
		return v1alpha1.ReasonConflicted
	case len(t.drifted) > 0 && len(t.contested) > 0:
		return v1alpha1.ReasonContestedObjects
	case len(t.drifted) > 0:
		return v1alpha1.ReasonDrifted
	case len(t.uncounted.names) > 0:
		return v1alpha1.ReasonUncounted
	case len(t.blocked) > 0:
		return v1alpha1.ReasonBlocked
	case len(t.weakened) > 0 && len(t.pending) == 0:
		return v1alpha1.ReasonWeakened
	}
	return v1alpha1.ReasonProgressing
}

// troubles says which namespaces are not compliant, or nothing.
func (t *tally) troubles() string {
	var parts []string
	for _, trouble := range []struct {
		what       string
		namespaces []string
	}{
		{"the API server refused objects", t.failed},
		{"objects of another maker are in the way", t.conflicted},
		{"objects are missing or differ", t.drifted},
		{t.uncounted.sentence(), t.uncounted.names},
		{"objects wait, since they would refuse what runs there,", t.blocked},
		{"the baseline is weakened by objects that Bulwark does not own", t.weakened},
	} {
		if n := len(trouble.namespaces); n > 0 {
			parts = append(parts, fmt.Sprintf("in %d of %d namespaces %s (%s)",
				n, t.counts.Selected, trouble.what, names(trouble.namespaces)))
		}
	}
	if example := t.refusal.example(); example != "" {
		parts = append(parts, example)
	}
	if len(t.contested) > 0 {
		slices.Sort(t.contested)
		parts = append(parts, printable.Listed(t.contested))
	}
	return strings.Join(parts, "; ")
}

// waiting says for how many namespaces the roll-out waits. It names none: which are first changes with every run.
func (t *tally) waiting() string {
	return fmt.Sprintf("%d of %d selected namespaces have no report on this generation yet", len(t.pending), t.counts.Selected)
}

// butJoined says how many namespaces have joined lately and are not ready yet, or nothing.
func (t *tally) butJoined() string {
	if t.joined == 0 {
		return ""
	}
	return fmt.Sprintf(" but %d that joined just now", t.joined)
}

func names(namespaces []string) string {
	slices.Sort(namespaces)
	if len(namespaces) <= maxNamed {
		return strings.Join(namespaces, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(namespaces[:maxNamed], ", "), len(namespaces)-maxNamed)
}

// newestFirst orders drift by time, and that of the same second by namespace and object, so that the order is always the same.
func newestFirst(a, b v1alpha1.DriftEntry) int {
	return cmp.Or(
		b.ObservedAt.Compare(a.ObservedAt.Time),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Object.Kind, b.Object.Kind),
		cmp.Compare(a.Object.Name, b.Object.Name),
	)
}

// setConditions makes the conditions those that hold and no others of ours.
func setConditions(status *v1alpha1.SecurityProfileStatus, hold []metav1.Condition, now time.Time) {
	for _, conditionType := range []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionCompliant, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	} {
		i := slices.IndexFunc(hold, func(c metav1.Condition) bool { return c.Type == conditionType })
		if i < 0 {
			meta.RemoveStatusCondition(&status.Conditions, conditionType)
			continue
		}
		setCondition(status, hold[i], now)
	}
}

// setCondition makes one condition what it is by now.
func setCondition(status *v1alpha1.SecurityProfileStatus, condition metav1.Condition, now time.Time) {
	condition.ObservedGeneration = status.ObservedGeneration
	condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	meta.SetStatusCondition(&status.Conditions, posture.PrintableCondition(condition))
}
