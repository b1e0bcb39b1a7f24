package telling

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/breakglass"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// tellGuarded tells of a change that tamper protection refuses to everybody but those whom it
// does not hold, and what that proves of who it was. Only the audit log has the name.
func (t *Namespaces) tellGuarded(p *posture.Pass, o *drift.Outcome) {
	if p.Audits() || !admission.InForce(admission.Said(p.Profile)) {
		return
	}
	ready := meta.FindStatusCondition(p.Profile.Status.Conditions, v1alpha1.ConditionAdmission)
	inForce := ready.LastTransitionTime.Time
	if changed, known := t.PoliciesChanged(p.Profile.Name); known {
		inForce = changed
	}
	guard := p.Profile.Spec.Protection
	change := breakglass.Change{Heard: p.Since, InForce: inForce, Watched: t.watched.has(p.Namespace.Name)}
	name := o.Object.Kind + " " + o.Object.Name
	switch verdict, why := change.Judge(guard); verdict {
	case breakglass.Used:
		t.Metrics.BrokeGlass(p.Profile.Name, o.Object.Kind)
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventBreakGlass, "Compare", fmt.Sprintf(
			"%s was changed by somebody whom tamper protection does not hold: a member of a break-glass group (%s), "+
				"a break-glass user (%s), or a part of Kubernetes",
			name, declaredOrNone(guard.BreakGlassGroups), declaredOrNone(guard.BreakGlassUsers)))
	case breakglass.Unproven:
		t.Metrics.GuardedChanged(p.Profile.Name, o.Object.Kind)
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventGuardedChanged, "Compare", fmt.Sprintf(
			"%s is guarded by tamper protection and was changed all the same; it is not known by whom: %s", name, why))
	case breakglass.Unguarded:
	}
}

func declaredOrNone(names []string) string {
	return cmp.Or(strings.Join(printable.Names(names), ", "), "none is declared")
}

// watched are the namespaces that this process has looked at, and of which it hears whatever
// changes from then on.
type watched struct {
	mu    sync.Mutex
	names map[string]bool
}

func (w *watched) add(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.names == nil {
		w.names = map[string]bool{}
	}
	w.names[namespace] = true
}

func (w *watched) has(namespace string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[namespace]
}

func (w *watched) forget(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.names, namespace)
}

// Forget drops what is remembered of a namespace that is gone.
func (t *Namespaces) Forget(namespace string) { t.watched.forget(namespace) }
