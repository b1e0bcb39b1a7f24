package validation

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable("RBAC is refused as Kubernetes refuses it:", ExpectLikeTheAPI,
	Entry("the name of a service account", alike{
		in:     `rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: ServiceAccount, name: "%s"}]}]}`,
		path:   "spec.rbac.bindings[0].subjects[0].name",
		reason: "the name of a ServiceAccount must consist of",
		refused: []string{
			"App",
			"a b",
			"ci:deployer",
			"system:serviceaccount:ci:deployer",
			"-a",
			"a_b",
			"ci/deployer",
			strings.Repeat("a", 254),
		},
		accepted: []string{"app", "a.b-c", "9"},
	}),
	Entry("the name of a service account in a role", alike{
		in:       `rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}], subjects: [{kind: ServiceAccount, name: "%s"}]}]}`,
		path:     "spec.rbac.roles[0].subjects[0].name",
		reason:   "the name of a ServiceAccount must consist of",
		refused:  []string{"App", "ci:deployer"},
		accepted: []string{"app"},
	}),
	Entry("the name of a ClusterRole", alike{
		in:   `rbac: {bindings: [{name: a, clusterRole: "%s", subjects: [{kind: User, name: u}]}]}`,
		path: "spec.rbac.bindings[0].clusterRole", reason: "the name of a ClusterRole must not hold",
		refused: []string{"a/b", "..", ".", "a%2fb"}, accepted: []string{"view", "Ops team", "example.com:viewers"},
	}),
	Entry("what a rule permits", alike{
		in:   `rbac: {roles: [{name: a, rules: [{%s}]}]}`,
		path: "spec.rbac.roles[0].rules[0]",
		refused: []string{
			"resources: [pods], verbs: []",
			"resources: [], verbs: [get]",
		},
		accepted: []string{"resources: [pods], verbs: [get]"},
	}),
)

var _ = DescribeTable("RBAC that could permit nothing is refused:", ExpectStricterThanTheAPI,
	Entry("a resource in another form than discovery has it", alike{
		in:     `rbac: {roles: [{name: a, rules: [{resources: [services, "%s"], verbs: [get]}]}]}`,
		path:   "spec.rbac.roles[0].rules[0]",
		reason: "no such resource: resources are named",
		refused: []string{
			"Pods",
			"Pod",
			"deployments.apps",
			"pods.v1",
			"/pods",
			"pods/",
			"config_maps",
			"pods log",
		},
		accepted: []string{"pods", "pods/log", "virtualmachineinstances/sev/setup"},
	}),
	Entry("an API group in another form", alike{
		in:     `rbac: {roles: [{name: a, rules: [{apiGroups: ["", "%s"], resources: [pods], verbs: [get]}]}]}`,
		path:   "spec.rbac.roles[0].rules[0]",
		reason: "no such resource: apiGroups are named",
		refused: []string{
			"apps/v1",
			"v1",
			"core",
			"core/v1",
			"v1beta1",
			"Apps",
			"networking.k8s.io/v1",
		},
		accepted: []string{"", "apps", "extensions", "networking.k8s.io", "v2ray.example.com"},
	}),
	Entry("a verb in upper case", alike{
		in:       `rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [list, "%s"]}]}]}`,
		path:     "spec.rbac.roles[0].rules[0]",
		reason:   "verbs are written in lower case",
		refused:  []string{"GET", "Get"},
		accepted: []string{"get", "use", "associated-node:update"},
	}),
	Entry("the namespace of a service account", alike{
		in:       `rbac: {bindings: [{name: a, clusterRole: view, subjects: [{kind: ServiceAccount, name: a, namespace: "%s"}]}]}`,
		path:     "spec.rbac.bindings[0].subjects[0].namespace",
		reason:   "should match",
		refused:  []string{"CI", "ci/x", "-ci", "c_i", "ci.example"},
		accepted: []string{"ci", "ci-2"},
	}),
)
