package rollout

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// FuzzInPlace reads what a report says to be in place: whoever can write a report must not break
// the operator by it.
func FuzzInPlace(f *testing.F) {
	f.Add(baseline.RefusingContent(posturetest.Levelled("baseline")), baseline.RefusingContent(posturetest.Limited("1")))
	f.Add("{", `{"limits":[{"type":"Container","max":{"cpu":"1e99999999"}}]}`)
	f.Add("null", `{"hard":{"pods":"x"}}`)
	f.Fuzz(func(t *testing.T, labels, spec string) {
		p := safely(func(r *v1alpha1.NamespacePosture) {
			for ref, content := range map[v1alpha1.ObjectReference]string{
				posturetest.Reference("Namespace", "shop"): labels, posturetest.Reference("LimitRange", "bulwark-limits"): spec,
				posturetest.Reference("ResourceQuota", "bulwark-compute"): spec,
			} {
				r.OperatorState.InPlace = append(r.OperatorState.InPlace, v1alpha1.ObjectContent{Object: ref, Content: content})
			}
			r.ProfileGeneration--
		})
		for _, want := range []baseline.Object{
			posturetest.Levelled("restricted"), posturetest.Limited("1"),
			&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-compute"}},
		} {
			for _, w := range candidatesOf(p, []drift.Drift{modified(want, nil)}) {
				w.interim(p.Ours)
				if w.before != nil {
					again, err := baseline.WithRefusingContent(want, baseline.RefusingContent(w.before))
					if err != nil {
						t.Fatalf("what was read cannot be read again: %v", err)
					}
					first, then := baseline.RefusingContent(w.before), baseline.RefusingContent(again)
					if diff := cmp.Diff(first, then, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("read again (-first +then):\n%s", diff)
					}
				}
			}
		}
	})
}
