package posture

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// history is that of the last report with this pass's drifts added, newest first, and how many of
// them are new. An open entry whose drift is found again stays the same entry; one whose drift is
// gone is closed.
func (r *reporting) history(now time.Time) ([]v1alpha1.DriftEntry, int) {
	var entries []v1alpha1.DriftEntry
	known := map[int]bool{}
	for _, entry := range r.History() {
		if entry.State != v1alpha1.DriftStateCorrected {
			i := continuing(r.Outcomes, known, entry)
			switch {
			case i >= 0:
				known[i] = true
				r.Outcomes[i].GoOn(&entry)
			case !r.staysOpen(entry):
				entry.State = v1alpha1.DriftStateCorrected
			}
		}
		entries = append(entries, entry)
	}
	var added []v1alpha1.DriftEntry
	for i, o := range r.Outcomes {
		if !o.Recorded || known[i] || r.Lasts(&o) {
			continue
		}
		if o.State == v1alpha1.DriftStateContested && contestedEntries(entries, o.Object) >= MaxManagers {
			continue
		}
		added = append(added, o.Entry(now))
	}
	entries = append(added, entries...)
	return entries[:min(len(entries), v1alpha1.MaxDrift)], len(added)
}

// continuing is the first of the outcomes that are not known yet that is the same drift as an
// entry; -1 if none is.
func continuing(outcomes []drift.Outcome, known map[int]bool, entry v1alpha1.DriftEntry) int {
	for i := range outcomes {
		if !known[i] && outcomes[i].Continues(entry) {
			return i
		}
	}
	return -1
}
