package selection

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// remembering has the status of a profile remember what its spec selects so far.
func remembering(p *v1alpha1.SecurityProfile) { p.Status.Selection = Remember(p) }

// counting has the status of a profile say that it governs namespaces.
func counting(p *v1alpha1.SecurityProfile) { p.Status.Namespaces.Selected = 2 }

// undecodable leaves nothing of a spec.
func undecodable(p *v1alpha1.SecurityProfile) {
	// An earlier schema accepted it, and nothing can hold it.
	_ = p.Spec.UnmarshalJSON([]byte(`{"limits":[{"type":"Container","max":{"cpu":"1e0.5"}}]}`))
}

func TestWhatABrokenProfileGoverns(t *testing.T) {
	prod := map[string]string{"tier": "prod"}
	for sentence, tc := range map[string]struct {
		profiles  []v1alpha1.SecurityProfile
		namespace string
		created   time.Time
		labels    map[string]string
		want      []string
	}{
		"nothing, if it never was valid": {
			profiles: []v1alpha1.SecurityProfile{profile("p", undecodable)},
		},
		"nothing, also in a namespace that bears its label": {
			profiles: []v1alpha1.SecurityProfile{profile("p", undecodable)}, labels: map[string]string{v1alpha1.ProfileLabel: "p"},
		},
		"nothing by its label beside a valid one, of whatever priority": {
			profiles: []v1alpha1.SecurityProfile{profile("p", priority(9), undecodable), profile("valid")},
			labels:   map[string]string{v1alpha1.ProfileLabel: "p"}, want: []string{"valid"},
		},
		"what it selected when it was valid": {
			profiles: []v1alpha1.SecurityProfile{profile("p", labelled("tier", "prod"), remembering, undecodable)}, labels: prod, want: []string{"p"},
		},
		"and nothing else": {
			profiles: []v1alpha1.SecurityProfile{profile("p", labelled("tier", "prod"), remembering, undecodable)},
			labels:   map[string]string{"tier": "dev", v1alpha1.ProfileLabel: "p"},
		},
		"by each of its requirements": {
			profiles: []v1alpha1.SecurityProfile{profile("p", requiring("tier", "In", "prod", "dev"), requiring("free", "DoesNotExist"), remembering, undecodable)},
			labels:   prod, want: []string{"p"},
		},
		"not what it excluded": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("team-*"), remembering, undecodable)},
			namespace: "team-a",
		},
		"not what is protected": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, undecodable)}, namespace: "kube-system",
		},
		"at its place of before, whatever priority the broken spec has": {
			profiles: []v1alpha1.SecurityProfile{
				profile("p", priority(1), remembering, priority(9), requiring("tier", "Near")), profile("valid", priority(5)),
			},
			want: []string{"valid", "p"},
		},
		"before a valid one of lower priority": {
			profiles: []v1alpha1.SecurityProfile{profile("p", priority(9), remembering, undecodable), profile("valid", priority(5))},
			want:     []string{"p", "valid"},
		},
		"what was made before it was broken": {
			profiles: []v1alpha1.SecurityProfile{profile("p", priority(9), remembering, undecodable, brokenSince(noon)), profile("valid")},
			created:  noon.Add(-time.Second), want: []string{"p", "valid"},
		},
		"what was made since it is broken, after any other": {
			profiles: []v1alpha1.SecurityProfile{profile("p", priority(9), remembering, undecodable, brokenSince(noon)), profile("valid")},
			created:  noon, want: []string{"valid", "p"},
		},
		"what was made since it is broken, if no other does": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, undecodable, brokenSince(noon))},
			created:  noon, want: []string{"p"},
		},
		"all once it is mended, before its status says so": {
			profiles: []v1alpha1.SecurityProfile{profile("p", priority(9), remembering, brokenSince(noon)), profile("valid")},
			created:  noon, want: []string{"p", "valid"},
		},
		"two of them, by their places of before": {
			profiles: []v1alpha1.SecurityProfile{
				profile("p", priority(1), remembering, undecodable), profile("q", priority(2), remembering, excluding("[")),
			},
			want: []string{"q", "p"},
		},
		"nothing once it is being deleted": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, undecodable, deleted)},
		},
		"nothing by a memory that is broken itself": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, undecodable, func(p *v1alpha1.SecurityProfile) {
				p.Status.Selection.ExcludeNamespaces = []string{"["}
			})},
		},
		"nothing by a memory that hangs on what Bulwark writes": {
			profiles: []v1alpha1.SecurityProfile{profile("p", remembering, undecodable, func(p *v1alpha1.SecurityProfile) {
				p.Status.Selection.MatchLabels = map[string]string{v1alpha1.ProfileLabel: "p"}
			})},
			labels: map[string]string{v1alpha1.ProfileLabel: "p"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			namespace := tc.namespace
			if namespace == "" {
				namespace = "shop"
			}
			protected, err := Protected()
			if err != nil {
				t.Fatal(err)
			}
			ns := namespaceOf(namespace, tc.labels)
			ns.CreationTimestamp = metav1.NewTime(tc.created)
			selector := New(tc.profiles, protected)
			got := names(selector.Selects(ns))
			for i, name := range got {
				if selects, governs := selector.Standing(name, ns); !selects || governs != (i == 0) {
					t.Errorf("%s: selects: %t, governs: %t", name, selects, governs)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsRemembered(t *testing.T) {
	at := func(generation int64) change { return func(p *v1alpha1.SecurityProfile) { p.Generation = generation } }
	for sentence, tc := range map[string]struct {
		profile    v1alpha1.SecurityProfile
		generation int64 // of what is remembered; zero for nothing
		known      bool  // before
	}{
		"what a new profile selects":                          {profile: profile("p", at(1)), generation: 1},
		"the same, of a profile whose baseline has changed":   {profile: profile("p", at(1), remembering, at(2)), generation: 1, known: true},
		"what an edit selects":                                {profile: profile("p", at(1), remembering, at(2), labelled("tier", "a")), generation: 2},
		"another priority":                                    {profile: profile("p", at(1), remembering, at(2), priority(3)), generation: 2},
		"another exclusion":                                   {profile: profile("p", at(1), remembering, at(2), excluding("a")), generation: 2},
		"another enforcement":                                 {profile: profile("p", at(1), remembering, at(2), audited), generation: 2},
		"what was before, of a broken edit":                   {profile: profile("p", at(1), remembering, at(2), requiring("a", "Near")), generation: 1},
		"what was before, of one that cannot be decoded":      {profile: profile("p", at(1), labelled("tier", "a"), remembering, at(2), undecodable), generation: 1},
		"nothing of a profile that never was valid":           {profile: profile("p", at(1), undecodable)},
		"what is mended, from the first valid generation on":  {profile: profile("p", at(1), undecodable, mended, at(2)), generation: 2},
		"what is mended as it was before, of that generation": {profile: profile("p", at(1), remembering, undecodable, mended, at(3)), generation: 1, known: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			if known := IsRemembered(&tc.profile); known != tc.known {
				t.Errorf("it is remembered already: %t", known)
			}
			got := Remember(&tc.profile)
			var generation int64
			if got != nil {
				generation = got.Generation
			}
			if generation != tc.generation {
				t.Errorf("of generation %d, want %d: %+v", generation, tc.generation, got)
			}
			tc.profile.Status.Selection = got
			if diff := cmp.Diff(got, Remember(&tc.profile)); diff != "" {
				t.Errorf("asked again, it is something else (-first +second):\n%s", diff)
			}
		})
	}
}

func audited(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementAudit }

func mended(p *v1alpha1.SecurityProfile) { p.Spec = v1alpha1.SecurityProfileSpec{} }

// A status remembers a copy of the spec: a later change of the one is none of the other.
func TestWhatIsRememberedIsACopy(t *testing.T) {
	p := profile("p", labelled("tier", "a"), requiring("zone", "In", "x"), excluding("out"), remembering)
	p.Spec.NamespaceSelector.MatchLabels["tier"] = "b"
	p.Spec.NamespaceSelector.MatchExpressions[0].Values[0] = "y"
	p.Spec.ExcludeNamespaces[0] = "in"
	want := &v1alpha1.RememberedSelection{
		MatchLabels: map[string]string{"tier": "a"}, ExcludeNamespaces: []string{"out"},
		MatchExpressions: []v1alpha1.RememberedRequirement{{Key: "zone", Operator: "In", Values: []string{"x"}}},
	}
	if diff := cmp.Diff(want, p.Status.Selection); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhetherANamespaceIsRemembered(t *testing.T) {
	for sentence, tc := range map[string]struct {
		profile v1alpha1.SecurityProfile
		want    bool
	}{
		"by a status that says what the spec does":         {profile: profile("p", labelled("tier", "a"), remembering), want: true},
		"by a status of before that selects it, too":       {profile: profile("p", remembering, labelled("tier", "a")), want: true},
		"not by a status of before that does not":          {profile: profile("p", labelled("tier", "b"), remembering, labelled("tier", "a"))},
		"a status that remembers nothing keeps no one":     {profile: profile("p", labelled("tier", "a")), want: true},
		"not by a status of before that left its name out": {profile: profile("p", excluding("shop"), remembering, excluding())},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := Remembers(&tc.profile, namespaceOf("shop", map[string]string{"tier": "a"})); got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestWhoMayHaveGoverned(t *testing.T) {
	s := New([]v1alpha1.SecurityProfile{
		profile("valid", counting), profile("never", undecodable), profile("older", counting, undecodable),
		profile("remembered", counting, remembering, undecodable), profile("going", counting, undecodable, deleted),
	}, nil)
	for name, want := range map[string]struct{ unremembered, never bool }{
		"valid": {}, "never": {never: true}, "older": {unremembered: true}, "remembered": {}, "going": {}, "unknown": {}, "": {},
	} {
		if got := s.Unremembered("", name) != nil; got != want.unremembered {
			t.Errorf("%q is broken, and governs what nobody remembers: %t", name, got)
		}
		if got := s.NeverGoverned(name); got != want.never {
			t.Errorf("%q never governed: %t", name, got)
		}
	}
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func brokenSince(t time.Time) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) { p.Status.Selection.BrokenSince = &metav1.Time{Time: t} }
}

func TestSinceWhenAProfileIsBrokenIsRememberedOnce(t *testing.T) {
	p := profile("p", remembering, undecodable)
	p.Status.Selection = Broken(&p, noon)
	if got := p.Status.Selection.BrokenSince; got == nil || !got.Time.Equal(noon) {
		t.Fatalf("broken since %v", got)
	}
	if got := Broken(&p, noon.Add(time.Hour)); got.BrokenSince == nil || !got.BrokenSince.Time.Equal(noon) {
		t.Errorf("broken since %v an hour later", got.BrokenSince)
	}
	p.Spec = v1alpha1.SecurityProfileSpec{}
	if !IsRemembered(&p) {
		t.Error("a mended profile is not remembered")
	}
	if got := Remember(&p); got.BrokenSince != nil || got.Generation != p.Status.Selection.Generation {
		t.Errorf("a mended profile remembers %+v", got)
	}
}

func TestWhatABrokenProfileYieldsToOthers(t *testing.T) {
	broken := profile("p", remembering, undecodable)
	dated := profile("p", remembering, undecodable, brokenSince(noon))
	for sentence, tc := range map[string]struct {
		before, after v1alpha1.SecurityProfile
		created       time.Time
		want          bool
	}{
		"what was made since, once the status says since when": {
			broken, dated, noon, true,
		},
		"not what was made before": {
			broken, dated, noon.Add(-time.Second), false,
		},
		"not what it has yielded already": {
			dated, dated, noon, false,
		},
		"nothing once it is mended": {
			dated, profile("p", remembering), noon, false,
		},
		"nothing that no status remembers": {profile("p", undecodable), profile("p", undecodable), noon, false},
	} {
		ns := namespaceOf("shop", nil)
		ns.CreationTimestamp = metav1.NewTime(tc.created)
		if got := Yields(&tc.before, &tc.after, ns); got != tc.want {
			t.Errorf("%s: got %t", sentence, got)
		}
	}
}
