// Package reportmemory knows which reports (NamespacePostures) Bulwark wrote, by their seals, and
// what the last one of each namespace said. Tenants who write a report, delete it, or write an
// earlier one again thereby hide no drift. It also knows which reports are withheld for a moment.
//
// It may import the pure packages, above all internal/posture, which knows seals and what can be
// true of a report. It must never write to the cluster, nor decide what a report says.
package reportmemory

import (
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Memory tells the reports that Bulwark wrote from those of anybody else. The cache contains what
// Memory believes of each report:
//
//	the report is                                                  believed
//	sealed, and not an earlier one written again                   all of it
//	not so, and was so before                                      what it said then
//	not so, and is older than the key, or there is no key          what can be true of it
//	any other                                                      nothing
//
// A report that is not sealed has no seal in the cache, so that it is written again. Each replica
// has a memory of its own: one that becomes leader has already read all reports. A nil Memory
// believes every report.
type Memory struct {
	key   posture.Key
	since time.Time // when the key was created, if reports may be older than it
	clock clock.PassiveClock

	mu   sync.Mutex
	last map[string]*v1alpha1.NamespacePosture // by namespace, the last sealed report, as it is cached

	kept   map[string]bool     // the namespaces whose report this replica keeps
	issued map[string][]string // by namespace, the seals of this replica that the cache has not observed
}

// New returns a Memory that seals with the key; with an empty key it seals nothing. Since is when
// the key was created if reports may be older than it, and otherwise zero.
func New(key posture.Key, since time.Time, clock clock.PassiveClock) *Memory {
	return &Memory{
		key: key, since: since, clock: clock, last: map[string]*v1alpha1.NamespacePosture{},
		kept: map[string]bool{}, issued: map[string][]string{},
	}
}

// Believe returns what is believed of a report that the cache observes, and remembers it. It
// returns its own results unchanged.
func (m *Memory) Believe(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	believed := m.judge(report)
	if believed.OperatorState.Seal != "" {
		m.noteObserved(believed)
	}
	return believed
}

// judgeLive returns what is believed of a report that was read from the API server. It remembers
// nothing: the cache may still observe an earlier version.
func (m *Memory) judgeLive(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.judge(report)
}

func (m *Memory) judge(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	last := m.last[report.Namespace]
	recreated := m.kept[report.Namespace] && last != nil && last.NamespaceUID == report.NamespaceUID
	if last != nil && last.UID != report.UID && !recreated {
		last = nil
	}
	if m.key.Sealed(report) && m.mayFollow(last, report) {
		return report
	}
	believed := posture.Disbelieved(report)
	switch {
	case last != nil:
		said := *last
		said.TypeMeta, said.ObjectMeta = report.TypeMeta, report.ObjectMeta
		believed = &said
	case !m.key.Usable() || report.CreationTimestamp.Time.Before(m.since):
		believed = posture.Believed(report, m.clock.Now())
	}
	believed.OperatorState.Seal = ""
	return believed
}

// Seal seals a report that is about to be written.
func (m *Memory) Seal(report *v1alpha1.NamespacePosture) {
	if m != nil {
		report.OperatorState.Seal = m.key.Seal(report)
		m.noteIssued(report.Namespace, report.OperatorState.Seal)
	}
}

// Wrote reports whether Bulwark wrote a cached report, as far as that can be told.
func (m *Memory) Wrote(report *v1alpha1.NamespacePosture) bool {
	return m == nil || !m.key.Usable() || report.OperatorState.Seal != ""
}

// Disbelieves reports whether nothing is believed of a report, or only what it said before.
func (m *Memory) Disbelieves(report *v1alpha1.NamespacePosture) bool {
	return !m.Wrote(report) && !report.CreationTimestamp.Time.Before(m.since)
}

// Forget drops a namespace that was deleted.
func (m *Memory) Forget(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.last, namespace)
	delete(m.kept, namespace)
	delete(m.issued, namespace)
}
