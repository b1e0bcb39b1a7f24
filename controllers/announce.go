package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// tellCorrections tells what the writes of a pass came to, beside what became of each drift.
func (r *NamespaceReconciler) tellCorrections(p *posture.Pass, done *correction.Result) {
	r.notify(p, done.Notices)
	for i := range done.Outcomes {
		if o := &done.Outcomes[i]; o.Err != nil {
			r.Metrics.ApplyFailed(p.Profile.Name, o.Object.Kind, o.Err)
		}
	}
}

// notify tells what steps have returned to be told.
func (r *NamespaceReconciler) notify(p *posture.Pass, notices []events.Notice) {
	for _, n := range notices {
		r.events.TellBoth(p.Namespace, p.Profile, n)
	}
}

// announce tells events and metrics what the pass found and did. What the last report already said
// is not said again, so that a state that lasts is one event.
func (r *NamespaceReconciler) announce(p *posture.Pass, found *posture.Found) {
	for i := range found.Outcomes {
		o := &found.Outcomes[i]
		told := p.Told(o)
		r.count(p, o, told)
		if told {
			continue
		}
		if o.Recorded && !o.Foreign {
			r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
		}
		r.announceState(p, found, o)
	}
}

// count counts an outcome, and tells of each change of what tamper protection guards. Each
// correction of what is contested counts, though it is told once.
func (r *NamespaceReconciler) count(p *posture.Pass, o *drift.Outcome, told bool) {
	if o.Recorded && !o.Foreign && (o.Done || !told) {
		r.Metrics.DriftDetected(p.Profile.Name, o.Object.Kind, o.Change)
		r.announceGuarded(p, o)
	}
	if o.Recorded && !o.Foreign && o.Done && len(o.Mutated) == 0 {
		r.Metrics.Corrected(p.Profile.Name, o.Object.Kind, r.Clock.Since(p.Since))
	}
	if o.State == v1alpha1.DriftStateContested && !told {
		r.Metrics.Contested(p.Profile.Name, o.Object.Kind)
	}
}

// announceState tells what has become of a drift.
func (r *NamespaceReconciler) announceState(p *posture.Pass, found *posture.Found, o *drift.Outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.Err != nil:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error())+o.Hint)
	case len(o.Mutated) > 0:
		r.event(
			p,
			o.Object,
			corev1.EventTypeWarning,
			v1alpha1.EventMutated,
			"Apply",
			name+" is "+posture.MutationSentence(o.Mutated),
		)
	case o.State == v1alpha1.DriftStateConflict:
		r.event(
			p,
			o.Object,
			corev1.EventTypeWarning,
			v1alpha1.EventConflict,
			"Compare",
			name+" was not made by Bulwark and is left alone",
		)
	case o.State == v1alpha1.DriftStateContested:
		r.event(
			p,
			o.Object,
			corev1.EventTypeWarning,
			v1alpha1.EventContested,
			"Wait",
			name+" is "+contestSentence(p, found, o),
		)
	case o.State == v1alpha1.DriftStateCorrected && o.Foreign:
		r.event(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Adopt",
			fmt.Sprintf("%s of %s was taken over", name, drift.ManagerName(o.By.Manager)))
	case o.State == v1alpha1.DriftStateCorrected && o.Recorded:
		r.event(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct", name+" is again as declared")
	}
}

// contestSentence says who contests what is found.
func contestSentence(p *posture.Pass, found *posture.Found, o *drift.Outcome) string {
	if told := found.DisputeOver(o.Object); told != nil {
		return told.Sentence
	}
	return contention.DisputeOf(&o.Drift, o.By.Manager).Sentence(p.Profile.EffectiveContest())
}

// disputed are the contests in the namespace after the pass, and how long it is until the first of
// them may be over; zero is never.
func (r *NamespaceReconciler) disputed(
	p *posture.Pass, outcomes []drift.Outcome,
) (disputes []posture.Dispute, quiet time.Duration) {
	every := func(v1alpha1.ObjectReference) bool { return true }
	for _, d := range r.corrections.Standing(p.Namespace.Name, every, outcomes) {
		disputes = append(disputes, posture.Dispute{
			Object: d.Object, Change: d.Change, Sentence: d.Sentence(p.Profile.EffectiveContest()),
		})
		quiet = soonest(quiet, d.Left)
	}
	return disputes, quiet
}

// announceReport tells events what newly weakens the baseline, and what newly waits.
func (r *NamespaceReconciler) announceReport(p *posture.Pass, report *v1alpha1.NamespacePosture) {
	var before v1alpha1.NamespacePosture
	if p.Report() != nil {
		before = *p.Report()
	}
	for _, f := range report.Findings {
		if !slices.ContainsFunc(
			before.Findings,
			func(b v1alpha1.Finding) bool { return b.ID == f.ID && b.Object == f.Object },
		) {
			r.event(p, f.Object, corev1.EventTypeWarning, v1alpha1.EventFinding, "Judge",
				fmt.Sprintf("%s (%s): %s %s: %s", f.ID, f.Severity, f.Object.Kind, f.Object.Name, f.Message))
		}
	}
	for _, b := range report.Blocked {
		if !slices.ContainsFunc(before.Blocked, func(other v1alpha1.BlockedObject) bool { return other.Object == b.Object }) {
			r.event(p, b.Object, corev1.EventTypeWarning, v1alpha1.EventBlocked, "Wait",
				fmt.Sprintf("%s %s waits: %s", b.Object.Kind, b.Object.Name, b.Message))
		}
	}
}

// event tells the namespace and the profile.
func (r *NamespaceReconciler) event(
	p *posture.Pass, object v1alpha1.ObjectReference, eventType, reason, action, note string,
) {
	r.events.TellBoth(p.Namespace, p.Profile, events.Notice{
		Object: object, Type: eventType, Reason: reason, Action: action, Note: note,
	})
}

// traceRemovals logs what the pass removed, and tells an event of what no drift tells: what is
// declared no more.
func (r *NamespaceReconciler) traceRemovals(ctx context.Context, p *posture.Pass, outcomes []drift.Outcome) {
	var removed, undeclared []string
	for _, o := range outcomes {
		if o.Change != v1alpha1.DriftChangeUnexpected || !o.Done {
			continue
		}
		name := o.Object.Kind + " " + o.Object.Name
		removed = append(removed, name)
		if !o.Recorded {
			undeclared = append(undeclared, name)
		}
	}
	if len(removed) > 0 {
		logf.FromContext(ctx).
			Info("Removed what the baseline does not hold", "namespace", p.Namespace.Name, "objects", removed)
	}
	if len(undeclared) > 0 {
		r.event(p, baseline.Reference(p.Namespace), corev1.EventTypeNormal, v1alpha1.EventRemoved, "Prune",
			"SecurityProfile "+p.Profile.Name+" does not declare and had removed: "+strings.Join(undeclared, ", "))
	}
}
