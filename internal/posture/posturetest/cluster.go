package posturetest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// The states in which a namespace of a Cluster can be.
const (
	Compliant = "compliant"
	Drifted   = "drifted"
	Conflict  = "conflict"
	Refused   = "refused"
	Blocked   = "blocked"
	Weakened  = "weakened"
	Stale     = "stale"
	Unseen    = "unseen"
)

// SelectorOf selects by one profile alone.
func SelectorOf(profile *v1alpha1.SecurityProfile) *selection.Selector {
	return selection.New([]v1alpha1.SecurityProfile{*profile}, nil)
}

// Cluster is namespaces ns-0, ns-1, … and the reports on them.
func Cluster(states ...string) ([]corev1.Namespace, map[string]*v1alpha1.NamespacePosture) {
	var namespaces []corev1.Namespace
	reports := map[string]*v1alpha1.NamespacePosture{}
	for i, state := range states {
		name := fmt.Sprintf("ns-%d", i)
		namespaces = append(namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if state != Unseen {
			reports[name] = ReportOn(name, state)
		}
	}
	return namespaces, reports
}

// ReportOn is a report of generation 4 with ten drifts, of which it holds one.
func ReportOn(namespace, state string) *v1alpha1.NamespacePosture {
	summary := map[string]v1alpha1.PostureSummary{
		Compliant: {Compliant: 9},
		Stale:     {Compliant: 9},
		Blocked:   {Compliant: 5, Blocked: 1},
		Weakened:  {Compliant: 9},
		Drifted:   {Compliant: 5, Drifted: 1, Blocked: 1},
		Conflict:  {Compliant: 5, Drifted: 1, Conflicted: 1},
		Refused:   {Compliant: 5, Drifted: 1, Conflicted: 1, Failed: 1},
	}[state]
	r := &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
		Profile:    "strict", ProfileGeneration: 4, Summary: summary,
		DriftTotal: 10, Drift: []v1alpha1.DriftEntry{DriftOf("", "")},
	}
	switch state {
	case Stale:
		r.ProfileGeneration = 3
	case Blocked, Weakened, Refused:
		r.FindingTotals = []v1alpha1.FindingTotal{
			{ID: v1alpha1.FindingIDBroadBinding, Severity: v1alpha1.SeverityHigh, Count: 2},
		}
	}
	return r
}

// DriftOf is drift of a Role that was corrected.
func DriftOf(namespace, manager string) v1alpha1.DriftEntry {
	return v1alpha1.DriftEntry{
		Namespace: namespace, Object: Reference("Role", "bulwark-dev"), Change: v1alpha1.DriftChangeModified,
		Manager: manager, ObservedAt: metav1.NewTime(Noon), State: v1alpha1.DriftStateCorrected,
	}
}
