package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// ruled is a profile with a section of rules for pods, and the section.
func ruled(p *v1alpha1.SecurityProfile) admission.PodSection {
	p.Spec.Rollout = v1alpha1.WhenSafe
	p.Spec.Images = &v1alpha1.Images{RequireDigest: true}
	return admission.PodSections(p)[0]
}

func TestOnlyPodsThatWereAdmittedBeforeAreInTheWay(t *testing.T) {
	p := safely(func(*v1alpha1.NamespacePosture) {})
	section := ruled(p.Profile)
	policy := section.Policy(p.Profile.Name).Name
	s := &podSection{Section: posture.Section{PodSection: section}, before: &offline.Rules{}}
	seen := &podsSeen{
		broken: map[string]offline.Broken{
			"b-was-admitted": {policy: {"requireDigest: container app must", "pullPolicy: container app must"}},
			"a-was-refused":  {policy: {"requireDigest: container app must"}},
			"c-breaks-other": {"bulwark-restricted-workloads": {"runAsNonRoot: container app must"}},
		},
		admitted: map[string][]*podSection{"b-was-admitted": {s}, "c-breaks-other": {s}},
	}
	seen.refusedBy(s, p.Profile.Name)
	if diff := cmp.Diff([]string{"b-was-admitted"}, s.refused.Names()); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
	if want := "pods that run break rules of spec.images: pullPolicy, requireDigest"; s.refused.Reasons[0] != want {
		t.Errorf("want %q, got %q", want, s.refused.Reasons)
	}
}

func TestWhatWaitsIsLookedAtTwice(t *testing.T) {
	l := newLooks()
	for _, step := range []struct {
		what  string
		dirty bool
		at    time.Duration
		clean bool
	}{
		{what: "the first look", at: 0},
		{what: "another that comes too soon", at: time.Second},
		{what: "one after that time", at: 2 * time.Second, clean: true},
		{what: "the first after something was in the way", dirty: true, at: 3 * time.Second},
		{what: "the clock is set back", at: -time.Hour},
		{what: "and goes on", at: 2*time.Second - time.Hour, clean: true},
	} {
		if step.dirty {
			l.dirty("shop", "images")
		}
		if got := l.cleanFor("shop", "images", 2*time.Second, noon.Add(step.at)); got != step.clean {
			t.Errorf("%s: want %t, got %t", step.what, step.clean, got)
		}
	}
	l.dirty("shop", "images")
	if len(l.clean) != 0 {
		t.Errorf("what is over is remembered: %v", l.clean)
	}
}

func TestAPodThatShouldHaveEndedIsInNobodysWay(t *testing.T) {
	ends := func(at time.Time) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: at}}}
	}
	if isOverdue(&corev1.Pod{}, noon) || isOverdue(ends(noon.Add(time.Second)), noon) || !isOverdue(ends(noon.Add(-time.Second)), noon) {
		t.Error("a pod is overdue once its grace is over, and not before")
	}
}

func TestRulesAreCompiledOnce(t *testing.T) {
	c := newCompiledRules()
	profile := aPass().Profile
	ruled(profile)
	first, err := c.of(profile)
	if err != nil {
		t.Fatal(err)
	}
	profile.Spec.Priority, profile.Generation = 7, profile.Generation+1
	if again, err := c.of(profile); err != nil || again != first {
		t.Errorf("what they do not hang on has them compiled anew: %v", err)
	}
	profile.Spec.Images.PullPolicy = corev1.PullAlways
	if other, err := c.of(profile); err != nil || other == first {
		t.Errorf("other rules are taken for the same: %v", err)
	}
	for i := range maxCompiled {
		profile.Spec.Images.DenyTags = []string{fmt.Sprint(i)}
		if _, err := c.of(profile); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.rules) > maxCompiled {
		t.Errorf("%d are kept", len(c.rules))
	}
}
