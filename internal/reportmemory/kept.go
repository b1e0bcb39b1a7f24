package reportmemory

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// While this replica keeps the report of a namespace, it remembers what the report said even if the
// object is gone. Whoever deletes the report, creates it again, or writes an earlier one again
// thereby makes nothing unmanaged, and hides no drift.
//
//	state  | becomes | when
//	unkept | kept    | this replica writes the report, or finds that it says all there is to say
//	kept   | unkept  | Bulwark deletes or empties the report, or the namespace is deleted
//
// An unkept report is one of another replica, or there is none since the namespace is not governed.

// maxIssued is how many seals are remembered that the cache has not observed yet.
const maxIssued = 8

// Keep notes that the report of a namespace is as this replica wants it.
func (m *Memory) Keep(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[namespace] = true
}

// Release notes that Bulwark itself deletes or empties the report of a namespace.
func (m *Memory) Release(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, namespace)
	delete(m.issued, namespace)
}

// Recall returns the report of a namespace. If this replica keeps it, and it was deleted or is not
// believed, Recall returns what it said last; that of a deleted report has no UID.
func (m *Memory) Recall(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil || report != nil && (m.Wrote(report) || report.Profile != "") {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.last[ns.Name]
	if last == nil || !m.kept[ns.Name] || last.NamespaceUID != ns.UID {
		return report
	}
	said := *last
	said.OperatorState.Seal, said.ObjectMeta = "", metav1.ObjectMeta{Namespace: ns.Name, Name: v1alpha1.PostureName}
	if report != nil {
		said.ObjectMeta = report.ObjectMeta
	}
	return &said
}

// IsRecalled reports whether a report is remembered, while the object itself was deleted.
func IsRecalled(report *v1alpha1.NamespacePosture) bool { return report.UID == "" }

// noteIssued remembers a seal until the cache observes the report that bears it.
func (m *Memory) noteIssued(namespace, seal string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	issued := m.issued[namespace]
	if last := m.last[namespace]; seal == "" || last != nil && last.OperatorState.Seal == seal ||
		slices.Contains(issued, seal) {
		return
	}
	m.issued[namespace] = append(issued, seal)[max(0, len(issued)+1-maxIssued):]
}

// mayFollow reports whether a sealed report may be newer than the last one. A kept report is newer
// only if this replica issued its seal since.
func (m *Memory) mayFollow(last, report *v1alpha1.NamespacePosture) bool {
	if last == nil || last.OperatorState.Seal == report.OperatorState.Seal {
		return true
	}
	if !m.kept[report.Namespace] {
		return report.DriftTotal >= last.DriftTotal
	}
	return slices.Contains(m.issued[report.Namespace], report.OperatorState.Seal)
}

// noteObserved remembers a sealed report that the cache observes. The seals issued before its seal
// are of earlier reports from then on.
func (m *Memory) noteObserved(report *v1alpha1.NamespacePosture) {
	m.last[report.Namespace] = report
	if i := slices.Index(m.issued[report.Namespace], report.OperatorState.Seal); i >= 0 {
		m.issued[report.Namespace] = slices.Clone(m.issued[report.Namespace][i+1:])
	}
}
