package controllers

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// announce tells events and metrics what the pass found and did. What the last report already said is not said again, so
// that a state that lasts is one event.
func (r *NamespaceReconciler) announce(p *pass, outcomes []drift.Outcome) {
	for _, o := range outcomes {
		told := p.alreadyTold(o)
		r.count(p, &o, told)
		if told {
			continue
		}
		if o.Recorded && !o.Foreign {
			r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
		}
		r.announceState(p, &o)
	}
}

// count counts an drift.Outcome, and tells of each change of what tamper protection guards. Each
// correction of what is contested counts, though it is told once.
func (r *NamespaceReconciler) count(p *pass, o *drift.Outcome, told bool) {
	if o.Recorded && !o.Foreign && (o.Done || !told) {
		r.Metrics.DriftDetected(p.profile.Name, o.Object.Kind, o.Change)
		r.announceGuarded(p, o)
	}
	if o.Recorded && !o.Foreign && o.Done && len(o.Mutated) == 0 {
		r.Metrics.Corrected(p.profile.Name, o.Object.Kind, r.Clock.Since(p.since))
	}
	if o.State == v1alpha1.Contested && !told {
		r.Metrics.Contested(p.profile.Name, o.Object.Kind)
	}
}

// announceState tells what has become of a drift.
func (r *NamespaceReconciler) announceState(p *pass, o *drift.Outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.Err != nil:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error())+o.Hint)
	case len(o.Mutated) > 0:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventMutated, "Apply", name+" is "+mutationSentence(o.Mutated))
	case o.State == v1alpha1.Conflict:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare", name+" was not made by Bulwark and is left alone")
	case o.State == v1alpha1.Contested:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventContested, "Wait", name+" is "+p.contestSentence(o))
	case o.State == v1alpha1.Corrected && o.Foreign:
		r.event(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Adopt",
			fmt.Sprintf("%s of %s was taken over", name, drift.ManagerName(o.By.Manager)))
	case o.State == v1alpha1.Corrected && o.Recorded:
		r.event(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct", name+" is again as declared")
	}
}

// announceReport tells events what newly weakens the baseline, and what newly waits.
func (r *NamespaceReconciler) announceReport(p *pass, report *v1alpha1.NamespacePosture) {
	var before v1alpha1.NamespacePosture
	if p.previous != nil {
		before = *p.previous
	}
	for _, f := range report.Findings {
		if !slices.ContainsFunc(before.Findings, func(b v1alpha1.Finding) bool { return b.ID == f.ID && b.Object == f.Object }) {
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

// alreadyTold reports whether the last report holds this very outcome.
func (p *pass) alreadyTold(o drift.Outcome) bool {
	if p.previous == nil || o.State == v1alpha1.Corrected {
		return false
	}
	if o.Err != nil {
		state, _ := p.reported(o.Object)
		return state == v1alpha1.ObjectFailed
	}
	if len(o.Mutated) > 0 && !o.Recorded {
		return p.message(o.Object) == mutationSentence(o.Mutated)
	}
	return p.lasts(o) || slices.ContainsFunc(p.previous.Drift, func(entry v1alpha1.DriftEntry) bool {
		return entry.State == o.State && o.Continues(entry)
	})
}

// event tells the namespace and the profile. The object is the event's related one, by which the recorder tells one series of
// events from another.
func (r *NamespaceReconciler) event(p *pass, object v1alpha1.ObjectReference, eventType, reason, action, note string) {
	for _, regarding := range []runtime.Object{p.namespace, p.profile} {
		told := note
		if regarding == runtime.Object(p.profile) {
			told = "namespace " + p.namespace.Name + ": " + note
		}
		r.tell(regarding, object, p.namespace.Name, eventType, reason, action, told)
	}
}

// tell tells one object of another, which is in a namespace, or is the namespace. Of many objects
// of one namespace it tells the first, and that there are more.
func (r *NamespaceReconciler) tell(regarding runtime.Object, object v1alpha1.ObjectReference, namespace, eventType, reason, action, note string) {
	source := events.Source{Regarding: kindOf(regarding), Namespace: namespace, Reason: reason}
	switch r.events.Take(source, object, r.Clock.Now()) {
	case events.TellOfMore:
		object = v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
		note = moreNote(regarding, namespace)
	case events.Silent:
		return
	case events.Tell:
	}
	related := &corev1.ObjectReference{APIVersion: object.APIVersion, Kind: object.Kind, Namespace: namespace, Name: object.Name}
	if object.Kind == "Namespace" {
		related.Namespace = ""
	}
	r.Recorder.Eventf(regarding, related, eventType, reason, action, "%s", cutNote(note))
}

// kindOf tells events on a profile from those on its namespaces.
func kindOf(regarding runtime.Object) string {
	if _, profile := regarding.(*v1alpha1.SecurityProfile); profile {
		return "SecurityProfile"
	}
	return "Namespace"
}

// moreNote says of which namespace not everything is told.
func moreNote(regarding runtime.Object, namespace string) string {
	if kindOf(regarding) == "Namespace" {
		return events.Note
	}
	return "namespace " + namespace + ": " + events.Note
}

// maxNoteBytes is the longest note of an event that the API server takes. It refuses the whole event for a longer one.
const maxNoteBytes = 1024

// cutNote is a note as an event can hold it, and a person read it.
func cutNote(note string) string {
	note = printable.Line(note)
	if len(note) <= maxNoteBytes {
		return note
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(note[:maxNoteBytes-len(ellipsis)], "") + ellipsis
}
