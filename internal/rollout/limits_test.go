package rollout

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// TestLimitCheckKnowsWhatGivesDefaults checks a pod that requests a core and has no limit, where a
// LimitRange of the baseline gives one beside what is found in the namespace.
func TestLimitCheckKnowsWhatGivesDefaults(t *testing.T) {
	ours := func(o corev1.LimitRange) corev1.LimitRange {
		o.Labels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}
		return o
	}
	wanted := func(cpu string) *corev1.LimitRange { return new(giving("bulwark-limits", cpu)) }
	for sentence, tt := range map[string]struct {
		found     []corev1.LimitRange
		want      *corev1.LimitRange
		before    *corev1.LimitRange // of a candidate; of none, if it is nil
		candidate bool
		adopts    bool
		says      string
	}{
		"none is wanted, and none is found": {},
		"one is wanted": {
			want: wanted("500m"), candidate: true,
			says: "pod web: container app requests 1 of cpu, which is more than the limit of 500m that it would have",
		},
		"the one in place refuses as much": {want: wanted("500m"), before: wanted("250m"), candidate: true},
		"so does the one that is found": {
			want: wanted("500m"), found: []corev1.LimitRange{ours(giving("bulwark-limits", "250m"))},
		},
		"what was in place counts, not what somebody made of it": {
			want: wanted("500m"), before: wanted("2"), candidate: true,
			found: []corev1.LimitRange{ours(giving("bulwark-limits", "250m"))},
			says:  "pod web: container app requests 1 of cpu, which is more than the limit of 500m that it would have",
		},
		"one of somebody else refuses as much": {
			want: wanted("500m"), candidate: true, found: []corev1.LimitRange{giving("theirs", "250m")},
		},
		"one of somebody else that bears the name keeps ours out": {
			want: wanted("500m"), found: []corev1.LimitRange{giving("bulwark-limits", "2")},
		},
		"unless the profile adopts it": {
			want: wanted("500m"), adopts: true, found: []corev1.LimitRange{giving("bulwark-limits", "2")},
			says: "pod web: container app requests 1 of cpu, which is more than the limit of 500m that it would have",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := aPass()
			if tt.adopts {
				p.Profile.Spec.Adoption = v1alpha1.AdoptionAdopt
			}
			var candidates []*candidate
			if tt.candidate {
				w := &candidate{Drift: modified(tt.want, nil)}
				if tt.before != nil {
					w.before = tt.before
				}
				candidates = append(candidates, w)
			}
			check := limitCheckOf(p, tt.found, tt.want, candidates)
			web := needing("")
			web.Spec.Containers[0].Resources.Requests = amounts("cpu", "1")
			check.Add(&web)
			if diff := cmp.Diff(tt.says, check.Result().Message()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
