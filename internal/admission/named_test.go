package admission

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestProfilesAreToldByTheNamesOfTheirPolicies holds that the profile of each policy's name is among
// those that are told by it, also where its own name holds words of such names.
func TestProfilesAreToldByTheNamesOfTheirPolicies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom(append([]string{"a", "was", "waiting", "bulwark"}, concerns...)), 1, 4)
		profile := strings.Join(words.Draw(t, "words"), "-")
		names := []string{nameOf(profile, workloads) + heldInfix + "0123456789abcdef"}
		for _, concern := range concerns {
			names = append(names, nameOf(profile, concern))
		}
		for _, name := range names {
			if told := ProfilesNamedBy(name); !slices.Contains(told, profile) {
				t.Errorf("%s is of %q, and not of %s", name, told, profile)
			}
		}
	})
	for _, other := range []string{"bulwark-", "bulwark-a", "bulwark-a-else", "other-a-images", ""} {
		if told := ProfilesNamedBy(other); len(told) > 0 {
			t.Errorf("%q is of %q", other, told)
		}
	}
}
