package selection

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// heavy is a profile that weighs about so many bytes, made so many minutes after another.
func heavy(name string, bytes, minutes int) v1alpha1.SecurityProfile {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.CreationTimestamp = metav1.NewTime(time.Unix(1e9, 0).Add(time.Duration(minutes) * time.Minute))
	for i := 0; Weight(&p) < bytes-200; i++ {
		p.Spec.NamespaceSelector.MatchExpressions = append(
			p.Spec.NamespaceSelector.MatchExpressions,
			v1alpha1.LabelRequirement{
				Key:      fmt.Sprint("k", i),
				Operator: metav1.LabelSelectorOpNotIn,
				Values:   []string{strings.Repeat("v", 63)},
			},
		)
	}
	return p
}

func many(count, bytes int) []v1alpha1.SecurityProfile {
	var profiles []v1alpha1.SecurityProfile
	for i := range count {
		profiles = append(profiles, heavy(fmt.Sprintf("p%03d", i), bytes, i))
	}
	return profiles
}

// inForce are profiles whose status remembers what they select.
func inForce(profiles []v1alpha1.SecurityProfile) []v1alpha1.SecurityProfile {
	for i := range profiles {
		remembering(&profiles[i])
	}
	return profiles
}

func TestWhatGrowsTooHeavyBesideOthersSelectsWhatItDidBefore(t *testing.T) {
	profiles := inForce(many(8, MaxWeight-2000))
	grown := heavy("grown", 2000, 0)
	grown.Spec.Priority = 5
	remembering(&grown)
	grown.Spec.NamespaceSelector = heavy("", MaxWeight, 0).Spec.NamespaceSelector
	s := New(append(profiles, grown), nil)
	if s.Invalid("grown") == nil || len(s.invalid) != 1 {
		t.Fatalf("invalid: %v", s.invalid)
	}
	governing := s.Governing(namespaceOf("a", nil))
	if governing == nil || governing.Name != "grown" || Weight(governing) > 2000 {
		t.Errorf("%v governs", governing)
	}
}

func TestOneThatNoStatusRemembersLeavesWhatItGovernedAsItIs(t *testing.T) {
	profiles := many(9, MaxWeight)
	counting(&profiles[8])
	if s := New(profiles, nil); s.Unremembered("p008") == nil || s.Invalid("p008") == nil {
		t.Errorf("unremembered: %v, invalid: %v", s.unremembered, s.invalid)
	}
}

func TestWhatWeighsTooMuchSelectsNothing(t *testing.T) {
	globs := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "globs"}}
	globs.Spec.ExcludeNamespaces = slices.Repeat([]string{strings.Repeat("*a", 31)}, 256)
	names := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "names"}}
	names.Spec.ExcludeNamespaces = slices.Repeat([]string{strings.Repeat("a", 63)}, 256)
	labels := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "labels"}}
	labels.Spec.NamespaceSelector.MatchLabels = map[string]string{}
	for i := range 32 {
		labels.Spec.NamespaceSelector.MatchLabels[strings.Repeat("d", 253)+"/"+strings.Repeat("k", 61)+fmt.Sprintf("%02d", i)] = strings.Repeat(
			"v",
			63,
		)
	}
	for sentence, tc := range map[string]struct {
		profiles []v1alpha1.SecurityProfile
		want     []string // are invalid
	}{
		"a hundred of normal size":                         {profiles: many(100, 1000)},
		"five hundred of normal size":                      {profiles: many(500, 500)},
		"a giant":                                          {profiles: []v1alpha1.SecurityProfile{heavy("giant", 140_000, 0), heavy("small", 300, 1)}, want: []string{"giant"}},
		"one a little too large":                           {profiles: []v1alpha1.SecurityProfile{heavy("giant", MaxWeight+400, 0)}, want: []string{"giant"}},
		"globs at the bounds of the CRD":                   {profiles: []v1alpha1.SecurityProfile{globs}, want: []string{"globs"}},
		"all names that may be excluded":                   {profiles: []v1alpha1.SecurityProfile{names}},
		"as many labels as there may be":                   {profiles: []v1alpha1.SecurityProfile{labels}},
		"as many large ones as there is room for":          {profiles: many(8, MaxWeight)},
		"more large ones than there is room for":           {profiles: many(10, MaxWeight), want: []string{"p008", "p009"}},
		"a lighter one goes before, however new it is":     {profiles: append(many(8, MaxWeight), heavy("new", 2000, 99)), want: []string{"p007"}},
		"an older one that has grown is the one that goes": {profiles: append(many(16, MaxWeight/2), heavy("old", MaxWeight/2+1000, -1)), want: []string{"old"}},
		"what is in force keeps its room":                  {profiles: append(inForce(many(8, MaxWeight)), heavy("light-and-new", 2000, 99)), want: []string{"light-and-new"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := New(tc.profiles, nil)
			got := slices.Sorted(maps.Keys(s.invalid))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("invalid (-want +got):\n%s", diff)
			}
			for _, name := range got {
				if why := s.Invalid(name).
					Error(); !strings.Contains(why, "too large") ||
					!strings.Contains(why, fmt.Sprint(Weight(find(tc.profiles, name)))) {
					t.Errorf("it does not name the size: %s", why)
				}
				if slices.ContainsFunc(s.profiles, func(c candidate) bool { return c.profile.Name == name }) {
					t.Errorf("%s selects something", name)
				}
			}
		})
	}
}

func find(profiles []v1alpha1.SecurityProfile, name string) *v1alpha1.SecurityProfile {
	return &profiles[slices.IndexFunc(profiles, func(p v1alpha1.SecurityProfile) bool { return p.Name == name })]
}
