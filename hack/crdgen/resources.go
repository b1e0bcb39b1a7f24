package main

import (
	"fmt"
	"slices"
	"strings"
)

// resources is what the API server wants of a LimitRange and of a ResourceQuota
// (k8s.io/kubernetes/pkg/apis/core/validation), and what Kubernetes acts on.
var resources = map[string]types{
	"k8s.io/apimachinery/pkg/api/resource": {
		// As controller-gen has it, but with an exponent of one or two digits: no other can be
		// computed in any time, or at all.
		"Quantity": {maxLength(63), matching(
			`^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$`)},
	},
	"github.com/bulwark-dev/bulwark/api/v1alpha1": {
		"LimitRangeItem":      limits,
		"SecurityProfileSpec": at("quotas", roomForOurs...),
		"Images":              {retired("requireDigest", "boolean", "requireDigest: true is now digest: Require")},
	},
	"k8s.io/api/core/v1": {
		"ResourceQuotaSpec": slices.Concat(at("hard", slices.Concat(hard, missingGroups())...), []amendment{
			rule(
				"!("+scoped(
					"BestEffort",
				)+" && "+scoped(
					"NotBestEffort",
				)+") && !("+scoped(
					"Terminating",
				)+" && "+scoped(
					"NotTerminating",
				)+")",
				"scopes must not exclude each other: BestEffort and NotBestEffort, Terminating and NotTerminating",
			),
			field("hard", maxProperties(64)),
			field("scopes", maxItems(8), items(oneOf(scopes...))),
		}),
		"ScopeSelector": {field("matchExpressions", maxItems(8))},
		"ScopedResourceSelectorRequirement": {
			field("scopeName", oneOf(scopes...)),
			field("operator", oneOf("In", "NotIn", "Exists", "DoesNotExist")),
			field("values", maxItems(64), items(maxLength(253))),
			rule(
				"self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
				"values must be given with In and NotIn, and must not be given with Exists and DoesNotExist",
			),
			rule("self.scopeName in ['PriorityClass', 'VolumeAttributesClass'] || self.operator == 'Exists'",
				"operator must be Exists with any scope but PriorityClass and VolumeAttributesClass"),
		},
	},
}

// computable is whether a quantity can be computed. The API server evaluates also those that the
// pattern refuses, and computing one might take hours.
func computable(quantity string) string {
	return fmt.Sprintf("(!string(%[1]s).matches('[eE]([+-]?[0-9]{3}|.*[.])') && isQuantity(string(%[1]s)))", quantity)
}

// compared is that of two quantities.
func compared(a, operator, b string) string {
	return fmt.Sprintf("quantity(string(%s)).compareTo(quantity(string(%s))) %s 0", a, b, operator)
}

// float is a quantity as a number.
func float(quantity string) string {
	return "quantity(string(" + quantity + ")).asApproximateFloat()"
}

// quoted is a CEL list of strings.
func quoted(values ...string) string {
	return "['" + strings.Join(values, "', '") + "']"
}

var limits = []amendment{
	bound("min", "max"),
	bound("default", "max"),
	bound("defaultRequest", "default"),
	bound("min", "defaultRequest"),
	bound("defaultRequest", "max"),
	bound("min", "default"),
	rule("self.type == 'Container' || (!has(self.default) && !has(self.defaultRequest))",
		"default and defaultRequest apply to the type Container only"),
	rule(
		"self.type != 'PersistentVolumeClaim' || (has(self.min) && 'storage' in self.min) || (has(self.max) && 'storage' in self.max)",
		"a PersistentVolumeClaim needs a min or max of storage",
	),
	named("max"),
	named("min"),
	named("default"),
	named("defaultRequest"),
	named("maxLimitRequestRatio"),
	rule("!has(self.maxLimitRequestRatio) || self.maxLimitRequestRatio.all(r, v, !"+computable("v")+" || "+
		"quantity(string(v)).isGreaterThan(quantity('999m')))", // What is more is rounded up.
		"maxLimitRequestRatio must be at least 1: a limit is never below its request"),
	// Beyond the precision of a float the API server is exact to the milli; the tolerance is far
	// below that.
	rule("!has(self.maxLimitRequestRatio) || !has(self.min) || !has(self.max) || self.maxLimitRequestRatio.all(r, v, "+
		"!(r in self.min) || !(r in self.max) || !("+computable("v")+" && "+computable("self.min[r]")+" && "+computable("self.max[r]")+") || "+
		float("v")+" * "+float("self.min[r]")+" <= "+float("self.max[r]")+" * 1.000000001)",
		"maxLimitRequestRatio must not be above max divided by min: no limit could be so far above its request"),
	// A resource that is not set defaults to its max.
	rule(
		"!has(self.defaultRequest) || self.defaultRequest.all(r, v, (!r.startsWith('hugepages-') && "+native("r")+") || "+
			"[has(self.default) && r in self.default ? self.default[r] : has(self.max) && r in self.max ? self.max[r] : v].all(d, "+
			"!"+computable("v")+" || !"+computable("d")+" || "+compared("v", "==", "d")+"))",
		"defaultRequest must equal default, or max where there is none, of huge pages and of extended resources: they cannot be overcommitted",
	),
}

// native is whether a resource is of Kubernetes itself: a name without a domain is.
func native(name string) string {
	return fmt.Sprintf("(!%[1]s.contains('/') || %[1]s.contains('kubernetes.io/'))", name)
}

// bound is a rule between two fields of quantities.
func bound(lower, upper string) amendment {
	return rule(
		fmt.Sprintf(
			"!has(self.%[1]s) || !has(self.%[2]s) || self.%[1]s.all(r, v, !(r in self.%[2]s) || !%[3]s || !%[4]s || %[5]s)",
			lower,
			upper,
			computable("v"),
			computable("self."+upper+"[r]"),
			compared("v", "<=", "self."+upper+"[r]"),
		),
		fmt.Sprintf("%s must not be above %s", lower, upper),
	)
}

// named is a rule on the names of the resources that a field holds.
func named(list string) amendment {
	extended := "r.contains('/') && !format.qualifiedName().validate(r).hasValue() && (" + native("r") +
		" || (!r.startsWith('requests.') && !format.qualifiedName().validate('requests.' + r).hasValue()))"
	standard := quoted("cpu", "memory", "ephemeral-storage")
	return rule(
		fmt.Sprintf("!has(self.%s) || self.%[1]s.all(r, self.type == 'PersistentVolumeClaim' ? r == 'storage' : "+
			"r in %s || (r.startsWith('hugepages-') && !format.qualifiedName().validate(r).hasValue()) || (%s))", list, standard, extended),
		list+" must hold cpu, memory, ephemeral-storage, hugepages-<size> or an extended resource such as example.com/gpu; of a "+
			"PersistentVolumeClaim, storage only",
	)
}

var scopes = []string{
	"Terminating",
	"NotTerminating",
	"BestEffort",
	"NotBestEffort",
	"PriorityClass",
	"CrossNamespacePodAffinity",
	"VolumeAttributesClass",
}

// A quota can bound these by a name without a domain.
var (
	compute = []string{"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
	// counted are numbers of objects.
	counted = []string{
		"pods",
		"services",
		"services.nodeports",
		"services.loadbalancers",
		"replicationcontrollers",
		"resourcequotas",
		"secrets",
		"configmaps",
		"persistentvolumeclaims",
	}
	storage = []string{"ephemeral-storage", "requests.ephemeral-storage", "limits.ephemeral-storage", "requests.storage"}
)

// core are the resources of the core group that Kubernetes counts: those that are stored within a
// namespace, without events.
var core = []string{
	"configmaps",
	"endpoints",
	"limitranges",
	"persistentvolumeclaims",
	"pods",
	"podtemplates",
	"replicationcontrollers",
	"resourcequotas",
	"secrets",
	"serviceaccounts",
	"services",
}

// groups are the resources of Kubernetes' own groups that a quota is likely to count. The first
// four have no domain, as no group of anybody else's.
var groups = []struct {
	name      string
	resources []string
}{
	{"apps", []string{"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"}},
	{"autoscaling", []string{"horizontalpodautoscalers"}},
	{"batch", []string{"cronjobs", "jobs"}},
	{"policy", []string{"poddisruptionbudgets"}},
	{"networking.k8s.io", []string{"ingresses", "networkpolicies"}},
	{"rbac.authorization.k8s.io", []string{"rolebindings", "roles"}},
}

// withoutGroup are those resources by their plain names.
func withoutGroup() []string {
	var names []string
	for _, group := range groups {
		names = append(names, group.resources...)
	}
	return names
}

// inGroups are the names by which a quota counts those resources.
func inGroups() []string {
	var names []string
	for _, group := range groups {
		for _, resource := range group.resources {
			names = append(names, "count/"+resource+"."+group.name)
		}
	}
	return names
}

// ofTheseGroups matches a count of any resource of those groups, and of none that is counted
// elsewhere.
const ofTheseGroups = `'^count/[^.]+[.](apps|autoscaling|batch|policy|networking[.]k8s[.]io|rbac[.]authorization[.]k8s[.]io)$'`

// ofAnotherGroup matches a count of a resource of any other group: one with a domain, that does not
// begin with a version.
const ofAnotherGroup = `'^count/[a-z]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?){2,}$'`

// missingGroups refuse the counts of well-known resources that lack the group, each with the name
// to use.
func missingGroups() []amendment {
	var rules []amendment
	for _, group := range groups {
		for _, resource := range group.resources {
			rules = append(rules, rule(fmt.Sprintf("!has(self.hard) || !('count/%s' in self.hard)", resource), fmt.Sprintf(
				"hard must name the group of what it counts, else Kubernetes never counts it: count/%[1]s.%[2]s instead of count/%[1]s",
				resource,
				group.name,
			)))
		}
	}
	return rules
}

// hard is what can be bounded, and by what.
var hard = []amendment{
	rule("!has(self.hard) || self.hard.all(r, !format.qualifiedName().validate(r).hasValue() && (r.contains('/') || r in "+
		quoted(slices.Concat(compute, counted, storage)...)+
		" || r.startsWith('hugepages-') || r.startsWith('requests.hugepages-')))",
		"hard must hold resources that a quota can bound: cpu, memory, pods and the like, count/<resource>.<group>, or "+
			"requests.<extended resource>"),
	rule("!has(self.hard) || self.hard.all(r, !r.contains('/') || r.startsWith('count/') || r.startsWith('requests.') || "+
		"r.endsWith('.storageclass.storage.k8s.io/requests.storage') || r.endsWith('.storageclass.storage.k8s.io/persistentvolumeclaims') || "+
		"r.endsWith('.deviceclass.resource.k8s.io/devices'))",
		"hard must name an extended resource by its requests, such as requests.example.com/gpu: Kubernetes counts no other"),
	rule(
		"!has(self.hard) || self.hard.all(r, !r.startsWith('count/') || r.substring(6) in "+quoted(
			core...)+" || r.substring(6) in "+
			quoted(
				withoutGroup()...)+" || (r.matches("+ofTheseGroups+") ? r in "+quoted(
			inGroups()...)+" : r.matches("+ofAnotherGroup+") && "+
			"!r.matches('^count/[^.]+[.]v[0-9]+((alpha|beta)[0-9]+)?[.]|[.]v[0-9]+((alpha|beta)[0-9]+)?$') && !r.matches('[.](authentication|authorization)[.]k8s[.]io$') && "+
			"r != 'count/events.events.k8s.io'))",
		"hard must count by count/<resource>.<group>, the resource in the plural and without a version, such as count/deployments.apps, or by "+
			"count/<resource> for one of the core group: "+strings.Join(
			core,
			", ",
		)+"; Kubernetes counts no other, nor events",
	),
	rule("!has(self.hard) || self.hard.all(r, v, !"+computable("v")+" || !quantity(string(v)).isLessThan(quantity('0')))",
		"hard must not hold a negative quantity"),
	rule(
		"!has(self.hard) || self.hard.all(r, v, !(r in "+quoted(
			counted...)+" || (!"+native(
			"r",
		)+" && !r.startsWith('requests.'))) || !"+
			computable(
				"v",
			)+" || ("+float(
			"v",
		)+" < 9.0e15 && "+float(
			"v",
		)+" == double(int("+float(
			"v",
		)+"))))", // Beyond, Kubernetes' milli overflow.
		"hard must hold whole numbers of what is counted, below 9e15",
	),
	rule(
		"!has(self.hard) || !("+scopedByPods()+") || self.hard.all(r, r in "+quoted(
			slices.Concat([]string{"pods", "count/pods"}, compute)...)+
			" || (r.startsWith('requests.') && r.contains('/')))",
		"hard must hold, within a scope of pods, nothing but pods, cpu, memory and their requests and limits: Kubernetes counts no other there",
	),
	rule(
		"!has(self.hard) || !"+scoped("BestEffort")+" || self.hard.all(r, r in ['pods', 'count/pods'] || r.contains('/'))",
		"hard must hold nothing but pods within the scope BestEffort, whose pods have neither requests nor limits",
	),
	rule(
		"!has(self.hard) || !"+scoped(
			"VolumeAttributesClass",
		)+" || self.hard.all(r, r in ['persistentvolumeclaims', 'requests.storage', "+
			"'count/persistentvolumeclaims'] || r.contains('.storageclass.storage.k8s.io/'))",
		"hard must hold nothing but persistentvolumeclaims and requests.storage within the scope VolumeAttributesClass",
	),
}

// scoped is whether a quota has a scope, in either way of saying so.
func scoped(scope string) string {
	return fmt.Sprintf(
		"((has(self.scopes) && '%[1]s' in self.scopes) || (has(self.scopeSelector) && has(self.scopeSelector.matchExpressions) "+
			"&& self.scopeSelector.matchExpressions.exists(e, e.scopeName == '%[1]s')))",
		scope,
	)
}

// scopedByPods is whether a quota has any scope but VolumeAttributesClass.
func scopedByPods() string {
	return "(has(self.scopes) && self.scopes.exists(s, s != 'VolumeAttributesClass')) || (has(self.scopeSelector) && " +
		"has(self.scopeSelector.matchExpressions) && self.scopeSelector.matchExpressions.exists(e, e.scopeName != 'VolumeAttributesClass'))"
}

// roomForOurs is that no quota of the profile counts less than the profile itself makes, or
// Kubernetes in every namespace.
var roomForOurs = []amendment{
	room("the policies of network, with one for defaultDeny and for each allowance", "(has(self.network) ? "+
		"(has(self.network.defaultDeny) && size(self.network.defaultDeny) > 0 ? 1 : 0) + (has(self.network.allowDNS) ? 1 : 0) + "+
		"(has(self.network.allowSameNamespace) ? 1 : 0) + (has(self.network.allowAPIServer) ? 1 : 0) + "+
		"(has(self.network.policies) ? size(self.network.policies) : 0) : 0)", "count/networkpolicies.networking.k8s.io"),
	room("the one of limits", "(has(self.limits) ? 1 : 0)", "count/limitranges"),
	room("all of quotas", "size(self.quotas)", "resourcequotas", "count/resourcequotas"),
	room(
		"rbac.serviceAccounts, and the account default",
		"(has(self.rbac) && has(self.rbac.serviceAccounts) ? size(self.rbac.serviceAccounts) : 0) + 1",
		"count/serviceaccounts",
	),
	room(
		"all of rbac.roles",
		"(has(self.rbac) && has(self.rbac.roles) ? size(self.rbac.roles) : 0)",
		"count/roles.rbac.authorization.k8s.io",
	),
	room("rbac.roles and rbac.bindings", "(has(self.rbac) ? (has(self.rbac.roles) ? size(self.rbac.roles) : 0) + "+
		"(has(self.rbac.bindings) ? size(self.rbac.bindings) : 0) : 0)", "count/rolebindings.rbac.authorization.k8s.io"),
	room("the report posture", "1", "count/namespacepostures.security.bulwark.dev"),
	room("kube-root-ca.crt, which Kubernetes makes", "1", "configmaps", "count/configmaps"),
}

// room is that a quota leaves room for so many objects, under each of the names by which it can
// count them.
func room(what, number string, names ...string) amendment {
	return rule(
		"!has(self.quotas) || self.quotas.all(q, !has(q.spec.hard) || "+quoted(names...)+".all(r, !(r in q.spec.hard) || !"+
			computable("q.spec.hard[r]")+" || !quantity(string(q.spec.hard[r])).sub("+number+").isLessThan(quantity('0'))))",
		fmt.Sprintf("quotas must not bound %s to less than there must be room for: %s", names[len(names)-1], what),
	)
}
