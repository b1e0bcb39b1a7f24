package reports

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// Regain returns the pass with what it may know of before, if somebody else wrote the last report,
// and a notice of that. If that report opens the gate for pods, the gate is shut at once and not
// only when the pass ends.
func (w *Writer) Regain(ctx context.Context, p *posture.Pass) (*posture.Pass, []events.Notice, error) {
	found := p.Report()
	if found == nil || reportmemory.IsRecalled(found) || w.Memory.Wrote(found) {
		return p, nil, nil
	}
	var notices []events.Notice
	if w.Memory.Disbelieves(found) {
		notices = append(notices, events.Notice{
			Object: posture.Reference, Type: corev1.EventTypeWarning, Reason: v1alpha1.EventReportForged, Action: "Read",
			Note: "NamespacePosture posture is not as Bulwark wrote it: what it says is not believed, and it is written again",
		})
	}
	regained := Recall(p.Profile, found)
	if guard := p.Profile.Spec.Protection; p.Audits() || guard == nil || guard.ReadyGate != v1alpha1.RequirementRequire {
		return p.With(regained), notices, nil
	}
	shut := regained.DeepCopy()
	if shut.Profile == "" {
		shut.Profile, shut.Enforcement, shut.NamespaceUID = p.Profile.Name, p.Profile.EffectiveEnforcement(), p.Namespace.UID
	}
	w.Memory.Seal(shut)
	if err := w.Client.Update(ctx, shut); err != nil {
		err = fmt.Errorf("taking back the report of namespace %s: %w", p.Namespace.Name, err)
		return p.With(regained), notices, ignoreTerminating(err)
	}
	regained.ResourceVersion = shut.ResourceVersion
	return p.With(regained), notices, nil
}

// Recall is a report that remembers what the status of the profile does, if nothing of the report
// is believed.
func Recall(profile *v1alpha1.SecurityProfile, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	if report == nil {
		return nil
	}
	recalled := *report
	if report.Profile == "" {
		recalled.Drift = posture.Recalled(&profile.Status, report.Namespace)
		recalled.DriftTotal = int64(len(recalled.Drift))
	}
	return &recalled
}

// Forget takes out of a report what it says was in place, if it says that of anything.
func (w *Writer) Forget(
	ctx context.Context, report *v1alpha1.NamespacePosture,
) (*v1alpha1.NamespacePosture, error) {
	if len(posture.MemoryOf(report).InPlace()) == 0 {
		return report, nil
	}
	if reportmemory.IsRecalled(report) {
		w.Memory.Release(report.Namespace)
		return nil, nil
	}
	forgotten := report.DeepCopy()
	forgotten.Objects, forgotten.OperatorState.InPlace = nil, nil
	w.Memory.Seal(forgotten)
	if err := w.Client.Update(ctx, forgotten); err != nil {
		return report, fmt.Errorf("taking what is retained out of the report of namespace %s: %w", report.Namespace, err)
	}
	return forgotten, nil
}
