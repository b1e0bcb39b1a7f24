package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// ReportMemory tells the reports that Bulwark wrote from what anybody else did, by their seals. The
// cache holds what it makes of each:
//
//	the report                                             what is believed
//	is sealed, and is no earlier one written once more     all of it
//	is not, and followed one that was                      what that one said
//	is not, and was there before the key was, or there is  what can be true
//	no key
//	is not                                                 nothing
//
// What is not sealed bears no seal in the cache, so that it is written again. It is kept in memory:
// a replica that begins to lead has read the reports, too.
type ReportMemory struct {
	key   posture.Key
	since time.Time // when the key was made, if it is new
	clock clock.PassiveClock

	mu   sync.Mutex
	last map[string]*v1alpha1.NamespacePosture // by namespace, the last one that was sealed, as the cache holds it

	kept   map[string]bool     // the namespaces of which this replica keeps the report
	issued map[string][]string // by namespace, the seals that it has put on reports since the last one
}

// NewReportMemory seals with the key; without one it seals nothing. Since is when the key was made
// if reports may be older than it, and else zero.
func NewReportMemory(key posture.Key, since time.Time, clock clock.PassiveClock) *ReportMemory {
	return &ReportMemory{
		key: key, since: since, clock: clock, last: map[string]*v1alpha1.NamespacePosture{},
		kept: map[string]bool{}, issued: map[string][]string{},
	}
}

// believe is what is believed of a report that the cache hears of, and remembers it. It may be
// asked again of what it answered.
func (m *ReportMemory) believe(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	believed := m.judge(report)
	if believed.Seal != "" {
		m.arrived(believed)
	}
	return believed
}

// judgeLive is what is believed of a report that was read from the API server. It is not
// remembered: the cache may still hear of the one before it.
func (m *ReportMemory) judgeLive(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if m == nil {
		return report
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.judge(report)
}

func (m *ReportMemory) judge(report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	last := m.last[report.Namespace]
	madeAnew := m.kept[report.Namespace] && last != nil && last.NamespaceUID == report.NamespaceUID
	if last != nil && last.UID != report.UID && !madeAnew {
		last = nil
	}
	sealed := m.key.Sealed(report)
	if sealed && m.isNext(last, report) {
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
	believed.Seal = ""
	return believed
}

// strip makes of a report what the cache holds: no more than Bulwark could have written, and what
// is believed of it.
func (m *ReportMemory) strip(in any) (any, error) {
	report, ok := in.(*v1alpha1.NamespacePosture)
	if !ok {
		return in, nil
	}
	stripReport(report)
	return m.believe(report), nil
}

// seal seals a report that is about to be written.
func (m *ReportMemory) seal(report *v1alpha1.NamespacePosture) {
	if m != nil {
		report.Seal = m.key.Seal(report)
		m.issue(report.Namespace, report.Seal)
	}
}

// wrote reports whether Bulwark wrote a report that the cache holds, as far as that can be told.
func (m *ReportMemory) wrote(report *v1alpha1.NamespacePosture) bool {
	return m == nil || !m.key.Usable() || report.Seal != ""
}

// disbelieves reports whether nothing, or only what was said before, is believed of a report.
func (m *ReportMemory) disbelieves(report *v1alpha1.NamespacePosture) bool {
	return !m.wrote(report) && !report.CreationTimestamp.Time.Before(m.since)
}

// forget drops what is remembered of a namespace that is gone.
func (m *ReportMemory) forget(namespace string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.last, namespace)
	delete(m.kept, namespace)
	delete(m.issued, namespace)
}

// ForgetDeleted forgets reports that are gone, also in a replica that does not lead and reconciles
// nothing.
func (m *ReportMemory) ForgetDeleted(ctx context.Context, caches cache.Cache) error {
	reports, err := caches.GetInformer(ctx, &v1alpha1.NamespacePosture{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = reports.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: m.forgetDeleted})
	}
	if err != nil {
		return fmt.Errorf("listening to the cache of NamespacePostures: %w", err)
	}
	return nil
}

// forgetDeleted drops what a report said that is gone. One that was made anew is another one.
func (m *ReportMemory) forgetDeleted(o any) {
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	report, ok := o.(*v1alpha1.NamespacePosture)
	if !ok || m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.last[report.Namespace]; last != nil && last.UID == report.UID && !m.kept[report.Namespace] {
		delete(m.last, report.Namespace)
	}
}

// believing reads from the API server, and believes of reports what the cache would.
type believing struct {
	client.Reader
	memory *ReportMemory
}

func (b believing) Get(
	ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption,
) error {
	err := b.Reader.Get(ctx, key, into, options...)
	if report, ok := into.(*v1alpha1.NamespacePosture); ok && err == nil {
		*report = *b.memory.judgeLive(report.DeepCopy())
	}
	return err
}

func (b believing) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	err := b.Reader.List(ctx, into, options...)
	if reports, ok := into.(*v1alpha1.NamespacePostureList); ok && err == nil {
		for i := range reports.Items {
			reports.Items[i] = *b.memory.judgeLive(reports.Items[i].DeepCopy())
		}
	}
	return err
}
