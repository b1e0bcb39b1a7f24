package posture

import (
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// TrimToSize cuts a report that is too large for one object, from the end of its longest lists, so
// that the same report is always cut in the same way: first the history, then the messages on
// objects, then the findings.
func TrimToSize(report *v1alpha1.NamespacePosture) {
	excess := Size(report) - MaxReportBytes
	for i := len(report.Drift) - 1; i >= 0 && excess > 0; i-- {
		excess -= sizeOfDrift(&report.Drift[i])
		report.Drift = report.Drift[:i]
	}
	for i := len(report.Objects) - 1; i >= 0 && excess > 0; i-- {
		kept := ""
		if strings.HasPrefix(report.Objects[i].Message, undeleted) {
			kept = undeleted
		}
		if n := len(report.Objects[i].Message) - len(kept); n > 0 {
			excess -= n
			report.Objects[i].Message = kept
			report.Truncated++
		}
	}
	for i := len(report.Findings) - 1; i >= 0 && excess > 0; i-- {
		excess -= sizeOfFinding(&report.Findings[i])
		report.Findings = report.Findings[:i]
		report.Truncated++
	}
}
