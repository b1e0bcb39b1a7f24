package admission

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// tenantPolicies is the policy on the NetworkPolicies of others than Bulwark.
func (r *renderer) tenantPolicies() []Policy {
	n := r.spec.Network
	if n == nil || n.TenantPolicies == "" || n.TenantPolicies == v1alpha1.TenantPoliciesAllow {
		return nil
	}
	d := draft{
		concern:    tenantPolicies,
		rules:      rulesOn(on("networking.k8s.io", createOrUpdate, "networkpolicies")),
		conditions: append(specChanged(), r.notByOperator()),
	}
	where := fmt.Sprintf("(spec.network.tenantPolicies of SecurityProfile %s)", r.profile.Name)
	if n.TenantPolicies == v1alpha1.TenantPoliciesDeny {
		d.validations = validations(refusal(
			"false",
			"no NetworkPolicy may be added or changed here but by Bulwark; declare what is needed under spec.network.policies "+where,
			"",
		))
		return []Policy{r.policy(d)}
	}
	d.variables = openingVariables()
	for _, direction := range n.DefaultDeny {
		opens, way := "variables.opensIngress", "from"
		if direction == networkingv1.PolicyTypeEgress {
			opens, way = "variables.opensEgress", "to"
		}
		d.validations = append(d.validations, refusal("!"+opens, fmt.Sprintf(
			"the NetworkPolicy opens %s %s every peer, every namespace or a sixteenth of all addresses, which the profile closes: "+
				"name the peers by namespace and pod labels or by narrow address blocks %s",
			direction,
			way,
			where,
		), ""))
	}
	return []Policy{r.policy(d)}
}

// openingVariables tell which directions a NetworkPolicy opens to everybody, as package findings
// tells it of those that are there already; where an address block leaves others out it is
// stricter.
func openingVariables() []admissionregistrationv1.Variable {
	return []admissionregistrationv1.Variable{
		{
			Name:       "directions",
			Expression: `object.spec.?policyTypes.orValue(object.spec.?egress.orValue([]).size() > 0 ? ["Ingress", "Egress"] : ["Ingress"])`,
		},
		{Name: "opensIngress", Expression: opens("Ingress", "ingress", "from")},
		{Name: "opensEgress", Expression: opens("Egress", "egress", "to")},
	}
}

func opens(direction, rules, peers string) string {
	all := fmt.Sprintf(`object.spec.?%s.orValue([])`, rules)
	blocks := fmt.Sprintf(
		`%s.map(r, r.?%s.orValue([])).map(l, l.filter(p, has(p.ipBlock)).map(p, %%s).sum()).sum()`,
		all,
		peers,
	)
	return fmt.Sprintf(`%q in variables.directions && (`, direction) + strings.Join([]string{
		fmt.Sprintf(`%s.exists(r, r.?%s.orValue([]).size() == 0)`, all, peers),
		fmt.Sprintf(`%s.exists(r, r.?%s.orValue([]).exists(p, has(p.namespaceSelector) && %s))`, all, peers, everyNamespace),
		fmt.Sprintf(blocks, shareOfIPv4) + fmt.Sprintf(` >= %d`, wideIPv4),
		fmt.Sprintf(blocks, shareOfIPv6) + fmt.Sprintf(` >= %d`, wideIPv6),
	}, " || ") + ")"
}

// everyNamespace is whether a peer's namespaceSelector matches a namespace that nobody gave a
// label: it bears none but its name.
const everyNamespace = `p.namespaceSelector.?matchLabels.orValue({}).size() == 0 && ` +
	`p.namespaceSelector.?matchExpressions.orValue([]).all(e, e.operator == "NotIn" || ` +
	`e.operator == (e.key == "kubernetes.io/metadata.name" ? "Exists" : "DoesNotExist"))`

const (
	// wideIPv4 is a sixteenth of the 2^32 IPv4 addresses, and wideIPv6 of the IPv6 addresses that
	// the Internet has, 2000::/3, in units of a block of 40 bits.
	wideIPv4 = 1 << 28
	wideIPv6 = 1 << 33
	ipv4Bits = 32
	ipv6Bits = 40
)

// shareOfIPv4 and shareOfIPv6 are the size of a peer's address block. An IPv6 block of local
// addresses counts for nothing, and so does one that is smaller than the unit.
var (
	shareOfIPv4 = fmt.Sprintf(
		`cidr(p.ipBlock.cidr).ip().family() == 4 ? %s[cidr(p.ipBlock.cidr).prefixLength()] : 0`,
		powers(ipv4Bits),
	)
	shareOfIPv6 = fmt.Sprintf(
		`cidr(p.ipBlock.cidr).ip().family() == 6 && cidr(p.ipBlock.cidr).prefixLength() <= %[1]d && `+
			`!cidr("fc00::/7").containsCIDR(p.ipBlock.cidr) ? %[2]s[cidr(p.ipBlock.cidr).prefixLength()] : 0`,
		ipv6Bits,
		powers(ipv6Bits),
	)
)

// powers is a CEL list whose element n is the size of a block with a prefix of n bits.
func powers(bits int) string {
	elements := make([]string, 0, bits+1)
	for n := range bits + 1 {
		elements = append(elements, fmt.Sprint(1<<(bits-n)))
	}
	return "[" + strings.Join(elements, ", ") + "]"
}
