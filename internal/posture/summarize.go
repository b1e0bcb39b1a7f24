package posture

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// Cluster is what a profile's status is summed from: all namespaces, which profile governs each of
// them, and the profile's reports by namespace.
type Cluster struct {
	Selector   *selection.Selector
	Namespaces []corev1.Namespace
	Reports    map[string]*v1alpha1.NamespacePosture
}

// Summarize is the status of a profile by the reports of the namespaces that it governs, and by
// what its policies came to; nil if that is not known. It is a pure function; the time is that of
// conditions that change. Lately tells whether a namespace joined so lately that it need not be
// ready yet.
func Summarize(
	profile *v1alpha1.SecurityProfile, cluster *Cluster, lately Lately, policies *admission.Report, now time.Time,
) *v1alpha1.SecurityProfileStatus {
	t := cluster.tally(profile, lately)
	status := &v1alpha1.SecurityProfileStatus{
		ObservedGeneration: profile.Generation,
		Conditions:         slices.Clone(profile.Status.Conditions),
		Selection:          profile.Status.Selection,
		Namespaces:         t.counts,
		FindingTotals:      t.findingTotals(),
		DriftTotal:         t.driftTotal,
		Drift:              t.drift,
	}
	addPolicyDrift(status, &profile.Status, policies, now)
	SetConditions(status, withPolicies(status, policies, t.conditions(profile), now), now)
	return status
}

// tally counts what the reports of a profile come to.
func (c *Cluster) tally(profile *v1alpha1.SecurityProfile, lately Lately) *tally {
	t := &tally{findings: map[v1alpha1.FindingTotal]int32{}, lately: lately}
	for i := range c.Namespaces {
		ns := &c.Namespaces[i]
		if !ns.DeletionTimestamp.IsZero() {
			continue
		}
		switch selects, governs := c.Selector.Standing(profile.Name, ns); {
		case governs:
			t.add(profile, ns.Name, c.Reports[ns.Name])
		case selects:
			t.counts.Overridden++
		case c.isLeft(ns):
			t.add(profile, ns.Name, c.Reports[ns.Name]) // Its baseline stays until a second look has found that it is to go.
		}
	}
	t.keepNewest()
	for i := range t.drift { // The reports are the cache's, and what is written decodes the API server's answer.
		t.drift[i] = *t.drift[i].DeepCopy()
	}
	return t
}

// isLeft reports whether a namespace that nobody governs still has a report.
func (c *Cluster) isLeft(ns *corev1.Namespace) bool {
	report := c.Reports[ns.Name]
	return report != nil && report.DeletionTimestamp.IsZero() &&
		!c.Selector.Protects(ns.Name) && c.Selector.Governing(ns) == nil
}

// withPolicies sets the condition AdmissionReady, and returns the other conditions that hold: if
// the policies could not be put in force, the profile is not ready. Without a report the condition
// stays what it was.
func withPolicies(
	status *v1alpha1.SecurityProfileStatus, report *admission.Report, hold []metav1.Condition, now time.Time,
) []metav1.Condition {
	if report == nil {
		return hold
	}
	condition := report.Condition
	if condition.Type == "" {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAdmission)
		return hold
	}
	SetCondition(status, condition, now)
	if !report.Blocks {
		return hold
	}
	hold = slices.DeleteFunc(hold, func(c metav1.Condition) bool { return c.Type != v1alpha1.ConditionCompliant })
	ready, stalled := condition, condition
	ready.Type = v1alpha1.ConditionReady
	stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	return append(hold, ready, stalled)
}

// addPolicyDrift keeps the drift of policies that the status of before holds, which is what bears
// no namespace, and adds what was corrected since, beside the drift of namespaces.
func addPolicyDrift(status, before *v1alpha1.SecurityProfileStatus, policies *admission.Report, now time.Time) {
	status.PolicyDriftTotal = before.PolicyDriftTotal
	for _, entry := range before.Drift {
		if entry.Namespace == "" {
			status.Drift = append(status.Drift, *entry.DeepCopy())
		}
	}
	if policies != nil {
		for i := range policies.Corrected {
			status.PolicyDriftTotal++
			status.Drift = append(status.Drift, policies.Corrected[i].Entry(now))
		}
	}
	status.DriftTotal = Add(status.DriftTotal, status.PolicyDriftTotal)
	slices.SortStableFunc(status.Drift, newestFirst)
	status.Drift = status.Drift[:min(len(status.Drift), v1alpha1.MaxDrift)]
}

// newestFirst orders drift by time, and that of the same second by namespace and object, so that
// the order is always the same.
func newestFirst(a, b v1alpha1.DriftEntry) int {
	return cmp.Or(
		b.ObservedAt.Compare(a.ObservedAt.Time),
		cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Object.Kind, b.Object.Kind),
		cmp.Compare(a.Object.Name, b.Object.Name),
	)
}
