package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// regain tells of a report that somebody else wrote, and regains what the pass may know of before.
// Where the report opens the gate for pods, it is shut at once and not only when the pass ends.
func (r *NamespaceReconciler) regain(ctx context.Context, p *pass) error {
	if p.previous == nil || reportmemory.IsRecalled(p.previous) || r.reports.Wrote(p.previous) {
		return nil
	}
	if r.reports.Disbelieves(p.previous) {
		r.event(p, postureReference, corev1.EventTypeWarning, v1alpha1.EventReportForged, "Read",
			"NamespacePosture posture is not as Bulwark wrote it: what it says is not believed, and it is written again")
	}
	recall(p.profile, p.previous)
	if guard := p.profile.Spec.Protection; p.audits() || guard == nil || !guard.ReadyGate {
		return nil
	}
	shut := p.previous.DeepCopy()
	if shut.Profile == "" {
		shut.Profile, shut.Enforcement, shut.NamespaceUID = p.profile.Name, p.profile.EffectiveEnforcement(), p.namespace.UID
	}
	r.reports.Seal(shut)
	if err := r.Client.Update(ctx, shut); err != nil {
		return ignoreTerminating(fmt.Errorf("taking back the report of namespace %s: %w", p.namespace.Name, err))
	}
	p.previous.ResourceVersion = shut.ResourceVersion
	return nil
}

// recall has a report of which nothing is believed remember what the status of the profile does.
func recall(profile *v1alpha1.SecurityProfile, report *v1alpha1.NamespacePosture) {
	if report == nil || report.Profile != "" {
		return
	}
	report.Drift = posture.Recalled(&profile.Status, report.Namespace)
	report.DriftTotal = int64(len(report.Drift))
}
