package telling

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/events"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

var noon = posturetest.Noon

// reasons are those of the events that a recorder was given on a profile.
type reasons []string

func (r *reasons) Eventf(regarding, _ runtime.Object, _, reason, _, _ string, _ ...any) {
	if _, profile := regarding.(*v1alpha1.SecurityProfile); profile {
		*r = append(*r, reason)
	}
}

func recorded(t *testing.T) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatAPassFoundIsToldOnce(t *testing.T) {
	corrected := posturetest.Outcome("bulwark-dev", v1alpha1.DriftChangeModified, v1alpha1.DriftStateCorrected)
	conflict := posturetest.Outcome("bulwark-dev", v1alpha1.DriftChangeModified, v1alpha1.DriftStateConflict)
	conflict.Foreign = true
	present := posturetest.Outcome("bulwark-dev", v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent)
	adopted := corrected
	adopted.Foreign = true
	for sentence, tt := range map[string]struct {
		outcome drift.Outcome
		before  func(*v1alpha1.NamespacePosture)
		want    reasons
	}{
		"what was corrected":                {corrected, nil, reasons{v1alpha1.EventDrift, v1alpha1.EventCorrected}},
		"not what a changed profile led to": {posturetest.Unrecorded(corrected), nil, nil},
		"what was refused":                  {posturetest.Failed(present), nil, reasons{v1alpha1.EventDrift, v1alpha1.EventFailed}},
		"what is unmanaged":                 {conflict, nil, reasons{v1alpha1.EventConflict}},
		"what was taken over":               {adopted, nil, reasons{v1alpha1.EventAdopted}},
		"not what the last report says": {conflict, func(r *v1alpha1.NamespacePosture) {
			r.DriftTotal = 1
			r.Drift = []v1alpha1.DriftEntry{{
				Object: conflict.Object, Change: conflict.Change, State: conflict.State, Manager: conflict.By.Manager,
				ObservedAt: metav1.NewTime(noon),
			}}
		}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			var told reasons
			clock := clocktesting.NewFakePassiveClock(noon)
			teller := &Namespaces{Events: events.NewTeller(&told, clock), Metrics: recorded(t), Clock: clock}
			report := posturetest.Report()
			if tt.before != nil {
				tt.before(report)
			}
			p := &posture.Pass{
				Profile: posturetest.Profile(), Namespace: posturetest.Namespace(), Memory: posture.MemoryOf(report), Since: noon,
			}
			teller.TellFound(p, &posture.Found{Outcomes: []drift.Outcome{tt.outcome}})
			if diff := cmp.Diff(tt.want, told); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
			if !teller.watched.has(p.Namespace.Name) {
				t.Error("the namespace is not remembered as one that was looked at")
			}
			if teller.Forget(p.Namespace.Name); teller.watched.has(p.Namespace.Name) {
				t.Error("a namespace that is gone is remembered")
			}
		})
	}
}

func TestOnlyNewWeaknessesAreTold(t *testing.T) {
	finding := func(n int) v1alpha1.Finding {
		return v1alpha1.Finding{ID: v1alpha1.FindingIDNetworkReopened, Object: posturetest.Reference("Role", fmt.Sprint(n))}
	}
	before, after := posturetest.Report(), posturetest.Report()
	before.Findings = []v1alpha1.Finding{finding(1)}
	after.Findings = []v1alpha1.Finding{finding(1), finding(2)}
	after.Blocked = []v1alpha1.BlockedObject{{Object: posturetest.Reference("Role", "deferred")}}
	for sentence, tt := range map[string]struct {
		before *v1alpha1.NamespacePosture
		want   reasons
	}{
		"of one and a deferral": {before, reasons{v1alpha1.EventFinding, v1alpha1.EventBlocked}},
		"of all at first":       {nil, reasons{v1alpha1.EventFinding, v1alpha1.EventFinding, v1alpha1.EventBlocked}},
		"of none":               {after, nil},
	} {
		var told reasons
		clock := clocktesting.NewFakePassiveClock(noon)
		teller := &Namespaces{Events: events.NewTeller(&told, clock)}
		p := &posture.Pass{
			Profile: posturetest.Profile(), Namespace: posturetest.Namespace(), Memory: posture.MemoryOf(tt.before),
		}
		teller.TellReport(p, after)
		if diff := cmp.Diff(tt.want, told); diff != "" {
			t.Errorf("%s (-want +got): %s", sentence, diff)
		}
	}
}

func TestWhatLastsOfPoliciesIsToldUntilTheConditionSaysIt(t *testing.T) {
	policy := func(state v1alpha1.DriftState, err error) drift.Outcome {
		o := posturetest.Outcome("bulwark-restricted-images", v1alpha1.DriftChangeModified, state)
		o.Err = err
		return o
	}
	refused := policy(v1alpha1.DriftStatePresent, errors.New("no"))
	for sentence, tt := range map[string]struct {
		outcome drift.Outcome
		said    string
		want    reasons
	}{
		"a correction is always told": {
			policy(v1alpha1.DriftStateCorrected, nil), v1alpha1.ReasonInForce,
			reasons{v1alpha1.EventDrift, v1alpha1.EventCorrected},
		},
		"a refusal":                      {refused, v1alpha1.ReasonInForce, reasons{v1alpha1.EventFailed}},
		"not one that is said":           {refused, v1alpha1.ReasonFailed, nil},
		"an unmanaged policy":            {policy(v1alpha1.DriftStateConflict, nil), "", reasons{v1alpha1.EventConflict}},
		"a contest":                      {policy(v1alpha1.DriftStateContested, nil), "", reasons{v1alpha1.EventContested}},
		"not a contest that is said":     {policy(v1alpha1.DriftStateContested, nil), v1alpha1.ReasonContested, nil},
		"not an unmanaged one of before": {policy(v1alpha1.DriftStateConflict, nil), v1alpha1.ReasonConflicted, nil},
	} {
		var told reasons
		teller := &Policies{
			Events: events.NewTeller(&told, clocktesting.NewFakePassiveClock(noon)), Metrics: recorded(t),
		}
		said := metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: tt.said}
		teller.Tell(posturetest.Profile(), said, []drift.Outcome{tt.outcome})
		if diff := cmp.Diff(tt.want, told); diff != "" {
			t.Errorf("%s (-want +got): %s", sentence, diff)
		}
	}
}
