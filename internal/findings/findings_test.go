package findings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// profile is a profile of the given spec.
func profile(spec v1alpha1.SecurityProfileSpec) *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted", UID: "uid-1"}, Spec: spec}
}

// judged is what is found in namespace team-a.
func judged(spec v1alpha1.SecurityProfileSpec, facts Facts) []v1alpha1.Finding {
	return Judge(profile(spec), "team-a", &facts)
}

// brief is each finding without its words, as Severity ID Kind/name.
func brief(found []v1alpha1.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s %s %s/%s", f.Severity, f.ID, f.Object.Kind, f.Object.Name))
	}
	return out
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// everything declares something of each part that findings are about.
func everything() v1alpha1.SecurityProfileSpec {
	return v1alpha1.SecurityProfileSpec{
		PodSecurity: &v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.20"},
		Network:     &v1alpha1.Network{DefaultDeny: []direction{ingress, egress}},
		Limits:      []v1alpha1.LimitRangeItem{{Type: "Container", Default: quantities("cpu", "1")}},
		RBAC:        &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
	}
}

// weakening are facts of which each finding comes at least once.
func weakening() Facts {
	open := []Opening{{ingress, "every peer", ""}, {egress, "every namespace", "TCP 443"}}
	return Facts{
		Policies: map[string]Policy{"z": {Openings: open}, "a": {Openings: open, Pods: "app=web"}},
		Bindings: map[string]Binding{
			"admins": {RoleKind: "ClusterRole", Role: "admin", Subjects: []rbacv1.Subject{{Kind: "User", Name: "eve"}}},
			"everyone": {
				RoleKind: "Role",
				Role:     "reader",
				Subjects: []rbacv1.Subject{{Kind: "Group", Name: "system:authenticated"}},
			},
			"readers": {RoleKind: "Role", Role: "reader", Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "ci"}}},
		},
		Roles:        map[string]Powers{"reader": {Names: []string{"access to Secrets"}}},
		ClusterRoles: map[string]Powers{"admin": {Total: true, Names: []string{"admin"}}},
		Accounts:     map[string]MountedToken{"ci": {}},
		Limits:       map[string]LimitDefaults{"mine": {Limits: quantities("cpu", "2")}},
		Pods: PodFacts{
			Exempt:     "it is exempt",
			Violations: map[string]string{"b": "privileged", "a": "host namespaces"},
			Unseen:     3,
		},
		LabelSync: LabelSync{Asked: true},
		Callers: []Caller{
			{
				v1alpha1.ObjectReference{APIVersion: "v1", Kind: "APIService", Name: "v1.example.com"},
				CallOf("team-a", "api", nil, true),
			},
		},
		Shortages: map[string]Shortage{
			"Job/sum": {Workload: "Job/sum", Object: v1alpha1.ObjectReference{Kind: "Job", Name: "sum"}},
		},
		Attempts: map[string]Attempt{
			"e": {Workload: "Job/sum", Refusal: Refusal{By: ByPodSecurity, Name: "restricted:v1.20", Words: "privileged"}},
		},
	}
}

func TestTheGravestFindingComesFirst(t *testing.T) {
	want := []string{
		"Critical PodSecurityExempt Namespace/team-a",
		"Critical PrivilegedBinding RoleBinding/admins",
		"High BroadBinding RoleBinding/everyone",
		"High NetworkReopened NetworkPolicy/a",
		"High NetworkReopened NetworkPolicy/z",
		"High PodSecurityViolated Pod/a",
		"High PodSecurityViolated Pod/b",
		"High PrivilegedBinding RoleBinding/everyone",
		"High WebhookUnreachable APIService/v1.example.com",
		"Medium LimitDefaultsOverridden LimitRange/mine",
		"Medium NetworkReopened NetworkPolicy/a",
		"Medium NetworkReopened NetworkPolicy/z",
		"Medium PodSecurityLabelSync Namespace/team-a",
		"Medium PrivilegedBinding RoleBinding/readers",
		"Medium WorkloadNotAdmitted Job/sum",
		"Low PodSecurityOutdated Namespace/team-a",
		"Low PodSecurityViolated Namespace/team-a",
		"Low TokenMountedByDefault ServiceAccount/ci",
	}
	found := judged(everything(), weakening())
	if diff := cmp.Diff(want, brief(found)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	totals := []v1alpha1.FindingTotal{
		{ID: "PodSecurityExempt", Severity: "Critical", Count: 1},
		{ID: "PrivilegedBinding", Severity: "Critical", Count: 1},
		{ID: "BroadBinding", Severity: "High", Count: 1},
		{ID: "NetworkReopened", Severity: "High", Count: 2},
		{ID: "PodSecurityViolated", Severity: "High", Count: 2},
		{ID: "PrivilegedBinding", Severity: "High", Count: 1},
		{ID: "WebhookUnreachable", Severity: "High", Count: 1},
		{ID: "LimitDefaultsOverridden", Severity: "Medium", Count: 1},
		{ID: "NetworkReopened", Severity: "Medium", Count: 2},
		{ID: "PodSecurityLabelSync", Severity: "Medium", Count: 1},
		{ID: "PrivilegedBinding", Severity: "Medium", Count: 1},
		{ID: "WorkloadNotAdmitted", Severity: "Medium", Count: 1},
		{ID: "PodSecurityOutdated", Severity: "Low", Count: 1},
		{ID: "PodSecurityViolated", Severity: "Low", Count: 1},
		{ID: "TokenMountedByDefault", Severity: "Low", Count: 1},
	}
	if diff := cmp.Diff(totals, Total(found)); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if got := Total(nil); got != nil {
		t.Errorf("of nothing the totals are %v", got)
	}
}

func TestTheProfileSaysWhatIsLookedFor(t *testing.T) {
	all := judged(everything(), weakening())
	for sentence, tc := range map[string]struct {
		findings *v1alpha1.Findings
		want     func(v1alpha1.Finding) bool
	}{
		"without spec.findings everything is":         {want: func(v1alpha1.Finding) bool { return true }},
		"in mode Report everything is":                {&v1alpha1.Findings{Mode: "Report"}, func(v1alpha1.Finding) bool { return true }},
		"without a mode everything is":                {&v1alpha1.Findings{}, func(v1alpha1.Finding) bool { return true }},
		"in mode Disabled nothing is":                 {&v1alpha1.Findings{Mode: "Disabled"}, func(v1alpha1.Finding) bool { return false }},
		"in mode Disabled nothing is, ignored or not": {&v1alpha1.Findings{Mode: "Disabled", Ignore: []v1alpha1.FindingID{"BroadBinding"}}, func(v1alpha1.Finding) bool { return false }},
		"what is ignored is not, whatever else is":    ignoring("NetworkReopened"),
		"each of several that are ignored is not":     ignoring("PrivilegedBinding", "BroadBinding", "TokenMountedByDefault", "LimitDefaultsOverridden"),
		"of Pod Security each is ignored by itself":   ignoring("PodSecurityViolated"),
		"an exemption can be ignored":                 ignoring("PodSecurityExempt"),
		"an outdated version can be ignored":          ignoring("PodSecurityOutdated"),
		"a label syncer can be ignored":               ignoring("PodSecurityLabelSync"),
		"what the API server calls can be ignored":    ignoring("WebhookUnreachable"),
		"workloads without pods can be ignored":       ignoring("WorkloadNotAdmitted"),
	} {
		t.Run(sentence, func(t *testing.T) {
			spec := everything()
			spec.Findings = tc.findings
			want := slices.DeleteFunc(slices.Clone(all), func(f v1alpha1.Finding) bool { return !tc.want(f) })
			if diff := cmp.Diff(brief(want), brief(judged(spec, weakening()))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func ignoring(ids ...v1alpha1.FindingID) struct {
	findings *v1alpha1.Findings
	want     func(v1alpha1.Finding) bool
} {
	return struct {
		findings *v1alpha1.Findings
		want     func(v1alpha1.Finding) bool
	}{&v1alpha1.Findings{Ignore: ids}, func(f v1alpha1.Finding) bool { return !slices.Contains(ids, f.ID) }}
}

func TestWhatAProfileDoesNotDeclareCannotBeWeakened(t *testing.T) {
	want := []string{ // Who may do what is nobody's to give away, whether or not the profile gives anybody anything.
		"Critical PrivilegedBinding RoleBinding/admins", "High BroadBinding RoleBinding/everyone",
		"High PrivilegedBinding RoleBinding/everyone", "Medium PrivilegedBinding RoleBinding/readers",
	}
	if diff := cmp.Diff(want, brief(judged(v1alpha1.SecurityProfileSpec{}, weakening()))); diff != "" {
		t.Errorf("of a profile that declares nothing (-want +got):\n%s", diff)
	}
	if found := judged(
		everything(),
		Facts{},
	); len(brief(found)) != 1 ||
		found[0].ID != v1alpha1.FindingIDPodSecurityOutdated {
		t.Errorf("where there is nothing: %v", brief(found))
	}
}

func TestJudgeIsDeterministicAndChangesNothing(t *testing.T) {
	p, facts := profile(everything()), weakening()
	before := asJSON(t, []any{p, facts})
	first := Judge(p, "team-a", &facts)
	for range 32 { // As often as the order of a map would show.
		if diff := cmp.Diff(first, Judge(p, "team-a", &facts)); diff != "" {
			t.Fatalf("another time (-first +now):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, asJSON(t, []any{p, facts})); diff != "" {
		t.Errorf("the input was changed (-before +after):\n%s", diff)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	facts := Facts{Pods: PodFacts{Exempt: strings.Repeat("é", 5000)}}
	spec := v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{Enforce: "baseline"}}
	want := strings.Repeat("é", 1024) + "…"
	if found := judged(spec, facts); len(found) != 1 || found[0].Message != want {
		t.Errorf("got %v", found)
	}
}

func TestListed(t *testing.T) {
	for want, words := range map[string][]string{
		"":                   nil,
		"a":                  {"a"},
		"a, b, c":            {"a", "b", "c"},
		"a, b, c and 1 more": {"a", "b", "c", "d"},
	} {
		if got := listed(words, 3); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
