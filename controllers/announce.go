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
func (r *NamespaceReconciler) announce(p *pass, outcomes []outcome) {
	for _, o := range outcomes {
		told := p.alreadyTold(o)
		r.count(p, &o, told)
		if told {
			continue
		}
		if o.recorded && !o.Foreign {
			r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.sentence())
		}
		r.announceState(p, &o)
	}
}

// count counts an outcome, and tells of each change of what tamper protection guards. Each
// correction of what is contested counts, though it is told once.
func (r *NamespaceReconciler) count(p *pass, o *outcome, told bool) {
	if o.recorded && !o.Foreign && (o.done || !told) {
		r.Metrics.driftDetected(p.profile.Name, o.Object.Kind, o.Change)
		r.announceGuarded(p, o)
	}
	if o.recorded && !o.Foreign && o.done && len(o.mutated) == 0 {
		r.Metrics.corrected(p.profile.Name, o.Object.Kind, r.Clock.Since(p.since))
	}
	if o.state == v1alpha1.Contested && !told {
		r.Metrics.contested(p.profile.Name, o.Object.Kind)
	}
}

// announceState tells what has become of a drift.
func (r *NamespaceReconciler) announceState(p *pass, o *outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.err != nil:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", cut(o.err.Error())+o.hint)
	case len(o.mutated) > 0:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventMutated, "Apply", name+" is "+mutationSentence(o.mutated))
	case o.state == v1alpha1.Conflict:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare", name+" was not made by Bulwark and is left alone")
	case o.state == v1alpha1.Contested:
		r.event(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventContested, "Wait", name+" is "+p.contestSentence(o))
	case o.state == v1alpha1.Corrected && o.Foreign:
		r.event(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Adopt",
			fmt.Sprintf("%s of %s was taken over", name, managerName(o.by.Manager)))
	case o.state == v1alpha1.Corrected && o.recorded:
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
func (p *pass) alreadyTold(o outcome) bool {
	if p.previous == nil || o.state == v1alpha1.Corrected {
		return false
	}
	if o.err != nil {
		state, _ := p.reported(o.Object)
		return state == v1alpha1.ObjectFailed
	}
	if len(o.mutated) > 0 && !o.recorded {
		return p.message(o.Object) == mutationSentence(o.mutated)
	}
	return p.lasts(o) || slices.ContainsFunc(p.previous.Drift, func(entry v1alpha1.DriftEntry) bool {
		return entry.State == o.state && o.continues(entry)
	})
}

// sentence says what differs, and who did it.
func (o *outcome) sentence() string {
	by := ""
	if o.by.Manager != "" {
		by = " by " + managerName(o.by.Manager)
	}
	switch o.Change {
	case v1alpha1.Missing:
		return fmt.Sprintf("%s %s is missing", o.Object.Kind, o.Object.Name)
	case v1alpha1.Unexpected:
		return fmt.Sprintf("%s %s bears Bulwark's labels%s and is not part of the baseline", o.Object.Kind, o.Object.Name, by)
	}
	if o.Terminates() {
		return fmt.Sprintf("%s %s was deleted, and finalizers held it: %s", o.Object.Kind, o.Object.Name, strings.Join(o.Got.GetFinalizers(), ", "))
	}
	return cut(fmt.Sprintf("%s %s was modified%s: %s", o.Object.Kind, o.Object.Name, by, strings.Join(fieldTexts(o.Fields), "; ")))
}

// fieldTexts say of each field what was wanted and what was found.
func fieldTexts(fields []drift.Field) []string {
	var texts []string
	for _, f := range drift.Report(fields) {
		texts = append(texts, fmt.Sprintf("%s: want %s, got %s", f.Path, orUnset(f.Want), orUnset(f.Got)))
	}
	return texts
}

func orUnset(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
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
