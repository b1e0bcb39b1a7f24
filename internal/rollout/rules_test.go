package rollout

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// ruled is a profile with a section of rules for pods, and the section.
func ruled(p *v1alpha1.SecurityProfile) admission.PodSection {
	p.Spec.Rollout = v1alpha1.RolloutWhenSafe
	p.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
	return admission.PodSections(p)[0]
}

func TestOnlyPodsThatWereAdmittedBeforeAreInTheWay(t *testing.T) {
	p := safely(func(*v1alpha1.NamespacePosture) {})
	section := ruled(p.Profile)
	policy := section.Policy(p.Profile.Name).Name
	s := &podSection{Section: posture.Section{PodSection: section}, before: &offline.Rules{}}
	seen := &podscan.Seen{
		Broken: map[string]offline.Broken{
			"b-was-admitted": {policy: {"digest: container app must", "pullPolicy: container app must"}},
			"a-was-refused":  {policy: {"digest: container app must"}},
			"c-breaks-other": {"bulwark-restricted-workloads": {"runAsNonRoot: container app must"}},
		},
		Admitted: map[string][]string{"b-was-admitted": {policy}, "c-breaks-other": {policy}},
	}
	refused := s.refusedOf(seen, p.Profile.Name)
	if diff := cmp.Diff([]string{"b-was-admitted"}, refused.Names()); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
	if want := "pods that run break rules of spec.images: digest, pullPolicy"; refused.Reasons[0] != want {
		t.Errorf("want %q, got %q", want, refused.Reasons)
	}
}
