// Package oracle holds what internal/findings says of NetworkPolicies against a judge that shares
// no code with it: cyclonus' matcher, of which traffic of strangers is asked.
package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

var directions = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}

// opened are the directions that a policy opens to everybody, as internal/findings says.
func opened(np *networkingv1.NetworkPolicy) []networkingv1.PolicyType {
	policy, _ := findings.PolicyOf(np)
	var open []networkingv1.PolicyType
	for _, direction := range directions {
		if slices.ContainsFunc(policy.Openings, func(o findings.Opening) bool { return o.Direction == direction }) {
			open = append(open, direction)
		}
	}
	return open
}

func TestEveryoneAgreesOnWhatAPolicyOpens(t *testing.T) {
	for sentence, tc := range policies {
		t.Run(sentence, func(t *testing.T) {
			np := policy(tc.spec)
			got := opened(np)
			for _, direction := range directions {
				want, found := slices.Contains(tc.opens, direction), slices.Contains(got, direction)
				probed := probe(np, direction)
				if probed.open() != want || probed.onTheEdge() {
					t.Errorf("%s: opened is %t, and the oracle lets through %s", direction, want, probed)
				}
				if found != want {
					t.Errorf("%s: opened is %t, and findings say %t; the oracle lets through %s", direction, want, found, probed)
				}
			}
			if t.Failed() {
				t.Log(asYAML(t, np))
			}
		})
	}
}

const (
	seed          = 20250117
	randomCases   = 3000
	mostOnTheEdge = randomCases / 20
)

func TestRandomPoliciesAreOpenToTheOracleAsToFindings(t *testing.T) {
	counts := map[string]int{}
	for i := range uint64(randomCases) {
		np := policy(randomSpec(rand.New(rand.NewPCG(seed, i))))
		got := opened(np)
		for _, direction := range directions {
			probed := probe(np, direction)
			if probed.onTheEdge() {
				counts["on the edge"]++
				continue
			}
			counts[fmt.Sprintf("%s %t", direction, probed.open())]++
			if found := slices.Contains(got, direction); found != probed.open() {
				t.Errorf("seed %d, policy %d: %s is open to findings: %t, and the oracle lets through %s\n%s",
					seed, i, direction, found, probed, asYAML(t, np))
			}
		}
	}
	t.Log(counts)
	if counts["on the edge"] > mostOnTheEdge {
		t.Errorf("of %d policies too many have no verdict: %v", randomCases, counts)
	}
	for _, direction := range directions {
		for _, open := range []bool{false, true} {
			if key := fmt.Sprintf("%s %t", direction, open); counts[key] < randomCases/10 {
				t.Errorf("too few policies of the kind %s: %v", key, counts)
			}
		}
	}
}

func asYAML(t *testing.T, np *networkingv1.NetworkPolicy) string {
	t.Helper()
	data, err := yaml.Marshal(np.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
