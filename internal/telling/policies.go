package telling

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Policies tells events and metrics of passes over admission policies.
type Policies struct {
	Events  *events.Teller
	Metrics *metrics.Metrics
}

// Tell tells of each outcome of a pass. It does not tell again what the profile's condition said
// before, unless that was corrected.
func (t *Policies) Tell(profile *v1alpha1.SecurityProfile, said metav1.Condition, outcomes []drift.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		t.count(profile.Name, o)
		if o.Recorded && !o.Foreign && o.State == v1alpha1.DriftStateCorrected {
			t.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
			t.event(profile, o, corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct",
				o.Object.Kind+" "+o.Object.Name+" is again as declared")
		}
		if !admission.Tells(said, o) {
			t.tellTrouble(profile, o)
		}
	}
}

// count counts what was corrected, and what the API server refused.
func (t *Policies) count(profile string, o *drift.Outcome) {
	if o.Err != nil {
		t.Metrics.ApplyFailed(profile, o.Object.Kind, o.Err)
	}
	if o.Recorded && !o.Foreign && o.Done {
		t.Metrics.DriftDetected(profile, o.Object.Kind, o.Change)
		t.Metrics.CountCorrection(profile, o.Object.Kind)
	}
}

// tellTrouble tells what lasts. It is told once: from then on the profile's status says it.
func (t *Policies) tellTrouble(profile *v1alpha1.SecurityProfile, o *drift.Outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.Err != nil:
		t.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error()))
	case o.State == v1alpha1.DriftStateConflict:
		t.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare",
			name+" was not made by Bulwark and is left alone")
	case o.State == v1alpha1.DriftStateContested:
		t.Metrics.Contested(profile.Name, o.Object.Kind)
		d := contention.DisputeOf(&o.Drift, o.By.Manager)
		t.event(profile, o, corev1.EventTypeWarning, v1alpha1.EventContested, "Wait",
			name+" is "+d.Sentence(profile.EffectiveContest()))
	}
}

func (t *Policies) event(
	profile *v1alpha1.SecurityProfile, o *drift.Outcome, eventType, reason, action, note string,
) {
	t.Events.TellAlways(profile, events.Notice{
		Object: o.Object, Type: eventType, Reason: reason, Action: action, Note: note,
	})
}
