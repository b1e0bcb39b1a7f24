package validation

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable("Rules for workloads are refused for", ExpectOnlyBadRefused,
	Entry("no rule at all", refusal{
		in: selecting(`workloads: {action: Warn%s}`), good: ", hostPort: {policy: Forbid}", bad: "",
		path: "spec.workloads", reason: "workloads must set at least one rule",
	}),
	Entry("a rule without its word", refusal{
		in: selecting(`workloads: {runAsNonRoot: %s}`), good: "Require", bad: `""`,
		path: "spec.workloads.runAsNonRoot", reason: `Unsupported value: "": supported values: "Require"`,
	}),
	Entry("an unknown action", refusal{
		in: selecting(`workloads: {action: %s, runAsNonRoot: Require}`), good: "Audit", bad: "Refuse",
		path: "spec.workloads.action", reason: `Unsupported value: "Refuse": supported values: "Deny", "Warn", "Audit"`,
	}),
	Entry("an unconfined seccomp profile", refusal{
		in: selecting(`workloads: {seccomp: [RuntimeDefault%s]}`), good: ", Localhost", bad: ", Unconfined",
		path: "spec.workloads.seccomp[1]", reason: `Unsupported value: "Unconfined"`,
	}),
	Entry("an empty list of AppArmor types", refusal{
		in: selecting(`workloads: {appArmor: [%s]}`), good: "RuntimeDefault", bad: "",
		path: "spec.workloads.appArmor", reason: "should have at least 1 items",
	}),
	Entry("an SELinux type that is an expression", refusal{
		in: selecting(`workloads: {seLinux: [%s]}`), good: "container_t", bad: `"container_*"`,
		path: "spec.workloads.seLinux[0]", reason: "should match",
	}),
	Entry("a resource that nobody can request", refusal{
		in: selecting(`workloads: {requireRequests: [cpu, %s]}`), good: "ephemeral-storage", bad: "pods",
		path: "spec.workloads.requireRequests[1]", reason: `Unsupported value: "pods"`,
	}),
	Entry("a limit given twice", refusal{
		in: selecting(`workloads: {requireLimits: [cpu, %s]}`), good: "memory", bad: "cpu",
		path: "spec.workloads.requireLimits", reason: "duplicate",
	}),
	Entry("an unknown probe", refusal{
		in:     selecting(`workloads: {requireProbes: [%s]}`),
		good:   "Startup",
		bad:    "startup",
		path:   "spec.workloads.requireProbes[0]",
		reason: `Unsupported value: "startup": supported values: "Liveness", "Readiness", "Startup"`,
	}),
	Entry("a host path that is relative", refusal{
		in: selecting(
			`workloads: {hostPath: {policy: AllowListed, allowed: [{pathPrefix: %s}]}}`,
		),
		good:   "/var/log",
		bad:    "var/log",
		path:   "spec.workloads.hostPath.allowed[0].pathPrefix",
		reason: "should match",
	}),
	Entry("a host path that climbs", refusal{
		in: selecting(
			`workloads: {hostPath: {policy: AllowListed, allowed: [{pathPrefix: %s}]}}`,
		),
		good:   "/var/..log",
		bad:    "/var/../etc",
		path:   "spec.workloads.hostPath.allowed[0].pathPrefix",
		reason: "pathPrefix must not hold . or ..",
	}),
	Entry("a range of ports that ends before it begins", refusal{
		in: selecting(
			`workloads: {hostPort: {policy: AllowListed, allowed: [{min: 9000, max: %s}]}}`,
		),
		good:   "9000",
		bad:    "8999",
		path:   "spec.workloads.hostPort.allowed[0]",
		reason: "min must not be greater than max",
	}),
	Entry("a port that there is not", refusal{
		in: selecting(
			`workloads: {hostPort: {policy: AllowListed, allowed: [{min: 1, max: %s}]}}`,
		),
		good:   "65535",
		bad:    "65536",
		path:   "spec.workloads.hostPort.allowed[0].max",
		reason: "should be less than or equal to 65535",
	}),
	Entry("an exception about no container", refusal{
		in:   selecting(`workloads: {runAsNonRoot: Require, except: [{%s rules: [runAsNonRoot], reason: a mesh}]}`),
		good: "containers: [proxy],", bad: "",
		path: "spec.workloads.except[0]", reason: "an exception must name containers or images",
	}),
	Entry("an exception from a rule that is about the pod as a whole", refusal{
		in:   selecting(`workloads: {runAsNonRoot: Require, except: [{containers: [proxy], rules: [%s], reason: a mesh}]}`),
		good: "runAsNonRoot", bad: "hostNetwork",
		path: "spec.workloads.except[0].rules[0]", reason: `Unsupported value: "hostNetwork"`,
	}),
	Entry("an exception without a reason", refusal{
		in:   selecting(`workloads: {runAsNonRoot: Require, except: [{containers: [proxy], rules: [runAsNonRoot]%s}]}`),
		good: ", reason: a mesh", bad: "",
		path: "spec.workloads.except[0].reason", reason: "Required value",
	}),
	Entry("an exception for what is no container's name", refusal{
		in: selecting(
			`workloads: {runAsNonRoot: Require, except: [{containers: ["%s"], rules: [runAsNonRoot], reason: a mesh}]}`,
		),
		good:   "istio-proxy",
		bad:    "istio-*",
		path:   "spec.workloads.except[0].containers[0]",
		reason: "should match",
	}),
	Entry("an exception from the registries for whoever names a container so", refusal{
		in:     selecting(`images: {digest: Require, except: [{containers: [proxy], rules: [%s], reason: a mesh}]}`),
		good:   "digest",
		bad:    "allowedRegistries",
		path:   "spec.images.except[0]",
		reason: "an exception from allowedRegistries must name images: anybody may name a container so",
	}),
	Entry("an exception for images without a host", refusal{
		in:   selecting(`images: {digest: Require, except: [{images: [%s], rules: [digest], reason: a mesh}]}`),
		good: "docker.io/library", bad: "library",
		path: "spec.images.except[0].images", reason: "each of images must begin with a host",
	}),
	Entry("a list of what may be under the policy Forbid", refusal{
		in:   selecting(`workloads: {hostPath: {policy: %s, allowed: [{pathPrefix: /var/log}]}}`),
		good: "AllowListed", bad: "Forbid",
		path: "spec.workloads.hostPath", reason: "the policy Forbid allows nothing: with allowed the policy is AllowListed",
	}),
	Entry("the policy AllowListed without a list", refusal{
		in: selecting(`workloads: {priorityClasses: {policy: %s}}`), good: "Forbid", bad: "AllowListed",
		path: "spec.workloads.priorityClasses", reason: "the policy AllowListed needs allowed, the list of what may be",
	}),
	Entry("a host network that is allowed in so many words", refusal{
		in: selecting(`workloads: {hostNetwork: %s}`), good: "Forbid", bad: "Allow",
		path: "spec.workloads.hostNetwork", reason: `Unsupported value: "Allow": supported values: "Forbid"`,
	}),
	Entry("a node name that is allowed in so many words", refusal{
		in: selecting(`workloads: {nodeName: %s}`), good: "Forbid", bad: "Allow",
		path: "spec.workloads.nodeName", reason: `Unsupported value: "Allow": supported values: "Forbid"`,
	}),
	Entry("a taint's key that is a pattern", refusal{
		in: selecting(
			`workloads: {tolerations: {policy: AllowListed, allowed: [{key: %s}]}}`,
		),
		good:   "example.com/dedicated",
		bad:    "'example.com/*'",
		path:   "spec.workloads.tolerations.allowed[0].key",
		reason: "should match",
	}),
	Entry("a taint's value that it cannot have", refusal{
		in: selecting(
			`workloads: {tolerations: {policy: AllowListed, allowed: [{key: dedicated, values: [%s]}]}}`,
		),
		good:   "team-a",
		bad:    "'team a'",
		path:   "spec.workloads.tolerations.allowed[0].values[0]",
		reason: "should match",
	}),
	Entry("values of a taint that are none", refusal{
		in: selecting(
			`workloads: {tolerations: {policy: AllowListed, allowed: [{key: dedicated, values: %s}]}}`,
		),
		good:   "['']",
		bad:    "[]",
		path:   "spec.workloads.tolerations.allowed[0].values",
		reason: "should have at least 1 items",
	}),
	Entry("a PriorityClass that there cannot be", refusal{
		in: selecting(
			`workloads: {priorityClasses: {policy: AllowListed, allowed: [%s]}}`,
		),
		good:   "system-node-critical",
		bad:    "Batch",
		path:   "spec.workloads.priorityClasses.allowed[0]",
		reason: "should match",
	}),
	Entry("an unknown type of Service", refusal{
		in: selecting(`workloads: {allowedServiceTypes: [%s]}`), good: "ExternalName", bad: "Headless",
		path: "spec.workloads.allowedServiceTypes[0]", reason: `Unsupported value: "Headless"`,
	}),
)

var _ = DescribeTable("Rules for images are refused for", ExpectOnlyBadRefused,
	Entry("no rule at all", refusal{
		in: selecting(`images: {action: Warn%s}`), good: ", digest: Require", bad: "",
		path: "spec.images", reason: "images must set at least one rule",
	}),
	Entry("a registry without a host", refusal{
		in: selecting(`images: {allowedRegistries: [localhost, %s]}`), good: "docker.io/library", bad: "library",
		path: "spec.images.allowedRegistries", reason: "each of allowedRegistries must begin with a host",
	}),
	Entry("a registry that is a pattern", refusal{
		in: selecting(
			`images: {allowedRegistries: ["%s"]}`,
		),
		good:   "registry.example.com:5000/team/app",
		bad:    "registry.example.com/*",
		path:   "spec.images.allowedRegistries[0]",
		reason: "should match",
	}),
	Entry("a registry with a scheme", refusal{
		in: selecting(
			`images: {allowedRegistries: ["%s"]}`,
		),
		good:   "registry.example.com",
		bad:    "https://registry.example.com",
		path:   "spec.images.allowedRegistries[0]",
		reason: "should match",
	}),
	Entry("a registry with a slash at its end", refusal{
		in: selecting(`images: {allowedRegistries: ["registry.example.com/team%s"]}`), good: "", bad: "/",
		path: "spec.images.allowedRegistries[0]", reason: "should match",
	}),
	Entry("a tag that no image can have", refusal{
		in: selecting(`images: {denyTags: ["%s"]}`), good: strings.Repeat("a", 128), bad: strings.Repeat("a", 129),
		path: "spec.images.denyTags[0]", reason: "should match",
	}),
	Entry("an unknown pullPolicy", refusal{
		in: selecting(`images: {pullPolicy: %s}`), good: "Always", bad: "OnDemand",
		path: "spec.images.pullPolicy", reason: `Unsupported value: "OnDemand"`,
	}),
	Entry("vulnerabilities without a threshold", refusal{
		in: selecting(`images: {vulnerabilities: {unfixed: Ignore%s}}`), good: ", maxCounts: {critical: 0}", bad: "",
		path: "spec.images.vulnerabilities", reason: "vulnerabilities must set maxSeverity or maxCounts",
	}),
	Entry("a severity that allows everything", refusal{
		in:     selecting(`images: {vulnerabilities: {maxSeverity: %s}}`),
		good:   "None",
		bad:    "Critical",
		path:   "spec.images.vulnerabilities.maxSeverity",
		reason: `Unsupported value: "Critical": supported values: "None", "Low", "Medium", "High"`,
	}),
	Entry("an action that a check does not have", refusal{
		in: selecting(`images: {vulnerabilities: {maxSeverity: High, action: %s}}`), good: "Warn", bad: "Audit",
		path: "spec.images.vulnerabilities.action", reason: `Unsupported value: "Audit": supported values: "Deny", "Warn"`,
	}),
	Entry("a count below none", refusal{
		in: selecting(`images: {vulnerabilities: {maxCounts: {high: %s}}}`), good: "0", bad: "-1",
		path: "spec.images.vulnerabilities.maxCounts.high", reason: "should be greater than or equal to 0",
	}),
	Entry("counts of nothing", refusal{
		in: selecting(`images: {vulnerabilities: {maxCounts: {%s}}}`), good: "low: 10", bad: "",
		path: "spec.images.vulnerabilities.maxCounts", reason: "should have at least 1 properties",
	}),
	Entry("a period in days", refusal{
		in: selecting(`images: {vulnerabilities: {maxSeverity: High, fixedFor: %s}}`), good: "168h", bad: "7d",
		path: "spec.images.vulnerabilities.fixedFor", reason: "should match",
	}),
	Entry("an age that is negative", refusal{
		in: selecting(`images: {vulnerabilities: {maxSeverity: High, maxReportAge: %s}}`), good: "24h30m", bad: "-24h",
		path: "spec.images.vulnerabilities.maxReportAge", reason: "should match",
	}),
	Entry("what is accepted for ever", refusal{
		in:   selecting(`images: {vulnerabilities: {maxSeverity: High, accepted: [{id: CVE-2026-1, reason: not used%s}]}}`),
		good: `, expires: "2026-12-31T00:00:00Z"`, bad: "",
		path: "spec.images.vulnerabilities.accepted[0].expires", reason: "Required value",
	}),
	Entry("what is accepted without a reason", refusal{
		in: selecting(
			`images: {vulnerabilities: {maxSeverity: High, accepted: [{id: CVE-2026-1, reason: "%s", expires: "2026-12-31T00:00:00Z"}]}}`,
		),
		good:   "not used",
		bad:    "",
		path:   "spec.images.vulnerabilities.accepted[0].reason",
		reason: "should be at least 1 chars long",
	}),
	Entry("an id that is a pattern", refusal{
		in: selecting(
			`images: {vulnerabilities: {maxSeverity: High, accepted: [{id: "%s", reason: x, expires: "2026-12-31T00:00:00Z"}]}}`,
		),
		good:   "GHSA-cfh5-3ghh-wfjx",
		bad:    "CVE-*",
		path:   "spec.images.vulnerabilities.accepted[0].id",
		reason: "should match",
	}),
)

var _ = DescribeTable("Protection is refused for", ExpectOnlyBadRefused,
	Entry("break-glass groups without tamper protection", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {%sbreakGlassGroups: [on-call]}`,
		),
		good:   "tamper: Forbid, ",
		bad:    "",
		path:   "spec.protection",
		reason: "breakGlassGroups needs tamper: Forbid",
	}),
	Entry("a break-glass group that everybody is in", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassGroups: ["%s"]}`,
		),
		good:   "system:masters",
		bad:    "system:authenticated",
		path:   "spec.protection.breakGlassGroups",
		reason: "must not name a group that everybody, all nodes or all service accounts are in",
	}),
	Entry("a break-glass group of the service accounts of a namespace", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassGroups: ["%s"]}`,
		),
		good:   "on-call",
		bad:    "system:serviceaccounts:shop",
		path:   "spec.protection.breakGlassGroups",
		reason: "all service accounts are in",
	}),
	Entry("a break-glass group that is no name", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassGroups: ["%s"]}`,
		),
		good:   `CORP\\sre \"on call\" (夜)`,
		bad:    `ops\u0007`,
		path:   "spec.protection.breakGlassGroups[0]",
		reason: "should match",
	}),
	Entry("break-glass users without tamper protection", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {%sbreakGlassUsers: [ada]}`,
		),
		good:   "tamper: Forbid, ",
		bad:    "",
		path:   "spec.protection",
		reason: "breakGlassUsers needs tamper",
	}),
	Entry("a break-glass user who is nobody known", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`,
		),
		good:   "ada",
		bad:    "system:anonymous",
		path:   "spec.protection.breakGlassUsers",
		reason: "must not name system:anonymous",
	}),
	Entry("a break-glass user that is the group of the service accounts of a namespace", refusal{
		in:   selecting(`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`),
		good: "system:serviceaccount:velero:velero", bad: "system:serviceaccounts:velero",
		path: "spec.protection.breakGlassUsers", reason: "this is a group",
	}),
	Entry("a break-glass user that is the group of administrators", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`,
		),
		good:   "kubernetes-admin",
		bad:    "system:masters",
		path:   "spec.protection.breakGlassUsers",
		reason: "this is a group",
	}),
	Entry("a break-glass user that is a service account without its name", refusal{
		in:   selecting(`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`),
		good: "system:serviceaccount:backup:velero.server", bad: "system:serviceaccount:velero",
		path: "spec.protection.breakGlassUsers", reason: "exactly system:serviceaccount:NAMESPACE:NAME",
	}),
	Entry("a break-glass user that is each service account of a namespace", refusal{
		in:   selecting(`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`),
		good: "system:serviceaccount:velero:velero", bad: "system:serviceaccount:velero:*",
		path: "spec.protection.breakGlassUsers", reason: "exactly system:serviceaccount:NAMESPACE:NAME",
	}),
	Entry("a break-glass user that is no name", refusal{
		in: selecting(
			`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: ["%s"]}`,
		),
		good:   `CORP\\ada o'b \"x\"`,
		bad:    `a\tb`,
		path:   "spec.protection.breakGlassUsers[0]",
		reason: "should match",
	}),
	Entry("more break-glass users than eight", refusal{
		in:   selecting(`podSecurity: {enforce: baseline}, protection: {tamper: Forbid, breakGlassUsers: [%s]}`),
		good: "a, b, c, d, e, f, g, h", bad: "a, b, c, d, e, f, g, h, i",
		path: "spec.protection.breakGlassUsers", reason: "Too many",
	}),
	Entry("protection of nothing", refusal{
		in: selecting(`protection: {tamper: Forbid}%s`), good: ", rbac: {defaultServiceAccount: {}}", bad: "",
		path: "spec", reason: "a profile must declare at least one of",
	}),
)

var _ = DescribeTable("tenantPolicies are refused for", ExpectOnlyBadRefused,
	Entry("Within nothing", refusal{
		in: selecting(
			`network: {%spolicies: [{name: a, spec: {podSelector: {}}}], tenantPolicies: Within}`,
		),
		good:   "defaultDeny: [Egress], ",
		bad:    "",
		path:   "spec.network",
		reason: "tenantPolicies: Within needs a direction in defaultDeny",
	}),
	Entry("an unknown choice", refusal{
		in:     selecting(`network: {tenantPolicies: %s}`),
		good:   "Deny",
		bad:    "Forbid",
		path:   "spec.network.tenantPolicies",
		reason: `Unsupported value: "Forbid": supported values: "Allow", "Within", "Deny"`,
	}),
	Entry("a network of nothing", refusal{
		in: selecting(`network: {%s}`), good: "tenantPolicies: Deny", bad: "",
		path: "spec.network", reason: "network must declare defaultDeny, policies or tenantPolicies",
	}),
)
