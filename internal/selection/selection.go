// Package selection knows which SecurityProfile governs a namespace, and why: by its selector, its
// excluded namespaces, its priority, and what its status remembers while its spec is broken.
//
// It is pure: it may import the API and Kubernetes' types, and no client or clock. It must never
// know what the profile declares for the namespace.
package selection

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	apiselection "k8s.io/apimachinery/pkg/selection"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// ProtectedNamespaces are never selected, so that no profile can break the cluster or the operator
// itself.
var protectedNamespaces = []string{metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease}

// Protected are the namespaces that no profile selects: Kubernetes' own and the given ones, which
// may be globs.
func Protected(more ...string) ([]string, error) {
	protected := append(slices.Clone(protectedNamespaces), more...)
	for _, pattern := range protected {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("protected namespace %q: %w", pattern, err)
		}
	}
	return protected, nil
}

// Selector tells which namespaces a set of profiles selects. It is a snapshot: made from the
// profiles of one moment, used, and thrown away.
type Selector struct {
	protected []string
	profiles  []candidate
	leaving   []candidate // those that are being deleted, and select nothing
	awaited   []candidate // those of them to which others still give way
	invalid   map[string]error

	unremembered map[string]*v1alpha1.SecurityProfile // those of them of which no status says what they govern
}

type candidate struct {
	profile  *v1alpha1.SecurityProfile
	selector labels.Selector
	until    *metav1.Time // what was made from then on goes to any other profile first; nil for no end
}

func (c *candidate) selects(ns metav1.Object) bool {
	return c.selector.Matches(labels.Set(ns.GetLabels())) && !matchesAny(c.profile.Spec.ExcludeNamespaces, ns.GetName())
}

// isTooLateFor reports whether a profile was broken already when a namespace was made, and so has
// never governed it: every other profile governs before it does.
func (c *candidate) isTooLateFor(ns metav1.Object) bool {
	created := ns.GetCreationTimestamp()
	return c.until != nil && !created.Before(c.until)
}

// New compiles the profiles' selectors. A profile that is being deleted selects nothing. One whose
// spec cannot be carried out or weighs too much, about which Invalid tells, selects what its status
// remembers: it is listed with that in the place of its spec.
func New(profiles []v1alpha1.SecurityProfile, protected []string) *Selector {
	s := &Selector{
		protected: protected, invalid: map[string]error{}, unremembered: map[string]*v1alpha1.SecurityProfile{},
	}
	for i := range profiles {
		s.add(&profiles[i])
	}
	s.weigh()
	slices.SortFunc(s.profiles, candidatesByRank)
	return s
}

func (s *Selector) add(profile *v1alpha1.SecurityProfile) {
	leaving := !profile.DeletionTimestamp.IsZero()
	c := candidate{profile: profile}
	var err error
	if c.selector, err = compile(profile); err != nil {
		var known bool
		if c, known = remembered(profile); !leaving {
			s.invalid[profile.Name] = err
			if !known && profile.Status.Namespaces.Selected > 0 {
				s.unremembered[profile.Name] = profile
			}
		}
		if !known {
			return
		}
	}
	if leaving {
		s.leaving = append(s.leaving, c)
	} else {
		s.profiles = append(s.profiles, c)
	}
}

// Awaiting is the same selection, but that Outranking still counts the profiles that are being
// deleted and of which the function says so: their own release goes before the rewriting of what
// gives way to them.
func (s *Selector) Awaiting(still func(*v1alpha1.SecurityProfile) bool) *Selector {
	awaiting := *s
	awaiting.awaited = slices.DeleteFunc(slices.Clone(s.leaving), func(c candidate) bool { return !still(c.profile) })
	return &awaiting
}

// Awaited are the profiles that are being deleted and to which the profile gives way all the same.
func (s *Selector) Awaited(profile *v1alpha1.SecurityProfile) []*v1alpha1.SecurityProfile {
	var awaited []*v1alpha1.SecurityProfile
	for _, p := range s.Outranking(profile) {
		if !p.DeletionTimestamp.IsZero() {
			awaited = append(awaited, p)
		}
	}
	return awaited
}

func candidatesByRank(a, b candidate) int { return byRank(a.profile, b.profile) }

// byRank puts profiles in the order in which they govern what several select.
func byRank(a, b *v1alpha1.SecurityProfile) int {
	return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority), cmp.Compare(a.Name, b.Name))
}

func compile(profile *v1alpha1.SecurityProfile) (labels.Selector, error) {
	if why := profile.Spec.Undecodable(); why != "" {
		return nil, fmt.Errorf("spec: %s", why)
	}
	if err := tooHeavy(profile); err != nil {
		return nil, err
	}
	for _, pattern := range profile.Spec.ExcludeNamespaces {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("spec.excludeNamespaces: %q: %w", pattern, err)
		}
	}
	if key, circular := writtenLabel(profile.Spec.NamespaceSelector); circular {
		return nil, fmt.Errorf(
			"spec.namespaceSelector: Bulwark writes the label %s on namespaces: select by a label of your own",
			key,
		)
	}
	selector, err := metav1.LabelSelectorAsSelector(profile.Spec.NamespaceSelector.AsLabelSelector())
	if err != nil {
		return nil, fmt.Errorf("spec.namespaceSelector: %w", err)
	}
	return selector, nil
}

// Protects reports whether no profile selects the namespace of this name, whatever it says.
func (s *Selector) Protects(name string) bool { return matchesAny(s.protected, name) }

// isWritten reports whether a label is one that Bulwark writes on namespaces, or may.
func isWritten(label string) bool {
	return strings.HasPrefix(label, v1alpha1.PodSecurityPrefix) || strings.HasPrefix(label, v1alpha1.LabelPrefix)
}

// writtenLabel is the first label of a selector that Bulwark writes on namespaces, if there is one.
// Such a profile would change by its own work what it selects. The CRD refuses it; one that was
// stored before the CRD did is invalid.
func writtenLabel(selector v1alpha1.NamespaceSelector) (key string, found bool) {
	keys := slices.Collect(maps.Keys(selector.MatchLabels))
	for _, e := range selector.MatchExpressions {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	i := slices.IndexFunc(keys, isWritten)
	if i < 0 {
		return "", false
	}
	return keys[i], true
}

// Invalid is why the profile of this name cannot be carried out, or nil.
func (s *Selector) Invalid(profile string) error {
	return s.invalid[profile]
}

// Outranking lists the profiles that govern a namespace before this one does, if they select it.
// Those are left out that need not be asked: of which one requirement shows that no namespace
// matches their selector and the profile's, or one of the further selectors.
func (s *Selector) Outranking(
	profile *v1alpha1.SecurityProfile,
	further ...*metav1.LabelSelector,
) []*v1alpha1.SecurityProfile {
	var own []labels.Selector
	for _, selector := range append(slices.Clone(further), profile.Spec.NamespaceSelector.AsLabelSelector()) {
		compiled, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil {
			compiled = labels.Everything()
		}
		own = append(own, compiled)
	}
	candidates := s.profiles
	if len(s.awaited) > 0 {
		candidates = slices.SortedFunc(slices.Values(slices.Concat(s.profiles, s.awaited)), candidatesByRank)
	}
	var outranking []*v1alpha1.SecurityProfile
	for _, c := range candidates {
		if c.profile.Name != profile.Name && byRank(c.profile, profile) < 0 && slices.ContainsFunc(own, c.mayShare) {
			outranking = append(outranking, c.profile)
		}
	}
	return outranking
}

// mayShare reports whether a namespace may match both selectors.
func (c *candidate) mayShare(other labels.Selector) bool {
	return !rulesOut(c.selector, other) && !rulesOut(other, c.selector)
}

// rulesOut reports whether a selector demands a label of which the other refuses each value that it
// may have.
func rulesOut(selector, other labels.Selector) bool {
	demands, _ := selector.Requirements()
	refusals, _ := other.Requirements()
	return slices.ContainsFunc(demands, func(demand labels.Requirement) bool {
		refused := func(value string) bool {
			return slices.ContainsFunc(refusals, func(r labels.Requirement) bool {
				return r.Key() == demand.Key() && !r.Matches(labels.Set{r.Key(): value})
			})
		}
		switch demand.Operator() {
		case apiselection.In, apiselection.Equals:
			return !slices.ContainsFunc(demand.ValuesUnsorted(), func(value string) bool { return !refused(value) })
		case apiselection.Exists:
			return slices.ContainsFunc(refusals, func(r labels.Requirement) bool {
				return r.Key() == demand.Key() && r.Operator() == apiselection.DoesNotExist
			})
		}
		return false
	})
}

// Selects lists the profiles that select the namespace. The first of them governs it, the others
// are overridden.
func (s *Selector) Selects(ns metav1.Object) []*v1alpha1.SecurityProfile {
	if matchesAny(s.protected, ns.GetName()) {
		return nil
	}
	var selecting, late []*v1alpha1.SecurityProfile
	for _, c := range s.profiles {
		switch {
		case !c.selects(ns):
		case c.isTooLateFor(ns):
			late = append(late, c.profile)
		default:
			selecting = append(selecting, c.profile)
		}
	}
	return append(selecting, late...)
}

// Standing tells whether the profile of this name selects the namespace, and whether it governs it.
func (s *Selector) Standing(profile string, ns metav1.Object) (selects, governs bool) {
	i := slices.IndexFunc(s.profiles, func(c candidate) bool { return c.profile.Name == profile })
	if i < 0 || !s.profiles[i].selects(ns) || matchesAny(s.protected, ns.GetName()) {
		return false, false
	}
	late := s.profiles[i].isTooLateFor(ns)
	for j, c := range s.profiles {
		before := j < i && c.isTooLateFor(ns) == late || late && !c.isTooLateFor(ns)
		if before && c.selects(ns) {
			return true, false
		}
	}
	return true, true
}

// Governing is the one profile that governs the namespace, or nil.
func (s *Selector) Governing(ns metav1.Object) *v1alpha1.SecurityProfile {
	if selecting := s.Selects(ns); len(selecting) > 0 {
		return selecting[0]
	}
	return nil
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(pattern, name)
		return err == nil && matched
	})
}
