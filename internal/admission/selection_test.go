package admission

import (
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matches is whether a glob's regular expression matches a name, as the policies ask it.
func matches(t interface{ Fatalf(string, ...any) }, glob, name string) bool {
	expression, err := regexp.Compile("^(?:" + globRegexp(glob) + ")$")
	if err != nil {
		t.Fatalf("%q becomes %q: %v", glob, globRegexp(glob), err)
	}
	return expression.MatchString(name)
}

// A glob is matched by package path where Bulwark selects, and by a regular expression where the
// API server does. Names are ASCII without slashes, as those of namespaces are: of others package
// path tries less than every way to match.
func TestGlobsMatchAsPackagePathHasThem(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"*",
		"**",
		"?",
		"a",
		"b",
		"-",
		".",
		"+",
		"(",
		"|",
		"$",
		"é",
		"/",
		"\n",
		`\*`,
		`\a`,
		`\[`,
		`\\`,
		"[a]",
		"[ab]",
		"[a-c]",
		"[^a]",
		"[^a-c]",
		"[c-a]",
		"[^c-a]",
		`[\-]`,
		`[\]]`,
		"[a-cx-z]",
		"[é-ü]",
		"[^é]",
		"[*]",
		"[.]",
		"[a^]",
		`[\^a]`,
		"[[]",
		"[&&a]",
		"[a-",
		"[",
		"[]",
		`\`,
		"]",
		"^",
	})
	character := rapid.SampledFrom(
		[]string{
			"a",
			"b",
			"c",
			"d",
			"x",
			"-",
			".",
			"*",
			"?",
			"[",
			"]",
			"^",
			`\`,
			"+",
			"\n",
			"&",
			"(",
			"|",
			"$",
			"",
		},
	)
	malformed, matched := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		glob := strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "glob"), "")
		for range 8 {
			name := strings.Join(rapid.SliceOfN(character, 0, 5).Draw(t, "name"), "")
			want, err := path.Match(glob, name)
			if err != nil {
				malformed++
				return // No profile and no flag with such a one is carried out.
			}
			if want {
				matched++
			}
			if got := matches(t, glob, name); got != want {
				t.Fatalf("%q matches %q: %t, and %q says %t", glob, name, want, globRegexp(glob), got)
			}
		}
	})
	if malformed == 0 || matched == 0 {
		t.Errorf("%d globs were malformed, and %d names matched", malformed, matched)
	}
}

func TestGlobsOfNamespaces(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{
		{"kube-*", "kube-system", true},
		{"kube-*", "kube-", true},
		{"kube-*", "my-kube-system", false},
		{"*", "", true},
		{"team-?", "team-a", true},
		{"team-?", "team-ab", false},
		{"team-[a-c]", "team-b", true},
		{"team-[^a-c]", "team-b", false},
		{"team-[^a-c]", "team-d", true},
		{"team-[^a-c]", "team-", false},
		{"[z-a]", "m", false},
		{"[^z-a]", "m", true},
		{`team\-a`, "team-a", true},
		{"a.b", "a-b", false},
		{"a|b", "a", false},
	} {
		if got := matches(t, tc.glob, tc.name); got != tc.want {
			t.Errorf("%q matches %q: %t", tc.glob, tc.name, got)
		}
	}
}
