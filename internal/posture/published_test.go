package posture

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestThePublicationSetsItsConditionAndNoOther(t *testing.T) {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInPlace}
	published := func(status metav1.ConditionStatus, reason string, generation int64, since time.Time) metav1.Condition {
		return metav1.Condition{
			Type: v1alpha1.ConditionPublished, Status: status, Reason: reason,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(since),
		}
	}
	before := noon.Add(-time.Hour)
	old := published(metav1.ConditionTrue, v1alpha1.ReasonPublishing, 1, before)
	found := func(status metav1.ConditionStatus, reason string) *metav1.Condition {
		return &metav1.Condition{Type: v1alpha1.ConditionPublished, Status: status, Reason: reason}
	}
	tests := map[string]struct {
		off       bool
		found     *metav1.Condition
		had, want []metav1.Condition
	}{
		"switched off, it takes the condition away": {
			true, nil, []metav1.Condition{ready, old}, []metav1.Condition{ready},
		},
		"switched off, it leaves a status alone that says nothing of it": {
			true, nil, []metav1.Condition{ready}, []metav1.Condition{ready},
		},
		"before the first look, what was found before stands": {
			false, nil, []metav1.Condition{ready, old}, []metav1.Condition{ready, old},
		},
		"what is found anew is set": {
			false, found(metav1.ConditionFalse, v1alpha1.ReasonNotInstalled), []metav1.Condition{ready},
			[]metav1.Condition{ready, published(metav1.ConditionFalse, v1alpha1.ReasonNotInstalled, 2, noon)},
		},
		"what is found to be otherwise has a new time": {
			false, found(metav1.ConditionFalse, v1alpha1.ReasonForbidden), []metav1.Condition{ready, old},
			[]metav1.Condition{ready, published(metav1.ConditionFalse, v1alpha1.ReasonForbidden, 2, noon)},
		},
		"what is found as before keeps its time": {
			false, found(metav1.ConditionTrue, v1alpha1.ReasonPublishing), []metav1.Condition{ready, old},
			[]metav1.Condition{ready, published(metav1.ConditionTrue, v1alpha1.ReasonPublishing, 2, before)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := &v1alpha1.SecurityProfileStatus{ObservedGeneration: 2, Conditions: test.had}
			SetPublished(status, !test.off, test.found, noon)
			if diff := cmp.Diff(test.want, status.Conditions); diff != "" {
				t.Error(diff)
			}
		})
	}
}
