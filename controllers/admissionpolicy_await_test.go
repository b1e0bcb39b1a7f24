package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// A profile is being deleted since noon, and another one of lower priority gave way to it.
func TestTheReleaseOfAProfileIsAwaited(t *testing.T) {
	for sentence, tc := range map[string]struct {
		after   time.Duration
		change  func(going *v1alpha1.SecurityProfile)
		want    time.Duration
		ignored bool
	}{
		"at first":                              {want: releaseFirst},
		"and then for the rest of the time":     {after: 4 * time.Second, want: releaseFirst - 4*time.Second},
		"not for ever":                          {after: releaseFirst, ignored: true},
		"not by a clock that is far ahead":      {after: 2 * time.Hour, ignored: true},
		"not by a clock that is far behind":     {after: -2 * time.Hour, ignored: true},
		"by one that is a second behind, too":   {after: -time.Second, want: releaseFirst + time.Second},
		"not once it has been let go":           {change: func(p *v1alpha1.SecurityProfile) { p.Finalizers = []string{"example.com/stay"} }, ignored: true},
		"not if no namespace can be both's":     {change: selectsTier("b"), ignored: true},
		"not if it never went before":           {change: func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 0 }, ignored: true},
		"also if it could not be carried out":   {change: brokenAfterwards, want: releaseFirst},
		"not if it never could be carried out":  {change: neverDecoded, ignored: true},
		"a profile that stays is never awaited": {change: func(p *v1alpha1.SecurityProfile) { p.DeletionTimestamp = nil }},
	} {
		t.Run(sentence, func(t *testing.T) {
			going := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{
				Name: "going", DeletionTimestamp: &metav1.Time{Time: noon}, Finalizers: []string{v1alpha1.Finalizer},
			}}
			going.Spec.Priority = 9
			selectsTier("a")(&going)
			if tc.change != nil {
				tc.change(&going)
			}
			own := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "own"}}
			own.Spec.Priority = 1
			selectsTier("a")(&own)
			r := &AdmissionPolicyReconciler{Clock: clocktesting.NewFakePassiveClock(noon.Add(tc.after))}
			awaiting, most := r.await(&own, selection.New([]v1alpha1.SecurityProfile{going, own}, nil))
			if most != tc.want {
				t.Errorf("awaited for %s, want %s", most, tc.want)
			}
			counted := len(awaiting.Outranking(&own)) > 0
			if counted == tc.ignored {
				t.Errorf("the policies give way to it: %t", counted)
			}
		})
	}
}

// brokenAfterwards breaks the spec of a profile whose status remembers what it selected.
func brokenAfterwards(p *v1alpha1.SecurityProfile) {
	p.Status.Selection = selection.Remember(p)
	_ = p.Spec.UnmarshalJSON([]byte(undecodable)) // It remembers why, and returns no error.
}

// neverDecoded is of the same priority and selector, as far as it could be read.
func neverDecoded(p *v1alpha1.SecurityProfile) {
	priority, labels := p.Spec.Priority, p.Spec.NamespaceSelector.MatchLabels
	_ = p.Spec.UnmarshalJSON([]byte(undecodable))
	p.Spec.Priority, p.Spec.NamespaceSelector.MatchLabels = priority, labels
}

// undecodable is a spec that an earlier schema accepted and nothing can hold.
const undecodable = `{"limits":[{"type":"Container","max":{"cpu":"1e0.5"}}]}`

func selectsTier(tier string) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": tier}
	}
}
