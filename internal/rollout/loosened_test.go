package rollout

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// TestAnObjectThatSomebodyLoosenedIsNeverDeferred puts back what was in place, whatever runs by
// now, and without asking the API server.
func TestAnObjectThatSomebodyLoosenedIsNeverDeferred(t *testing.T) {
	waiting := func(r *v1alpha1.NamespacePosture) {
		for i := range r.Objects {
			r.Objects[i].State = v1alpha1.ObjectStateBlocked
		}
	}
	newGeneration := func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }
	compute := quotaOf(amounts("pods", "1"))
	drifts := []drift.Drift{
		modified(posturetest.Levelled("restricted"), posturetest.Levelled("privileged")),
		modified(posturetest.Levelled("restricted"), posturetest.Levelled("")),
		modified(posturetest.Limited("1"), posturetest.Limited("64")), modified(posturetest.Limited("1"), nil),
		modified(compute, quotaOf(amounts("pods", "64"))), modified(compute, nil),
	}
	for sentence, change := range map[string]func(*v1alpha1.NamespacePosture){
		"in the same generation":                 func(*v1alpha1.NamespacePosture) {},
		"in a new generation":                    newGeneration,
		"though something else of it waits":      waiting,
		"though it waited in another generation": func(r *v1alpha1.NamespacePosture) { newGeneration(r); waiting(r) },
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, d := range drifts {
				p := safely(func(r *v1alpha1.NamespacePosture) { posturetest.Remembering(d.Want)(r); change(r) })
				live := &inhabited{err: errors.New("no route"), pods: []corev1.Pod{needing("32")}}
				remaining, deferred, err := gateOf(live).Objects(
					t.Context(), p, []baseline.Object{d.Want}, []drift.Drift{d}, posturetest.Noon)
				if err != nil || live.asked > 0 {
					t.Errorf("%s: the API server was asked %d times: %v", d.Object.Kind, live.asked, err)
				}
				if diff := cmp.Diff([]drift.Drift{d}, remaining); diff != "" || len(deferred.Blocked) > 0 {
					t.Errorf("%s is deferred (-want +got):\n%s", d.Object.Kind, diff)
				}
			}
		})
	}
}

// TestReportsWithoutMemory says what a report without a memory means, by the state in which it
// holds the object.
func TestReportsWithoutMemory(t *testing.T) {
	for state, waits := range map[v1alpha1.ObjectState]bool{
		v1alpha1.ObjectStateCompliant: false, // Somebody loosened what was in place, and perhaps wrote into the report.
		v1alpha1.ObjectStateDrifted:   false,
		v1alpha1.ObjectStateBlocked:   true,
		v1alpha1.ObjectStateFailed:    true, // It was never in place, and neither was another maker's.
		v1alpha1.ObjectStateConflict:  true,
	} {
		p := safely(func(r *v1alpha1.NamespacePosture) { r.Objects[1].State = state })
		if got := len(candidatesOf(p, []drift.Drift{modified(posturetest.Limited("1"), nil)})) == 1; got != waits {
			t.Errorf("%s: may wait: want %t, got %t", state, waits, got)
		}
	}
}
