package selection

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The admission policies of a profile name what each profile selects that outranks it, once or
// twice in a policy. The API server bounds the length of an expression (100,000 characters), the
// size of an object (1.5 MiB) and what it spends on evaluating a policy. So that no profile's size
// breaks the policies of another, what a profile selects by has a weight, and what weighs too much
// selects nothing:
//
//	weight            profile
//	to NormalWeight   counts nowhere: some hundred of them fit in a policy
//	to MaxWeight      selects, while all of this kind together weigh no more than MaxWeights; what is
//	                  in force goes first, then the lightest, of equals the oldest
//	above             is invalid
const (
	NormalWeight = 1 << 10
	MaxWeight    = 32 << 10
	MaxWeights   = 256 << 10
)

// Weight is how many bytes what a profile selects by takes in a policy at most.
func Weight(profile *v1alpha1.SecurityProfile) int {
	// The bytes that an expression has around a key, which it names twice, and around a value and a
	// glob.
	const around, aroundKey, aroundValue, aroundGlob, aroundGlobs = 8, 96, 4, 1, 64
	weight := around
	for key, value := range profile.Spec.NamespaceSelector.MatchLabels {
		weight += 2*len(key) + aroundKey + len(value) + aroundValue
	}
	for _, e := range profile.Spec.NamespaceSelector.MatchExpressions {
		weight += 2*len(e.Key) + aroundKey
		for _, value := range e.Values {
			weight += len(value) + aroundValue
		}
	}
	if len(profile.Spec.ExcludeNamespaces) > 0 {
		weight += aroundGlobs
	}
	for _, glob := range profile.Spec.ExcludeNamespaces {
		// A wildcard is five characters of a regular expression, or four.
		weight += len(glob) + aroundGlob + 4*strings.Count(glob, "*") + 3*strings.Count(glob, "?")
	}
	return weight
}

// tooHeavy is why a profile weighs too much by itself, or nil.
func tooHeavy(profile *v1alpha1.SecurityProfile) error {
	weight := Weight(profile)
	if weight <= MaxWeight {
		return nil
	}
	return fmt.Errorf("spec.namespaceSelector and spec.excludeNamespaces are too large: they take %d bytes "+
		"where the admission policies of other profiles name them, and %d at most; "+
		"name fewer or shorter labels, values and namespaces", weight, MaxWeight)
}

// weigh has those profiles that weigh too much beside the others select what their status
// remembers, or nothing. A remembered selection has been in force, and keeps its room: so a profile
// that grows or is new never takes that of another.
func (s *Selector) weigh() {
	all := 0
	for _, c := range s.profiles {
		weight, _ := weightOf(c.profile)
		all += weight
	}
	if all <= MaxWeights {
		return
	}
	total, room := 0, map[string]int{}
	for _, c := range lightestFirst(s.profiles, memoryOf) {
		if weight, known := weightOf(memoryOf(c)); known && total+weight <= MaxWeights {
			total += weight
			room[c.profile.Name] = weight
		}
	}
	fitting := s.profiles[:0:0]
	for _, c := range lightestFirst(s.profiles, func(c candidate) *v1alpha1.SecurityProfile { return c.profile }) {
		name := c.profile.Name
		weight, _ := weightOf(c.profile)
		had, remembers := room[name]
		if total-had+weight <= MaxWeights {
			total += weight - had
			fitting = append(fitting, c)
			continue
		}
		if s.invalid[name] == nil {
			s.invalid[name] = tooHeavyBeside(c.profile, total-had)
		}
		switch memory, known := remembered(c.profile); {
		case known && remembers:
			fitting = append(fitting, memory)
		case c.profile.Status.Namespaces.Selected > 0:
			s.unremembered[name] = c.profile
		}
	}
	s.profiles = fitting
}

// memoryOf is a profile with the selection that its status remembers, or nil.
func memoryOf(c candidate) *v1alpha1.SecurityProfile {
	if memory, known := remembered(c.profile); known {
		return memory.profile
	}
	return nil
}

// weightOf is what a profile counts for beside others, if there is one.
func weightOf(p *v1alpha1.SecurityProfile) (weight int, known bool) {
	if p == nil {
		return 0, false
	}
	if weight = Weight(p); weight <= NormalWeight {
		weight = 0
	}
	return weight, true
}

func lightestFirst(candidates []candidate, of func(candidate) *v1alpha1.SecurityProfile) []candidate {
	weights := map[string]int{}
	for _, c := range candidates {
		weights[c.profile.Name], _ = weightOf(of(c))
	}
	return slices.SortedFunc(slices.Values(candidates), func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(weights[a.profile.Name], weights[b.profile.Name]),
			a.profile.CreationTimestamp.Compare(b.profile.CreationTimestamp.Time), cmp.Compare(a.profile.Name, b.profile.Name))
	})
}

// tooHeavyBeside says that a profile weighs too much beside others of this weight.
func tooHeavyBeside(p *v1alpha1.SecurityProfile, others int) error {
	return fmt.Errorf(
		"spec.namespaceSelector and spec.excludeNamespaces are too large beside those of other profiles: they take %d "+
			"bytes where the admission policies of others name them; profiles that take more than %d may take %d together, of which others "+
			"have %d; name fewer or shorter labels, values and namespaces",
		Weight(p),
		NormalWeight,
		MaxWeights,
		others,
	)
}
