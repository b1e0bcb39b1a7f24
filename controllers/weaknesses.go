package controllers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/findings/watch"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// weaknesses are the findings in the namespace after the corrections of the pass. Recheck is when
// to come back since they depend on what is not watched; zero is never. If pods could not be
// scanned, the findings of pods are carried over from the last report.
func (r *NamespaceReconciler) weaknesses(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, seen *podscan.Seen,
) (w posture.Weaknesses, recheck time.Duration, err error) {
	if r.facts == nil || !wantsFindings(p.Profile) {
		return w, 0, nil
	}
	facts := r.facts.Facts(p.Namespace.Name)
	for _, o := range found.Desired {
		if !p.Audits() && !conflicts(baseline.Reference(o), found.Outcomes) {
			facts.Forget(o) // It was unlabelled for a moment, and so unmanaged.
		}
	}
	facts.Exceeded = posture.Exceeded(p.Memory, found.Counts)
	facts.Bound = boundRoles(found.Desired, found.Outcomes, r.clusterRoles.Verdict)
	facts.Large = append(facts.Large, largeOf(found.Outcomes)...)
	facts.Uncached = r.uncached.Counts(p.Namespace.Name)
	facts.LabelSync = findings.LabelSyncOf(p.Namespace.Labels, movers(p, found.Outcomes))
	services := findings.ServicesToAsk(p.Profile, p.Namespace.Name, facts)
	if len(services) > 0 {
		recheck = r.Recheck
	}
	var unasked error
	facts.Services, unasked = watch.ReadServices(ctx, r.Live, p.Namespace.Name, services)
	pods, err := r.scanPods(ctx, p, found, level, seen)
	if pods != nil {
		facts.Pods = *pods
	}
	w.Found = findings.Judge(p.Profile, p.Namespace.Name, facts)
	w.Totals = findings.Total(w.Found)
	w.PodsUnseen = err != nil
	if last := p.Report(); pods == nil && last != nil {
		w = w.Carry(p.Memory, p.Profile)
		w.PodsUnseen = w.PodsUnseen || r.scansPods(p) && last.PodsUnseen
	}
	return w, recheck, errors.Join(unasked, err)
}

// wantsFindings reports whether a profile asks for findings at all.
func wantsFindings(profile *v1alpha1.SecurityProfile) bool {
	return profile.Spec.Findings == nil || profile.Spec.Findings.Mode != v1alpha1.FindingsModeDisabled
}

// movers are the field managers that are known to have changed the namespace's labels.
func movers(p *posture.Pass, outcomes []drift.Outcome) []string {
	var managers []string
	for _, o := range outcomes {
		if o.Object.Kind == "Namespace" {
			managers = append(managers, o.By.Manager)
		}
	}
	for _, entry := range p.History() {
		if entry.Object.Kind == "Namespace" {
			managers = append(managers, entry.Manager)
		}
	}
	return managers
}

// scanPods scans the pods of the namespace if it is time to, and plans the next scan. It returns
// nil if they were not scanned.
func (r *NamespaceReconciler) scanPods(
	ctx context.Context, p *posture.Pass, found *posture.Found, level tightening.AppliedLevel, seen *podscan.Seen,
) (*findings.PodFacts, error) {
	if !r.scansPods(p) || !r.scans.Due(p, found.Outcomes, level, r.Clock.Now()) {
		return nil, nil
	}
	pods, err := r.scanner.Facts(ctx, p, found.Deferred, level, seen, r.Clock.Now())
	if err != nil {
		// It is planned soon and not at once: a tenant who makes it fail must not have it repeated
		// without end.
		r.scans.Plan(p, found.Deferred, level, true, r.Clock.Now())
		return nil, err
	}
	amiss := len(pods.Violations)+len(pods.Rules) > 0 || pods.Exempt != ""
	r.scans.Plan(p, found.Deferred, level, amiss, r.Clock.Now())
	return pods, nil
}

// scansPods reports whether pods of the namespace are scanned at all.
func (r *NamespaceReconciler) scansPods(p *posture.Pass) bool {
	return r.facts != nil && podscan.Wanted(p.Profile)
}

func conflicts(ref v1alpha1.ObjectReference, outcomes []drift.Outcome) bool {
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool {
		return o.Object == ref && o.State == v1alpha1.DriftStateConflict
	})
}
