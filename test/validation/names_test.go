package validation

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable(
	"A list of named items is refused for",
	ExpectOnlyBadRefused,
	names("spec.network.policies", `network: {policies: [`, `{name: "%s", spec: {podSelector: {}}}`, `]}`),
	names("spec.quotas", `quotas: [`, `{name: "%s", spec: {hard: {pods: "1"}}}`, `]`),
	names("spec.rbac.roles", `rbac: {roles: [`, `{name: "%s", rules: [{resources: [pods], verbs: [get]}]}`, `]}`),
	names(
		"spec.rbac.bindings",
		`rbac: {bindings: [`,
		`{name: "%s", clusterRole: view, subjects: [{kind: User, name: u}]}`,
		`]}`,
	),
	names("spec.rbac.serviceAccounts", `rbac: {serviceAccounts: [`, `{name: "%s"}`, `]}`),
)

// names are the refusals of names in the list at the path: before and after enclose its items, of
// which each has a name.
func names(path, before, item, after string) []TableEntry {
	const letters = "a name must consist of lower case letters, digits and '-', and must start and end with a letter or digit"
	one := selecting(before + item + after)
	two := selecting(before + strings.Replace(item, "%s", "a", 1) + ", " + item + after)
	return []TableEntry{
		Entry("a name of 56 characters in "+path, refusal{
			in:     one,
			good:   strings.Repeat("a", 55),
			bad:    strings.Repeat("a", 56),
			path:   path + "[0].name",
			reason: "a name must have at most 55 characters: with the prefix bulwark- it names an object, whose name may have 63",
		}),
		Entry(
			"an upper case name in "+path,
			refusal{in: two, good: "web", bad: "Web", path: path + "[1].name", reason: letters},
		),
		Entry(
			"a name that ends with a hyphen in "+path,
			refusal{in: one, good: "1-a", bad: "1-", path: path + "[0].name", reason: letters},
		),
		Entry(
			"a name with a dot in "+path,
			refusal{in: one, good: "a-b", bad: "a.b", path: path + "[0].name", reason: letters},
		),
		Entry("an empty name in "+path, refusal{
			in: one, good: "a", bad: "", path: path + "[0].name", reason: "should be at least 1 chars long",
		}),
		Entry("a name given twice in "+path, refusal{
			in: two, good: "b", bad: "a", path: path, reason: `duplicate entries for key [name="a"]`,
		}),
	}
}
