package validation

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

const undeclared = "field not declared in schema"

var _ = DescribeTable("A profile is refused for", ExpectOnlyBadRefused,
	Entry("a field of the spec that does not exist", refusal{
		in: selecting(`podSecurity: {enforce: baseline}%s`), good: ``, bad: `, namespaces: [a]`,
		path: "spec.namespaces", reason: undeclared,
	}),
	Entry("a misspelt field of a section", refusal{
		in: selecting(`podSecurity: {%s: baseline}`), good: "enforce", bad: "enforced",
		path: "spec.podSecurity.enforced", reason: undeclared,
	}),
	Entry("a misspelt field of a NetworkPolicy", refusal{
		in: selecting(
			`network: {policies: [{name: web, spec: {podSelector: {}, %s: [Ingress]}}]}`,
		),
		good:   "policyTypes",
		bad:    "policyType",
		path:   `spec.network.policies[name="web"].spec.policyType`,
		reason: undeclared,
	}),
	Entry("a misspelt field of a list without keys", refusal{
		in:   selecting(`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get], %s: [a]}]}]}`),
		good: "resourceNames", bad: "nonResourceURLs",
		path: `spec.rbac.roles[name="a"].rules[0].nonResourceURLs`, reason: undeclared,
	}),
	Entry("an unknown enforcement", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, enforcement: %s`), good: "Audit", bad: "audit",
		path: "spec.enforcement", reason: `Unsupported value: "audit": supported values: "Enforce", "Audit"`,
	}),
	Entry("an unknown deletionPolicy", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, deletionPolicy: %s`), good: "Retain", bad: "Keep",
		path: "spec.deletionPolicy", reason: `Unsupported value: "Keep": supported values: "Delete", "Retain"`,
	}),
	Entry("an unknown adoption", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, adoption: %s`), good: "Adopt", bad: "Always",
		path: "spec.adoption", reason: `Unsupported value: "Always": supported values: "Never", "Adopt"`,
	}),
	Entry("an unknown rollout", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, rollout: %s`), good: "WhenSafe", bad: "Careful",
		path: "spec.rollout", reason: `Unsupported value: "Careful": supported values: "Immediate", "WhenSafe"`,
	}),
	Entry("an unknown answer to a contest", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, contest: %s`), good: "BackOff", bad: "Yield",
		path: "spec.contest", reason: `Unsupported value: "Yield": supported values: "Correct", "BackOff"`,
	}),
	Entry("an unknown mode of findings", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, findings: {mode: %s}`), good: "Disabled", bad: "None",
		path: "spec.findings.mode", reason: `Unsupported value: "None": supported values: "Report", "Disabled"`,
	}),
	Entry("an unknown finding", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, findings: {ignore: [%s]}`), good: "BroadBinding", bad: "Everything",
		path: "spec.findings.ignore[0]", reason: `Unsupported value: "Everything"`,
	}),
	Entry("a negative priority", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, priority: %s`), good: "0", bad: "-1",
		path: "spec.priority", reason: "should be greater than or equal to 0",
	}),
	Entry("a priority above a million", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, priority: %s`), good: "1000000", bad: "1000001",
		path: "spec.priority", reason: "should be less than or equal to 1000000",
	}),
	Entry("a missing namespaceSelector", refusal{
		in: `%spodSecurity: {enforce: baseline}`, good: "namespaceSelector: {}, ", bad: "",
		path: "spec.namespaceSelector", reason: "Required value",
	}),
	Entry("no section at all", refusal{
		in:     `namespaceSelector: {}%s`,
		good:   ", rbac: {defaultServiceAccount: {}}",
		bad:    "",
		path:   "spec",
		reason: "a profile must declare at least one of podSecurity, network, limits, quotas, rbac, workloads and images",
	}),
	Entry("an empty list of quotas", refusal{
		in: selecting(`quotas: [%s]`), good: `{name: a, spec: {hard: {pods: "1"}}}`, bad: "",
		path: "spec.quotas", reason: "should have at least 1 items",
	}),
)

const valuesRule = "values must be given with In and NotIn, and must not be given with Exists and DoesNotExist"

var _ = DescribeTable("A selection is refused for", ExpectOnlyBadRefused,
	Entry("an unknown operator", refusal{
		in:     `namespaceSelector: {matchExpressions: [{key: team, operator: %s, values: [a]}]}, podSecurity: {enforce: baseline}`,
		good:   "In",
		bad:    "Equals",
		path:   "spec.namespaceSelector.matchExpressions[0].operator",
		reason: `Unsupported value: "Equals": supported values: "In", "NotIn", "Exists", "DoesNotExist"`,
	}),
	Entry("In without values", refusal{
		in:   `namespaceSelector: {matchExpressions: [{key: team, operator: In%s}]}, podSecurity: {enforce: baseline}`,
		good: ", values: [a]", bad: "",
		path: "spec.namespaceSelector.matchExpressions[0]", reason: valuesRule,
	}),
	Entry("NotIn with an empty list of values", refusal{
		in:     `namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [%s]}]}, podSecurity: {enforce: baseline}`,
		good:   "a",
		bad:    "",
		path:   "spec.namespaceSelector.matchExpressions[0]",
		reason: valuesRule,
	}),
	Entry("Exists with values", refusal{
		in:   `namespaceSelector: {matchExpressions: [{key: team, operator: Exists%s}]}, podSecurity: {enforce: baseline}`,
		good: "", bad: ", values: [a]",
		path: "spec.namespaceSelector.matchExpressions[0]", reason: valuesRule,
	}),
	Entry("DoesNotExist with values", refusal{
		in:     `namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist%s}]}, podSecurity: {enforce: baseline}`,
		good:   "",
		bad:    ", values: [a]",
		path:   "spec.namespaceSelector.matchExpressions[0]",
		reason: valuesRule,
	}),
	Entry("an exclusion that is a regular expression", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, excludeNamespaces: ["%s"]`), good: "ci-?*", bad: "ci-(a|b)",
		path: "spec.excludeNamespaces[0]", reason: "should match '^[-a-z0-9*?]+$'",
	}),
	Entry("an exclusion in upper case", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, excludeNamespaces: [ok, "%s"]`), good: "ci", bad: "CI",
		path: "spec.excludeNamespaces[1]", reason: "should match '^[-a-z0-9*?]+$'",
	}),
	Entry("an exclusion given twice", refusal{
		in: selecting(`podSecurity: {enforce: baseline}, excludeNamespaces: [ci, %s]`), good: "cd", bad: "ci",
		path: "spec.excludeNamespaces", reason: `duplicate entries for key [="ci"]`,
	}),
)

const writtenRule = ", which Bulwark writes on namespaces: select by a label of your own"

var _ = DescribeTable("A selection by a label that Bulwark writes on namespaces is refused", ExpectOnlyBadRefused,
	Entry("among the labels", refusal{
		in:     `namespaceSelector: {matchLabels: {team: a, "%s": restricted}}, podSecurity: {enforce: baseline}`,
		good:   "tier",
		bad:    "pod-security.kubernetes.io/enforce",
		path:   "spec.namespaceSelector.matchLabels",
		reason: "by the label pod-security.kubernetes.io/enforce" + writtenRule,
	}),
	Entry("among the labels, as a version", refusal{
		in:     `namespaceSelector: {matchLabels: {"%s": latest}}, network: {defaultDeny: [Ingress]}`,
		good:   "tier",
		bad:    "pod-security.kubernetes.io/audit-version",
		path:   "spec.namespaceSelector.matchLabels",
		reason: "by the label pod-security.kubernetes.io/audit-version" + writtenRule,
	}),
	Entry("among the labels, as the one that names the profile", refusal{
		in:     `namespaceSelector: {matchLabels: {"%s": other}}, podSecurity: {enforce: baseline}`,
		good:   "example.com/profile",
		bad:    "security.bulwark.dev/profile",
		path:   "spec.namespaceSelector.matchLabels",
		reason: "by the label security.bulwark.dev/profile" + writtenRule,
	}),
	Entry("among the expressions, though it is to be absent", refusal{
		in:     `namespaceSelector: {matchLabels: {team: a}, matchExpressions: [{key: tier, operator: Exists}, {key: "%s", operator: DoesNotExist}]}, podSecurity: {enforce: baseline}`,
		good:   "pod-security.example.com/enforce",
		bad:    "pod-security.kubernetes.io/enforce",
		path:   "spec.namespaceSelector.matchExpressions[1].key",
		reason: "by the label pod-security.kubernetes.io/enforce" + writtenRule,
	}),
	Entry("among the expressions, whatever its name is", refusal{
		in:     `namespaceSelector: {matchExpressions: [{key: "%s", operator: NotIn, values: [x]}]}, podSecurity: {enforce: baseline}`,
		good:   "bulwark.dev/anything",
		bad:    "security.bulwark.dev/anything",
		path:   "spec.namespaceSelector.matchExpressions[0].key",
		reason: "by the label security.bulwark.dev/anything" + writtenRule,
	}),
)

var _ = Describe("The name", func() {
	It("of a SecurityProfile may have 63 characters, and not 64", func() {
		spec := selecting("podSecurity: {enforce: baseline}")
		ExpectAccepted(profile(strings.Repeat("a", 63), spec))
		ExpectRefused(profile(strings.Repeat("a", 64), spec), root,
			"the name of a SecurityProfile is a label value on what it manages: at most 63 characters")
	})

	It("of a NamespacePosture is posture, and nothing else", func() {
		ExpectAccepted(fmt.Sprintf(posture, "posture"))
		ExpectRefused(fmt.Sprintf(posture, "report"), root, "a NamespacePosture is always named posture")
	})
})

// posture is the manifest of a NamespacePosture, but for its name.
const posture = `
apiVersion: security.bulwark.dev/v1alpha1
kind: NamespacePosture
metadata: {name: %s, namespace: default}
profile: example
profileGeneration: 1
enforcement: Enforce
status: {conditions: [{type: Ready, status: "True", reason: BaselineInPlace, message: "", lastTransitionTime: "2030-01-01T12:00:00Z"}]}
summary: {compliant: 1, drifted: 2, conflicted: 3, failed: 4}
`
