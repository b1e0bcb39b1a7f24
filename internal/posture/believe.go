package posture

import (
	"math"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

const (
	// clockSkew is how far ahead of now a time may be: that of another replica's clock.
	clockSkew = time.Minute
	// mostUnsealed bounds the drift that an unsealed report is believed to have counted: one a
	// second for a year.
	mostUnsealed = 365 * 24 * 60 * 60
)

// Believed is what of an unsealed report can be true: entries on objects that a baseline of this
// namespace can hold, at a time that has come, counts that are none too large, and ready only as
// far as its own objects say so. It shares nothing that it changes.
func Believed(report *v1alpha1.NamespacePosture, now time.Time) *v1alpha1.NamespacePosture {
	believed := *report
	possible := func(ref v1alpha1.ObjectReference) bool { return baseline.Named(ref, report.Namespace) != nil }
	believed.Objects = first(report.Objects, v1alpha1.MaxObjects, func(o v1alpha1.ManagedObject) bool {
		return o.State == v1alpha1.ObjectStateDrifted && isManagedKind(o.ObjectReference) || possible(o.ObjectReference)
	})
	believed.OperatorState.InPlace = first(
		report.OperatorState.InPlace,
		v1alpha1.MaxBlocked,
		func(c v1alpha1.ObjectContent) bool {
			return possible(c.Object) || isAdmissionKind(c.Object)
		},
	)
	believed.Blocked = first(report.Blocked, v1alpha1.MaxBlocked, func(b v1alpha1.BlockedObject) bool {
		return b.ViolatorsTotal >= 0 && (possible(b.Object) || isAdmissionKind(b.Object))
	})
	believed.Drift = first(report.Drift, v1alpha1.MaxDrift, func(e v1alpha1.DriftEntry) bool {
		return e.Namespace == "" && isManagedKind(e.Object) &&
			(e.Object.Kind != namespaceKind || e.Object.Name == report.Namespace) && hasCome(e, now)
	})
	believed.DriftTotal = max(int64(len(believed.Drift)), min(report.DriftTotal, mostUnsealed))
	believed.Truncated = max(0, min(report.Truncated, mostUnsealed))
	believed.FindingTotals = first(report.FindingTotals, v1alpha1.MaxFindings, func(t v1alpha1.FindingTotal) bool {
		return t.Count >= 0 && isKnown(t.ID, t.Severity)
	})
	believed.Findings = first(report.Findings, v1alpha1.MaxFindings, func(f v1alpha1.Finding) bool {
		return isKnown(f.ID, f.Severity)
	})
	believed.Summary = summaryOf(&believed)
	whole := int(believed.Summary.Compliant+believed.Summary.Blocked) == len(report.Objects)
	believed.Status.Conditions = believedConditions(report, whole && len(report.Objects) > 0, now)
	return &believed
}

// Disbelieved is a report of which nothing is believed, not even of which profile and namespace it
// speaks.
func Disbelieved(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{TypeMeta: report.TypeMeta, ObjectMeta: report.ObjectMeta}
}

// Add is a sum of two counts that never wraps, and never is negative.
func Add(a, b int64) int64 {
	a, b = max(0, a), max(0, b)
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// AddCount is Add for counts that are smaller.
func AddCount(a, b int32) int32 {
	return int32(min(Add(int64(a), int64(b)), math.MaxInt32)) //nolint:gosec // It is bounded.
}

const namespaceKind = "Namespace"

func first[T any](list []T, most int, good func(T) bool) []T {
	var kept []T
	for _, item := range list {
		if len(kept) < most && good(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

// hasCome reports whether the times of an entry are none that is still to come.
func hasCome(e v1alpha1.DriftEntry, now time.Time) bool {
	latest := metav1.NewTime(now.Add(clockSkew))
	return !e.ObservedAt.IsZero() && !latest.Before(&e.ObservedAt) && (e.ManagedAt == nil || !latest.Before(e.ManagedAt))
}

// isManagedKind reports whether an object is of a kind that baselines hold. One that should not be
// there may bear any name.
func isManagedKind(ref v1alpha1.ObjectReference) bool { return isOf(baseline.Kinds, ref) }

func isAdmissionKind(ref v1alpha1.ObjectReference) bool { return isOf(baseline.ClusterKinds, ref) }

func isOf(kinds []baseline.Kind, ref v1alpha1.ObjectReference) bool {
	return slices.ContainsFunc(kinds, func(k baseline.Kind) bool {
		apiVersion, kind := k.ToAPIVersionAndKind()
		return ref.APIVersion == apiVersion && ref.Kind == kind
	})
}

// summaryOf counts what a report says of objects, and takes over what it cannot count.
func summaryOf(report *v1alpha1.NamespacePosture) v1alpha1.PostureSummary {
	objects := int32(len(report.Objects)) //nolint:gosec // They are v1alpha1.MaxObjects at most.
	summary := v1alpha1.PostureSummary{Contested: max(0, min(report.Summary.Contested, objects))}
	for _, o := range report.Objects {
		Count(&summary, o.State)
	}
	for _, t := range report.FindingTotals {
		summary.Findings = AddCount(summary.Findings, t.Count)
	}
	return summary
}

// Count counts an object by its state.
func Count(summary *v1alpha1.PostureSummary, state v1alpha1.ObjectState) {
	switch state {
	case v1alpha1.ObjectStateCompliant:
		summary.Compliant++
	case v1alpha1.ObjectStateDrifted:
		summary.Drifted++
	case v1alpha1.ObjectStateUncounted:
		summary.Uncounted++
	case v1alpha1.ObjectStateBlocked:
		summary.Blocked++
	case v1alpha1.ObjectStateConflict:
		summary.Conflicted++
	case v1alpha1.ObjectStateFailed:
		summary.Failed++
	}
}

// Recalled is what the status of a profile still knows of the drift of a namespace, where its
// report is not believed, as that would hold it. Tenants cannot write the status.
func Recalled(status *v1alpha1.SecurityProfileStatus, namespace string) []v1alpha1.DriftEntry {
	var entries []v1alpha1.DriftEntry
	for i := range status.Drift {
		if status.Drift[i].Namespace == namespace {
			entry := *status.Drift[i].DeepCopy()
			entry.Namespace = ""
			entries = append(entries, entry)
		}
	}
	return entries
}
