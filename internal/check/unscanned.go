package check

import (
	"slices"

	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// SaysUnscanned reports whether a rule says that no report could be relied upon: what scanners would
// find is then not known.
func SaysUnscanned(rule string) bool {
	return rule == ruleNoReport || rule == ruleOldReport || rule == ruleUnjudged
}

// lookForPackages says how reports come to say whether there are vulnerabilities.
func lookForPackages(reports []*scanreport.Report) string {
	if !slices.ContainsFunc(reports, func(r *scanreport.Report) bool { return r.Format != scanreport.SARIF }) {
		return "Give the scanner's own JSON: SARIF without a result does not say what was looked for."
	}
	return "Scan the image for vulnerabilities, too (trivy image --scanners vuln). " +
		"If it holds no packages at all, take this finding into a baseline."
}
