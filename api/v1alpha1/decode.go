package v1alpha1

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// endless finds a quantity, in quotes or not, whose decimal exponent has three digits or more, or
// that itself has 64 digits or more. The schema's pattern lets both through, and computing the one
// or writing the other takes minutes to hours.
var endless = regexp.MustCompile(`[^\w./+-](?:([-+]?[0-9.]+[eE][-+]?[0-9]{3,})[^\w]|([-+]?[0-9.]{64,}))`)

// UnmarshalJSON decodes a spec. A value that an earlier schema accepted and Go cannot hold, such as
// the quantity 1e0.5 or a port beyond 32 bits in a NetworkPolicy, is no error: it would fail the
// list of all profiles, and with it every other profile. Undecodable says it then, and the profile
// alone is stalled. Its deletionPolicy is kept.
func (s *SecurityProfileSpec) UnmarshalJSON(data []byte) error {
	type plain SecurityProfileSpec
	var decoded plain
	why := ""
	if quantity := endlessQuantityError(""); errors.As(checkQuantities(data), &quantity) {
		why = quantity.Error()
	} else if why = formerForm(data); why != "" {
		// It could be decoded, and would mean something else.
	} else if err := json.Unmarshal(data, &decoded); err != nil {
		why = err.Error()
	}
	if why != "" {
		decoded = plain{NamespaceSelector: selectorOf(why), DeletionPolicy: deletionPolicyOf(data)}
	}
	*s = SecurityProfileSpec(decoded)
	return nil
}

// formerForm says which field of a spec is of a former form of the API that means something else
// now, though Go can decode it. The CustomResourceDefinition refuses these; what was stored before
// it did must not be carried out with less than it declares. It is empty if there is none.
func formerForm(data []byte) string {
	var spec struct {
		Images struct {
			RequireDigest bool        `json:"requireDigest"`
			Digest        Requirement `json:"digest"`
		} `json:"images"`
		Network struct {
			AllowDNS struct {
				Ports []DNSPort `json:"ports"`
			} `json:"allowDNS"`
		} `json:"network"`
	}
	if json.Unmarshal(data, &spec) != nil {
		return "" // The error is found again when all of it is decoded.
	}
	unnamed := func(p DNSPort) bool { return p.Protocol == "" }
	udp := func(p DNSPort) bool { return p.Protocol == corev1.ProtocolUDP }
	ports := spec.Network.AllowDNS.Ports
	switch {
	case spec.Images.RequireDigest && spec.Images.Digest == "":
		return "images.requireDigest: true is now digest: Require"
	case slices.ContainsFunc(ports, unnamed) && !slices.ContainsFunc(ports, udp):
		return "network.allowDNS.ports: a port without protocol was UDP and is now TCP: set the protocol of each"
	}
	return ""
}

// operatorUndecodable is the operator of the one requirement of a spec that could not be decoded.
// No selector can be parsed that has it and the API server takes none, so that such a spec selects
// nothing and is never written back.
const operatorUndecodable metav1.LabelSelectorOperator = "Undecodable"

func selectorOf(why string) NamespaceSelector {
	return NamespaceSelector{MatchExpressions: []LabelRequirement{{Operator: operatorUndecodable, Values: []string{why}}}}
}

// Undecodable says why a stored spec could not be decoded, and is empty of one that could.
func (s *SecurityProfileSpec) Undecodable() string {
	for _, r := range s.NamespaceSelector.MatchExpressions {
		if r.Operator == operatorUndecodable && len(r.Values) == 1 {
			return r.Values[0]
		}
	}
	return ""
}

// deletionPolicyOf is all that is needed of a spec that cannot be decoded: what shall become of
// what it established.
func deletionPolicyOf(data []byte) DeletionPolicy {
	var spec struct {
		DeletionPolicy DeletionPolicy `json:"deletionPolicy"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return DeletionPolicyRetain // Nothing can be read from it: so nothing is deleted.
	}
	return spec.DeletionPolicy
}

// checkQuantities returns an endlessQuantityError if the spec holds one. Other errors are found
// again when all of it is decoded.
//
// It reads the fields that are decoded later and no others, each as often as it is given: whatever
// it passed over would be computed.
func checkQuantities(data []byte) error {
	var spec struct {
		Limits quantities `json:"limits"`
		Quotas []struct {
			Spec struct {
				Hard quantities `json:"hard"`
			} `json:"spec"`
		} `json:"quotas"`
	}
	return json.Unmarshal(data, &spec)
}

// quantities is a part of a spec in which strings are quantities.
type quantities struct{}

// UnmarshalJSON looks for an endless one.
func (*quantities) UnmarshalJSON(data []byte) error {
	if found := endless.FindSubmatch(data); found != nil {
		return endlessQuantityError(cmp.Or(string(found[1]), string(found[2])))
	}
	return nil
}

// endlessQuantityError is a quantity that cannot be computed in any time.
type endlessQuantityError string

func (q endlessQuantityError) Error() string {
	return fmt.Sprintf("the quantity %.40s is beyond all use: it has too many digits, or its exponent has", string(q))
}
