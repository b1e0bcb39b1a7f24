package main

// The API server estimates what a rule costs by multiplying how many items the lists around it may
// hold. These bounds are as wide as that estimate allows.
const (
	rulesPerDirection = 8
	peersPerRule      = 32
	portsPerRule      = 32
	exceptsPerBlock   = 12
	requirements      = 8
	labels            = 16
)

const (
	portNumber = "it must be a port number from 1 to 65535, or the name of a port: at most 15 lower case letters, digits and single '-', " +
		"with a letter"
	canonical = "it must be an address range in CIDR notation with no bits set beyond its prefix, no leading zeros and no IPv4-mapped " +
		"address, such as 10.0.0.0/24"
)

// network is what the API server wants of a NetworkPolicy
// (k8s.io/kubernetes/pkg/apis/networking/validation), and of the selectors in it.
var network = map[string]types{
	"k8s.io/api/networking/v1": {
		"NetworkPolicySpec": {
			field("policyTypes", maxItems(2), items(oneOf("Ingress", "Egress"))),
			field("ingress", maxItems(rulesPerDirection)),
			field("egress", maxItems(rulesPerDirection)),
		},
		"NetworkPolicyIngressRule": {
			field("from", maxItems(peersPerRule)),
			field("ports", maxItems(portsPerRule)),
		},
		"NetworkPolicyEgressRule": {
			field("to", maxItems(peersPerRule)),
			field("ports", maxItems(portsPerRule)),
		},
		"NetworkPolicyPort": {
			field("protocol", oneOf("TCP", "UDP", "SCTP")),
			field("port", func(s *schema) {
				*s = schema{
					Description: s.Description, XIntOrString: true, AnyOf: []schema{{Type: "integer"}, {Type: "string"}},
				}
			}, maxLength(15), rule(
				"type(self) == int ? self >= 1 && self <= 65535 : string(self).matches('^[a-z0-9]+(-[a-z0-9]+)*$') && "+
					"string(self).matches('[a-z]')", portNumber)),
			field("endPort", between(1, 65535)),
			rule("!has(self.endPort) || has(self.port)", "endPort needs port, from which the range begins"),
			rule("!has(self.endPort) || !has(self.port) || type(self.port) == int",
				"endPort needs a port number: a range cannot begin at a named port"),
			rule("!has(self.endPort) || !has(self.port) || type(self.port) != int || self.endPort >= int(self.port)",
				"endPort must not be below port"),
		},
		"NetworkPolicyPeer": {
			rule(
				"has(self.ipBlock) || has(self.podSelector) || has(self.namespaceSelector)",
				"a peer must have an ipBlock, a podSelector or a namespaceSelector; every peer is meant by leaving the list of peers out",
			),
			rule("!has(self.ipBlock) || (!has(self.podSelector) && !has(self.namespaceSelector))",
				"a peer must not have an ipBlock beside a selector: give each a peer of its own"),
		},
		"IPBlock": {
			field("cidr", maxLength(49), rule(isCanonical, canonical)),
			field("except", maxItems(exceptsPerBlock), items(maxLength(49), rule(isCanonical, canonical))),
			rule("!has(self.except) || !isCIDR(self.cidr) || [cidr(self.cidr)].all(c, self.except.all(e, !isCIDR(e) || "+
				"c.containsCIDR(e) && !cidr(e).containsCIDR(c)))",
				"each of except must be a part of cidr, and not all of it"),
		},
	},
	"k8s.io/apimachinery/pkg/apis/meta/v1": {
		"LabelSelector": {
			field("matchLabels", maxProperties(labels), values(labelValue...), rule(
				"self.all(k, !format.qualifiedName().validate(k).hasValue())", "each key must be a label's: "+qualifiedName)),
			field("matchExpressions", maxItems(requirements)),
		},
		"LabelSelectorRequirement": {
			// The second pattern bounds the prefix, and the name.
			field("key", minLength(1), maxLength(317), matching(
				`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`,
				`^([^/]{1,253}/)?[^/]{1,63}$`)),
			field("operator", oneOf("In", "NotIn", "Exists", "DoesNotExist")),
			field("values", maxItems(64), items(labelValue...)),
			rule(
				"self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
				"values must be given with In and NotIn, and must not be given with Exists and DoesNotExist",
			),
		},
	},
}

const isCanonical = "isCIDR(self) && cidr(self) == cidr(self).masked()"

const qualifiedName = "a name of at most 63 letters, digits, '-', '_' and '.', which may follow a DNS domain and '/'"

var labelValue = []amendment{maxLength(63), matching(`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`)}
