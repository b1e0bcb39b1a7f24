package validation

import (
	. "github.com/onsi/ginkgo/v2"
)

const (
	wholeVerbs     = "verbs must not hold '*': least privilege names each verb"
	wholeResources = "resources must not hold '*': least privilege names each resource"
	wholeGroups    = "apiGroups must not hold '*': least privilege names each API group"
	powerfulVerbs  = "verbs must not hold escalate, bind or impersonate: each grants more than it names"
	everybody      = "a subject must not be system:masters, system:anonymous, system:unauthenticated, system:authenticated or " +
		"system:serviceaccounts: each means everybody or is beyond RBAC"
)

var _ = DescribeTable(
	"A rule is refused for",
	ExpectOnlyBadRefused,
	rule("every verb", `resources: [pods], verbs: [%s]`, "get", `"*"`, wholeVerbs),
	rule("every verb among others", `resources: [pods], verbs: [get, %s]`, "list", `"*"`, wholeVerbs),
	rule(
		"escalate",
		`resources: [roles], apiGroups: [rbac.authorization.k8s.io], verbs: [%s]`,
		"get",
		"escalate",
		powerfulVerbs,
	),
	rule(
		"bind",
		`resources: [roles], apiGroups: [rbac.authorization.k8s.io], verbs: [get, %s]`,
		"list",
		"bind",
		powerfulVerbs,
	),
	rule("impersonate", `resources: [serviceaccounts], verbs: [%s]`, "get", "impersonate", powerfulVerbs),
	rule("every resource", `resources: [%s], verbs: [get]`, "pods", `"*"`, wholeResources),
	rule("every subresource", `resources: [pods, "%s"], verbs: [get]`, "pods/log", "pods/*", wholeResources),
	rule(
		"a subresource of every resource",
		`resources: ["%s"], verbs: [get]`,
		"deployments/scale",
		"*/scale",
		wholeResources,
	),
	rule("every API group", `resources: [pods], verbs: [get], apiGroups: ["%s"]`, "apps", "*", wholeGroups),
	rule(
		"every API group among others",
		`resources: [pods], verbs: [get], apiGroups: ["", "%s"]`,
		"apps",
		"*",
		wholeGroups,
	),
	Entry("no verbs", refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods]%s}]}]}`), good: ", verbs: [get]", bad: "",
		path: "spec.rbac.roles[0].rules[0].verbs", reason: "Required value",
	}),
	Entry("no resources", refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [{verbs: [get], resources: [%s]}]}]}`), good: "pods", bad: "",
		path: "spec.rbac.roles[0].rules[0].resources", reason: "should have at least 1 items",
	}),
)

// rule is a second rule of a second role.
func rule(name, in, good, bad, reason string) TableEntry {
	return Entry(name, refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}]}, ` +
			`{name: b, rules: [{resources: [pods], verbs: [get]}, {` + in + `}]}]}`),
		good: good, bad: bad,
		path: "spec.rbac.roles[1].rules[1]", reason: reason,
	})
}

var _ = DescribeTable("A subject is refused for", ExpectOnlyBadRefused,
	Entry("an unknown kind", refusal{
		in:     selecting(`rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: %s, name: b}]}]}`),
		good:   "ServiceAccount",
		bad:    "user",
		path:   "spec.rbac.bindings[0].subjects[0].kind",
		reason: `Unsupported value: "user": supported values: "User", "Group", "ServiceAccount"`,
	}),
	Entry("an unknown API group", refusal{
		in: selecting(
			`rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: Group, name: b, apiGroup: %s}]}]}`,
		),
		good:   "rbac.authorization.k8s.io",
		bad:    "rbac",
		path:   "spec.rbac.bindings[0].subjects[0].apiGroup",
		reason: `Unsupported value: "rbac": supported values: "", "rbac.authorization.k8s.io"`,
	}),
	Entry("the namespace of a Group", namespaceOf("Group")),
	Entry("the namespace of a User", namespaceOf("User")),
	Entry("an empty name", refusal{
		in:   selecting(`rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: Group, name: "%s"}]}]}`),
		good: "b", bad: "",
		path: "spec.rbac.bindings[0].subjects[0].name", reason: "should be at least 1 chars long",
	}),
	forbidden("system:masters"),
	forbidden("system:anonymous"),
	forbidden("system:unauthenticated"),
	forbidden("system:authenticated"),
	forbidden("system:serviceaccounts"),
)

func namespaceOf(kind string) refusal {
	return refusal{
		in:   selecting(`rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: %s, name: b, namespace: ci}]}]}`),
		good: "ServiceAccount", bad: kind,
		path: "spec.rbac.bindings[0].subjects[0]", reason: "namespace applies to the kind ServiceAccount only",
	}
}

// forbidden are the refusals of a subject that means everybody, of either kind, in a role and in a
// binding.
func forbidden(name string) []TableEntry {
	var entries []TableEntry
	for _, kind := range []string{"User", "Group"} {
		subjects := `subjects: [{kind: Group, name: a}, {kind: ` + kind + `, name: "%s"}]`
		entries = append(entries,
			Entry("the "+kind+" "+name+" in a role", refusal{
				in:   selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}], ` + subjects + `}]}`),
				good: name + ":ci", bad: name,
				path: "spec.rbac.roles[0].subjects[1]", reason: everybody,
			}),
			Entry("the "+kind+" "+name+" in a binding", refusal{
				in:   selecting(`rbac: {bindings: [{name: a, clusterRole: view, ` + subjects + `}]}`),
				good: name + ":ci", bad: name,
				path: "spec.rbac.bindings[0].subjects[1]", reason: everybody,
			}))
	}
	return entries
}

var _ = DescribeTable("RBAC is refused for", ExpectOnlyBadRefused,
	Entry("a binding of cluster-admin", refusal{
		in:   selecting(`rbac: {bindings: [{name: a, clusterRole: %s, subjects: [{kind: Group, name: b}]}]}`),
		good: "admin", bad: "cluster-admin",
		path: "spec.rbac.bindings[0].clusterRole", reason: "cluster-admin must not be bound: it permits everything",
	}),
	Entry("a binding of nobody", refusal{
		in:   selecting(`rbac: {bindings: [{name: a, clusterRole: view, subjects: [%s]}]}`),
		good: "{kind: Group, name: b}", bad: "",
		path: "spec.rbac.bindings[0].subjects", reason: "should have at least 1 items",
	}),
	Entry("a binding with the name of a role", refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}]}], ` +
			`bindings: [{name: %s, clusterRole: view, subjects: [{kind: Group, name: b}]}]}`),
		good: "b", bad: "a",
		path: "spec.rbac", reason: "a binding must not have the name of a role: both would be the RoleBinding bulwark-<name>",
	}),
	Entry("a service account with a role that is not declared", refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}]}], ` +
			`serviceAccounts: [{name: b, roles: [a]}, {name: c, roles: [%s]}]}`),
		good: "a", bad: "b",
		path: "spec.rbac", reason: "each of a service account's roles must be the name of one of rbac.roles",
	}),
	Entry("a service account with a role where none is declared", refusal{
		in: selecting(`rbac: {serviceAccounts: [{name: b%s}]}`), good: "", bad: ", roles: [a]",
		path: "spec.rbac", reason: "each of a service account's roles must be the name of one of rbac.roles",
	}),
	Entry("a role without rules", refusal{
		in: selecting(`rbac: {roles: [{name: a, rules: [%s]}]}`), good: "{resources: [pods], verbs: [get]}", bad: "",
		path: "spec.rbac.roles[0].rules", reason: "should have at least 1 items",
	}),
)

// The operator holds these permissions itself, so that the API server's escalation check would let
// it grant them.
var _ = DescribeTable("What would undo the baseline is refused for", ExpectOnlyBadRefused,
	Entry("a role that writes network policies", refusal{
		in: selecting(
			`rbac: {roles: [{name: a, rules: [{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, %s]}]}]}`,
		),
		good:   "list",
		bad:    "delete",
		path:   "spec.rbac.roles[0].rules[0]",
		reason: "a role must not permit writing what baselines consist of",
	}),
	Entry("a role that writes what quotas hold", refusal{
		in:   selecting(`rbac: {roles: [{name: a, rules: [{resources: [resourcequotas/status], verbs: [%s]}]}]}`),
		good: "get", bad: "patch",
		path: "spec.rbac.roles[0].rules[0]", reason: "a role must not permit writing what baselines consist of",
	}),
	Entry("a role that writes Reports of OpenReports", refusal{
		in: selecting(
			`rbac: {roles: [{name: a, rules: [{apiGroups: [apps, openreports.io], resources: [pods, %s], verbs: [get, create]}]}]}`,
		),
		good:   "jobs",
		bad:    "reports",
		path:   "spec.rbac.roles[0].rules[0]",
		reason: "a role must not permit writing the Reports of openreports.io",
	}),
	Entry("a role that writes the reports of OpenReports, and not those of others", refusal{
		in:   selecting(`rbac: {roles: [{name: a, rules: [{apiGroups: [%s], resources: [reports], verbs: [delete]}]}]}`),
		good: "example.com", bad: "openreports.io",
		path: "spec.rbac.roles[0].rules[0]", reason: "a role must not permit writing the Reports of openreports.io",
	}),
	Entry("a role that writes Reports and does not only read them", refusal{
		in: selecting(
			`rbac: {roles: [{name: a, rules: [{apiGroups: [openreports.io], resources: [reports], verbs: [list, %s]}]}]}`,
		),
		good:   "watch",
		bad:    "update",
		path:   "spec.rbac.roles[0].rules[0]",
		reason: "a role must not permit writing the Reports of openreports.io",
	}),
	Entry("a role that relabels namespaces", refusal{
		in:   selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods, %s], verbs: [patch]}]}]}`),
		good: "services", bad: "namespaces",
		path: "spec.rbac.roles[0].rules[0]", reason: "a role must not permit writing what baselines consist of",
	}),
	Entry("a binding to the operator's own ClusterRole", refusal{
		in:     selecting(`rbac: {bindings: [{name: a, clusterRole: "%s", subjects: [{kind: User, name: b}]}]}`),
		good:   "view",
		bad:    "bulwark-manager",
		path:   "spec.rbac.bindings[0].clusterRole",
		reason: "the ClusterRoles of Bulwark and of Kubernetes itself must not be bound",
	}),
)
