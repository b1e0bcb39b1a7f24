package rollout

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestCandidates(t *testing.T) {
	newGeneration := func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }
	for sentence, tt := range map[string]struct {
		previous []func(*v1alpha1.NamespacePosture)
		drift    drift.Drift
		audits   bool
		want     bool
		before   baseline.Object
	}{
		"a stricter level of a new generation, where a looser one was in place": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, posturetest.Remembering(posturetest.Levelled("baseline"))},
			drift:    modified(posturetest.Levelled("restricted"), posturetest.Levelled("baseline")), want: true, before: posturetest.Levelled("baseline"),
		},
		"a level that somebody took away, in the same generation": {
			drift: modified(posturetest.Levelled("restricted"), posturetest.Levelled("privileged")),
		},
		"a level that was in place by the last report, though the generation is new": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, posturetest.Remembering(posturetest.Levelled("restricted"))},
			drift:    modified(posturetest.Levelled("restricted"), posturetest.Levelled("privileged")),
		},
		"what somebody loosened while it waits is held against what was in place": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, posturetest.Remembering(posturetest.Levelled("baseline"))},
			drift:    modified(posturetest.Levelled("restricted"), posturetest.Levelled("privileged")), want: true, before: posturetest.Levelled("baseline"),
		},
		"without a memory, what is found": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration},
			drift:    modified(posturetest.Levelled("restricted"), posturetest.Levelled("baseline")), want: true, before: posturetest.Levelled("baseline"),
		},
		"a looser level waits for nothing": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, posturetest.Remembering(posturetest.Levelled("restricted"))},
			drift:    modified(posturetest.Levelled("baseline"), posturetest.Levelled("restricted")),
		},
		"what waits already may wait on": {
			previous: []func(*v1alpha1.NamespacePosture){posturetest.Remembering(posturetest.Limited("4")), func(r *v1alpha1.NamespacePosture) { r.Objects[1].State = v1alpha1.ObjectBlocked }},
			drift:    modified(posturetest.Limited("1"), posturetest.Limited("64")), want: true, before: posturetest.Limited("4"),
		},
		"what waits and was not there before": {
			previous: []func(*v1alpha1.NamespacePosture){func(r *v1alpha1.NamespacePosture) {
				r.Objects[1].State = v1alpha1.ObjectBlocked
				r.InPlace = []v1alpha1.ObjectContent{{Object: posturetest.Reference("LimitRange", "bulwark-limits")}}
			}},
			drift: modified(posturetest.Limited("1"), nil), want: true,
		},
		"a memory that nobody can read is none": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration, func(r *v1alpha1.NamespacePosture) {
				r.InPlace = []v1alpha1.ObjectContent{{Object: posturetest.Reference("LimitRange", "bulwark-limits"), Content: "{"}}
			}},
			drift: modified(posturetest.Limited("1"), posturetest.Limited("2")), want: true, before: posturetest.Limited("2"),
		},
		"another maker's object is none of it": {
			previous: []func(*v1alpha1.NamespacePosture){newGeneration},
			drift:    drift.Drift{Object: posturetest.Reference("LimitRange", "bulwark-limits"), Change: v1alpha1.Modified, Foreign: true, Want: posturetest.Limited("1"), Got: posturetest.Limited("2")},
		},
		"what should not be there is none of it": {
			drift: drift.Drift{Object: posturetest.Reference("LimitRange", "bulwark-limits"), Change: v1alpha1.Unexpected, Got: posturetest.Limited("2")},
		},
		"under Audit it would": {
			audits: true, drift: modified(posturetest.Levelled("restricted"), posturetest.Levelled("")), want: true, before: posturetest.Levelled(""),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) {
				for _, change := range tt.previous {
					change(r)
				}
			})
			if tt.audits {
				p.Profile.Spec.Enforcement, p.Report().Enforcement = v1alpha1.Audit, v1alpha1.Audit
			}
			candidates := candidatesOf(p, []drift.Drift{tt.drift})
			if got := len(candidates) == 1; got != tt.want {
				t.Fatalf("may wait: want %t, got %t", tt.want, got)
			}
			if !tt.want {
				return
			}
			var before, want string
			if candidates[0].before != nil {
				before = baseline.RefusingContent(candidates[0].before)
			}
			if tt.before != nil {
				want = baseline.RefusingContent(tt.before)
			}
			if diff := cmp.Diff(want, before); diff != "" {
				t.Errorf("what is in place (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInterim(t *testing.T) {
	ours := func(baseline.Object) bool { return true }
	none := func(w *candidate) []drift.Drift { return w.interim(ours) }
	t.Run("what is in place stays as it is", func(t *testing.T) {
		w := &candidate{Drift: modified(posturetest.Limited("1"), posturetest.Limited("4")), before: posturetest.Limited("4")}
		if drifts := none(w); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was in place comes back", func(t *testing.T) {
		w := &candidate{Drift: modified(posturetest.Limited("1"), posturetest.Limited("64")), before: posturetest.Limited("4")}
		drifts := none(w)
		if len(drifts) != 1 || baseline.RefusingContent(drifts[0].Want) != baseline.RefusingContent(posturetest.Limited("4")) {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was not there is not made", func(t *testing.T) {
		if drifts := none(&candidate{Drift: modified(posturetest.Limited("1"), nil)}); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("a level warns and audits", func(t *testing.T) {
		drifts := none(&candidate{Drift: modified(posturetest.Levelled("restricted"), posturetest.Levelled("baseline")), before: posturetest.Levelled("baseline")})
		if len(drifts) != 1 || drifts[0].Want.GetLabels()[posturetest.EnforceLabel] != "baseline" || drifts[0].Want.GetLabels()["pod-security.kubernetes.io/warn"] != "restricted" {
			t.Errorf("got %v", drifts)
		}
	})
}

func TestAnObjectIsDeferredIfItsCheckFails(t *testing.T) {
	if refused := unknown(errors.New("no route")); refused.Empty() || !strings.Contains(refused.Message(), "no route") {
		t.Errorf("got %v", refused)
	}
}
