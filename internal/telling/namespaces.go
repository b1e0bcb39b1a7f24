package telling

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/correction"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/printable"
	"github.com/bulwark-dev/bulwark/internal/release"
)

// Namespaces tells events and metrics of passes over namespaces.
type Namespaces struct {
	Events  *events.Teller
	Metrics *metrics.Metrics
	Clock   clock.PassiveClock
	// PoliciesChanged is when the admission policies of a profile last changed; false if that is
	// not known.
	PoliciesChanged func(profile string) (time.Time, bool)

	watched watched
}

// TellEach tells notices in their order.
func (t *Namespaces) TellEach(notices []events.Addressed) { t.Events.TellEach(notices) }

// TellBoth tells notices to the namespace of a pass and to its profile.
func (t *Namespaces) TellBoth(p *posture.Pass, notices []events.Notice) {
	for _, n := range notices {
		t.Events.TellBoth(p.Namespace, p.Profile, n)
	}
}

// TellReleased tells what a release came to.
func (t *Namespaces) TellReleased(results *release.Results) {
	t.TellEach(results.Notices)
	for _, c := range results.Contested {
		t.Metrics.Contested(c.Profile, c.Kind)
	}
}

// TellCorrections tells what the writes of a pass came to, beside what became of each drift.
func (t *Namespaces) TellCorrections(p *posture.Pass, done *correction.Result) {
	t.TellBoth(p, done.Notices)
	for i := range done.Outcomes {
		if o := &done.Outcomes[i]; o.Err != nil {
			t.Metrics.ApplyFailed(p.Profile.Name, o.Object.Kind, o.Err)
		}
	}
}

// TellFound tells what the pass found and did. It does not say again what the last report already
// said, so that a state that lasts is one event.
func (t *Namespaces) TellFound(p *posture.Pass, found *posture.Found) {
	for i := range found.Outcomes {
		o := &found.Outcomes[i]
		told := p.Told(o)
		t.count(p, o, told)
		if told {
			continue
		}
		if o.Recorded && !o.Foreign {
			t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventDrift, "Compare", o.Sentence())
		}
		t.tellState(p, found, o)
	}
	t.watched.add(p.Namespace.Name)
}

// count counts an outcome, and tells of each change of what tamper protection guards. Each
// correction of what is contested counts, though it is told once.
func (t *Namespaces) count(p *posture.Pass, o *drift.Outcome, told bool) {
	if o.Recorded && !o.Foreign && (o.Done || !told) {
		t.Metrics.DriftDetected(p.Profile.Name, o.Object.Kind, o.Change)
		t.tellGuarded(p, o)
	}
	if o.Recorded && !o.Foreign && o.Done && len(o.Mutated) == 0 {
		t.Metrics.Corrected(p.Profile.Name, o.Object.Kind, t.Clock.Since(p.Since))
	}
	if o.State == v1alpha1.DriftStateContested && !told {
		t.Metrics.Contested(p.Profile.Name, o.Object.Kind)
	}
}

// tellState tells what has become of a drift.
func (t *Namespaces) tellState(p *posture.Pass, found *posture.Found, o *drift.Outcome) {
	name := o.Object.Kind + " " + o.Object.Name
	switch {
	case o.Err != nil:
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventFailed, "Apply", printable.Message(o.Err.Error())+o.Hint)
	case len(o.Mutated) > 0:
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventMutated, "Apply",
			name+" is "+posture.MutationSentence(o.Mutated))
	case o.State == v1alpha1.DriftStateConflict:
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventConflict, "Compare",
			name+" was not made by Bulwark and is left alone")
	case o.State == v1alpha1.DriftStateContested:
		t.tell(p, o.Object, corev1.EventTypeWarning, v1alpha1.EventContested, "Wait",
			name+" is "+contestSentence(p, found, o))
	case o.State == v1alpha1.DriftStateCorrected && o.Foreign:
		t.tell(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventAdopted, "Adopt",
			fmt.Sprintf("%s of %s was taken over", name, drift.ManagerName(o.By.Manager)))
	case o.State == v1alpha1.DriftStateCorrected && o.Recorded:
		t.tell(p, o.Object, corev1.EventTypeNormal, v1alpha1.EventCorrected, "Correct", name+" is again as declared")
	}
}

// contestSentence says who contests what is found.
func contestSentence(p *posture.Pass, found *posture.Found, o *drift.Outcome) string {
	if told := found.DisputeOver(o.Object); told != nil {
		return told.Sentence
	}
	return contention.DisputeOf(&o.Drift, o.By.Manager).Sentence(p.Profile.EffectiveContest())
}

// TellReport tells what newly weakens the baseline, and what newly waits.
func (t *Namespaces) TellReport(p *posture.Pass, report *v1alpha1.NamespacePosture) {
	var before v1alpha1.NamespacePosture
	if p.Report() != nil {
		before = *p.Report()
	}
	for _, f := range report.Findings {
		if !slices.ContainsFunc(
			before.Findings,
			func(b v1alpha1.Finding) bool { return b.ID == f.ID && b.Object == f.Object },
		) {
			t.tell(p, f.Object, corev1.EventTypeWarning, v1alpha1.EventFinding, "Judge",
				fmt.Sprintf("%s (%s): %s %s: %s", f.ID, f.Severity, f.Object.Kind, f.Object.Name, f.Message))
		}
	}
	for _, b := range report.Blocked {
		if !slices.ContainsFunc(before.Blocked, func(other v1alpha1.BlockedObject) bool { return other.Object == b.Object }) {
			t.tell(p, b.Object, corev1.EventTypeWarning, v1alpha1.EventBlocked, "Wait",
				fmt.Sprintf("%s %s waits: %s", b.Object.Kind, b.Object.Name, b.Message))
		}
	}
}

// tell tells the namespace and the profile.
func (t *Namespaces) tell(
	p *posture.Pass, object v1alpha1.ObjectReference, eventType, reason, action, note string,
) {
	t.Events.TellBoth(p.Namespace, p.Profile, events.Notice{
		Object: object, Type: eventType, Reason: reason, Action: action, Note: note,
	})
}

// TellRemovals logs what the pass removed, and tells an event of what no drift tells: what is
// declared no more.
func (t *Namespaces) TellRemovals(ctx context.Context, p *posture.Pass, outcomes []drift.Outcome) {
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
		t.tell(p, baseline.Reference(p.Namespace), corev1.EventTypeNormal, v1alpha1.EventRemoved, "Prune",
			"SecurityProfile "+p.Profile.Name+" does not declare and had removed: "+strings.Join(undeclared, ", "))
	}
}
