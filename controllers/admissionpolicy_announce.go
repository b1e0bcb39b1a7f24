package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// policyAnnouncer tells events and metrics of passes over admission policies.
type policyAnnouncer struct {
	events  *events.Teller
	metrics *metrics.Metrics
}

// announce tells events and metrics of each outcome of a pass.
func (a *policyAnnouncer) announce(pass *policyPass, outcomes []drift.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		a.count(pass.profile.Name, o)
		if o.Recorded && !o.Foreign && o.State == v1alpha1.DriftStateCorrected {
			a.event(pass.profile, o, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
			a.event(pass.profile, o, corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct",
				o.Object.Kind+" "+o.Object.Name+" is again as declared")
		}
		if !admission.Tells(pass.said, o) {
			a.announceTrouble(pass.profile, o)
		}
	}
}

// count counts what was corrected, and what the API server refused.
func (a *policyAnnouncer) count(profile string, o *drift.Outcome) {
	if o.Err != nil {
		a.metrics.ApplyFailed(profile, o.Object.Kind, o.Err)
	}
	if o.Recorded && !o.Foreign && o.Done {
		a.metrics.DriftDetected(profile, o.Object.Kind, o.Change)
		a.metrics.CountCorrection(profile, o.Object.Kind)
	}
}

// announceTrouble tells what lasts. It is told once: from then on the profile's status says it.
func (a *policyAnnouncer) announceTrouble(profile *v1alpha1.SecurityProfile, o *drift.Outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.Err != nil:
		a.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error()))
	case o.State == v1alpha1.DriftStateConflict:
		a.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare",
			name+" was not made by Bulwark and is left alone")
	case o.State == v1alpha1.DriftStateContested:
		a.metrics.Contested(profile.Name, o.Object.Kind)
		d := contention.DisputeOf(&o.Drift, o.By.Manager)
		a.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventContested, "Wait",
			name+" is "+d.Sentence(profile.EffectiveContest()))
	}
}

func (a *policyAnnouncer) event(
	profile *v1alpha1.SecurityProfile, o *drift.Outcome, eventType, reason, action, note string,
) {
	a.events.TellAlways(profile, events.Notice{
		Object: o.Object, Type: eventType, Reason: reason, Action: action, Note: note,
	})
}

// contestSentences say who contests which policy.
func contestSentences(
	profile *v1alpha1.SecurityProfile, outcomes []drift.Outcome, disputes []contention.Dispute,
) []string {
	var sentences []string
	for _, o := range outcomes {
		told := slices.ContainsFunc(disputes, func(d contention.Dispute) bool { return d.Object == o.Object })
		if o.State == v1alpha1.DriftStateContested && !told {
			sentences = append(sentences, o.Object.Kind+" "+o.Object.Name+" by "+drift.ManagerName(o.By.Manager))
		}
	}
	for _, d := range disputes {
		sentences = append(sentences, d.Object.Kind+" "+d.Object.Name+" is "+d.Sentence(profile.EffectiveContest()))
	}
	return sentences
}
