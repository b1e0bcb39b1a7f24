package v1alpha1

import (
	stdjson "encoding/json"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/util/json"
)

// endlessExponent finds a quantity whose decimal exponent has three digits or more. The schema's pattern lets it through, and
// computing it takes hours.
var endlessExponent = regexp.MustCompile(`"[-+]?[0-9.]+[eE][-+]?[0-9]{3,}"`)

// UnmarshalJSON decodes a spec. What the API server's schema accepts and Go cannot hold, such as the quantity 1e0.5 or a port
// beyond 32 bits in a NetworkPolicy, is no error: it would fail the list of all profiles, and with it every other profile.
// It is remembered in Undecodable, and the profile alone is stalled. Its deletionPolicy is kept.
func (s *SecurityProfileSpec) UnmarshalJSON(data []byte) error {
	type plain SecurityProfileSpec
	var decoded plain
	why := ""
	if quantity := endlessExponent.Find(quantitiesOf(data)); quantity != nil {
		why = fmt.Sprintf("the quantity %.40s has an exponent beyond all use", quantity)
	} else if err := json.Unmarshal(data, &decoded); err != nil {
		why = err.Error()
	}
	if why != "" {
		decoded = plain{Undecodable: why, DeletionPolicy: deletionPolicyOf(data)}
	}
	*s = SecurityProfileSpec(decoded)
	return nil
}

// deletionPolicyOf is all that is needed of a spec that cannot be decoded: what shall become of what it established.
func deletionPolicyOf(data []byte) DeletionPolicy {
	var spec struct {
		DeletionPolicy DeletionPolicy `json:"deletionPolicy"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return Retain // Nothing can be read from it: so nothing is deleted.
	}
	return spec.DeletionPolicy
}

// quantitiesOf is the part of a spec in which strings are quantities.
func quantitiesOf(data []byte) []byte {
	var spec struct {
		Limits stdjson.RawMessage `json:"limits"`
		Quotas []struct {
			Spec struct {
				Hard stdjson.RawMessage `json:"hard"`
			} `json:"spec"`
		} `json:"quotas"`
	}
	if err := stdjson.Unmarshal(data, &spec); err != nil {
		return nil // The whole cannot be decoded either, and says why.
	}
	quantities := spec.Limits
	for _, quota := range spec.Quotas {
		quantities = append(quantities, quota.Spec.Hard...)
	}
	return quantities
}
