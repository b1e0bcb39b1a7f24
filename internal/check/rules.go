package check

import (
	"maps"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// Where the names of rules begin.
const (
	podSecurityRule = "pod-security/"
	admissionRule   = "admission/"
	findingRule     = "finding/"
	scanRule        = "scan/"
)

// The rules that are none of a profile's own.
const (
	ruleDecoding     = "api/decoding"
	ruleUnknownField = "api/unknown-field"
	ruleInvalid      = "api/resources"
	ruleLimits       = "limits/bounds"
	ruleQuotaSilent  = "quota/unspecified"
	ruleQuotaFits    = "quota/fits"
	ruleQuotaPeak    = "quota/peak"
	ruleNoReport     = scanRule + "no-report"
	ruleOldReport    = scanRule + "old-report"
	ruleUnjudged     = scanRule + "unjudged"
	ruleTooMany      = scanRule + "too-many"
)

// Rule is what there is to know of a rule that is not decided here.
type Rule struct {
	ID    string
	Title string
	// Family is the rule of the catalogue that stands for it, of what a scanner finds; empty of all
	// others.
	Family string
	// Help says what to do about it.
	Help string
	// CIS, NSA and PSS are the sections of the CIS Kubernetes Benchmark, of the NSA/CISA Kubernetes
	// Hardening Guide and of the Pod Security Standards that ask for it.
	CIS []string
	NSA []string
	PSS string

	// container and pod are where the field stands, below a container and below a pod's spec.
	container, pod []any
	// value is what the field must be, where that is certain.
	value any
}

func path(steps ...string) []any {
	var p []any
	for _, s := range steps {
		p = append(p, s)
	}
	return p
}

// securityContext is a field that a container and its pod may have.
func securityContext(fields ...string) []any {
	return path(append([]string{"securityContext"}, fields...)...)
}

const (
	nsaPod     = "Pod security"
	nsaNetwork = "Network separation and hardening"
	nsaAccess  = "Authentication and authorization"
)

// Rules is the catalogue, in the order of the rules' names.
func Rules() []Rule {
	return slices.SortedFunc(maps.Values(rulesByID), func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
}

// RuleOf is a rule of the catalogue. One that is not in it is known by its name.
func RuleOf(id string) Rule {
	if rule, known := rulesByID[id]; known {
		return rule
	}
	if at := strings.LastIndexByte(id, '/'); strings.HasPrefix(id, scanRule) {
		if rule, known := rulesByID[id[:at]]; known {
			rule.ID, rule.Family, rule.Title = id, rule.ID, id[at+1:]+": "+rule.Title
			return rule
		}
	}
	return Rule{ID: id, Title: id}
}

var rulesByID = index(slices.Concat(podSecurityRules, workloadRules, objectRules, findingRules, scanRules))

func index(rules []Rule) map[string]Rule {
	all := map[string]Rule{}
	for _, rule := range rules {
		all[rule.ID] = rule
	}
	return all
}

// podSecurityRules are the checks of Pod Security.
var podSecurityRules = []Rule{
	{
		ID:        podSecurityRule + "allowPrivilegeEscalation",
		Title:     "Containers must not gain privileges",
		Help:      "Set securityContext.allowPrivilegeEscalation: false on each container.",
		CIS:       []string{"5.2.6"},
		NSA:       []string{nsaPod},
		PSS:       "restricted",
		container: securityContext("allowPrivilegeEscalation"),
		value:     false,
	},
	{
		ID:    podSecurityRule + "appArmorProfile",
		Title: "AppArmor must not be switched off",
		Help:  "Leave appArmorProfile out, or set its type to RuntimeDefault.",
		NSA: []string{
			nsaPod,
		},
		PSS:       "baseline",
		container: securityContext("appArmorProfile", "type"),
		pod:       securityContext("appArmorProfile", "type"),
		value:     "RuntimeDefault",
	},
	{
		ID:        podSecurityRule + "capabilities_baseline",
		Title:     "Containers must add no special capabilities",
		Help:      "Take the capability out of capabilities.add.",
		CIS:       []string{"5.2.9"},
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: securityContext("capabilities", "add"),
	},
	{
		ID:        podSecurityRule + "capabilities_restricted",
		Title:     "Containers must drop all capabilities",
		Help:      "Set securityContext.capabilities.drop: [ALL], and add none but NET_BIND_SERVICE.",
		CIS:       []string{"5.2.10"},
		NSA:       []string{nsaPod},
		PSS:       "restricted",
		container: securityContext("capabilities", "drop"),
		value:     []any{"ALL"},
	},
	{
		ID:    podSecurityRule + "hostNamespaces",
		Title: "Pods must not share the host's namespaces",
		Help:  "Take hostNetwork, hostPID and hostIPC out.",
		CIS:   []string{"5.2.3", "5.2.4", "5.2.5"},
		NSA:   []string{nsaPod},
		PSS:   "baseline",
		pod:   path("hostNetwork"),
	},
	{
		ID:    podSecurityRule + "hostPathVolumes",
		Title: "Pods must not mount paths of the host",
		Help:  "Use another kind of volume.",
		CIS:   []string{"5.2.12"},
		NSA:   []string{nsaPod},
		PSS:   "baseline",
		pod:   path("volumes"),
	},
	{
		ID:        podSecurityRule + "hostPorts",
		Title:     "Containers must take no ports of the host",
		Help:      "Take hostPort out, and use a Service.",
		CIS:       []string{"5.2.13"},
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: path("ports"),
	},
	{
		ID:        podSecurityRule + "hostProbesAndHostLifecycle",
		Title:     "Probes and hooks must not name a host",
		Help:      "Take host out of the probe or hook.",
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: path("livenessProbe"),
	},
	{
		ID:    podSecurityRule + "privileged",
		Title: "Containers must not be privileged",
		Help:  "Set securityContext.privileged: false, or take it out.",
		CIS: []string{
			"5.2.2",
		},
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: securityContext("privileged"),
		value:     false,
	},
	{ID: podSecurityRule + "procMount", Title: "The masks of /proc must stay", Help: "Take procMount out.",
		NSA: []string{nsaPod}, PSS: "baseline", container: securityContext("procMount")},
	{ID: podSecurityRule + "procMount_restricted", Title: "The masks of /proc must stay", Help: "Take procMount out.",
		NSA: []string{nsaPod}, PSS: "restricted", container: securityContext("procMount")},
	{
		ID:    podSecurityRule + "restrictedVolumes",
		Title: "Pods must use harmless kinds of volumes",
		Help:  "Use configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected or secret.",
		NSA:   []string{nsaPod},
		PSS:   "restricted",
		pod:   path("volumes"),
	},
	{
		ID:    podSecurityRule + "runAsNonRoot",
		Title: "Containers must not run as root",
		Help:  "Set securityContext.runAsNonRoot: true on the pod or on each container.",
		CIS: []string{
			"5.2.7",
		},
		NSA:       []string{nsaPod},
		PSS:       "restricted",
		container: securityContext("runAsNonRoot"),
		pod:       securityContext("runAsNonRoot"),
		value:     true,
	},
	{
		ID:    podSecurityRule + "runAsUser",
		Title: "Containers must not run as user 0",
		Help:  "Take runAsUser: 0 out, or set another user.",
		CIS: []string{
			"5.2.7",
		},
		NSA:       []string{nsaPod},
		PSS:       "restricted",
		container: securityContext("runAsUser"),
		pod:       securityContext("runAsUser"),
	},
	{
		ID:    podSecurityRule + "seLinuxOptions",
		Title: "SELinux must not be weakened",
		Help:  "Take user, role and special types out of seLinuxOptions.",
		NSA: []string{
			nsaPod,
		},
		PSS:       "baseline",
		container: securityContext("seLinuxOptions"),
		pod:       securityContext("seLinuxOptions"),
	},
	{
		ID:    podSecurityRule + "seccompProfile_baseline",
		Title: "Seccomp must not be switched off",
		Help:  "Set seccompProfile.type: RuntimeDefault.",
		CIS: []string{
			"5.7.2",
		},
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: securityContext("seccompProfile", "type"),
		pod:       securityContext("seccompProfile", "type"),
		value:     "RuntimeDefault",
	},
	{
		ID:    podSecurityRule + "seccompProfile_restricted",
		Title: "Pods must have a seccomp profile",
		Help:  "Set seccompProfile.type: RuntimeDefault on the pod or on each container.",
		CIS: []string{
			"5.7.2",
		},
		NSA:       []string{nsaPod},
		PSS:       "restricted",
		container: securityContext("seccompProfile", "type"),
		pod:       securityContext("seccompProfile", "type"),
		value:     "RuntimeDefault",
	},
	{
		ID:    podSecurityRule + "sysctls",
		Title: "Pods must set safe sysctls only",
		Help:  "Take the sysctl out.",
		NSA:   []string{nsaPod},
		PSS:   "baseline",
		pod:   securityContext("sysctls"),
	},
	{
		ID:    podSecurityRule + "windowsHostProcess",
		Title: "Pods must not run as processes of a Windows host",
		Help:  "Take windowsOptions.hostProcess out.",
		CIS: []string{
			"5.2.11",
		},
		NSA:       []string{nsaPod},
		PSS:       "baseline",
		container: securityContext("windowsOptions", "hostProcess"),
		pod:       securityContext("windowsOptions", "hostProcess"),
		value:     false,
	},
}

// workloadRules are the rules of spec.workloads and spec.images.
var workloadRules = []Rule{
	{
		ID:        admissionRule + "workloads/readOnlyRootFilesystem",
		Title:     "Containers must not write to their root file system",
		Help:      "Set securityContext.readOnlyRootFilesystem: true, and mount an emptyDir where the program writes.",
		NSA:       []string{nsaPod},
		container: securityContext("readOnlyRootFilesystem"),
		value:     true,
	},
	{
		ID:    admissionRule + "workloads/runAsNonRoot",
		Title: "Containers must not run as root",
		Help:  "Set securityContext.runAsNonRoot: true, and no runAsUser: 0.",
		CIS: []string{
			"5.2.7",
		},
		NSA:       []string{nsaPod},
		container: securityContext("runAsNonRoot"),
		pod:       securityContext("runAsNonRoot"),
		value:     true,
	},
	{
		ID:        admissionRule + "workloads/dropAllCapabilities",
		Title:     "Containers must drop all capabilities",
		Help:      "Set securityContext.capabilities.drop: [ALL], and add none but NET_BIND_SERVICE.",
		CIS:       []string{"5.2.10"},
		NSA:       []string{nsaPod},
		container: securityContext("capabilities", "drop"),
		value:     []any{"ALL"},
	},
	{
		ID:    admissionRule + "workloads/seccomp",
		Title: "Containers must have a seccomp profile",
		Help:  "Set securityContext.seccompProfile.type to one that the profile names.",
		CIS: []string{
			"5.7.2",
		},
		NSA:       []string{nsaPod},
		container: securityContext("seccompProfile", "type"),
		pod:       securityContext("seccompProfile", "type"),
		value:     firstOf("seccomp"),
	},
	{
		ID:    admissionRule + "workloads/appArmor",
		Title: "Containers must have an AppArmor profile that is allowed",
		Help:  "Set securityContext.appArmorProfile.type to one that the profile names.",
		NSA: []string{
			nsaPod,
		},
		container: securityContext("appArmorProfile", "type"),
		pod:       securityContext("appArmorProfile", "type"),
		value:     firstOf("appArmor"),
	},
	{
		ID:    admissionRule + "workloads/seLinux",
		Title: "Containers must have an SELinux type that is allowed",
		Help:  "Take seLinuxOptions.type out, or set one that the profile names.",
		NSA: []string{
			nsaPod,
		},
		container: securityContext("seLinuxOptions", "type"),
		pod:       securityContext("seLinuxOptions", "type"),
	},
	{
		ID:        admissionRule + "workloads/requireRequestsCPU",
		Title:     "Containers must say how much CPU they need",
		Help:      "Set resources.requests.cpu.",
		CIS:       []string{"5.7.1"},
		NSA:       []string{nsaPod},
		container: path("resources", "requests", "cpu"),
	},
	{
		ID:        admissionRule + "workloads/requireRequestsMemory",
		Title:     "Containers must say how much memory they need",
		Help:      "Set resources.requests.memory.",
		NSA:       []string{nsaPod},
		container: path("resources", "requests", "memory"),
	},
	{
		ID:        admissionRule + "workloads/requireRequestsEphemeralStorage",
		Title:     "Containers must say how much storage they need",
		Help:      "Set resources.requests.ephemeral-storage.",
		NSA:       []string{nsaPod},
		container: path("resources", "requests", "ephemeral-storage"),
	},
	{
		ID:        admissionRule + "workloads/requireLimitsCPU",
		Title:     "Containers must bound their CPU",
		Help:      "Set resources.limits.cpu.",
		NSA:       []string{nsaPod},
		container: path("resources", "limits", "cpu"),
	},
	{
		ID:        admissionRule + "workloads/requireLimitsMemory",
		Title:     "Containers must bound their memory",
		Help:      "Set resources.limits.memory.",
		NSA:       []string{nsaPod},
		container: path("resources", "limits", "memory"),
	},
	{
		ID:        admissionRule + "workloads/requireLimitsEphemeralStorage",
		Title:     "Containers must bound their storage",
		Help:      "Set resources.limits.ephemeral-storage.",
		NSA:       []string{nsaPod},
		container: path("resources", "limits", "ephemeral-storage"),
	},
	{
		ID:        admissionRule + "workloads/requireProbesLiveness",
		Title:     "Containers must have a livenessProbe",
		Help:      "Add a livenessProbe.",
		container: path("livenessProbe"),
	},
	{
		ID:        admissionRule + "workloads/requireProbesReadiness",
		Title:     "Containers must have a readinessProbe",
		Help:      "Add a readinessProbe.",
		container: path("readinessProbe"),
	},
	{
		ID:        admissionRule + "workloads/requireProbesStartup",
		Title:     "Containers must have a startupProbe",
		Help:      "Add a startupProbe.",
		container: path("startupProbe"),
	},
	{
		ID:    admissionRule + "workloads/hostPath",
		Title: "Pods must mount no paths of the host but those that are allowed",
		Help:  "Use another kind of volume, or a path that the profile allows.",
		CIS:   []string{"5.2.12"},
		NSA:   []string{nsaPod},
		pod:   path("volumes"),
	},
	{
		ID:        admissionRule + "workloads/hostPort",
		Title:     "Containers must take no ports of the host but those that are allowed",
		Help:      "Take hostPort out, and use a Service.",
		CIS:       []string{"5.2.13"},
		NSA:       []string{nsaPod},
		container: path("ports"),
	},
	{
		ID:    admissionRule + "workloads/hostNetwork",
		Title: "Pods must not be in the host's network",
		Help:  "Take hostNetwork out.",
		CIS:   []string{"5.2.5"},
		NSA:   []string{nsaPod},
		pod:   path("hostNetwork"),
		value: false,
	},
	{
		ID:    admissionRule + "workloads/automountServiceAccountToken",
		Title: "Tokens must not be mounted unasked",
		Help:  "Set automountServiceAccountToken: false on the pod or on its ServiceAccount; a pod that calls the API server mounts a projected token itself.",
		CIS:   []string{"5.1.6"},
		NSA:   []string{nsaAccess},
		pod:   path("automountServiceAccountToken"),
		value: false,
	},
	{
		ID:    admissionRule + "workloads/nodeName",
		Title: "Pods must not name their node",
		Help:  "Take nodeName out, and use a nodeSelector.",
		pod:   path("nodeName"),
	},
	{
		ID:    admissionRule + "workloads/tolerations",
		Title: "Pods must tolerate no taints but those that are allowed",
		Help:  "Take the toleration out.",
		pod:   path("tolerations"),
	},
	{
		ID:    admissionRule + "workloads/priorityClasses",
		Title: "Pods must name no PriorityClass but those that are allowed",
		Help:  "Take priorityClassName out, or name one that the profile allows.",
		pod:   path("priorityClassName"),
	},
	{
		ID:    admissionRule + "workloads/allowedServiceTypes",
		Title: "Services must be of a type that is allowed",
		Help:  "Set spec.type to one that the profile names.",
		CIS:   []string{"5.3.2"},
		NSA:   []string{nsaNetwork},
	},
	{
		ID:        admissionRule + "images/allowedRegistries",
		Title:     "Images must come from registries that are allowed",
		Help:      "Name an image of a registry that the profile allows.",
		CIS:       []string{"5.5.1"},
		NSA:       []string{nsaPod},
		container: path("image"),
	},
	{
		ID:        admissionRule + "images/digest",
		Title:     "Images must be named by their digest",
		Help:      "Name the image by its digest, NAME@sha256:….",
		CIS:       []string{"5.5.1"},
		NSA:       []string{nsaPod},
		container: path("image"),
	},
	{
		ID:        admissionRule + "images/denyTags",
		Title:     "Images must not have a tag that moves",
		Help:      "Name the image by a version or by its digest.",
		CIS:       []string{"5.5.1"},
		NSA:       []string{nsaPod},
		container: path("image"),
	},
	{
		ID:        admissionRule + "images/pullPolicy",
		Title:     "Containers must have the imagePullPolicy that is asked for",
		Help:      "Set imagePullPolicy to the one that the profile names.",
		NSA:       []string{nsaPod},
		container: path("imagePullPolicy"),
		value:     firstOf("pullPolicy"),
	},
}

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
		Help:  "Scan the image for vulnerabilities, and give the scanner's own JSON.",
		NSA:   []string{nsaPod},
	},
}
