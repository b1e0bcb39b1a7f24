package check

import (
	"maps"
	"slices"
	"strings"
)

// Where the names of rules begin.
const (
	podSecurityRule = "pod-security/"
	admissionRule   = "admission/"
	findingRule     = "finding/"
	scanRule        = "scan/"
)

// The rules that are none of a profile's own.
const (
	ruleDecoding     = "api/decoding"
	ruleUnknownField = "api/unknown-field"
	ruleInvalid      = "api/resources"
	ruleLimits       = "limits/bounds"
	ruleQuotaSilent  = "quota/unspecified"
	ruleQuotaFits    = "quota/fits"
	ruleQuotaPeak    = "quota/peak"
	ruleNoReport     = scanRule + "no-report"
	ruleOldReport    = scanRule + "old-report"
	ruleUnjudged     = scanRule + "unjudged"
	ruleTooMany      = scanRule + "too-many"
)

// Rule is what there is to know of a rule that is not decided here.
type Rule struct {
	ID    string
	Title string
	// Family is the rule of the catalogue that stands for it, of what a scanner finds; empty of all
	// others.
	Family string
	// Help says what to do about it.
	Help string
	// CIS, NSA and PSS are the sections of the CIS Kubernetes Benchmark, of the NSA/CISA Kubernetes
	// Hardening Guide and of the Pod Security Standards that ask for it.
	CIS []string
	NSA []string
	PSS string

	// container and pod are where the field stands, below a container and below a pod's spec.
	container, pod []any
	// value is what the field must be, where that is certain.
	value any
}

func path(steps ...string) []any {
	var p []any
	for _, s := range steps {
		p = append(p, s)
	}
	return p
}

// securityContext is a field that a container and its pod may have.
func securityContext(fields ...string) []any {
	return path(append([]string{"securityContext"}, fields...)...)
}

const (
	nsaPod     = "Pod security"
	nsaNetwork = "Network separation and hardening"
	nsaAccess  = "Authentication and authorization"
)

// Rules is the catalogue, in the order of the rules' names.
func Rules() []Rule {
	return slices.SortedFunc(maps.Values(rulesByID), func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
}

// RuleOf is a rule of the catalogue. One that is not in it is known by its name.
func RuleOf(id string) Rule {
	if rule, known := rulesByID[id]; known {
		return rule
	}
	if at := strings.LastIndexByte(id, '/'); strings.HasPrefix(id, scanRule) {
		if rule, known := rulesByID[id[:at]]; known {
			rule.ID, rule.Family, rule.Title = id, rule.ID, id[at+1:]+": "+rule.Title
			return rule
		}
	}
	return Rule{ID: id, Title: id}
}

var rulesByID = index(slices.Concat(podSecurityRules, workloadRules, objectRules, findingRules, scanRules))

func index(rules []Rule) map[string]Rule {
	all := map[string]Rule{}
	for _, rule := range rules {
		all[rule.ID] = rule
	}
	return all
}
