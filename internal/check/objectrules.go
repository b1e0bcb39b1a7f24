package check

import "github.com/bulwark-dev/bulwark/api/v1alpha1"

// objectRules are about other objects, and about what is asked of all.
var objectRules = []Rule{
	{
		ID:    ruleDecoding,
		Title: "Manifests must be what the API server can read",
		Help:  "Write the field in the type that the API has for it.",
	},
	{
		ID:    ruleUnknownField,
		Title: "Manifests must have no unknown fields",
		Help:  "Mend the spelling or the indentation of the field: the API server would drop it.",
	},
	{
		ID:    ruleInvalid,
		Title: "Requests and limits must be valid once defaults are filled in",
		Help:  "Set both the request and the limit, or change the one that is set.",
	},
	{
		ID:    ruleLimits,
		Title: "Requests and limits must keep the bounds of the namespace's LimitRange",
		Help:  "Set the request or the limit within the bounds.",
		NSA:   []string{nsaPod},
	},
	{
		ID:    ruleQuotaSilent,
		Title: "Pods must say how much they need of what a quota counts",
		Help:  "Set the request or the limit, or have spec.limits give a default.",
	},
	{
		ID:    ruleQuotaFits,
		Title: "What is applied must fit into the quotas",
		Help:  "Ask for less, have fewer replicas, or have the quota raised.",
	},
	{
		ID:    ruleQuotaPeak,
		Title: "What is applied should fit into the quotas while it is rolled out and at its largest",
		Help:  "Set maxSurge: 0, bound the autoscaler, or have the quota raised.",
	},
	{
		ID:    admissionRule + "tamper-objects",
		Title: "Objects of the baseline are Bulwark's alone",
		Help:  "Change the SecurityProfile instead, and give your objects names that do not begin with bulwark-.",
	},
	{
		ID:    admissionRule + "tamper-namespaces",
		Title: "Labels of the baseline are Bulwark's alone",
		Help:  "Leave the labels out that the profile declares.",
	},
	{
		ID:    admissionRule + "tenant-network-policies",
		Title: "NetworkPolicies must not open what the baseline closes",
		Help:  "Name the peers: a rule without peers lets everybody through.",
		CIS:   []string{"5.3.2"},
		NSA:   []string{nsaNetwork},
	},
	{ID: admissionRule + "pods-wait-for-baseline", Title: "Pods wait until the baseline is in place"},
	{ID: admissionRule + "pods-wait-for-report", Title: "Pods wait until the baseline is in place"},
}

// findingRules are what weakens a baseline.
var findingRules = []Rule{
	{
		ID:    findingRule + string(v1alpha1.FindingIDNetworkReopened),
		Title: "NetworkPolicies must not open what the baseline closes",
		CIS:   []string{"5.3.2"},
		NSA:   []string{nsaNetwork},
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDPrivilegedBinding),
		Title: "Bindings must not give too much",
		CIS:   []string{"5.1.1", "5.1.2", "5.1.3", "5.1.8"},
		NSA:   []string{nsaAccess},
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDBroadBinding),
		Title: "Bindings must not give anything to everybody",
		CIS:   []string{"5.1.1"},
		NSA:   []string{nsaAccess},
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDTokenMountedByDefault),
		Title: "ServiceAccounts must not mount their token by default",
		CIS:   []string{"5.1.6"},
		NSA:   []string{nsaAccess},
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDLimitDefaultsOverridden),
		Title: "LimitRanges must not have other defaults than the baseline's",
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDQuotaCountsBaseline),
		Title: "Quotas must not count what the baseline consists of",
	},
	{
		ID:    findingRule + string(v1alpha1.FindingIDForbiddenRulesBound),
		Title: "ClusterRoles that the profile binds must permit no more than it may grant",
		CIS:   []string{"5.1.3"},
		NSA:   []string{nsaAccess},
	},
}

// pathOfConcern is where the field of a policy's rule stands, where it is always the same.
var pathOfConcern = map[string][]any{
	"services": path(
		"spec",
		"type",
	),
	"tenant-network-policies": path("spec"),
	"tamper-objects":          path("metadata"),
	"tamper-namespaces":       path("metadata", "labels"),
}

// scanRules are about what scanners have found. Of the first three each id is a rule of its own,
// such as scan/vulnerability/CVE-2026-1234.
var scanRules = []Rule{
	{ID: scanRule + "vulnerability", Title: "Images must have no vulnerability that is graver than the profile allows",
		Help: "Build the image with a version that is not vulnerable, or name an image that has one.", NSA: []string{nsaPod}},
	{
		ID:    scanRule + "misconfiguration",
		Title: "What is built and applied must keep the scanner's checks",
		Help:  "Mend what the scanner says.",
		NSA:   []string{nsaPod},
	},
	{
		ID:    scanRule + "secret",
		Title: "Images and files must hold no secrets",
		Help:  "Take the secret out, and have it replaced: whoever has the image has it.",
		NSA:   []string{nsaPod},
	},
	{ID: ruleTooMany, Title: "Images must have no more vulnerabilities than the profile allows",
		Help: "Build the image with versions that are not vulnerable.", NSA: []string{nsaPod}},
	{
		ID:    ruleNoReport,
		Title: "Images must have been scanned",
		Help:  "Scan the image, and give the report by --scan-report.",
		NSA:   []string{nsaPod},
	},
	{
		ID:    ruleOldReport,
		Title: "Images must have been scanned lately",
		Help:  "Scan the image again.",
		NSA:   []string{nsaPod},
	},
	{
		ID:    ruleUnjudged,
		Title: "Scans of images must have looked for vulnerabilities",
		Help:  "Scan the image for vulnerabilities, too.",
		NSA:   []string{nsaPod},
	},
}
