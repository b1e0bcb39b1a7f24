package policies

import (
	"slices"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// contestSentences say who contests which policy.
func contestSentences(
	profile *v1alpha1.SecurityProfile, outcomes []drift.Outcome, disputes []contention.Dispute,
) []string {
	var sentences []string
	for _, o := range outcomes {
		told := slices.ContainsFunc(disputes, func(d contention.Dispute) bool { return d.Object == o.Object })
		if o.State == v1alpha1.DriftStateContested && !told {
			sentences = append(sentences, o.Object.Kind+" "+o.Object.Name+" by "+drift.ManagerName(o.By.Manager))
		}
	}
	for _, d := range disputes {
		sentences = append(sentences, d.Object.Kind+" "+d.Object.Name+" is "+d.Sentence(profile.EffectiveContest()))
	}
	return sentences
}
