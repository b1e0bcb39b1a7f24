package posture

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Found is what the steps of a pass found and did.
type Found struct {
	// Desired is the baseline that the namespace shall hold, and Outcomes what became of each
	// difference to it.
	Desired  []baseline.Object
	Outcomes []drift.Outcome
	// Deferred is what waits.
	Deferred *Deferrals
	// Disputes are the contests over the objects, after the corrections.
	Disputes []Dispute
	// Counts is how far Kubernetes has counted the quotas.
	Counts []QuotaCount
	// Weaknesses are what weakens the baseline.
	Weaknesses Weaknesses
}

// Assemble makes the report on a namespace of what the pass found and did. It is a pure function,
// and given its own result and no outcome that is new, it returns the same report.
func Assemble(p *Pass, found *Found, now time.Time) *v1alpha1.NamespacePosture {
	report := header(p)
	r := reporting{Pass: p, Found: found}
	report.Objects = r.objects()
	for _, o := range report.Objects {
		Count(&report.Summary, o.State)
	}
	report.Summary.Contested = contestedAmong(report.Objects)
	// An unexpected object that somebody keeps making does not make the baseline unready.
	all, beyond := len(report.Objects), contestedAmong(report.Objects[len(found.Desired):])
	report.Objects = firstOf(report, report.Objects, v1alpha1.MaxObjects)
	report.Blocked = firstOf(report, found.Deferred.Blocked, v1alpha1.MaxBlocked)
	report.OperatorState.InPlace = found.Deferred.contents(p, found.Desired, found.Outcomes)
	var added int
	report.Drift, added = r.history(now)
	report.DriftTotal = Add(int64(added), p.last().DriftTotal)
	setUncounted(p, report, found.Counts)
	SetReady(report, p.Report(), allInPlace(&report.Summary, beyond, all), now)
	setWeaknesses(report, found.Weaknesses)
	TrimToSize(report)
	return report
}

// allInPlace reports whether all objects of a report are in place, or wait, but for some beyond the
// baseline.
func allInPlace(s *v1alpha1.PostureSummary, beyond int32, all int) bool {
	return int(s.Compliant+s.Blocked+beyond) == all
}

// header is a report that says of whom it is.
func header(p *Pass) *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace.Name,
			Name:      v1alpha1.PostureName,
			Labels: map[string]string{
				v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: p.Profile.Name,
			},
			OwnerReferences: baseline.Owner(p.Profile),
		},
		Profile:           p.Profile.Name,
		NamespaceUID:      p.Namespace.UID,
		ProfileGeneration: p.Profile.Generation,
		Enforcement:       p.Profile.EffectiveEnforcement(),
	}
}

// reporting is the making of one report.
type reporting struct {
	*Pass
	*Found
}

// firstOf cuts a list, and counts what the report leaves out by that.
func firstOf[T any](report *v1alpha1.NamespacePosture, list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	report.Truncated += int64(len(list) - most)
	return list[:most]
}

// Same compares two reports in all that Assemble sets.
func Same(a, b *v1alpha1.NamespacePosture) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, report := range []*v1alpha1.NamespacePosture{a, b} {
		report.TypeMeta, report.OperatorState.Seal = metav1.TypeMeta{}, ""
		report.ObjectMeta = metav1.ObjectMeta{
			Labels: report.Labels, OwnerReferences: report.OwnerReferences,
			Annotations: report.Annotations, Finalizers: report.Finalizers,
		}
	}
	return equality.Semantic.DeepEqual(a, b)
}
