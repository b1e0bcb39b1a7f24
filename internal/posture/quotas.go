package posture

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// QuotaCount is what is known of a quota that is as declared.
type QuotaCount struct {
	Ref v1alpha1.ObjectReference
	counting.Counting
	// Written is set if this pass wrote it, so that nothing is known of its count yet.
	Written bool
	// Fresh is set as long as it is too early to tell that it is not counted.
	Fresh bool
}

// Complete reports whether the quota is counted.
func (q *QuotaCount) Complete() bool { return !q.Written && q.Counting.Complete() }

// Progress is how far the quota is counted.
func (q *QuotaCount) Progress() counting.Progress {
	return counting.Progress{Quota: q.Ref.Name, Complete: q.Complete(), Written: q.Written, Never: len(q.Never) > 0}
}

// Counted is what Kubernetes has made of the quotas that are as declared after a pass. Quotas that
// still differ, or are deferred, are not among them: the report says worse of those.
func Counted(desired, found []baseline.Object, outcomes []drift.Outcome, deferred *Deferrals) []QuotaCount {
	var counts []QuotaCount
	for _, o := range desired {
		want, ok := o.(*corev1.ResourceQuota)
		if !ok {
			continue
		}
		ref := baseline.Reference(want)
		if _, waits := deferred.Kept[ref]; waits {
			continue
		}
		if outcome := drift.OutcomeOf(ref, outcomes); outcome != nil {
			if outcome.State == v1alpha1.DriftStateCorrected {
				counts = append(counts, QuotaCount{Ref: ref, Written: true})
			}
			continue
		}
		for _, f := range found {
			if quota, ok := f.(*corev1.ResourceQuota); ok && quota.Name == want.Name {
				counts = append(counts, QuotaCount{Ref: ref, Counting: counting.Of(quota)})
			}
		}
	}
	return counts
}

// Withholds reports whether the report of a pass is better written a moment later: it would say
// nothing but that a quota, which was made just now, is not counted yet, and be written again when
// it is. Only one that corrects nothing is withheld again: what differs by then, somebody has
// changed, and whoever goes on would keep the report away for ever.
func Withholds(p *Pass, counts []QuotaCount, outcomes []drift.Outcome, again bool) bool {
	if again && len(outcomes) > 0 {
		return false
	}
	if slices.ContainsFunc(
		outcomes,
		func(o drift.Outcome) bool { return o.Recorded || o.State != v1alpha1.DriftStateCorrected },
	) {
		return false
	}
	return slices.ContainsFunc(counts, func(q QuotaCount) bool {
		state := p.StateNow(q.Ref)
		return !q.Complete() && q.Fresh && state != v1alpha1.ObjectStateCompliant && state != v1alpha1.ObjectStateUncounted
	})
}

// Exceeded are the quotas of which more is used than they grant, by name, with the words that say
// of what. Of one that is not counted just now it is what the last report says.
func Exceeded(m Memory, counts []QuotaCount) map[string]string {
	exceeded := map[string]string{}
	for _, q := range counts {
		switch {
		case q.Written || len(q.Waiting) > 0:
			if message := m.Exceeded(q.Ref); message != "" {
				exceeded[q.Ref.Name] = message
			}
		case len(q.Exceeded) > 0:
			exceeded[q.Ref.Name] = q.ExceededSentence()
		}
	}
	return exceeded
}

// setUncounted makes a report say which quotas do not hold anybody, since Kubernetes has not
// counted them. One that was in place and has just been corrected stays so until it is known
// better: the namespace would not be ready for a moment each time.
func setUncounted(p *Pass, report *v1alpha1.NamespacePosture, counts []QuotaCount) {
	for _, q := range counts {
		if q.Complete() || q.Fresh && p.StateNow(q.Ref) == v1alpha1.ObjectStateCompliant {
			continue
		}
		i := slices.IndexFunc(report.Objects, func(o v1alpha1.ManagedObject) bool {
			return o.ObjectReference == q.Ref && o.State == v1alpha1.ObjectStateCompliant
		})
		if i < 0 {
			continue
		}
		report.Objects[i].State = v1alpha1.ObjectStateUncounted
		report.Objects[i].Message = printable.Message(uncountedMessage(p.Memory, q))
		report.Summary.Compliant--
		report.Summary.Uncounted++
	}
}

// uncountedMessage is what there is to say of a quota that is not counted. Of one that was written
// just now it is what was said last: the next pass knows.
func uncountedMessage(m Memory, q QuotaCount) string {
	if !q.Written {
		return q.Sentence()
	}
	if o, _ := m.Object(q.Ref); o.State == v1alpha1.ObjectStateUncounted {
		return o.Message
	}
	return "Kubernetes has not counted it yet"
}
