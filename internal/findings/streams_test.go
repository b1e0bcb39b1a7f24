package findings

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apiversion "k8s.io/apimachinery/pkg/version"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestGetOpensStreams(t *testing.T) {
	for sentence, tc := range map[string]struct {
		info *apiversion.Info
		want bool
	}{
		"of 1.34 it does":                             {&apiversion.Info{Major: "1", Minor: "34"}, true},
		"of 1.35 it does not":                         {&apiversion.Info{Major: "1", Minor: "35"}, false},
		"of 1.37 it does not":                         {&apiversion.Info{Major: "1", Minor: "37"}, false},
		"a provider's suffix changes nothing of 1.34": {&apiversion.Info{Major: "1", Minor: "34+"}, true},
		"a provider's suffix changes nothing of 1.35": {&apiversion.Info{Major: "1", Minor: "35+"}, false},
		"of a major version to come it does not":      {&apiversion.Info{Major: "2", Minor: "0"}, false},
		"1.37 that emulates 1.34 is as 1.34":          {&apiversion.Info{Major: "1", Minor: "37", EmulationMajor: "1", EmulationMinor: "34"}, true},
		"1.37 that emulates 1.36 is as 1.36":          {&apiversion.Info{Major: "1", Minor: "37", EmulationMajor: "1", EmulationMinor: "36"}, false},
		"of a version that is not told it may":        {nil, true},
		"of a version that is empty it may":           {&apiversion.Info{}, true},
		"of a version that is no number it may":       {&apiversion.Info{Major: "one", Minor: "many"}, true},
	} {
		if got := GetOpensStreams(tc.info); got != tc.want {
			t.Errorf("%s: got %t", sentence, got)
		}
	}
}

func TestPowersByGet(t *testing.T) {
	for sentence, tc := range map[string]struct {
		rules         []rbacv1.PolicyRule
		before, since string
	}{
		"to get exec":              {[]rbacv1.PolicyRule{allowing("pods/exec", "get")}, "exec into Pods", ""},
		"to get attach":            {[]rbacv1.PolicyRule{allowing("pods/attach", "get")}, "attach to Pods", ""},
		"to get any exec":          {[]rbacv1.PolicyRule{allowing("*/exec", "get", "list")}, "exec into Pods", ""},
		"to create exec":           {[]rbacv1.PolicyRule{allowing("pods/exec", "create")}, "exec into Pods", "exec into Pods"},
		"to get and create attach": {[]rbacv1.PolicyRule{allowing("pods/attach", "get", "create")}, "attach to Pods", "attach to Pods"},
		"to get Secrets":           {[]rbacv1.PolicyRule{allowing("secrets", "get")}, "access to Secrets", "access to Secrets"},
		"to get Secrets and exec": {[]rbacv1.PolicyRule{allowing("secrets", "get"), allowing("pods/exec", "get")},
			"access to Secrets, exec into Pods", "access to Secrets"},
	} {
		role, _ := RoleOf(&rbacv1.Role{Rules: tc.rules})
		for getOpensStreams, want := range map[bool]string{true: tc.before, false: tc.since} {
			var wanted []string
			if want != "" {
				wanted = append(wanted, "Role reader ("+want+") is given to eve, and not by the profile")
			}
			var got []string
			for _, f := range judged(v1alpha1.SecurityProfileSpec{}, Facts{
				Bindings: map[string]Binding{"b": {RoleKind: "Role", Role: "reader", Subjects: []rbacv1.Subject{aUser("eve")}}},
				Roles:    map[string]Powers{"reader": role}, GetOpensStreams: getOpensStreams,
			}) {
				got = append(got, f.Message)
			}
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("%s, where get opens streams: %t (-want +got):\n%s", sentence, getOpensStreams, diff)
			}
		}
	}
}
