package contention

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestADisputeIsOverADrift(t *testing.T) {
	d := copied("a")
	for manager, want := range map[string]*Dispute{
		"":    {Object: d.Object, Change: v1alpha1.DriftChangeUnexpected},
		"hnc": {Object: d.Object, Change: v1alpha1.DriftChangeUnexpected, Managers: []string{"hnc"}},
	} {
		if diff := cmp.Diff(want, DisputeOf(d, manager)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestDisputeSentences(t *testing.T) {
	const inTurns = "; what is contested in the namespace is corrected every 1s"
	for want, d := range map[string]Dispute{
		"contested by an unknown manager: it is deleted again and again" + inTurns: {Change: v1alpha1.DriftChangeMissing},
		"contested by the field manager a: spec.x, y is changed back again and again" + inTurns: {
			Change: v1alpha1.DriftChangeModified, Fields: []string{"spec.x", "y"}, Managers: []string{"a"},
		},
		"contested by the field managers a, b and c: it is changed back again and again" + inTurns: {
			Change: v1alpha1.DriftChangeModified, Managers: []string{"a", "b", "c"},
		},
		"contested by the field managers a and b: it is made again and again; " +
			"corrections wait with a growing delay": {
			Change: v1alpha1.DriftChangeUnexpected, Managers: []string{"a", "b"},
		},
	} {
		if got := d.Sentence(v1alpha1.ContestCorrect); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}
