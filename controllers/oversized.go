package controllers

import (
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// largePolicies returns a namespace's unmanaged NetworkPolicies that are large.
func largePolicies(all map[string]policyFacts) []findings.Large {
	var large []findings.Large
	for name, facts := range all {
		if facts.bytes > 0 {
			large = append(large, findings.Large{Object: findings.Reference("NetworkPolicy", name), Bytes: facts.bytes})
		}
	}
	return large
}

// largeOf returns the objects that bear Bulwark's label, stay after the corrections, and are not
// cached in full because they are large.
func largeOf(outcomes []drift.Outcome) []findings.Large {
	var large []findings.Large
	for i := range outcomes {
		o := &outcomes[i]
		if o.Got == nil || o.Done {
			continue
		}
		if bytes := baseline.LeftOut(o.Got); bytes > findings.MaxBytes {
			large = append(large, findings.Large{Object: o.Object, Bytes: bytes})
		}
	}
	return large
}
