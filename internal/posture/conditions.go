package posture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// maxNamed bounds the namespaces that a condition's message names.
const maxNamed = 5

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
	audits := profile.EffectiveEnforcement() == v1alpha1.EnforcementAudit
	if audits {
		ready.Reason = v1alpha1.ReasonAudited
		ready.Message = fmt.Sprintf("all %d selected namespaces are audited%s; nothing is enforced",
			t.counts.Selected, t.butJoined())
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
				n, t.counts.Selected, trouble.what, FirstNames(trouble.namespaces)))
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

// waiting says for how many namespaces the roll-out waits. It names none: which are first changes
// with every run.
func (t *tally) waiting() string {
	return fmt.Sprintf("%d of %d selected namespaces have no report on this generation yet",
		len(t.pending), t.counts.Selected)
}

// butJoined says how many namespaces have joined lately and are not ready yet, or nothing.
func (t *tally) butJoined() string {
	if t.joined == 0 {
		return ""
	}
	return fmt.Sprintf(" but %d that joined just now", t.joined)
}

// FirstNames are the first of some names, in their order, and how many more there are.
func FirstNames(namespaces []string) string {
	slices.Sort(namespaces)
	if len(namespaces) <= maxNamed {
		return strings.Join(namespaces, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(namespaces[:maxNamed], ", "), len(namespaces)-maxNamed)
}

// SetConditions makes the conditions those that hold and no others of ours.
func SetConditions(status *v1alpha1.SecurityProfileStatus, hold []metav1.Condition, now time.Time) {
	for _, conditionType := range []string{
		v1alpha1.ConditionReady, v1alpha1.ConditionCompliant, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
	} {
		i := slices.IndexFunc(hold, func(c metav1.Condition) bool { return c.Type == conditionType })
		if i < 0 {
			meta.RemoveStatusCondition(&status.Conditions, conditionType)
			continue
		}
		SetCondition(status, hold[i], now)
	}
}

// SetCondition makes one condition what it is by now.
func SetCondition(status *v1alpha1.SecurityProfileStatus, condition metav1.Condition, now time.Time) {
	condition.ObservedGeneration = status.ObservedGeneration
	condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	meta.SetStatusCondition(&status.Conditions, PrintableCondition(condition))
}
