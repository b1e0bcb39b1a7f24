package podscan

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestRulesAreCompiledOnce(t *testing.T) {
	c := NewRules()
	profile := posturetest.Profile()
	profile.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
	first, err := c.Of(profile)
	if err != nil {
		t.Fatal(err)
	}
	profile.Spec.Priority, profile.Generation = 7, profile.Generation+1
	if again, err := c.Of(profile); err != nil || again != first {
		t.Errorf("what they do not hang on has them compiled anew: %v", err)
	}
	profile.Spec.Images.PullPolicy = corev1.PullAlways
	if other, err := c.Of(profile); err != nil || other == first {
		t.Errorf("other rules are taken for the same: %v", err)
	}
	for i := range maxRules {
		profile.Spec.Images.DenyTags = []string{fmt.Sprint(i)}
		if _, err := c.Of(profile); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.rules) > maxRules {
		t.Errorf("%d are kept", len(c.rules))
	}
}
