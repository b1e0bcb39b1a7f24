package controllers

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// digested declares one policy.
func digested(p *v1alpha1.SecurityProfile) {
	p.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
}

// Whatever happens in between, in whatever order, a status says within seconds what is so.
func TestNoStatusIsLeftBehind(t *testing.T) {
	for sentence, tc := range map[string]struct {
		seeds  uint64
		change func(*v1alpha1.SecurityProfile)
	}{
		"of a profile without policies": {30, func(*v1alpha1.SecurityProfile) {}},
		"of one with policies":          {8, digested},
		"of one whose policies wait for the namespaces": {8, func(p *v1alpha1.SecurityProfile) {
			digested(p)
			p.Spec.Rollout = v1alpha1.RolloutWhenSafe
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			for seed := range tc.seeds {
				s := newSimulation(t, seed, tc.change)
				for range 60 {
					s.step()
				}
				s.edits = 0
				s.edit(0)
				s.settle(10 * time.Second)
				profile := &v1alpha1.SecurityProfile{}
				if err := s.calm.Get(t.Context(), client.ObjectKey{Name: "restricted"}, profile); err != nil {
					t.Fatal(err)
				}
				ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
				current := ready != nil && ready.ObservedGeneration == profile.Generation
				if !current || ready.Status != metav1.ConditionTrue {
					t.Fatalf("seed %d: of generation %d the status says %+v", seed, profile.Generation, ready)
				}
			}
		})
	}
}
