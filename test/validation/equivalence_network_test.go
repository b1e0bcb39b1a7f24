package validation

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// policy is a section with a NetworkPolicy of these rules of ingress, and then one with the same
// rules of egress.
func policyOf(rules string) []string {
	const in = `network: {defaultDeny: [Ingress, Egress], policies: [{name: a, spec: {podSelector: {}, %s: [%s]}}]}`
	return []string{
		fmt.Sprintf(in, "ingress", rules),
		fmt.Sprintf(in, "egress", strings.ReplaceAll(rules, "from:", "to:")),
	}
}

// inPolicies are entries for a value in a rule of each direction.
func inPolicies(name, rules, path, reason string, refused, accepted []string) []TableEntry {
	var entries []TableEntry
	for i, in := range policyOf(rules) {
		direction := []string{"ingress", "egress"}[i]
		if direction == "egress" {
			path = strings.ReplaceAll(path, "from[", "to[")
		}
		entries = append(entries, Entry(name+" in "+direction, alike{
			in:       in,
			path:     "spec.network.policies[0].spec." + direction + "[0]." + path,
			reason:   reason,
			refused:  refused,
			accepted: accepted,
		}))
	}
	return entries
}

const canonical = "it must be an address range in CIDR notation with no bits set beyond its prefix, no leading zeros and no IPv4-mapped address"

var badRanges = []string{
	`""`,
	"10.0.0.0",
	"10.0.0.1/24",
	"10.1.0.0/8",
	"10.0.0.0/33",
	"10.0.0.0/-1",
	"10.0.0.0/08",
	"010.0.0.0/8",
	"10.0.00.0/24",
	"10.0.0/24",
	"10.0.0.0/24/8",
	"::ffff:10.0.0.0/120",
	"2001:db8::1/64",
	"2001:db8::/129",
	"fe80::1%eth0/128",
	"2001:db8::/064",
	"cluster.local/24",
}

var goodRanges = []string{
	"0.0.0.0/0",
	"10.0.0.0/24",
	"10.0.0.1/32",
	"169.254.20.10/32",
	"::/0",
	"2001:DB8::/32",
	"2001:0db8:0000::/48",
	"64:ff9b::192.0.2.1/128",
	"fe80::1/128",
}

func ranges(cidrs []string) []string {
	var quoted []string
	for _, c := range cidrs {
		quoted = append(quoted, `"`+strings.Trim(c, `"`)+`"`)
	}
	return quoted
}

var _ = DescribeTable(
	"A NetworkPolicy is refused as Kubernetes refuses it:",
	ExpectLikeTheAPI,
	inPolicies(
		"a range",
		`{from: [{ipBlock: {cidr: %s}}]}`,
		"from[0].ipBlock.cidr",
		canonical,
		ranges(badRanges),
		ranges(goodRanges),
	),
	inPolicies(
		"a range that is excepted",
		`{from: [{ipBlock: {cidr: "::/0", except: [%s]}}]}`,
		"from[0].ipBlock.except[0]",
		canonical,
		[]string{
			`"2001:db8::1/64"`,
			`"2001:db8::/129"`,
			`"::ffff:10.0.0.0/120"`,
			`"2001:db8::/064"`,
			`""`,
		},
		[]string{`"2001:db8::/32"`, `"::/1"`},
	),
	inPolicies(
		"an exception that is no part",
		`{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [%s]}}]}`,
		"from[0].ipBlock",
		"each of except must be a part of cidr",
		[]string{"10.1.0.0/24", "10.0.0.0/16", "10.0.0.0/8", "10.0.1.0/24, 192.168.0.0/24", `"::/64"`, "0.0.0.0/0"},
		[]string{"10.0.0.0/17", "10.0.1.0/24, 10.0.2.0/24", "10.0.255.255/32", "10.0.1.0/24, 10.0.1.0/24", ""},
	),
	inPolicies("a peer", `{from: [{%s}]}`, "from[0]", "", []string{
		"", "ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}", "ipBlock: {cidr: 10.0.0.0/8}, namespaceSelector: {}",
		"ipBlock: {cidr: 10.0.0.0/8}, namespaceSelector: {}, podSelector: {}",
	}, []string{"podSelector: {}", "namespaceSelector: {}", "namespaceSelector: {}, podSelector: {}", "ipBlock: {cidr: 10.0.0.0/8}"}),
	inPolicies(
		"a port",
		`{ports: [{port: %s}]}`,
		"ports[0].port",
		"",
		[]string{
			"0",
			"-1",
			"65536",
			"99999999999",
			`"80"`,
			`""`,
			"HTTP",
			"a-name-too-long-for-a-port",
			"a--b",
			"-a",
			"a-",
			"a_b",
			"a.b",
		},
		[]string{"1", "65535", "http", "a-b-c", "8080-tcp", "exactly-fifteen"},
	),
	inPolicies(
		"the end of a range of ports",
		`{ports: [{%s}]}`,
		"ports[0]",
		"endPort",
		[]string{
			"port: 80, endPort: 79",
			"port: 80, endPort: 65536",
			"port: http, endPort: 90",
			"endPort: 90",
			"protocol: UDP, endPort: 90",
			"port: 80, endPort: 0",
		},
		[]string{"port: 80, endPort: 80", "port: 1, endPort: 65535", "protocol: SCTP, port: 9000, endPort: 9100"},
	),
	inPolicies("a protocol", `{ports: [{protocol: %s}]}`, "ports[0].protocol", "Unsupported value",
		[]string{"tcp", "ICMP", `""`, "HTTP"}, []string{"TCP", "UDP", "SCTP"}),
	inPolicies(
		"a label of pods",
		`{from: [{podSelector: {matchLabels: {%s}}}]}`,
		"from[0].podSelector.matchLabels",
		"",
		[]string{
			`"": a`,
			`"a b": c`,
			`a: "b c"`,
			`a: -b`,
			`Example.com/a: b`,
			`a/b/c: d`,
			`/a: b`,
			"a: " + strings.Repeat("b", 64),
			strings.Repeat("a", 64) + ": b",
		},
		[]string{`a: ""`, `example.com/a: b.c_d-e`, `A_b.c: D`, strings.Repeat("a", 63) + ": " + strings.Repeat("b", 63)},
	),
	inPolicies(
		"a requirement on pods",
		`{from: [{podSelector: {matchExpressions: [{%s}]}}]}`,
		"from[0].podSelector.matchExpressions[0]",
		"",
		[]string{
			"key: a, operator: In",
			"key: a, operator: NotIn, values: []",
			"key: a, operator: Exists, values: [b]",
			"key: a, operator: DoesNotExist, values: [b]",
			"key: a, operator: Equals, values: [b]",
			"key: a, operator: in, values: [b]",
			`key: "", operator: Exists`,
			`key: "a b", operator: Exists`,
			`key: a, operator: In, values: ["b c"]`,
			"key: a, operator: In, values: [ok, -b]",
			"key: " + strings.Repeat(
				"a",
				254,
			) + "/b, operator: Exists",
			"key: a/" + strings.Repeat("b", 64) + ", operator: Exists",
		},
		[]string{
			`key: a, operator: In, values: [""]`,
			"key: example.com/a, operator: NotIn, values: [b, c]",
			"key: a, operator: Exists",
			"key: a, operator: DoesNotExist, values: []",
			"key: " + strings.TrimSuffix(strings.Repeat("abc.", 63), ".") + "/b, operator: Exists",
		},
	),
	inPolicies(
		"a requirement on namespaces",
		`{from: [{namespaceSelector: {matchExpressions: [{%s}]}}]}`,
		"from[0].namespaceSelector.matchExpressions[0]",
		"",
		[]string{
			"key: a, operator: In",
			"key: _a, operator: Exists",
		},
		[]string{"key: kubernetes.io/metadata.name, operator: In, values: [b]"},
	),
	Entry("the pods that it is about", alike{
		in:   `network: {defaultDeny: [Ingress], policies: [{name: a, spec: {podSelector: {%s}}}]}`,
		path: "spec.network.policies[0].spec.podSelector",
		refused: []string{`matchLabels: {"a b": c}`, `matchLabels: {a: "b c"}`, `matchExpressions: [{key: a, operator: In}]`,
			`matchExpressions: [{key: a, operator: Has}]`},
		accepted: []string{"", "matchLabels: {a: b}", "matchExpressions: [{key: a, operator: Exists}]"},
	}),
	Entry("its directions", alike{
		in:       `network: {defaultDeny: [Ingress, Egress], policies: [{name: a, spec: {podSelector: {}, policyTypes: [%s]}}]}`,
		path:     "spec.network.policies[0].spec.policyTypes",
		refused:  []string{"ingress", "Ingress, Both", "Ingress, Egress, Ingress"},
		accepted: []string{"", "Ingress", "Egress", "Egress, Ingress", "Ingress, Ingress"},
	}),
	Entry("the pods of DNS", alike{
		in:   `network: {defaultDeny: [Egress], allowDNS: {%s}}`,
		path: "spec.network.allowDNS", refused: []string{
			`podSelector: {matchLabels: {"a b": c}}`,
			`podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}`,
			`namespaceSelector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}`,
			`namespaceSelector: {matchLabels: {a: "?"}}`,
		},
		accepted: []string{"podSelector: {matchLabels: {k8s-app: coredns}}", "namespaceSelector: {}"},
	}),
	Entry("the addresses of DNS", alike{
		in: `network: {defaultDeny: [Egress], allowDNS: {cidrs: [%s]}}`, path: "spec.network.allowDNS.cidrs",
		refused: ranges(badRanges), accepted: ranges(goodRanges),
	}),
	Entry("the addresses of the API server", alike{
		in: `network: {defaultDeny: [Egress], allowAPIServer: {cidrs: [%s]}}`, path: "spec.network.allowAPIServer.cidrs",
		refused: ranges(badRanges), accepted: ranges(goodRanges),
	}),
)

const (
	closesIngress = "closes Ingress, which defaultDeny does not declare: set its policyTypes"
	closesEgress  = "closes Egress, which defaultDeny does not declare: set its policyTypes"
)

// Kubernetes takes a policy without policyTypes for one of Ingress, and of Egress too if it has
// rules of egress.
var _ = DescribeTable(
	"A policy that would close a direction in silence is refused:",
	ExpectStricterThanTheAPI,
	trap(
		"rules of egress where Egress is denied",
		"defaultDeny: [Egress], ",
		"egress: [{}]",
		closesIngress,
		"policyTypes: [Egress]",
	),
	trap(
		"rules of egress where Ingress is denied",
		"defaultDeny: [Ingress], ",
		"egress: [{}]",
		closesEgress,
		"policyTypes: [Egress]",
	),
	trap("rules of egress where nothing is denied", "", "egress: [{}]", closesIngress, "policyTypes: [Egress]"),
	trap(
		"rules of ingress where Egress is denied",
		"defaultDeny: [Egress], ",
		"ingress: [{}]",
		closesIngress,
		"policyTypes: [Ingress]",
	),
	trap("rules of ingress where nothing is denied", "", "ingress: [{}]", closesIngress, "policyTypes: [Ingress]"),
	trap(
		"rules of both where Egress is denied",
		"defaultDeny: [Egress], ",
		"ingress: [{}], egress: [{}]",
		closesIngress,
		"policyTypes: [Ingress, Egress]",
	),
	trap(
		"rules of both where Ingress is denied",
		"defaultDeny: [Ingress], ",
		"ingress: [{}], egress: [{}]",
		closesEgress,
		"policyTypes: [Egress, Ingress]",
	),
)

// trap is a policy without policyTypes, or with an empty list of them, and the same policy with
// those that it means.
func trap(name, denied, rules, reason, declared string) TableEntry {
	return Entry(name, alike{
		in:       `network: {` + denied + `policies: [{name: fine, spec: {podSelector: {}}}, {name: a, spec: {podSelector: {}, ` + rules + `%s}}]}`,
		path:     "spec.network.policies",
		reason:   reason,
		refused:  []string{"", ", policyTypes: []"},
		accepted: []string{", " + declared},
	})
}

var _ = DescribeTable(
	"A policy may leave its policyTypes out",
	func(sections string) {
		Expect(createProfile(sections)).To(Succeed())
	},
	Entry(
		"with rules of both where both are denied",
		`network: {defaultDeny: [Egress, Ingress], policies: [{name: a, spec: {podSelector: {}, ingress: [{}], egress: [{}]}}]}`,
	),
	Entry(
		"with rules of egress where both are denied",
		`network: {defaultDeny: [Ingress, Egress], policies: [{name: a, spec: {podSelector: {}, egress: [{}]}}]}`,
	),
	Entry(
		"with rules of ingress where Ingress is denied",
		`network: {defaultDeny: [Ingress], policies: [{name: a, spec: {podSelector: {}, ingress: [{}]}}]}`,
	),
	Entry(
		"with no rule, being there to close Ingress",
		`network: {defaultDeny: [Egress], policies: [{name: a, spec: {podSelector: {}, egress: []}}]}`,
	),
)
