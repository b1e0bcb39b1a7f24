// Package refusals knows by which rules of a baseline a request was refused, out of the API
// server's words. It calls a rule what the catalogue of package check calls it.
//
// It is pure: it may import the words that package findings knows, and no client or clock. It must
// never hold a request against a rule itself.
package refusals

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// Where the ids of rules begin.
const (
	admissionRule   = "admission/"
	podSecurityRule = "pod-security/"
)

// The rules of the parts of a baseline that have one each, but for quotas.
const (
	limits           = "limits/bounds"
	invalid          = "api/resources"
	quotaFits        = "quota/fits"
	quotaUnspecified = "quota/unspecified"
)

// sections are the ends of the names of a profile's policies.
var sections = []string{
	workloads, images, services, "tamper-objects", "tamper-namespaces", "tenant-network-policies",
	"pods-wait-for-baseline", "pods-wait-for-report",
}

// The sections whose messages begin with the names of rules.
const (
	workloads = "workloads"
	images    = "images"
	services  = "services"
)

// By are the ids of the rules that refused a request, in the order of the API server's words; none
// if no part of a baseline did. Of what refuses, the API server names the first alone: Pod Security
// goes before admission policies, and quotas go last.
func By(words string) []string {
	refusal, known := findings.RefusalOf(words)
	if !known {
		return nil
	}
	switch refusal.By {
	case findings.ByPolicy:
		_, said, _ := strings.Cut(words, " denied request: ")
		return ofPolicy(refusal.Name, said)
	case findings.ByPodSecurity:
		_, said, _ := strings.Cut(words, " violates PodSecurity ")
		return ofPodSecurity(refusal.Name, strings.TrimPrefix(said, `"`+refusal.Name+`": `))
	case findings.ByQuota:
		if strings.Contains(words, "exceeded quota: ") {
			return []string{quotaFits}
		}
		return []string{quotaUnspecified}
	case findings.ByLimits:
		if strings.Contains(words, "must be less than or equal to") {
			return []string{invalid}
		}
		return []string{limits}
	}
	return nil
}

// ruleIn finds the rules in the message of a policy on pods, which lists all that are broken.
var ruleIn = regexp.MustCompile(`(?:^|; )([a-z][A-Za-z]+): `)

// ofPolicy are the rules that the policy of this name tells of; none if it is not Bulwark's.
func ofPolicy(policy, said string) []string {
	section := sectionOf(policy)
	if section == "" {
		return nil
	}
	var ids []string
	if slices.Contains([]string{workloads, images, services}, section) {
		for _, m := range ruleIn.FindAllStringSubmatch(said, -1) {
			in := section
			if in == services { // Its rule stands among those of workloads, in a policy of its own.
				in = workloads
			}
			ids = append(ids, admissionRule+in+"/"+m[1])
		}
	}
	if len(ids) == 0 {
		return []string{admissionRule + section}
	}
	return ids
}

// held ends the names of policies that judge pods by rules that wait, or by those of before.
var held = regexp.MustCompile(`-(waiting|was-[0-9a-f]{16})$`)

// sectionOf is the section of a profile that a policy is about; empty if it is none of Bulwark's.
func sectionOf(policy string) string {
	if !strings.HasPrefix(policy, v1alpha1.NamePrefix) {
		return ""
	}
	policy = held.ReplaceAllString(policy, "")
	for _, section := range sections {
		if strings.HasSuffix(policy, "-"+section) {
			return section
		}
	}
	return ""
}
