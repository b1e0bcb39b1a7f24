package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/reportmemory"
)

// regain tells of a report that somebody else wrote, and returns the pass with what it may know of
// before. Where the report opens the gate for pods, it is shut at once and not only when the pass
// ends.
func (r *NamespaceReconciler) regain(ctx context.Context, p *posture.Pass) (*posture.Pass, error) {
	found := p.Report()
	if found == nil || reportmemory.IsRecalled(found) || r.reports.Wrote(found) {
		return p, nil
	}
	if r.reports.Disbelieves(found) {
		r.event(p, postureReference, corev1.EventTypeWarning, v1alpha1.EventReportForged, "Read",
			"NamespacePosture posture is not as Bulwark wrote it: what it says is not believed, and it is written again")
	}
	regained := recall(p.Profile, found)
	if guard := p.Profile.Spec.Protection; p.Audits() || guard == nil || !guard.ReadyGate {
		return p.With(regained), nil
	}
	shut := regained.DeepCopy()
	if shut.Profile == "" {
		shut.Profile, shut.Enforcement, shut.NamespaceUID = p.Profile.Name, p.Profile.EffectiveEnforcement(), p.Namespace.UID
	}
	r.reports.Seal(shut)
	if err := r.Client.Update(ctx, shut); err != nil {
		return p.With(regained), ignoreTerminating(fmt.Errorf("taking back the report of namespace %s: %w", p.Namespace.Name, err))
	}
	regained.ResourceVersion = shut.ResourceVersion
	return p.With(regained), nil
}

// recall is a report that remembers what the status of the profile does, where nothing of it is
// believed.
func recall(profile *v1alpha1.SecurityProfile, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
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
