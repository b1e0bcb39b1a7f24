package scanreport

import (
	"regexp"
	"strconv"
)

// severity is that of a result of any other tool: by its own number, its rule's, or its level.
func (result *sarifResult) severity(rule *sarifRule) Severity {
	for _, properties := range []map[string]any{result.Properties, rule.Properties} {
		switch score := securitySeverity(properties); {
		case score >= 9:
			return Critical
		case score >= 7:
			return High
		case score >= 4:
			return Medium
		case score > 0:
			return Low
		case score == 0:
			return Unknown
		}
	}
	switch result.Level {
	case "error":
		return High
	case "warning", "": // The default of SARIF.
		return Medium
	case "note":
		return Low
	}
	return Unknown
}

// securitySeverity is the number by which code scanning sorts; less than zero if there is none.
func securitySeverity(properties map[string]any) float64 {
	switch score := properties["security-severity"].(type) {
	case string:
		if number, err := strconv.ParseFloat(score, 64); err == nil {
			return number
		}
	case float64:
		return score
	}
	return -1
}

var vulnerabilityID = regexp.MustCompile(`(?i)^(CVE|GHSA|GO|RUSTSEC|PYSEC|DSA|DLA|USN|RHSA|ALAS|ELSA|OSV|SNYK)-`)

func kindOf(rule *sarifRule, id string) Kind {
	tags, _ := rule.Properties["tags"].([]any)
	for _, tag := range tags {
		switch tag {
		case "vulnerability":
			return Vulnerability
		case "secret":
			return Secret
		}
	}
	if vulnerabilityID.MatchString(id) {
		return Vulnerability
	}
	return Misconfiguration
}
