package takeover

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	enforce        = "pod-security.kubernetes.io/enforce"
	enforceVersion = "pod-security.kubernetes.io/enforce-version"
	warn           = "pod-security.kubernetes.io/warn"
)

type labels = map[string]string

func TestReplaced(t *testing.T) {
	for sentence, tc := range map[string]struct{ desired, borne, want labels }{
		"a namespace without labels loses none": {desired: labels{enforce: "restricted"}},
		"another level is replaced": {
			desired: labels{enforce: "restricted", enforceVersion: "latest"}, borne: labels{enforce: "baseline", "team": "a"},
			want: labels{enforce: "baseline"},
		},
		"so is another version": {
			desired: labels{enforce: "restricted", enforceVersion: "latest"}, borne: labels{enforce: "restricted", enforceVersion: "v1.30"},
			want: labels{enforceVersion: "v1.30"},
		},
		"the same level is not":                {desired: labels{enforce: "restricted"}, borne: labels{enforce: "restricted"}},
		"a mode that is not declared is not":   {desired: labels{enforce: "restricted"}, borne: labels{warn: "baseline"}},
		"Bulwark's own label is none of these": {desired: labels{v1alpha1.ProfileLabel: "a"}, borne: labels{v1alpha1.ProfileLabel: "b"}},
		"a value that is none is not missed":   {desired: labels{enforce: "restricted"}, borne: labels{enforce: "strict"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Replaced(tc.desired, tc.borne), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("replaced (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemembered(t *testing.T) {
	for sentence, tc := range map[string]struct {
		text string
		want labels
	}{
		"no annotation remembers nothing":        {},
		"what was written is read":               {text: Annotations(labels{enforce: "baseline", enforceVersion: "v1.30"})[v1alpha1.PodSecurityBeforeAnnotation], want: labels{enforce: "baseline", enforceVersion: "v1.30"}},
		"no level is no label":                   {text: `{"` + enforce + `": "", "` + warn + `": "anything", "` + enforceVersion + `": "1.30"}`},
		"a label of another kind does not count": {text: `{"` + v1alpha1.ProfileLabel + `": "other", "team": "a", "` + warn + `": "privileged"}`, want: labels{warn: "privileged"}},
		"a level is no version":                  {text: `{"` + enforceVersion + `": "baseline", "` + enforce + `": "latest"}`},
		"a list is not read":                     {text: `["` + enforce + `"]`},
		"null is not read":                       {text: `null`},
		"a value that is no text is not read":    {text: `{"` + enforce + `": 1}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := Remembered(map[string]string{v1alpha1.PodSecurityBeforeAnnotation: tc.text})
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("remembered (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithinAndBeyond(t *testing.T) {
	before := labels{enforce: "baseline", warn: "baseline"}
	desired := labels{enforce: "restricted", v1alpha1.ProfileLabel: "a"}
	if diff := cmp.Diff(labels{enforce: "baseline"}, Within(before, desired)); diff != "" {
		t.Errorf("within (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(labels{warn: "baseline"}, Beyond(before, desired)); diff != "" {
		t.Errorf("beyond (-want +got):\n%s", diff)
	}
	if got := Annotations(labels{}); got != nil {
		t.Errorf("an annotation that remembers nothing: %v", got)
	}
}
