package validation

import (
	"fmt"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable("A LimitRange is refused as Kubernetes refuses it:", ExpectLikeTheAPI,
	Entry("the resources of containers", alike{
		in: `limits: [{type: Container, max: {%s: "1"}}]`, path: "spec.limits[0]", reason: "max must hold cpu, memory",
		refused:  []string{"pods", "storage", "gpu", "CPU", "requests.cpu", "services.nodeports", `"example.com/a b"`, "example.com/", "/gpu", "requests.example.com/gpu", "a/b/c", strings.Repeat("a.", 125) + "com/gpu"},
		accepted: []string{"cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/gpu", "kubernetes.io/batch"},
	}),
	Entry("the resources of pods", alike{
		in: `limits: [{type: Pod, max: {%s: "1"}}]`, path: "spec.limits[0]", reason: "max must hold cpu, memory",
		refused: []string{"pods", "storage", "persistentvolumeclaims", "limits.cpu"}, accepted: []string{"cpu", "memory", "hugepages-1Gi", "example.com/gpu"},
	}),
	Entry("the resources that a ratio is of", alike{
		in: `limits: [{type: Container, maxLimitRequestRatio: {%s: "2"}}]`, path: "spec.limits[0]", reason: "maxLimitRequestRatio must hold cpu, memory",
		refused: []string{"pods", "storage", "gpu"}, accepted: []string{"cpu", "memory"},
	}),
	Entry("the resources that are requested by default", alike{
		in: `limits: [{type: Container, defaultRequest: {%s: "2"}}]`, path: "spec.limits[0]", reason: "defaultRequest must hold cpu, memory",
		refused: []string{"pods", "storage", "requests.memory"}, accepted: []string{"cpu", "example.com/gpu"},
	}),
	Entry("a claim without storage", alike{
		in: `limits: [{type: PersistentVolumeClaim%s}]`, path: "spec.limits[0]", reason: "a PersistentVolumeClaim needs a min or max of storage",
		refused:  []string{"", `, max: {cpu: "1"}`, `, maxLimitRequestRatio: {storage: "2"}`, ", min: {}"},
		accepted: []string{", min: {storage: 1Gi}", ", max: {storage: 1Ti}", ", min: {storage: 1Gi}, max: {storage: 1Gi}"},
	}),
	Entry("a ratio below 1", alike{
		in: `limits: [{type: Container, maxLimitRequestRatio: {cpu: %s}}]`, path: "spec.limits[0]", reason: "maxLimitRequestRatio must be at least 1",
		refused: []string{"500m", "0", "-1", `"0.999"`, "999m", `"1e-1"`}, accepted: []string{"1", `"1.5"`, "1000m", "1e3", `"0.9999"`},
	}),
	Entry("a ratio above max divided by min", alike{
		in: `limits: [{type: Container, %s}]`, path: "spec.limits[0]", reason: "maxLimitRequestRatio must not be above max divided by min",
		refused: []string{
			"min: {cpu: 1}, max: {cpu: 2}, maxLimitRequestRatio: {cpu: 3}", "min: {cpu: 100m}, max: {cpu: 200m}, maxLimitRequestRatio: {cpu: 2001m}",
			"min: {memory: 1Gi}, max: {memory: 3Gi}, maxLimitRequestRatio: {memory: 4}", "min: {cpu: 1}, max: {cpu: 1}, maxLimitRequestRatio: {cpu: 1001m}",
			"min: {example.com/gpu: 2}, max: {example.com/gpu: 2}, maxLimitRequestRatio: {example.com/gpu: 2}",
		},
		accepted: []string{
			"min: {cpu: 100m}, max: {cpu: 300m}, maxLimitRequestRatio: {cpu: 3}", "min: {cpu: 1}, max: {cpu: 3}, maxLimitRequestRatio: {cpu: 3}",
			"min: {cpu: 0}, max: {cpu: 3}, maxLimitRequestRatio: {cpu: 100}", "min: {memory: 1Gi}, max: {memory: 3Gi}, maxLimitRequestRatio: {memory: 2500m}",
			"min: {cpu: 700m}, max: {cpu: 2100m}, maxLimitRequestRatio: {cpu: 3}", "min: {cpu: 1}, maxLimitRequestRatio: {cpu: 9}",
		},
	}),
	Entry("a min above max of any resource", alike{
		in: `limits: [{type: Container, min: {%[1]s: 2}, max: {%[1]s: 1}}]`, path: "spec.limits[0]", reason: "min must not be above max",
		refused: []string{"cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/gpu"},
	}),
	Entry("a default above max of any resource", alike{
		in: `limits: [{type: Container, default: {%[1]s: 2}, max: {%[1]s: 1}}]`, path: "spec.limits[0]", reason: "default must not be above max",
		refused: []string{"cpu", "hugepages-2Mi", "example.com/gpu"},
	}),
	Entry("a default below min", alike{
		in: `limits: [{type: Container, min: {cpu: 500m}, default: {cpu: %s}}]`, path: "spec.limits[0]", reason: "min must not be above default",
		refused: []string{"499m", "0", "-1"}, accepted: []string{"500m", "1"},
	}),
	Entry("a default that cannot be overcommitted", alike{
		in: `limits: [{type: Container, %s}]`, path: "spec.limits[0]", reason: "defaultRequest must equal default",
		refused: []string{
			"default: {example.com/gpu: 2}, defaultRequest: {example.com/gpu: 1}", "max: {example.com/gpu: 2}, defaultRequest: {example.com/gpu: 1}",
			"default: {hugepages-2Mi: 4Mi}, defaultRequest: {hugepages-2Mi: 2Mi}",
		},
		accepted: []string{
			"default: {example.com/gpu: 2}, defaultRequest: {example.com/gpu: 2000m}", "max: {example.com/gpu: 2}", "defaultRequest: {example.com/gpu: 1}",
			"default: {kubernetes.io/batch: 2}, defaultRequest: {kubernetes.io/batch: 1}", "min: {example.com/gpu: 1}, max: {example.com/gpu: 2}",
		},
	}),
	Entry("a default of pods", alike{
		in: `limits: [{type: Pod, max: {cpu: 1}%s}]`, path: "spec.limits[0]", reason: "apply to the type Container only",
		refused: []string{", default: {cpu: 1}", ", defaultRequest: {cpu: 1}"}, accepted: []string{""},
	}),
)

var _ = DescribeTable("A LimitRange that no claim could meet is refused:", ExpectStricterThanTheAPI,
	Entry("another resource than storage", alike{
		in: `limits: [{type: PersistentVolumeClaim, max: {storage: 1Gi%s}}]`, path: "spec.limits[0]", reason: "of a PersistentVolumeClaim, storage only",
		refused: []string{", cpu: 1", ", pods: 1", ", example.com/x: 1"}, accepted: []string{""},
	}),
)

var _ = DescribeTable("A ResourceQuota is refused as Kubernetes refuses it:", ExpectLikeTheAPI,
	Entry("the name of a resource", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: "9"}}}]`, path: "spec.quotas[0].spec", reason: "hard must hold resources that a quota can bound",
		refused: []string{
			"unheard.of", "pod", "Pods", "storage", "deployments", "gpu", "services.loadbalancer", "limits.storage", "count/apps/deployments", "count/", `"count/a b"`,
			`"requests.example.com/"`, "ingresses", "nodes", `""`, "serviceaccounts",
		},
		accepted: []string{
			"cpu", "memory", "ephemeral-storage", "requests.cpu", "limits.memory", "requests.storage", "limits.ephemeral-storage", "pods", "services",
			"services.nodeports", "services.loadbalancers", "replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims",
			"hugepages-2Mi", "requests.hugepages-1Gi", "requests.example.com/gpu", "count/pods", "count/deployments.apps",
			"gold.storageclass.storage.k8s.io/requests.storage", "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
		},
	}),
	Entry("a quantity below zero", alike{
		in: `quotas: [{name: a, spec: {hard: {%s}}}]`, path: "spec.quotas[0].spec", reason: "hard must not hold a negative quantity",
		refused:  []string{"pods: -1", "requests.cpu: -1m", `memory: "-0.5Gi"`, "count/secrets: -2", "requests.example.com/gpu: -1"},
		accepted: []string{"pods: 0", `requests.cpu: "0"`, `memory: "+1Gi"`, `pods: "-0"`},
	}),
	Entry("a fraction of what is counted", alike{
		in: `quotas: [{name: a, spec: {hard: {%s}}}]`, path: "spec.quotas[0].spec", reason: "hard must hold whole numbers of what is counted",
		refused: []string{
			"pods: 500m", `pods: "1.5"`, "services: 1500m", "configmaps: 2500m", "secrets: 1m", "count/deployments.apps: 1500m", "count/pods: 1100m", "services.nodeports: 1u",
			"gold.storageclass.storage.k8s.io/requests.storage: 100m", "gold.storageclass.storage.k8s.io/requests.storage: 10Pi",
		},
		accepted: []string{"pods: 1k", `pods: "1e1"`, "pods: 2000m", `pods: "2.0"`, "cpu: 500m", "requests.example.com/gpu: 500m", "memory: 100m"},
	}),
	Entry("an unknown scope", alike{
		in: `quotas: [{name: a, spec: {hard: {pods: 1}, scopes: [%s]}}]`, path: "spec.quotas[0].spec.scopes", reason: "Unsupported value",
		refused: []string{"besteffort", "Burstable", `""`, "BestEffort, Guaranteed"}, accepted: []string{"", "BestEffort", "BestEffort, BestEffort", "CrossNamespacePodAffinity"},
	}),
	Entry("scopes that exclude each other", alike{
		in: `quotas: [{name: a, spec: {hard: {pods: 1}, %s}}]`, path: "spec.quotas[0].spec", reason: "scopes must not exclude each other",
		refused: []string{
			"scopes: [BestEffort, NotBestEffort]", "scopes: [NotTerminating, PriorityClass, Terminating]",
			"scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: Exists}, {scopeName: NotBestEffort, operator: Exists}]}",
			"scopeSelector: {matchExpressions: [{scopeName: Terminating, operator: Exists}, {scopeName: NotTerminating, operator: Exists}]}",
		},
		accepted: []string{"scopes: [BestEffort, Terminating]", "scopes: [NotBestEffort, NotTerminating]"},
	}),
	Entry("a resource within a scope of pods", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: 1}, scopes: [NotTerminating]}}]`, path: "spec.quotas[0].spec", reason: "within a scope of pods",
		refused:  []string{"services", "ephemeral-storage", "requests.storage", "configmaps", "hugepages-2Mi", "requests.hugepages-2Mi", "persistentvolumeclaims"},
		accepted: []string{"pods", "cpu", "memory", "requests.cpu", "limits.memory", "count/pods", "requests.example.com/gpu"},
	}),
	Entry("a resource within the scope of best effort", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: 1}, scopes: [BestEffort]}}]`, path: "spec.quotas[0].spec", reason: "hard must hold nothing but pods",
		refused: []string{"cpu", "requests.memory", "limits.cpu", "memory"}, accepted: []string{"pods", "count/pods"},
	}),
	Entry("a resource within the scope of volume attributes", alike{
		in:   `quotas: [{name: a, spec: {hard: {%s: 1}, scopeSelector: {matchExpressions: [{scopeName: VolumeAttributesClass, operator: In, values: [gold]}]}}}]`,
		path: "spec.quotas[0].spec", reason: "within the scope VolumeAttributesClass",
		refused: []string{"pods", "cpu", "services"}, accepted: []string{"persistentvolumeclaims", "requests.storage", "count/persistentvolumeclaims"},
	}),
	Entry("a resource within a scope that is selected", alike{
		in:   `quotas: [{name: a, spec: {hard: {%s: 1}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}}}]`,
		path: "spec.quotas[0].spec", reason: "within a scope of pods", refused: []string{"services", "requests.storage"}, accepted: []string{"pods", "cpu"},
	}),
	Entry("a requirement on a scope", alike{
		in: `quotas: [{name: a, spec: {hard: {pods: 1}, scopeSelector: {matchExpressions: [{%s}]}}}]`, path: "spec.quotas[0].spec.scopeSelector.matchExpressions[0]",
		refused: []string{
			"scopeName: PriorityClass, operator: In", "scopeName: PriorityClass, operator: NotIn, values: []", "scopeName: PriorityClass, operator: Exists, values: [a]",
			"scopeName: PriorityClass, operator: DoesNotExist, values: [a]", "scopeName: PriorityClass, operator: Equals, values: [a]",
			"scopeName: BestEffort, operator: In, values: [a]", "scopeName: Terminating, operator: DoesNotExist", "scopeName: NotBestEffort, operator: NotIn, values: [a]",
			"scopeName: CrossNamespacePodAffinity, operator: DoesNotExist", "scopeName: Priority, operator: Exists",
		},
		accepted: []string{
			"scopeName: PriorityClass, operator: In, values: [a, b]", "scopeName: PriorityClass, operator: NotIn, values: [a]",
			"scopeName: PriorityClass, operator: Exists", "scopeName: PriorityClass, operator: DoesNotExist", "scopeName: BestEffort, operator: Exists",
		},
	}),
)

const neverCounted = "hard must name the group of what it counts, else Kubernetes never counts it: "

var _ = DescribeTable("A quota of what Kubernetes never counts is refused:", ExpectStricterThanTheAPI,
	Entry("deployments without their group", withoutGroup("deployments", "apps")),
	Entry("jobs without their group", withoutGroup("jobs", "batch")),
	Entry("cron jobs without their group", withoutGroup("cronjobs", "batch")),
	Entry("ingresses without their group", withoutGroup("ingresses", "networking.k8s.io")),
	Entry("network policies without their group", withoutGroup("networkpolicies", "networking.k8s.io")),
	Entry("roles without their group", withoutGroup("roles", "rbac.authorization.k8s.io")),
	Entry("autoscalers without their group", withoutGroup("horizontalpodautoscalers", "autoscaling")),
	Entry("disruption budgets without their group", withoutGroup("poddisruptionbudgets", "policy")),
	Entry("a count of another form", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: "9"}}}]`, path: "spec.quotas[0].spec", reason: "hard must count by count/<resource>.<group>",
		refused: []string{
			"count/pod", "count/Pods", "count/deployment.apps", "count/deployments.v1.apps", "count/deployments.apps.v1", "count/pods.core", "count/pods.v1", "count/deployments.extensions",
			"count/jobs.apps", "count/Deployments.apps", "count/events", "count/events.events.k8s.io", "count/nodes", "count/namespaces", "count/widgets", "count/widgets.v1beta1.example.com",
			"count/widgets.Example.com", "count/clusterroles.rbac.authorization.k8s.io", "count/subjectaccessreviews.authorization.k8s.io", "count/pods_log", "count/0widgets.example.com",
		},
		accepted: []string{
			"count/pods", "count/secrets", "count/serviceaccounts", "count/endpoints", "count/podtemplates", "count/deployments.apps", "count/jobs.batch",
			"count/leases.coordination.k8s.io", "count/widgets.example.com", "count/virtualmachines.kubevirt.io", "count/widgets.v2ray.example.com", "count/roles.rbac.authorization.k8s.io",
		},
	}),
	Entry("an extended resource but by its requests", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: "9"}}}]`, path: "spec.quotas[0].spec", reason: "hard must name an extended resource by its requests",
		refused: []string{"example.com/gpu", "limits.example.com/gpu", "nvidia.com/gpu", "deployments/apps"}, accepted: []string{"requests.nvidia.com/gpu"},
	}),
	Entry("objects within a scope of pods", alike{
		in: `quotas: [{name: a, spec: {hard: {%s: "9"}, scopes: [NotTerminating]}}]`, path: "spec.quotas[0].spec", reason: "within a scope of pods",
		refused:  []string{"count/deployments.apps", "count/secrets", "count/persistentvolumeclaims", "gold.storageclass.storage.k8s.io/persistentvolumeclaims"},
		accepted: []string{"count/pods"},
	}),
)

func withoutGroup(resource, group string) alike {
	return alike{
		in: `quotas: [{name: a, spec: {hard: {pods: "1", %s: "9"}}}]`, path: "spec.quotas[0].spec",
		reason:  neverCounted + "count/" + resource + "." + group + " instead of count/" + resource,
		refused: []string{"count/" + resource}, accepted: []string{"count/" + resource + "." + group},
	}
}

var _ = DescribeTable("A quota without room for what the profile itself makes is refused:", ExpectStricterThanTheAPI,
	roomFor("network policies", "count/networkpolicies.networking.k8s.io", 6,
		`network: {defaultDeny: [Ingress, Egress], allowDNS: {}, allowSameNamespace: {}, allowAPIServer: {cidrs: [10.0.0.1/32]}, policies: [{name: a, spec: {podSelector: {}}}, {name: b, spec: {podSelector: {}}}]}`),
	roomFor("the network policies of the sample that docs/security.md advises", "count/networkpolicies.networking.k8s.io", 2,
		`network: {defaultDeny: [Ingress], allowSameNamespace: {}}`),
	roomFor("the one network policy of a network without defaultDeny", "count/networkpolicies.networking.k8s.io", 1, `network: {policies: [{name: a, spec: {podSelector: {}}}]}`),
	roomFor("the limit range", "count/limitranges", 1, `limits: [{type: Container, max: {cpu: 1}}, {type: Pod, max: {cpu: 1}}]`),
	roomFor("quotas", "count/resourcequotas", 2, `podSecurity: {warn: baseline}`),
	roomFor("quotas by their older name", "resourcequotas", 2, `podSecurity: {warn: baseline}`),
	roomFor("service accounts, and default", "count/serviceaccounts", 3, `rbac: {serviceAccounts: [{name: a}, {name: b}]}`),
	roomFor("the service account default alone", "count/serviceaccounts", 1, `podSecurity: {warn: baseline}`),
	roomFor("roles", "count/roles.rbac.authorization.k8s.io", 2,
		`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}]}, {name: b, rules: [{resources: [pods], verbs: [get]}]}]}`),
	roomFor("role bindings", "count/rolebindings.rbac.authorization.k8s.io", 2,
		`rbac: {roles: [{name: a, rules: [{resources: [pods], verbs: [get]}]}], bindings: [{name: b, clusterRole: view, subjects: [{kind: User, name: u}]}]}`),
	roomFor("the report", "count/namespacepostures.security.bulwark.dev", 1, `podSecurity: {warn: baseline}`),
	roomFor("the certificates that Kubernetes puts into every namespace", "configmaps", 1, `podSecurity: {warn: baseline}`),
	roomFor("the certificates, by count", "count/configmaps", 1, `podSecurity: {warn: baseline}`),
)

// roomFor is a second quota that has room for one object less than there must be, and one that has just room for them.
func roomFor(name, resource string, number int, sections string) TableEntry {
	named := resource
	if !strings.HasPrefix(named, "count/") {
		named = "count/" + named
	}
	return Entry(name, alike{
		in:   sections + `, quotas: [{name: first, spec: {hard: {pods: "1"}}}, {name: second, spec: {hard: {` + resource + `: %s}}}]`,
		path: "spec.quotas", reason: "quotas must not bound " + named + " to less than there must be room for",
		refused:  []string{strconv.Itoa(number - 1), fmt.Sprintf("%q", fmt.Sprint((number-1)*1000)+"m")},
		accepted: []string{strconv.Itoa(number), strconv.Itoa(number + 1), `"1k"`},
	})
}
