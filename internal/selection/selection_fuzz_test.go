package selection

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// FuzzPatterns is about one pattern and one name: as excluded by a profile, and as protected.
func FuzzPatterns(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""}, {"sandbox", "sandbox"}, {"ci-*", "ci-main-42"}, {"*", ""}, {"**a*", "banana"}, {"?", "é"}, {"?-?*", "a-b"}, {"*-*-*", "a-b"},
		{"[", "a"}, {"a[", "b"}, {"[a-", "x"}, {"[]a]", "]"}, {`\`, "a"}, {`\*`, "*"}, {"[^a]", "b"}, {"a/*", "a/b"}, {"\xff", "\xff"},
		{strings.Repeat("*a", 30), strings.Repeat("a", 63)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p := []v1alpha1.SecurityProfile{profile("p", excluding("other", pattern))}
		excluded := New(p, nil)
		protected, err := Protected(pattern)
		if invalid := excluded.Invalid("p"); (invalid == nil) != (err == nil) {
			t.Errorf("as excluded: %v, as protected: %v", invalid, err)
		}
		if err != nil {
			if got := excluded.Selects(namespaceOf(name, nil)); got != nil || protected != nil {
				t.Errorf("a pattern that is invalid: selected by %v, protected are %q", names(got), protected)
			}
			return
		}
		bySelf := excluded.Governing(namespaceOf(name, nil)) == nil
		byFlag := New([]v1alpha1.SecurityProfile{profile("p")}, protected).Governing(namespaceOf(name, nil)) == nil
		if slices.Contains([]string{"other", "kube-system", "kube-public", "kube-node-lease"}, name) {
			return // It is excluded, or protected, anyway.
		}
		if bySelf != byFlag {
			t.Errorf("excluded: %t, protected: %t", bySelf, byFlag)
		}
		if simple(pattern) && simple(name) && bySelf != globs(pattern, name) {
			t.Errorf("%q matches %q: want %t, got %t", pattern, name, !bySelf, bySelf)
		}
	})
}

// simple reports whether a text holds no more than a spec's schema admits in a pattern.
func simple(text string) bool {
	return strings.Trim(text, "-abcdefghijklmnopqrstuvwxyz0123456789*?") == ""
}

// globs matches a pattern of *, ? and plain characters: reached are the lengths of the name that
// what was read of it can match.
func globs(pattern, name string) bool {
	reached := map[int]bool{0: true}
	for _, c := range pattern {
		next := map[int]bool{}
		for at := range reached {
			switch {
			case c == '*':
				for to := at; to <= len(name); to++ {
					next[to] = true
				}
			case at < len(name) && (c == '?' || c == rune(name[at])):
				next[at+1] = true
			}
		}
		reached = next
	}
	return reached[len(name)]
}

// FuzzSelects compares what several profiles select with what their fields say, in whatever order
// they are given.
func FuzzSelects(f *testing.F) {
	f.Add([]byte{3, 2, 1, 0, 4}) // Four profiles that select everything, the last by name first.
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choose.By(data)
		profiles := someProfiles(c)
		protected := choose.Some(c, 2, "kube-*", "team-a", "[", "?")
		namespace := choose.Of(c, "team-a", "team-b", "kube-system", "a", "")
		labels := someLabels(c, 3)
		selector := New(profiles, protected)
		got := selector.Selects(namespaceOf(namespace, labels))
		checkOrder(t, got)
		var want []string
		for i := range profiles {
			p := &profiles[i]
			if selects(p, protected, namespace, labels) {
				want = append(want, p.Name)
			}
			if invalid := selector.Invalid(p.Name) != nil; invalid != (p.DeletionTimestamp == nil && broken(p)) {
				t.Errorf("%s is invalid: %t, %+v", p.Name, invalid, p.Spec)
			}
		}
		sorted := names(got)
		slices.Sort(want)
		slices.Sort(sorted)
		if diff := cmp.Diff(want, sorted); diff != "" {
			t.Errorf("profiles that select %q with labels %v (-want +got):\n%s\n%+v", namespace, labels, diff, profiles)
		}
		checkStanding(t, selector, got, namespace, labels)
		if governing := selector.Governing(
			namespaceOf(namespace, labels),
		); (governing == nil) != (len(got) == 0) ||
			governing != nil && governing != got[0] {
			t.Errorf("%v governs, of %v", governing, names(got))
		}
		shuffled := choose.Order(c, profiles)
		if diff := cmp.Diff(names(got), names(New(shuffled, protected).Selects(namespaceOf(namespace, labels)))); diff != "" {
			t.Errorf("with the profiles in another order (-first +second):\n%s", diff)
		}
	})
}

// seeds are for choices to be made by.
func seeds() [][]byte {
	var out [][]byte
	for seed := range byte(16) {
		data := make([]byte, 128)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // It never fails.
		out = append(out, data)
	}
	return out
}

var (
	keys      = []string{"tier", "team", "a.b/c"}
	values    = []string{"prod", "dev", ""}
	operators = []metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Unheard"}
	globbing  = []string{"team-a", "team-*", "?", "*-b", "x", "y*", "[", "a["}
)

func someLabels(c *choose.Source, n int) map[string]string {
	labels := map[string]string{}
	for _, key := range choose.Some(c, n, keys...) {
		labels[key] = choose.Of(c, values...)
	}
	return labels
}

func someProfiles(c *choose.Source) []v1alpha1.SecurityProfile {
	var profiles []v1alpha1.SecurityProfile
	for _, name := range choose.Order(c, []string{"p", "q", "r", "s"})[:c.Below(5)] {
		p := profile(name, priority(choose.Of[int32](c, 0, 1)), excluding(choose.Some(c, 2, globbing...)...))
		p.Spec.NamespaceSelector.MatchLabels = someLabels(c, 1)
		for range c.Below(3) {
			requiring(choose.Of(c, keys...), choose.Of(c, operators...), choose.Some(c, 2, values...)...)(&p)
		}
		if c.Below(8) == 7 {
			deleted(&p)
		}
		if c.Below(4) == 3 { // An edit after the status was written.
			remembering(&p)
			p.Spec.Priority = choose.Of[int32](c, 0, 1, 2)
			requiring(choose.Of(c, keys...), choose.Of(c, operators...), choose.Some(c, 1, values...)...)(&p)
		}
		if c.Below(8) == 7 {
			spec := p.Spec
			undecodable(&p)
			p.Spec.Priority, p.Spec.NamespaceSelector, p.Spec.ExcludeNamespaces = spec.Priority, spec.NamespaceSelector, spec.ExcludeNamespaces
		}
		profiles = append(profiles, p)
	}
	return profiles
}

// checkStanding checks that each that selects is told its place: the first governs, and is among
// those that outrank the others.
func checkStanding(
	t *testing.T,
	selector *Selector,
	selecting []*v1alpha1.SecurityProfile,
	namespace string,
	labels map[string]string,
) {
	t.Helper()
	for i, p := range selecting {
		if selects, governs := selector.Standing(p.Name, namespaceOf(namespace, labels)); !selects || governs != (i == 0) {
			t.Errorf("%s is number %d of those that select, and Standing says %t, %t", p.Name, i, selects, governs)
		}
		outranking := selector.Outranking(p)
		checkOrder(t, append(outranking, p))
		for _, before := range selecting[:i] {
			if !slices.Contains(outranking, before) {
				t.Errorf(
					"%s and %s select %q with labels %v, and the latter is outranked by %v",
					before.Name,
					p.Name,
					namespace,
					labels,
					names(outranking),
				)
			}
		}
	}
}

// checkOrder checks that of two profiles the one that goes before has the higher priority, or the
// same and the smaller name.
func checkOrder(t *testing.T, profiles []*v1alpha1.SecurityProfile) {
	for i := 1; i < len(profiles); i++ {
		a, b := profiles[i-1], profiles[i]
		if a.Spec.Priority < b.Spec.Priority || a.Spec.Priority == b.Spec.Priority && a.Name >= b.Name {
			t.Errorf("%s of priority %d before %s of %d", a.Name, a.Spec.Priority, b.Name, b.Spec.Priority)
		}
	}
}

// governing is the profile, or what its status remembers of it if it is broken; nil if that is
// nothing.
func governing(p *v1alpha1.SecurityProfile) *v1alpha1.SecurityProfile {
	if !broken(p) {
		return p
	}
	s := p.Status.Selection
	if s == nil {
		return nil
	}
	before := profile(p.Name, priority(s.Priority), excluding(s.ExcludeNamespaces...))
	before.Spec.NamespaceSelector.MatchLabels = s.MatchLabels
	for _, r := range s.MatchExpressions {
		requiring(r.Key, r.Operator, r.Values...)(&before)
	}
	return &before
}

// selects is what a profile's fields say.
func selects(p *v1alpha1.SecurityProfile, protected []string, namespace string, labels map[string]string) bool {
	if p.DeletionTimestamp != nil {
		return false
	}
	if p = governing(p); p == nil {
		return false
	}
	for _, pattern := range slices.Concat(protected, p.Spec.ExcludeNamespaces) {
		if pattern != "[" && globs(pattern, namespace) { // Who calls New with [ as protected has not asked Protected.
			return false
		}
	}
	for key, want := range p.Spec.NamespaceSelector.MatchLabels {
		if got, held := labels[key]; !held || got != want {
			return false
		}
	}
	return !slices.ContainsFunc(
		p.Spec.NamespaceSelector.MatchExpressions,
		func(e v1alpha1.LabelRequirement) bool { return !meets(labels, e) },
	)
}

func meets(labels map[string]string, e v1alpha1.LabelRequirement) bool {
	got, held := labels[e.Key]
	listed := held && slices.Contains(e.Values, got)
	return map[metav1.LabelSelectorOperator]bool{"In": listed, "NotIn": !listed, "Exists": held, "DoesNotExist": !held}[e.Operator]
}

// broken reports whether a profile cannot be carried out.
func broken(p *v1alpha1.SecurityProfile) bool {
	return p.Spec.Undecodable() != "" ||
		slices.ContainsFunc(p.Spec.ExcludeNamespaces, func(pattern string) bool { return strings.Contains(pattern, "[") }) ||
		slices.ContainsFunc(p.Spec.NamespaceSelector.MatchExpressions, func(e v1alpha1.LabelRequirement) bool {
			listing := e.Operator == "In" || e.Operator == "NotIn"
			return e.Operator == "Unheard" || listing != (len(e.Values) > 0)
		})
}
