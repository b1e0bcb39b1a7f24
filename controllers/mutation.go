package controllers

import (
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// isMutated reports whether a drift is what admission made of Bulwark's last write, and not somebody's doing. Then it does not belong in
// the history, and the next try may have to wait. After a restart the last report tells.
func (r *NamespaceReconciler) isMutated(p *pass, o *drift.Outcome) bool {
	wait, known := r.mutations.Wait(p.namespace.Name, o.Object, o.Fields, r.Clock.Now())
	if !known && (o.By.Manager != "" || o.Change != v1alpha1.Modified || !strings.HasPrefix(p.message(o.Object), changedByAdmission)) {
		return false
	}
	o.Recorded, o.Wait = false, wait
	if wait > 0 {
		o.Mutated = o.Fields
	}
	return true
}

// changedByAdmission begins the message on an object that a mutating webhook or admission policy changes.
const changedByAdmission = "changed by admission: "

// mutationSentence says what a mutating webhook or admission policy made of a write.
func mutationSentence(fields []drift.Field) string {
	return printable.Message(changedByAdmission + strings.Join(drift.FieldTexts(fields), "; ") +
		"; a mutating webhook or admission policy changes what Bulwark writes")
}

// message is what the last report says of an object.
func (p *pass) message(ref v1alpha1.ObjectReference) string {
	if p.previous == nil {
		return ""
	}
	for _, o := range p.previous.Objects {
		if o.ObjectReference == ref {
			return o.Message
		}
	}
	return ""
}
