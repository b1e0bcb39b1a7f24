package events

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Recorder emits events, as that of a controller's manager does.
type Recorder interface {
	Eventf(regarding, related runtime.Object, eventType, reason, action, note string, args ...any)
}

// Teller tells events within the budget of each namespace.
type Teller struct {
	recorder Recorder
	clock    clock.PassiveClock
	budget   Budget
}

// NewTeller tells by a recorder.
func NewTeller(recorder Recorder, clock clock.PassiveClock) *Teller {
	return &Teller{recorder: recorder, clock: clock}
}

// TellBoth tells a namespace, and the profile that governs it, of an object in that namespace.
func (t *Teller) TellBoth(ns *corev1.Namespace, profile *v1alpha1.SecurityProfile, n Notice) {
	t.Tell(ns, ns.Name, n)
	n.Note = inNamespace(ns.Name, n.Note)
	t.Tell(profile, ns.Name, n)
}

// Tell tells a namespace or a profile of an object that is in a namespace, or is that namespace.
//
//  1. The object is the event's related one, by which the recorder tells series of events apart.
//  2. Of many objects of one namespace it tells the first, and that there are more.
func (t *Teller) Tell(regarding runtime.Object, namespace string, n Notice) {
	source := Source{Regarding: kindOf(regarding), Namespace: namespace, Reason: n.Reason}
	switch t.budget.Take(source, n.Object, t.clock.Now()) {
	case TellOfMore:
		n.Object = v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: namespace}
		n.Note = Note
		if source.Regarding != "Namespace" {
			n.Note = inNamespace(namespace, Note)
		}
	case Silent:
		return
	case Tell:
	}
	related := relatedTo(n.Object)
	if n.Object.Kind != "Namespace" {
		related.Namespace = namespace
	}
	t.emit(regarding, related, n)
}

// TellAlways tells of a cluster-scoped object, or of none, without a budget: its callers tell each
// state once.
func (t *Teller) TellAlways(regarding runtime.Object, n Notice) {
	if n.Object == (v1alpha1.ObjectReference{}) {
		t.emit(regarding, nil, n)
		return
	}
	t.emit(regarding, relatedTo(n.Object), n)
}

func (t *Teller) emit(regarding, related runtime.Object, n Notice) {
	t.recorder.Eventf(regarding, related, n.Type, n.Reason, n.Action, "%s", cut(n.Note))
}

func relatedTo(o v1alpha1.ObjectReference) *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name}
}

// kindOf tells events on a profile from those on its namespaces.
func kindOf(regarding runtime.Object) string {
	if _, profile := regarding.(*v1alpha1.SecurityProfile); profile {
		return "SecurityProfile"
	}
	return "Namespace"
}

// inNamespace is a note as a profile is told it.
func inNamespace(namespace, note string) string { return "namespace " + namespace + ": " + note }

// maxNoteBytes is the longest note that the API server takes. It refuses the whole event for a
// longer one.
const maxNoteBytes = 1024

// cut is a note as an event can hold it, and a person read it.
func cut(note string) string {
	note = printable.Line(note)
	if len(note) <= maxNoteBytes {
		return note
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(note[:maxNoteBytes-len(ellipsis)], "") + ellipsis
}
