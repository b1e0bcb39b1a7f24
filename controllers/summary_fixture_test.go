package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

func selectorOf(profile *v1alpha1.SecurityProfile) *selection.Selector {
	return selection.New([]v1alpha1.SecurityProfile{*profile}, nil)
}

// cluster is namespaces ns-0, ns-1, … and the reports on them.
func cluster(states ...string) ([]corev1.Namespace, map[string]*v1alpha1.NamespacePosture) {
	var namespaces []corev1.Namespace
	reports := map[string]*v1alpha1.NamespacePosture{}
	for i, state := range states {
		name := fmt.Sprintf("ns-%d", i)
		namespaces = append(namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if state != unseen {
			reports[name] = report(name, state)
		}
	}
	return namespaces, reports
}

// report is a report of generation 4 with ten drifts, of which it holds one.
func report(namespace, state string) *v1alpha1.NamespacePosture {
	summary := map[string]v1alpha1.PostureSummary{
		compliant: {Compliant: 9},
		stale:     {Compliant: 9},
		blocked:   {Compliant: 5, Blocked: 1},
		weakened:  {Compliant: 9},
		drifted:   {Compliant: 5, Drifted: 1, Blocked: 1},
		conflict:  {Compliant: 5, Drifted: 1, Conflicted: 1},
		refused:   {Compliant: 5, Drifted: 1, Conflicted: 1, Failed: 1},
	}[state]
	r := &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
		Profile:    "strict", ProfileGeneration: 4, Summary: summary,
		DriftTotal: 10, Drift: []v1alpha1.DriftEntry{driftOf(namespace, "")},
	}
	switch state {
	case stale:
		r.ProfileGeneration = 3
	case blocked, weakened, refused:
		r.FindingTotals = []v1alpha1.FindingTotal{{ID: v1alpha1.BroadBinding, Severity: v1alpha1.High, Count: 2}}
	}
	return r
}

func driftOf(namespace, manager string) v1alpha1.DriftEntry {
	return v1alpha1.DriftEntry{
		Namespace: namespace, Object: reference("Role", "bulwark-dev"), Change: v1alpha1.Modified,
		Manager: manager, ObservedAt: metav1.NewTime(noon), State: v1alpha1.Corrected,
	}
}
