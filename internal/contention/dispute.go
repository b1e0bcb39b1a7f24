package contention

import (
	"fmt"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// Dispute is what there is to tell of a contest.
type Dispute struct {
	Object   v1alpha1.ObjectReference
	Change   v1alpha1.DriftChange
	Fields   []string
	Managers []string
	// Left is how long the object must still be left alone until it is contested no more; zero if
	// it differs.
	Left time.Duration
}

// DisputeOf is the dispute over a drift that a manager brought about; empty if it is not known.
func DisputeOf(d *drift.Drift, manager string) *Dispute {
	dispute := &Dispute{Object: d.Object, Change: d.Change}
	if manager != "" {
		dispute.Managers = []string{manager}
	}
	return dispute
}

// Sentence says who contests what, and how that is answered. It stays the same for as long as the
// contest lasts.
func (d *Dispute) Sentence(answer v1alpha1.Contest) string {
	what := "it is deleted again and again"
	switch {
	case d.Change == v1alpha1.DriftChangeUnexpected:
		what, answer = "it is made again and again", v1alpha1.ContestBackOff
	case d.Change == v1alpha1.DriftChangeModified && len(d.Fields) > 0:
		what = strings.Join(d.Fields, ", ") + " is changed back again and again"
	case d.Change == v1alpha1.DriftChangeModified:
		what = "it is changed back again and again"
	}
	how := "corrections wait with a growing delay"
	if answer == v1alpha1.ContestCorrect {
		how = fmt.Sprintf("what is contested in the namespace is corrected every %s", turnInterval)
	}
	return fmt.Sprintf("%s%s: %s; %s", posture.ContestedBy, managerNames(d.Managers), what, how)
}

func managerNames(managers []string) string {
	switch n := len(managers); n {
	case 0:
		return drift.ManagerName("")
	case 1:
		return drift.ManagerName(managers[0])
	default:
		return "the field managers " + strings.Join(managers[:n-1], ", ") + " and " + managers[n-1]
	}
}
