package posture

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// SetReady sets the condition Ready of a report by its summary, and takes Stalled off. The report
// of before says since when it is so.
func SetReady(report, previous *v1alpha1.NamespacePosture, ready bool, now time.Time) {
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInPlace,
		Message: "every object of the baseline is in place",
	}
	if report.Summary.Blocked > 0 {
		condition.Message += ", but for those that wait: see blocked"
	}
	if !ready {
		condition.Status, condition.Reason = metav1.ConditionFalse, unready(&report.Summary)
		condition.Message = "not every object of the baseline is in place: see objects"
	}
	setReportConditions(report, previous, now, condition)
}

// setStalled sets the conditions of a report whose profile cannot be carried out.
func setStalled(report, previous *v1alpha1.NamespacePosture, why string, now time.Time) {
	setReportConditions(report, previous, now, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonInvalid,
		Message: "the profile cannot be carried out: see Stalled",
	}, metav1.Condition{
		Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInvalid, Message: why,
	})
}

// unready is the reason for which a report is not ready, the gravest first.
func unready(s *v1alpha1.PostureSummary) string {
	switch {
	case s.Failed > 0:
		return v1alpha1.ReasonFailed
	case s.Conflicted > 0:
		return v1alpha1.ReasonConflicted
	case s.Drifted > 0 && s.Contested > 0:
		return v1alpha1.ReasonContestedObjects
	case s.Drifted > 0:
		return v1alpha1.ReasonDrifted
	case s.Uncounted > 0:
		return v1alpha1.ReasonUncounted
	}
	return v1alpha1.ReasonProgressing
}

// setReportConditions gives a report these conditions and no others. A condition that had this
// status before has it since then, so that nothing is written where nothing else is new.
func setReportConditions(report, previous *v1alpha1.NamespacePosture, now time.Time, conditions ...metav1.Condition) {
	for i := range conditions {
		conditions[i].LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
		if since, ok := sinceWhen(report, previous, &conditions[i]); ok {
			conditions[i].LastTransitionTime = since
		}
	}
	report.Status.Conditions = conditions
}

// sinceWhen is since when a condition has its status by the report of before, if that says it of
// the same namespace.
func sinceWhen(report, previous *v1alpha1.NamespacePosture, condition *metav1.Condition) (metav1.Time, bool) {
	if previous == nil || previous.NamespaceUID != report.NamespaceUID {
		return metav1.Time{}, false
	}
	i := slices.IndexFunc(previous.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == condition.Type && c.Status == condition.Status && !c.LastTransitionTime.IsZero()
	})
	if i < 0 {
		return metav1.Time{}, false
	}
	return previous.Status.Conditions[i].LastTransitionTime, true
}

// believedConditions are those of a report that nobody sealed, as far as they can be true. They
// have changed by now, and not later.
func believedConditions(report *v1alpha1.NamespacePosture, ready bool, now time.Time) []metav1.Condition {
	var believed []metav1.Condition
	for _, c := range report.Status.Conditions {
		known := c.Type == v1alpha1.ConditionReady && (ready || c.Status != metav1.ConditionTrue) ||
			c.Type == v1alpha1.ConditionStalled
		if known && !c.LastTransitionTime.After(now.Add(clockSkew)) {
			believed = append(believed, c)
		}
	}
	return believed
}
