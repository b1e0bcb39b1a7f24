package controllers

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// profilesOn is a cluster, or a cache of one, with some profiles and one namespace.
type profilesOn struct {
	client.Client
	profiles  []v1alpha1.SecurityProfile
	namespace *corev1.Namespace
}

func (c *profilesOn) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch o := into.(type) {
	case *corev1.Namespace:
		if c.namespace != nil {
			*o = *c.namespace
			return nil
		}
	case *v1alpha1.SecurityProfile:
		for i := range c.profiles {
			if c.profiles[i].Name == key.Name {
				*o = c.profiles[i]
				return nil
			}
		}
	}
	return apierrors.NewNotFound(corev1.Resource("x"), key.Name)
}

func (c *profilesOn) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*v1alpha1.SecurityProfileList).Items = c.profiles
	return nil
}

// profileOn selects namespaces by the label that bears its name.
func profileOn(name string, changes ...func(*v1alpha1.SecurityProfile)) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{name: "yes"}
	for _, change := range changes {
		change(&p)
	}
	return p
}

// The cache says that nobody selects the namespace, or that a profile does that only audits. What the API server says counts.
func TestTheSecondLook(t *testing.T) {
	const delay = 10 * time.Second
	audits := func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.Audit }
	circular := func(p *v1alpha1.SecurityProfile) {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{v1alpha1.ProfileLabel: "x"}
	}
	remembers := func(p *v1alpha1.SecurityProfile) { p.Status.Selection = selection.Remember(p) }
	counts := func(p *v1alpha1.SecurityProfile) { p.Status.Namespaces.Selected = 1 }
	named := map[string]string{v1alpha1.ProfileLabel: "left"}
	deleted := func(p *v1alpha1.SecurityProfile) { p.DeletionTimestamp = &metav1.Time{Time: noon} }
	for sentence, tc := range map[string]struct {
		profiles []v1alpha1.SecurityProfile
		labels   map[string]string
		change   func(*corev1.Namespace)
		staying  map[string]bool
		stays    bool
	}{
		"nobody selects it":                             {profiles: []v1alpha1.SecurityProfile{profileOn("left")}},
		"the profile is gone":                           {labels: map[string]string{"left": "yes"}},
		"the profile is being deleted":                  {profiles: []v1alpha1.SecurityProfile{profileOn("left", deleted)}, labels: map[string]string{"left": "yes"}},
		"the label is back":                             {profiles: []v1alpha1.SecurityProfile{profileOn("left")}, labels: map[string]string{"left": "yes"}, stays: true},
		"the profile never could be carried out":        {profiles: []v1alpha1.SecurityProfile{profileOn("left", circular)}, labels: named},
		"the profile is broken, and did select it":      {profiles: []v1alpha1.SecurityProfile{profileOn("left", remembers, circular)}, labels: map[string]string{"left": "yes"}, stays: true},
		"the profile is broken, and did not select it":  {profiles: []v1alpha1.SecurityProfile{profileOn("left", remembers, circular)}, labels: named},
		"nobody knows what the broken profile selected": {profiles: []v1alpha1.SecurityProfile{profileOn("left", counts, circular)}, labels: named, stays: true},
		"another profile takes over":                    {profiles: []v1alpha1.SecurityProfile{profileOn("left"), profileOn("other")}, labels: map[string]string{"other": "yes"}, stays: true},
		"the namespace is being deleted":                {change: func(ns *corev1.Namespace) { ns.DeletionTimestamp = &metav1.Time{Time: noon} }, stays: true},
		"it is another namespace of the name":           {change: func(ns *corev1.Namespace) { ns.UID = "another" }, stays: true},
		"one that only audits governs":                  {profiles: []v1alpha1.SecurityProfile{profileOn("left"), profileOn("other", audits)}, labels: map[string]string{"other": "yes"}, staying: map[string]bool{"other": true}},
		"that one enforces by now":                      {profiles: []v1alpha1.SecurityProfile{profileOn("left"), profileOn("other")}, labels: map[string]string{"other": "yes"}, staying: map[string]bool{"other": true}, stays: true},
		"another that only audits governs by now":       {profiles: []v1alpha1.SecurityProfile{profileOn("another", audits)}, labels: map[string]string{"another": "yes"}, staying: map[string]bool{"other": true}, stays: true},
		"the one that only audits is overridden by now": {profiles: []v1alpha1.SecurityProfile{profileOn("left"), profileOn("other", audits)}, labels: map[string]string{"left": "yes", "other": "yes"}, staying: map[string]bool{"other": true}, stays: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			cached := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "u-1"}}
			live := cached.DeepCopy()
			if live.Labels = tc.labels; tc.change != nil {
				tc.change(live)
			}
			r := &NamespaceReconciler{
				Live: &profilesOn{profiles: tc.profiles, namespace: live}, Clock: clocktesting.NewFakePassiveClock(noon), departures: newDepartures(delay),
			}
			wait, err := r.lookAgain(t.Context(), cached, map[string]bool{"left": true}, tc.staying)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]time.Duration{true: delay}[tc.stays]; wait != want {
				t.Errorf("wait %s, want %s", wait, want)
			}
		})
	}
}

func TestAHandoverFromAProfileThatTheCacheLacksWaits(t *testing.T) {
	former := profileOn("former")
	for sentence, tc := range map[string]struct {
		previous     string
		cached, live []v1alpha1.SecurityProfile
		waits        bool
	}{
		"there is no report":                          {live: []v1alpha1.SecurityProfile{former}},
		"it is no handover":                           {previous: "own", live: []v1alpha1.SecurityProfile{former}},
		"the cache holds the former":                  {previous: "former", cached: []v1alpha1.SecurityProfile{former}, live: []v1alpha1.SecurityProfile{former}},
		"the former is gone":                          {previous: "former"},
		"the cache has not heard of the former, alas": {previous: "former", live: []v1alpha1.SecurityProfile{former}, waits: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			own := profileOn("own")
			p := &posture.Pass{Profile: &own, Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
			if tc.previous != "" {
				p = p.With(&v1alpha1.NamespacePosture{Profile: tc.previous})
			}
			r := &NamespaceReconciler{Client: &profilesOn{profiles: tc.cached}, Live: &profilesOn{profiles: tc.live}}
			if err := r.missFormer(t.Context(), p); (err != nil) != tc.waits {
				t.Errorf("waits %t: %v", tc.waits, err)
			}
		})
	}
}
