package controllers

import (
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// isMutated reports whether a drift is what admission made of Bulwark's last write, and not somebody's doing. Then it does not belong in
// the history, and the next try may have to wait. After a restart the last report tells.
func (r *NamespaceReconciler) isMutated(p *posture.Pass, o *drift.Outcome) bool {
	wait, known := r.mutations.Wait(p.Namespace.Name, o.Object, o.Fields, r.Clock.Now())
	last, _ := p.Object(o.Object)
	reported := strings.HasPrefix(last.Message, posture.ChangedByAdmission)
	if !known && (o.By.Manager != "" || o.Change != v1alpha1.Modified || !reported) {
		return false
	}
	o.Recorded, o.Wait = false, wait
	if wait > 0 {
		o.Mutated = o.Fields
	}
	return true
}
