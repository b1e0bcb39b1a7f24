package selection

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Verdict says whether a profile governs a namespace, and why it does or does not. Texts of others
// stand in it as they are.
type Verdict struct {
	Profile  string
	Priority int32
	Governs  bool
	Why      string
}

// Explain says of each profile whether it governs a namespace: first the one that does, then the
// others in the order in which they would.
func Explain(profiles []v1alpha1.SecurityProfile, protected []string, ns metav1.Object) []Verdict {
	s := New(profiles, protected)
	governing := s.Governing(ns)
	verdicts := make([]Verdict, 0, len(profiles))
	for i := range profiles {
		p := &profiles[i]
		v := Verdict{Profile: p.Name, Priority: p.Spec.Priority, Why: s.why(p, governing, ns)}
		v.Governs = governing != nil && governing.Name == p.Name
		verdicts = append(verdicts, v)
	}
	slices.SortFunc(verdicts, func(a, b Verdict) int {
		switch {
		case a.Governs:
			return -1
		case b.Governs:
			return 1
		}
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Profile, b.Profile))
	})
	return verdicts
}

// why is the first reason that decides whether a profile governs a namespace.
func (s *Selector) why(p, governing *v1alpha1.SecurityProfile, ns metav1.Object) string {
	i := slices.IndexFunc(s.profiles, func(c candidate) bool { return c.profile.Name == p.Name })
	switch {
	case s.Protects(ns.GetName()):
		return "the namespace is protected: no profile selects it"
	case !p.DeletionTimestamp.IsZero():
		return "the profile is being deleted"
	case i < 0 && s.unremembered[p.Name] != nil:
		return fmt.Sprintf("its spec is broken, and its status does not say what it selected before: %v", s.invalid[p.Name])
	case i < 0:
		return fmt.Sprintf(
			"its spec is broken, and none before it was carried out, so that it governs nothing: %v",
			s.invalid[p.Name],
		)
	}
	why := s.profiles[i].whyOf(governing, ns)
	if err := s.invalid[p.Name]; err != nil {
		why += fmt.Sprintf("; its spec is broken, so that it selects what its last valid one did: %v", err)
	}
	return why
}

// whyOf is why a profile that has a selection governs a namespace, or does not.
func (c *candidate) whyOf(governing *v1alpha1.SecurityProfile, ns metav1.Object) string {
	if unmatched := c.unmatched(ns); unmatched != "" {
		return unmatched
	}
	for _, glob := range c.profile.Spec.ExcludeNamespaces {
		if matched, err := path.Match(glob, ns.GetName()); err == nil && matched {
			return "excludeNamespaces holds " + glob
		}
	}
	own, others := c.profile.Spec.Priority, governing.Spec.Priority
	switch {
	case governing.Name == c.profile.Name && c.selector.Empty():
		return "it selects every namespace"
	case governing.Name == c.profile.Name:
		return "the selector matches: " + c.selector.String()
	case c.isTooLateFor(ns):
		return "the namespace was made since the profile is broken: any other profile goes first"
	case own < others:
		return fmt.Sprintf("priority %d is below %d, that of %s", own, others, governing.Name)
	}
	return fmt.Sprintf("priority %d is that of %s, too, which is the smaller name", own, governing.Name)
}

// unmatched is the requirements of a selector that the labels of a namespace do not meet; empty if
// they meet all.
func (c *candidate) unmatched(ns metav1.Object) string {
	requirements, _ := c.selector.Requirements()
	var unmet []string
	for _, r := range requirements {
		if r.Matches(labels.Set(ns.GetLabels())) {
			continue
		}
		has := "no label " + r.Key()
		if value, found := ns.GetLabels()[r.Key()]; found {
			has = r.Key() + "=" + value
		}
		unmet = append(unmet, fmt.Sprintf("the selector wants %s, the namespace has %s", r.String(), has))
	}
	return strings.Join(unmet, "; ")
}
