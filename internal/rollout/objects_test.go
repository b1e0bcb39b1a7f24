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
	type changes = []func(*v1alpha1.NamespacePosture)
	level, limit, remembering := posturetest.Levelled, posturetest.Limited, posturetest.Remembering
	limitRange := posturetest.Reference("LimitRange", "bulwark-limits")
	newGeneration := func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }
	for sentence, tt := range map[string]struct {
		previous changes
		drift    drift.Drift
		audits   bool
		want     bool
		before   baseline.Object
	}{
		"a stricter level of a new generation, where a looser one was in place": {
			previous: changes{newGeneration, remembering(level("baseline"))},
			drift:    modified(level("restricted"), level("baseline")), want: true,
			before: level("baseline"),
		},
		"a level that somebody took away, in the same generation": {
			drift: modified(level("restricted"), level("privileged")),
		},
		"a level that was in place by the last report, though the generation is new": {
			previous: changes{newGeneration, remembering(level("restricted"))},
			drift:    modified(level("restricted"), level("privileged")),
		},
		"what somebody loosened while it waits is held against what was in place": {
			previous: changes{newGeneration, remembering(level("baseline"))},
			drift:    modified(level("restricted"), level("privileged")), want: true,
			before: level("baseline"),
		},
		"without a memory, what is found": {
			previous: changes{newGeneration},
			drift:    modified(level("restricted"), level("baseline")), want: true,
			before: level("baseline"),
		},
		"a looser level waits for nothing": {
			previous: changes{newGeneration, remembering(level("restricted"))},
			drift:    modified(level("baseline"), level("restricted")),
		},
		"what waits already may wait on": {
			previous: changes{
				remembering(limit("4")),
				func(r *v1alpha1.NamespacePosture) { r.Objects[1].State = v1alpha1.ObjectStateBlocked },
			},
			drift: modified(limit("1"), limit("64")), want: true,
			before: limit("4"),
		},
		"what waits and was not there before": {
			previous: changes{func(r *v1alpha1.NamespacePosture) {
				r.Objects[1].State = v1alpha1.ObjectStateBlocked
				r.OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: limitRange}}
			}},
			drift: modified(limit("1"), nil), want: true,
		},
		"what was put in place after the report that it waits, if that is of another generation": {
			previous: changes{newGeneration, func(r *v1alpha1.NamespacePosture) {
				r.Objects[1].State = v1alpha1.ObjectStateBlocked
				r.OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: limitRange}}
			}},
			drift: modified(limit("1"), limit("2")), want: true, before: limit("2"),
		},
		"not what somebody made in its place, by a report of this generation": {
			previous: changes{func(r *v1alpha1.NamespacePosture) {
				r.Objects[1].State = v1alpha1.ObjectStateBlocked
				r.OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: limitRange}}
			}},
			drift: modified(limit("1"), limit("2")), want: true,
		},
		"a memory that nobody can read is none": {
			previous: changes{newGeneration, func(r *v1alpha1.NamespacePosture) {
				r.OperatorState.InPlace = []v1alpha1.ObjectContent{{Object: limitRange, Content: "{"}}
			}},
			drift: modified(limit("1"), limit("2")), want: true, before: limit("2"),
		},
		"another maker's object is none of it": {
			previous: changes{newGeneration},
			drift: drift.Drift{
				Object: limitRange, Change: v1alpha1.DriftChangeModified, Foreign: true, Want: limit("1"), Got: limit("2"),
			},
		},
		"what should not be there is none of it": {
			drift: drift.Drift{Object: limitRange, Change: v1alpha1.DriftChangeUnexpected, Got: limit("2")},
		},
		"under Audit it would": {
			audits: true, drift: modified(level("restricted"), level("")), want: true,
			before: level(""),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) {
				for _, change := range tt.previous {
					change(r)
				}
			})
			if tt.audits {
				p.Profile.Spec.Enforcement, p.Report().Enforcement = v1alpha1.EnforcementAudit, v1alpha1.EnforcementAudit
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
	level, limit := posturetest.Levelled, posturetest.Limited
	ours := func(baseline.Object) bool { return true }
	none := func(w *candidate) []drift.Drift { return w.interim(ours) }
	t.Run("what is in place stays as it is", func(t *testing.T) {
		w := &candidate{Drift: modified(limit("1"), limit("4")), before: limit("4")}
		if drifts := none(w); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was in place comes back", func(t *testing.T) {
		w := &candidate{Drift: modified(limit("1"), limit("64")), before: limit("4")}
		drifts := none(w)
		if len(drifts) != 1 || baseline.RefusingContent(drifts[0].Want) != baseline.RefusingContent(limit("4")) {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("what was not there is not made", func(t *testing.T) {
		if drifts := none(&candidate{Drift: modified(limit("1"), nil)}); len(drifts) != 0 {
			t.Errorf("got %v", drifts)
		}
	})
	t.Run("a level warns and audits", func(t *testing.T) {
		drifts := none(&candidate{Drift: modified(level("restricted"), level("baseline")), before: level("baseline")})
		if len(drifts) != 1 {
			t.Fatalf("got %v", drifts)
		}
		labels := drifts[0].Want.GetLabels()
		if labels[posturetest.EnforceLabel] != "baseline" || labels["pod-security.kubernetes.io/warn"] != "restricted" {
			t.Errorf("got %v", drifts)
		}
	})
}

func TestAnObjectIsDeferredIfItsCheckFails(t *testing.T) {
	if refused := unknown(errors.New("no route")); refused.Empty() || !strings.Contains(refused.Message(), "no route") {
		t.Errorf("got %v", refused)
	}
}
