package admission

// service is a request for a Service with this spec.
func service(sentence, spec, want string) testcase {
	return testcase{sentence: sentence, object: manifest(serviceOf("x", spec)), want: want}
}

func serviceOf(name, spec string) string {
	return "{apiVersion: v1, kind: Service, metadata: {name: " + name + "}, spec: {ports: [{port: 80}], " + spec + "}}"
}

// networkPolicy is a request for a NetworkPolicy with this spec.
func networkPolicy(sentence, spec, want string) testcase {
	return testcase{sentence: sentence, object: manifest(networkPolicyOf("x", spec)), want: want}
}

func networkPolicyOf(name, spec string) string {
	return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name + "}, spec: {podSelector: {}, " + spec + "}}"
}

const (
	wrongType = "allowedServiceTypes: the type of a Service must be one of ClusterIP ("
	inward    = "the NetworkPolicy opens Ingress from every peer"
	outward   = "the NetworkPolicy opens Egress to every peer"
	noneMay   = "no NetworkPolicy may be added or changed here but by Bulwark"
)

// objectScenarios are about what has no pod spec.
var objectScenarios = []scenario{
	{
		name: "services", spec: "workloads: {allowedServiceTypes: [ClusterIP]}",
		held: manifests(serviceOf("inside", "type: ClusterIP"), serviceOf("outside", "type: NodePort")),
		cases: []testcase{
			service("of no type", "", ""),
			service("ClusterIP", "type: ClusterIP", ""),
			service("headless", "clusterIP: None", ""),
			service("NodePort", "type: NodePort", wrongType),
			service("LoadBalancer", "type: LoadBalancer", wrongType),
			service("ExternalName", "type: ExternalName, externalName: example.com", wrongType),
			{sentence: "the type is changed", old: "Service inside", change: set("NodePort", "spec", "type"), want: wrongType},
			{sentence: "another field is changed", old: "Service inside", change: set("ClientIP", "spec", "sessionAffinity")},
			{
				sentence: "a label of one that should not be is changed",
				old:      "Service outside",
				change:   set("b", "metadata", "labels", "a"),
			},
			{
				sentence: "the spec of one that should not be is changed",
				old:      "Service outside",
				change:   set("ClientIP", "spec", "sessionAffinity"),
			},
			{
				sentence: "one that should not be is given another type that should not be",
				old:      "Service outside",
				change:   set("LoadBalancer", "spec", "type"),
				want:     wrongType,
			},
			{sentence: "one that should not be is mended", old: "Service outside", change: set("ClusterIP", "spec", "type")},
			{sentence: "one that should not be is deleted", old: "Service outside"},
		},
	},
	{
		name: "service-types", spec: "workloads: {allowedServiceTypes: [NodePort, ExternalName]}",
		cases: []testcase{
			service("of no type", "", "allowedServiceTypes: the type of a Service must be one of NodePort, ExternalName ("),
			service("NodePort", "type: NodePort", ""),
			service("ExternalName", "type: ExternalName, externalName: example.com", ""),
		},
	},
	{
		name: "policies-within",
		spec: "network: {defaultDeny: [Ingress, Egress], tenantPolicies: Within}",
		held: manifests(
			networkPolicyOf("narrow", "ingress: [{from: [{podSelector: {}}]}]"),
			networkPolicyOf("wide", "ingress: [{}]"),
		),
		cases: []testcase{
			networkPolicy("from every peer", "ingress: [{}]", inward),
			networkPolicy("from every peer at a port", "ingress: [{ports: [{port: 80}]}]", inward),
			networkPolicy("from no peer in particular", "ingress: [{from: []}]", inward),
			networkPolicy("to every peer", "egress: [{}], policyTypes: [Egress]", outward),
			networkPolicy("to every peer, without policyTypes", "egress: [{}]", outward),
			networkPolicy("to every peer, in a direction that it does not speak of", "egress: [{}], policyTypes: [Ingress]", ""),
			networkPolicy("nothing", "policyTypes: [Ingress, Egress]", ""),
			{
				sentence: "an empty spec",
				object:   manifest("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x}, spec: {}}"),
			},
			{
				sentence: "no spec",
				object:   manifest("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x}}"),
			},
			{
				sentence: "nulls",
				object: manifest(
					"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x, labels: null}, spec: {podSelector: null, ingress: null, egress: null, policyTypes: null}}",
				),
			},
			networkPolicy("a null for a rule's peers", "ingress: [{from: null}]", inward),
			{
				sentence: "a rule of a spec that is there is taken away",
				old:      "NetworkPolicy wide",
				change:   set([]any{}, "spec", "ingress"),
			},
			networkPolicy("from pods of the namespace", "ingress: [{from: [{podSelector: {}}]}]", ""),
			networkPolicy("from every namespace", "ingress: [{from: [{namespaceSelector: {}}]}]", inward),
			networkPolicy(
				"from pods of every namespace",
				"ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]}]",
				inward,
			),
			networkPolicy(
				"from nearly every namespace",
				"ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}]}]",
				inward,
			),
			networkPolicy(
				"from those without a label",
				"ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}]}]",
				inward,
			),
			networkPolicy(
				"from those that have a name",
				"ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: Exists}]}}]}]",
				inward,
			),
			networkPolicy(
				"from those with a label",
				"ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: Exists}]}}]}]",
				"",
			),
			networkPolicy(
				"from one namespace",
				"ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}]}]",
				"",
			),
			networkPolicy("from some and from all", "ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}]}]", inward),
			networkPolicy("a second rule", "ingress: [{from: [{podSelector: {}}]}, {}]", inward),
			networkPolicy("from all addresses", "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", inward),
			networkPolicy(
				"from all addresses but some",
				"ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]",
				inward,
			),
			networkPolicy("from a sixteenth", "ingress: [{from: [{ipBlock: {cidr: 16.0.0.0/4}}]}]", inward),
			networkPolicy("from less", "ingress: [{from: [{ipBlock: {cidr: 16.0.0.0/5}}]}]", ""),
			networkPolicy(
				"from two halves of it, in two rules",
				"ingress: [{from: [{ipBlock: {cidr: 16.0.0.0/5}}]}, {from: [{ipBlock: {cidr: 24.0.0.0/5}}]}]",
				inward,
			),
			networkPolicy("to a network of one's own", "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]", ""),
			networkPolicy("to all IPv6 addresses", "egress: [{to: [{ipBlock: {cidr: '::/0'}}]}]", outward),
			networkPolicy("to all of the Internet", "egress: [{to: [{ipBlock: {cidr: '2000::/3'}}]}]", outward),
			networkPolicy("to a sixteenth of it", "egress: [{to: [{ipBlock: {cidr: '2000::/7'}}]}]", outward),
			networkPolicy("to less of it", "egress: [{to: [{ipBlock: {cidr: '2000::/8'}}]}]", ""),
			networkPolicy("to local IPv6 addresses", "egress: [{to: [{ipBlock: {cidr: 'fc00::/7'}}]}]", ""),
			networkPolicy("to one IPv6 address", "egress: [{to: [{ipBlock: {cidr: '2001:db8::1/128'}}]}]", ""),
			{
				sentence: "both directions are opened",
				object:   manifest(networkPolicyOf("x", "ingress: [{}], egress: [{}]")),
				want:     inward,
			},
			{
				sentence: "a narrow one is widened",
				old:      "NetworkPolicy narrow",
				change:   set([]any{map[string]any{}}, "spec", "ingress"),
				want:     inward,
			},
			{
				sentence: "a label of a wide one is changed",
				old:      "NetworkPolicy wide",
				change:   set("b", "metadata", "labels", "a"),
			},
			{
				sentence: "a wide one is changed and stays wide",
				old:      "NetworkPolicy wide",
				change:   set("b", "spec", "podSelector", "matchLabels", "a"),
				want:     inward,
			},
			{sentence: "a wide one is deleted", old: "NetworkPolicy wide"},
			{sentence: "Bulwark may", object: manifest(networkPolicyOf("x", "ingress: [{}]")), by: operatorUser},
		},
	},
	{
		name: "policies-within-ingress", spec: "network: {defaultDeny: [Ingress], tenantPolicies: Within}",
		cases: []testcase{
			networkPolicy("from every peer", "ingress: [{}]", inward),
			networkPolicy("to every peer, which is not closed", "egress: [{}], policyTypes: [Egress]", ""),
		},
	},
	{
		name: "policies-deny", spec: "network: {defaultDeny: [Ingress], tenantPolicies: Deny}",
		held: manifests(networkPolicyOf("narrow", "ingress: [{from: [{podSelector: {}}]}]")),
		cases: []testcase{
			networkPolicy("the narrowest", "ingress: []", noneMay),
			{
				sentence: "no spec",
				object:   manifest("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x}}"),
				want:     noneMay,
			},
			networkPolicy("the widest", "ingress: [{}]", noneMay),
			{
				sentence: "one that is there is changed",
				old:      "NetworkPolicy narrow",
				change:   set("b", "spec", "podSelector", "matchLabels", "a"),
				want:     noneMay,
			},
			{
				sentence: "a label of one that is there is changed",
				old:      "NetworkPolicy narrow",
				change:   set("b", "metadata", "labels", "a"),
			},
			{sentence: "one that is there is deleted", old: "NetworkPolicy narrow"},
			{sentence: "Bulwark may", object: manifest(networkPolicyOf("x", "ingress: [{}]")), by: operatorUser},
		},
	},
}
