package validation

import (
	. "github.com/onsi/ginkgo/v2"
)

const (
	dnsNeedsEgress       = "allowDNS needs Egress in defaultDeny: egress that is not denied needs no allowance"
	apiServerNeedsEgress = "allowAPIServer needs Egress in defaultDeny: egress that is not denied needs no allowance"
	sameNeedsDirection   = "allowSameNamespace needs a direction in defaultDeny: traffic that is not denied needs no allowance"
	inCIDRNotation       = "each of cidrs must be an address range in CIDR notation with no bits set beyond its prefix, such as 10.0.0.1/32"
)

var _ = DescribeTable("The network is refused for", ExpectOnlyBadRefused,
	Entry("an unknown direction", refusal{
		in: selecting(`network: {defaultDeny: [Ingress, %s]}`), good: "Egress", bad: "egress",
		path: "spec.network.defaultDeny[1]", reason: `Unsupported value: "egress": supported values: "Ingress", "Egress"`,
	}),
	Entry("a direction given twice", refusal{
		in: selecting(`network: {defaultDeny: [Ingress, %s]}`), good: "Egress", bad: "Ingress",
		path: "spec.network.defaultDeny", reason: `duplicate entries for key [="Ingress"]`,
	}),
	Entry("no direction in defaultDeny", refusal{
		in: selecting(`network: {defaultDeny: [%s]}`), good: "Ingress", bad: "",
		path: "spec.network.defaultDeny", reason: "should have at least 1 items",
	}),
	Entry("neither defaultDeny nor policies", refusal{
		in: selecting(`network: {%s}`), good: "defaultDeny: [Ingress]", bad: "",
		path: "spec.network", reason: "network must declare defaultDeny, policies or tenantPolicies",
	}),
	Entry("allowDNS where only Ingress is denied", refusal{
		in: selecting(`network: {defaultDeny: [%s], allowDNS: {}}`), good: "Egress", bad: "Ingress",
		path: "spec.network", reason: dnsNeedsEgress,
	}),
	Entry("allowDNS where nothing is denied", refusal{
		in:   selecting(`network: {%s, allowDNS: {}}`),
		good: "defaultDeny: [Ingress, Egress]", bad: "policies: [{name: a, spec: {podSelector: {}}}]",
		path: "spec.network", reason: dnsNeedsEgress,
	}),
	Entry("allowAPIServer where only Ingress is denied", refusal{
		in: selecting(`network: {defaultDeny: [%s], allowAPIServer: {cidrs: [10.0.0.1/32]}}`), good: "Egress", bad: "Ingress",
		path: "spec.network", reason: apiServerNeedsEgress,
	}),
	Entry("allowAPIServer where nothing is denied", refusal{
		in:   selecting(`network: {%s, allowAPIServer: {cidrs: [10.0.0.1/32]}}`),
		good: "defaultDeny: [Ingress, Egress]", bad: "policies: [{name: a, spec: {podSelector: {}}}]",
		path: "spec.network", reason: apiServerNeedsEgress,
	}),
	Entry("allowSameNamespace where nothing is denied", refusal{
		in:   selecting(`network: {policies: [{name: a, spec: {podSelector: {}}}]%s}`),
		good: "", bad: ", allowSameNamespace: {}",
		path: "spec.network", reason: sameNeedsDirection,
	}),
	Entry("an address of the API server that is no range", refusal{
		in: selecting(
			`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: ["%s"]}}`,
		),
		good:   "10.0.0.1/32",
		bad:    "10.0.0.1",
		path:   "spec.network.allowAPIServer.cidrs",
		reason: inCIDRNotation,
	}),
	Entry("a range of the API server that is too narrow to be one", refusal{
		in: selecting(
			`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: ["%s"]}}`,
		),
		good:   "10.0.0.1/32",
		bad:    "10.0.0.1/33",
		path:   "spec.network.allowAPIServer.cidrs",
		reason: inCIDRNotation,
	}),
	Entry("a broken range of the API server in IPv6, where a sound one is accepted", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: ["%s"]}}`),
		good: "2001:db8::1/128", bad: "2001:db8::1/129",
		path: "spec.network.allowAPIServer.cidrs", reason: inCIDRNotation,
	}),
	// Since Kubernetes 1.36 a NetworkPolicy refuses it too, in every namespace.
	Entry("a range of the API server with bits beyond its prefix", refusal{
		in: selecting(
			`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: ["%s"]}}`,
		),
		good:   "10.0.0.0/24",
		bad:    "10.0.0.1/24",
		path:   "spec.network.allowAPIServer.cidrs",
		reason: inCIDRNotation,
	}),
	Entry("a range of the API server in IPv6 with bits beyond its prefix", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: ["%s"]}}`),
		good: "2001:db8::/64", bad: "2001:db8::1/64",
		path: "spec.network.allowAPIServer.cidrs", reason: inCIDRNotation,
	}),
	Entry("a second range of the API server that is a host name", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: [10.0.0.1/32, %s]}}`),
		good: "10.0.0.2/32", bad: "kubernetes.default",
		path: "spec.network.allowAPIServer.cidrs", reason: inCIDRNotation,
	}),
	Entry("allowAPIServer without addresses", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowAPIServer: {%s}}`),
		good: "cidrs: [10.0.0.1/32]", bad: "",
		path: "spec.network.allowAPIServer.cidrs", reason: "Required value",
	}),
	Entry("a port of the API server that is none", refusal{
		in:   selecting(`network: {defaultDeny: [Egress], allowAPIServer: {cidrs: [10.0.0.1/32], ports: [443, %s]}}`),
		good: "65535", bad: "65536",
		path: "spec.network.allowAPIServer.ports[1]", reason: "should be less than or equal to 65535",
	}),
	Entry("a protocol that DNS does not speak", refusal{
		in: selecting(
			`network: {defaultDeny: [Egress], allowDNS: {ports: [{protocol: %s, port: 53}]}}`,
		),
		good:   "TCP",
		bad:    "SCTP",
		path:   "spec.network.allowDNS.ports[0].protocol",
		reason: `Unsupported value: "SCTP": supported values: "UDP", "TCP"`,
	}),
	builtIn("default-deny"), builtIn("allow-dns"), builtIn("allow-same-namespace"), builtIn("allow-apiserver"),
)

func builtIn(name string) TableEntry {
	return Entry("a policy named "+name, refusal{
		in: selecting(`network: {policies: [{name: %s, spec: {podSelector: {}}}]}`), good: name + "s", bad: name,
		path:   "spec.network.policies[0].name",
		reason: "default-deny, allow-dns, allow-same-namespace and allow-apiserver are the names of built-in policies",
	})
}
