package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// While this replica keeps the report of a namespace, its memory does not hang on the report: who
// deletes it, makes it anew, or writes an earlier one once more makes nothing unmanaged by that,
// and hides no drift.
//
//	state   | is                                      | becomes
//	unkept  | another replica's, or of no baseline    | kept, when this replica has written it
//	kept    | what this replica wrote or saw last     | unkept, when the report is released or the namespace is gone

// maxIssued is how many seals are remembered that may be on their way to the cache.
const maxIssued = 8

// keep notes that the report of a namespace is as this replica wants it.
func (m *ReportMemory) keep(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[namespace] = true
}

// release notes that Bulwark itself takes the report of a namespace away.
func (m *ReportMemory) release(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, namespace)
	delete(m.issued, namespace)
}

// recall is the report of a namespace. Of one that is kept, and that somebody has deleted or made
// of something else, it is what it said last; without a UID if there is none.
func (m *ReportMemory) recall(ns *corev1.Namespace, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil || report != nil && (m.wrote(report) || report.Profile != "") {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.last[ns.Name]
	if last == nil || !m.kept[ns.Name] || last.NamespaceUID != ns.UID {
		return report
	}
	said := *last
	said.Seal, said.ObjectMeta = "", metav1.ObjectMeta{Namespace: ns.Name, Name: v1alpha1.PostureName}
	if report != nil {
		said.ObjectMeta = report.ObjectMeta
	}
	return &said
}

// isRecalled reports whether a report is remembered and not there.
func isRecalled(report *v1alpha1.NamespacePosture) bool { return report.UID == "" }

// issue remembers a seal until the report that bears it is seen.
func (m *ReportMemory) issue(namespace, seal string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	issued := m.issued[namespace]
	if last := m.last[namespace]; seal == "" || last != nil && last.Seal == seal || slices.Contains(issued, seal) {
		return
	}
	m.issued[namespace] = append(issued, seal)[max(0, len(issued)+1-maxIssued):]
}

// isNext reports whether a sealed report can follow the last one: of one that is kept, what this
// replica has sealed since can.
func (m *ReportMemory) isNext(last, report *v1alpha1.NamespacePosture) bool {
	if last == nil || last.Seal == report.Seal {
		return true
	}
	if !m.kept[report.Namespace] {
		return report.DriftTotal >= last.DriftTotal
	}
	return slices.Contains(m.issued[report.Namespace], report.Seal)
}

// arrived remembers a sealed report that the cache has heard of: those issued before it are earlier
// ones by now.
func (m *ReportMemory) arrived(report *v1alpha1.NamespacePosture) {
	m.last[report.Namespace] = report
	if i := slices.Index(m.issued[report.Namespace], report.Seal); i >= 0 {
		m.issued[report.Namespace] = slices.Clone(m.issued[report.Namespace][i+1:])
	}
}
