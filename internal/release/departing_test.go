package release

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory/inventorytest"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// The cache says that nobody selects the namespace, or that a profile does that only audits. What
// the API server says counts.
func TestTheSecondLook(t *testing.T) {
	const delay = 10 * time.Second
	audits := func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementAudit }
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
		"nobody selects it":                             {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left")}},
		"the profile is gone":                           {labels: map[string]string{"left": "yes"}},
		"the profile is being deleted":                  {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left", deleted)}, labels: map[string]string{"left": "yes"}},
		"the label is back":                             {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left")}, labels: map[string]string{"left": "yes"}, stays: true},
		"the profile never could be carried out":        {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left", circular)}, labels: named},
		"the profile is broken, and did select it":      {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left", remembers, circular)}, labels: map[string]string{"left": "yes"}, stays: true},
		"the profile is broken, and did not select it":  {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left", remembers, circular)}, labels: named},
		"nobody knows what the broken profile selected": {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left", counts, circular)}, labels: named, stays: true},
		"another profile takes over":                    {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left"), inventorytest.Profile("other")}, labels: map[string]string{"other": "yes"}, stays: true},
		"the namespace is being deleted":                {change: func(ns *corev1.Namespace) { ns.DeletionTimestamp = &metav1.Time{Time: noon} }, stays: true},
		"it is another namespace of the name":           {change: func(ns *corev1.Namespace) { ns.UID = "another" }, stays: true},
		"one that only audits governs":                  {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left"), inventorytest.Profile("other", audits)}, labels: map[string]string{"other": "yes"}, staying: map[string]bool{"other": true}},
		"that one enforces by now":                      {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left"), inventorytest.Profile("other")}, labels: map[string]string{"other": "yes"}, staying: map[string]bool{"other": true}, stays: true},
		"another that only audits governs by now":       {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("another", audits)}, labels: map[string]string{"another": "yes"}, staying: map[string]bool{"other": true}, stays: true},
		"the one that only audits is overridden by now": {profiles: []v1alpha1.SecurityProfile{inventorytest.Profile("left"), inventorytest.Profile("other", audits)}, labels: map[string]string{"left": "yes", "other": "yes"}, staying: map[string]bool{"other": true}, stays: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			cached := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "u-1"}}
			live := cached.DeepCopy()
			if live.Labels = tc.labels; tc.change != nil {
				tc.change(live)
			}
			n := &Namespaces{
				Live: &inventorytest.Cluster{
					Profiles:  tc.profiles,
					Namespace: live,
				},
				Clock:      clocktesting.NewFakePassiveClock(noon),
				Departures: NewDepartures(delay),
			}
			wait, err := n.lookAgain(t.Context(), cached, map[string]bool{"left": true}, tc.staying)
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
	former := inventorytest.Profile("former")
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
			own := inventorytest.Profile("own")
			p := &posture.Pass{Profile: &own, Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
			if tc.previous != "" {
				p = p.With(&v1alpha1.NamespacePosture{Profile: tc.previous})
			}
			n := &Namespaces{
				Client: &inventorytest.Cluster{Profiles: tc.cached},
				Live:   &inventorytest.Cluster{Profiles: tc.live},
			}
			if err := n.MissFormer(t.Context(), p); (err != nil) != tc.waits {
				t.Errorf("waits %t: %v", tc.waits, err)
			}
		})
	}
}
