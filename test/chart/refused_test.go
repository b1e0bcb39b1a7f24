package chart

// refused are values that the chart does not take, and words of the message.
var refused = map[string]struct {
	values string
	says   []string
}{
	"a value that is not there":           {"replicaCount: 3", []string{"replicaCount"}},
	"a flag that is not there":            {"flags: {concurency: 3}", []string{"/flags", "concurency"}},
	"a flag in kebab case":                {"flags: {log-level: debug}", []string{"/flags", "log-level"}},
	"the namespace, which the chart sets": {"flags: {namespace: other}", []string{"/flags", "namespace"}},
	"a toggle in words":                   {"crds: {enabled: 'yes'}", []string{"/crds/enabled", "boolean"}},
	"a number in words":                   {"replicas: two", []string{"/replicas", "integer"}},
	"fewer than no replicas":              {"replicas: -1", []string{"/replicas", "minimum"}},
	"no namespace at a time":              {"flags: {concurrency: 0}", []string{"/flags/concurrency", "minimum"}},
	"a duration without a unit":           {"flags: {removalDelay: '10'}", []string{"/flags/removalDelay", "pattern"}},
	"a level of logs that is not there":   {"flags: {logLevel: trace}", []string{"/flags/logLevel", "debug"}},
	"an address without a port": {
		"flags: {metricsBindAddress: localhost}",
		[]string{"/flags/metricsBindAddress"},
	},
	"two namespaces in one": {
		"flags: {protectedNamespaces: ['a,b']}",
		[]string{"/flags/protectedNamespaces/0"},
	},
	"a tag that is a digest":            {"image: {tag: 'sha256:0'}", []string{"/image/tag"}},
	"half a digest":                     {"image: {digest: 'sha256:0'}", []string{"/image/digest"}},
	"a policy for images in lower case": {"image: {pullPolicy: always}", []string{"/image/pullPolicy"}},
	"a wildcard to grant": {
		"grantable: {roles: {all: [{apiGroups: ['*'], resources: [pods], verbs: [get]}]}}",
		[]string{"/grantable/roles/all/0/apiGroups/0"},
	},
	"a verb by which permissions grow": {
		"grantable: {roles: {all: [{apiGroups: [''], resources: [users], verbs: [impersonate]}]}}",
		[]string{"/grantable/roles/all/0/verbs/0"},
	},
	"a role of the name of one that is there": {
		"grantable: {roles: {read-workloads: [{apiGroups: [''], resources: [pods], verbs: [get]}]}}",
		[]string{"read-workloads"},
	},
	"cluster-admin to bind":    {"grantable: {bind: [cluster-admin]}", []string{"/grantable/bind/0"}},
	"a label that is a number": {"commonLabels: {cost: 7}", []string{"/commonLabels/cost", "string"}},
	"an address that is no range": {
		"networkPolicy: {apiServer: {cidrs: [10.0.0.1]}}",
		[]string{"/networkPolicy/apiServer/cidrs/0"},
	},
	"a peer that is nobody, and so anybody": {
		"networkPolicy: {metricsFrom: [{}]}",
		[]string{"/networkPolicy/metricsFrom/0"},
	},
	"no eviction at all": {
		"podDisruptionBudget: {maxUnavailable: 0}",
		[]string{"/podDisruptionBudget/maxUnavailable"},
	},
	"a priority that is Kubernetes' own": {
		"priorityClass: {value: 2000000000}",
		[]string{"/priorityClass/value", "maximum"},
	},
	"a section taken away":          {"crds: null", []string{"crds"}},
	"two replicas without a leader": {"flags: {leaderElect: false}", []string{"flags.leaderElect", "replicas"}},
	"alerts on metrics that are not served": {
		"{flags: {metricsBindAddress: '0'}, prometheusRule: {enabled: true}}",
		[]string{"prometheusRule.enabled needs metrics"},
	},
}
