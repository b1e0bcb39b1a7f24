package selection

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

type change func(*v1alpha1.SecurityProfile)

func profile(name string, changes ...change) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, c := range changes {
		c(&p)
	}
	return p
}

func labelled(key, value string) change {
	return func(p *v1alpha1.SecurityProfile) {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{key: value}
	}
}

func requiring(key string, operator metav1.LabelSelectorOperator, values ...string) change {
	return func(p *v1alpha1.SecurityProfile) {
		p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions,
			v1alpha1.LabelRequirement{Key: key, Operator: operator, Values: values})
	}
}

func excluding(patterns ...string) change {
	return func(p *v1alpha1.SecurityProfile) { p.Spec.ExcludeNamespaces = patterns }
}

func priority(n int32) change {
	return func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = n }
}

func deleted(p *v1alpha1.SecurityProfile) {
	p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)}
}

func names(profiles []*v1alpha1.SecurityProfile) []string {
	var out []string
	for _, p := range profiles {
		out = append(out, p.Name)
	}
	return out
}

func TestSelects(t *testing.T) {
	prod := map[string]string{"tier": "prod"}
	for sentence, tc := range map[string]struct {
		profiles  []v1alpha1.SecurityProfile
		protected []string
		namespace string
		labels    map[string]string
		want      []string
	}{
		"no profile selects nothing": {namespace: "team-a"},
		"an empty selector selects a namespace without labels": {
			profiles: []v1alpha1.SecurityProfile{profile("all")}, namespace: "team-a", want: []string{"all"},
		},
		"a label that matches selects": {
			profiles: []v1alpha1.SecurityProfile{profile("p", labelled("tier", "prod"))}, namespace: "team-a", labels: prod,
			want: []string{"p"},
		},
		"a label of another value does not select": {
			profiles: []v1alpha1.SecurityProfile{profile("p", labelled("tier", "dev"))}, namespace: "team-a", labels: prod,
		},
		"a label that the namespace lacks does not select": {
			profiles: []v1alpha1.SecurityProfile{profile("p", labelled("tier", "prod"))}, namespace: "team-a",
		},
		"In selects any of its values": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", requiring("tier", metav1.LabelSelectorOpIn, "dev", "prod"))},
			namespace: "team-a", labels: prod, want: []string{"p"},
		},
		"NotIn selects a namespace without the label": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", requiring("tier", metav1.LabelSelectorOpNotIn, "prod"))},
			namespace: "team-a", want: []string{"p"},
		},
		"NotIn does not select its values": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", requiring("tier", metav1.LabelSelectorOpNotIn, "prod"))},
			namespace: "team-a", labels: prod,
		},
		"DoesNotExist does not select a namespace with the label": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", requiring("tier", metav1.LabelSelectorOpDoesNotExist))},
			namespace: "team-a", labels: prod,
		},
		"labels and expressions must all be met": {
			profiles: []v1alpha1.SecurityProfile{
				profile("both", labelled("tier", "prod"), requiring("team", metav1.LabelSelectorOpExists)),
				profile("one", labelled("tier", "prod")),
			},
			namespace: "team-a", labels: prod, want: []string{"one"},
		},
		"a namespace excluded by name is not selected": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("other", "sandbox"))},
			namespace: "sandbox",
		},
		"an excluded name is no prefix": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("sandbox"))},
			namespace: "sandbox-2", want: []string{"p"},
		},
		"a namespace excluded by a star is not selected": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("ci-*"))},
			namespace: "ci-main-42",
		},
		"a star stands for no character too": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("ci-*"))},
			namespace: "ci-",
		},
		"a star does not reach before its prefix": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("ci-*"))},
			namespace: "my-ci-1", want: []string{"p"},
		},
		"a question mark is one character": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("pr-?"))},
			namespace: "pr-7",
		},
		"a question mark is not two characters": {
			profiles:  []v1alpha1.SecurityProfile{profile("p", excluding("pr-?"))},
			namespace: "pr-77", want: []string{"p"},
		},
		"an exclude concerns only the profile that has it": {
			profiles:  []v1alpha1.SecurityProfile{profile("a", excluding("sandbox")), profile("b")},
			namespace: "sandbox", want: []string{"b"},
		},
		"a protected namespace is never selected": {
			profiles:  []v1alpha1.SecurityProfile{profile("p")},
			protected: []string{"kube-system"}, namespace: "kube-system",
		},
		"a protected glob is never selected": {
			profiles:  []v1alpha1.SecurityProfile{profile("p")},
			protected: []string{"openshift-*"}, namespace: "openshift-dns",
		},
		"protected does not reach further than its patterns": {
			profiles:  []v1alpha1.SecurityProfile{profile("p")},
			protected: []string{"kube-system"}, namespace: "kube-system-2", want: []string{"p"},
		},
		"the higher priority comes first, whatever the names": {
			profiles:  []v1alpha1.SecurityProfile{profile("a", priority(1)), profile("z", priority(100)), profile("m", priority(50))},
			namespace: "team-a", want: []string{"z", "m", "a"},
		},
		"of equal priorities the smaller name comes first": {
			profiles:  []v1alpha1.SecurityProfile{profile("b"), profile("c"), profile("a")},
			namespace: "team-a", want: []string{"a", "b", "c"},
		},
		"a higher priority that does not select does not count": {
			profiles: []v1alpha1.SecurityProfile{
				profile("low"), profile("high", priority(9), labelled("tier", "prod")),
			},
			namespace: "team-a", want: []string{"low"},
		},
		"a profile that is being deleted selects nothing": {
			profiles:  []v1alpha1.SecurityProfile{profile("gone", priority(9), deleted), profile("next")},
			namespace: "team-a", want: []string{"next"},
		},
		"an invalid selector selects nothing and spares the others": {
			profiles: []v1alpha1.SecurityProfile{
				profile("broken", priority(9), requiring("tier", "Near", "prod")), profile("sound"),
			},
			namespace: "team-a", labels: prod, want: []string{"sound"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := New(tc.profiles, tc.protected)
			if diff := cmp.Diff(tc.want, names(s.Selects(namespaceOf(tc.namespace, tc.labels)))); diff != "" {
				t.Errorf("Selects (-want +got):\n%s", diff)
			}
			governing := ""
			if p := s.Governing(namespaceOf(tc.namespace, tc.labels)); p != nil {
				governing = p.Name
			}
			if want := strings.Join(tc.want[:min(1, len(tc.want))], ""); governing != want {
				t.Errorf("Governing: got %q, want %q", governing, want)
			}
		})
	}
}

func TestSelectsDoesNotDependOnTheOrderOfProfiles(t *testing.T) {
	a, b, c := profile("a"), profile("b", priority(5)), profile("c", priority(5))
	want := []string{"b", "c", "a"}
	for _, order := range [][]v1alpha1.SecurityProfile{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
		if diff := cmp.Diff(want, names(New(order, nil).Selects(namespaceOf("team-a", nil)))); diff != "" {
			t.Errorf("Selects (-want +got):\n%s", diff)
		}
	}
}

// Two selectors that no namespace can match together are of no concern to each other.
func TestOutranking(t *testing.T) {
	in, notIn := metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn
	for sentence, tc := range map[string]struct {
		one, other change
		apart      bool
	}{
		"two values of a label":                 {one: labelled("tier", "a"), other: labelled("tier", "b"), apart: true},
		"a value, and others":                   {one: labelled("tier", "a"), other: requiring("tier", in, "b", "c"), apart: true},
		"values of which none is shared":        {one: requiring("tier", in, "a", "d"), other: requiring("tier", in, "b", "c"), apart: true},
		"a value, and all but that":             {one: labelled("tier", "a"), other: requiring("tier", notIn, "a", "b"), apart: true},
		"a value, and no such label":            {one: labelled("tier", "a"), other: requiring("tier", metav1.LabelSelectorOpDoesNotExist), apart: true},
		"a label, and no such label":            {one: requiring("tier", metav1.LabelSelectorOpExists), other: requiring("tier", metav1.LabelSelectorOpDoesNotExist), apart: true},
		"values that two requirements rule out": {one: requiring("tier", in, "a", "b"), other: all(requiring("tier", notIn, "a"), requiring("tier", notIn, "b")), apart: true},
		"by one of several requirements": {
			one: all(labelled("team", "x"), requiring("tier", in, "a")), other: all(labelled("team", "x"), requiring("tier", in, "b")), apart: true,
		},
		"the same value":                     {one: labelled("tier", "a"), other: labelled("tier", "a")},
		"values of which one is shared":      {one: requiring("tier", in, "a", "b"), other: requiring("tier", in, "b", "c")},
		"two labels":                         {one: labelled("tier", "a"), other: labelled("team", "b")},
		"a value, and all but another":       {one: labelled("tier", "a"), other: requiring("tier", notIn, "b")},
		"all but a value, and no such label": {one: requiring("tier", notIn, "a"), other: requiring("tier", metav1.LabelSelectorOpDoesNotExist)},
		"a label, and all but a value":       {one: requiring("tier", metav1.LabelSelectorOpExists), other: requiring("tier", notIn, "a")},
		"everything, and a value":            {one: excluding(), other: labelled("tier", "a")},
		"everything":                         {one: excluding(), other: excluding()},
		"the same value, but for some names": {one: all(labelled("tier", "a"), excluding("x*")), other: all(labelled("tier", "a"), excluding("y*"))},
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, pair := range [][2]change{{tc.one, tc.other}, {tc.other, tc.one}} {
				high, low := profile("high", priority(9), pair[0]), profile("low", pair[1])
				s := New([]v1alpha1.SecurityProfile{high, low}, nil)
				if apart := len(s.Outranking(&low)) == 0; apart != tc.apart {
					t.Errorf("%+v and %+v are apart: want %t, got %t", s.profiles[0].selector, s.profiles[1].selector, tc.apart, apart)
				}
				if got := s.Outranking(&high); got != nil {
					t.Errorf("the one of higher priority is outranked by %v", names(got))
				}
			}
		})
	}
}

// A profile may be another than the selector was made of, and its policies may still be bound by
// what it selected before.
func TestOutrankingOfAnotherMoment(t *testing.T) {
	prod, dev := labelled("tier", "prod"), labelled("tier", "dev")
	s := New([]v1alpha1.SecurityProfile{profile("a", prod), profile("b", dev), profile("own", priority(1), dev)}, nil)
	before := func(changes ...change) []*metav1.LabelSelector {
		p := profile("own", changes...)
		return []*metav1.LabelSelector{p.Spec.NamespaceSelector.AsLabelSelector()}
	}
	for sentence, tc := range map[string]struct {
		own    v1alpha1.SecurityProfile
		before []*metav1.LabelSelector
		want   []string
	}{
		"its own rank and selector count":             {own: profile("own", prod), want: []string{"a"}},
		"and not those in the selector":               {own: profile("own", priority(2), dev)},
		"one that is new":                             {own: profile("new", dev), want: []string{"own", "b"}},
		"one that is being deleted":                   {own: profile("new", deleted, prod), want: []string{"a"}},
		"what it selected before counts, too":         {own: profile("own", prod), before: before(dev), want: []string{"a", "b"}},
		"and so does all, if that was what it was":    {own: profile("own", prod), before: before(), want: []string{"a", "b"}},
		"a selector that cannot be read may select a": {own: profile("own", requiring("tier", "Near", "dev")), want: []string{"a", "b"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, names(s.Outranking(&tc.own, tc.before...))); diff != "" {
				t.Errorf("outranking (-want +got):\n%s", diff)
			}
		})
	}
}

// A profile gives way to one that is being deleted as long as that is awaited, at the same place.
func TestOutrankingOfWhatIsAwaited(t *testing.T) {
	s := New([]v1alpha1.SecurityProfile{
		profile("own"),
		profile("a", priority(3)),
		profile("b", priority(2), deleted),
		profile("c", priority(1)),
		profile(
			"apart",
			priority(9),
			deleted,
			labelled("tier", "a"),
		),
		profile("never", priority(9), deleted, requiring("tier", "Near")),
		profile("broken", priority(9), deleted, remembering, requiring("tier", "Near")),
	}, nil)
	own := profile("own", labelled("tier", "b"))
	every := func(*v1alpha1.SecurityProfile) bool { return true }
	none := func(*v1alpha1.SecurityProfile) bool { return false }
	for sentence, tc := range map[string]struct {
		selector      *Selector
		want, awaited []string
	}{
		"nobody asked for it":                      {selector: s, want: []string{"a", "c"}},
		"none is awaited":                          {selector: s.Awaiting(none), want: []string{"a", "c"}},
		"two are awaited, by their rank":           {selector: s.Awaiting(every), want: []string{"broken", "a", "b", "c"}, awaited: []string{"broken", "b"}},
		"whether it is awaited is asked each time": {selector: s.Awaiting(every).Awaiting(none), want: []string{"a", "c"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, names(tc.selector.Outranking(&own))); diff != "" {
				t.Errorf("outranking (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.awaited, names(tc.selector.Awaited(&own))); diff != "" {
				t.Errorf("awaited (-want +got):\n%s", diff)
			}
			if got := names(tc.selector.Selects(namespaceOf("team-a", nil))); !cmp.Equal(got, []string{"a", "c", "own"}) {
				t.Errorf("what is awaited selects: %v", got)
			}
		})
	}
}

func all(changes ...change) change {
	return func(p *v1alpha1.SecurityProfile) {
		for _, c := range changes {
			c(p)
		}
	}
}

func TestInvalid(t *testing.T) {
	for sentence, tc := range map[string]struct {
		profile v1alpha1.SecurityProfile
		want    string // a part of the error; empty for none
	}{
		"a sound profile is valid": {
			profile: profile("p", labelled("tier", "prod"), excluding("ci-*")),
		},
		"an unknown operator is named": {
			profile: profile("p", requiring("tier", "Near", "prod")),
			want:    `spec.namespaceSelector: "Near" is not a valid label selector operator`,
		},
		"In needs values": {
			profile: profile("p", requiring("tier", metav1.LabelSelectorOpIn)),
			want:    "for 'in', 'notin' operators, values set can't be empty",
		},
		"Exists takes no values": {
			profile: profile("p", requiring("tier", metav1.LabelSelectorOpExists, "prod")),
			want:    "values set must be empty for exists and does not exist",
		},
		"a label key must be one": {
			profile: profile("p", labelled("not a key", "x")),
			want:    `spec.namespaceSelector: key: Invalid value: "not a key"`,
		},
		"a label value must be one": {
			profile: profile("p", labelled("tier", "not a value")),
			want:    `Invalid value: "not a value"`,
		},
		"a label that says a Pod Security level is named": {
			profile: profile("p", labelled("tier", "prod"), requiring("pod-security.kubernetes.io/enforce", metav1.LabelSelectorOpDoesNotExist)),
			want:    "spec.namespaceSelector: Bulwark writes the label pod-security.kubernetes.io/enforce on namespaces: select by a label of your own",
		},
		"so is one that says its version": {
			profile: profile("p", labelled("pod-security.kubernetes.io/warn-version", "latest")),
			want:    "Bulwark writes the label pod-security.kubernetes.io/warn-version on namespaces",
		},
		"so is Bulwark's own": {
			profile: profile("p", requiring("security.bulwark.dev/profile", metav1.LabelSelectorOpNotIn, "other")),
			want:    "Bulwark writes the label security.bulwark.dev/profile on namespaces",
		},
		"a label of another group, or that only begins alike, may be selected by": {
			profile: profile("p", labelled("x.pod-security.kubernetes.io/enforce", "x"), requiring("security.bulwark.dev.example.com/a", metav1.LabelSelectorOpExists)),
		},
		"a malformed glob is named": {
			profile: profile("p", excluding("sound", "a[")),
			want:    `spec.excludeNamespaces: "a[": syntax error in pattern`,
		},
		"a profile that is being deleted is not complained about": {
			profile: profile("p", requiring("tier", "Near"), deleted),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := New([]v1alpha1.SecurityProfile{tc.profile, profile("other")}, nil)
			err := s.Invalid("p")
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if err := s.Invalid("other"); err != nil {
				t.Errorf("the other profile: got %v, want no error", err)
			}
			if err := s.Invalid("unheard-of"); err != nil {
				t.Errorf("an unknown profile: got %v, want no error", err)
			}
		})
	}
}

func TestProtected(t *testing.T) {
	for sentence, tc := range map[string]struct {
		more []string
		want []string
		err  string
	}{
		"Kubernetes' own namespaces are always protected": {
			want: []string{"kube-system", "kube-public", "kube-node-lease"},
		},
		"more are added": {
			more: []string{"bulwark-system", "openshift-*"},
			want: []string{"kube-system", "kube-public", "kube-node-lease", "bulwark-system", "openshift-*"},
		},
		"a malformed glob is refused by name": {
			more: []string{"ok", "team-["},
			err:  `protected namespace "team-[": syntax error in pattern`,
		},
		"a glob that is malformed behind a star is refused": {
			more: []string{"a*["},
			err:  `protected namespace "a*[": syntax error in pattern`,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := Protected(tc.more...)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != tc.err {
				t.Errorf("error: got %q, want %q", message, tc.err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
