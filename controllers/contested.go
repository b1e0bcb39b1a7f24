package controllers

import (
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// disputeOver is the contest over an object, or nil.
func (p *pass) disputeOver(ref v1alpha1.ObjectReference) *contention.Dispute {
	i := slices.IndexFunc(p.disputes, func(d contention.Dispute) bool { return d.Object == ref })
	if i < 0 {
		return nil
	}
	return &p.disputes[i]
}

// contestedOr is an object that is contested, if it is: it may be as declared just now, and will not stay so.
func (p *pass) contestedOr(o v1alpha1.ManagedObject) v1alpha1.ManagedObject {
	d := p.disputeOver(o.ObjectReference)
	mutates := strings.HasPrefix(o.Message, changedByAdmission)
	if d == nil || mutates || o.State != v1alpha1.ObjectCompliant && o.State != v1alpha1.ObjectDrifted {
		return o
	}
	o.State, o.Message = v1alpha1.ObjectDrifted, printable.Message(d.Sentence(p.profile.EffectiveContest()))
	return o
}

// contestedCopies are the objects beyond the baseline that were removed, and that somebody will make again.
func (p *pass) contestedCopies(reported []v1alpha1.ManagedObject) []v1alpha1.ManagedObject {
	var copies []v1alpha1.ManagedObject
	for _, d := range p.disputes {
		known := slices.ContainsFunc(reported, func(o v1alpha1.ManagedObject) bool { return o.ObjectReference == d.Object })
		if d.Change == v1alpha1.Unexpected && !known {
			copies = append(copies, p.contestedOr(v1alpha1.ManagedObject{ObjectReference: d.Object, State: v1alpha1.ObjectDrifted}))
		}
	}
	return copies
}

// contestSentence says who contests what is found.
func (p *pass) contestSentence(o *drift.Outcome) string {
	d := p.disputeOver(o.Object)
	if d == nil {
		d = contention.DisputeOf(&o.Drift, o.By.Manager)
	}
	return d.Sentence(p.profile.EffectiveContest())
}

// isContested reports whether the report says that an object is contested.
func isContested(o v1alpha1.ManagedObject) bool {
	return o.State == v1alpha1.ObjectDrifted && strings.HasPrefix(o.Message, contention.ContestedBy)
}

func contestedCount(o v1alpha1.ManagedObject) int32 {
	if isContested(o) {
		return 1
	}
	return 0
}

// contestedBeyond counts those of the objects beyond a baseline that are contested.
func contestedBeyond(objects []v1alpha1.ManagedObject) int32 {
	var n int32
	for _, o := range objects {
		n += contestedCount(o)
	}
	return n
}

// contestedEntries counts the entries of the history by which a contest over an object is told.
func contestedEntries(entries []v1alpha1.DriftEntry, ref v1alpha1.ObjectReference) int {
	n := 0
	for _, e := range entries {
		if e.Object == ref && e.State == v1alpha1.Contested {
			n++
		}
	}
	return n
}

// staysOpen reports whether an entry of the history is not closed though its drift is gone: it is contested, or was corrected in vain.
func (p *pass) staysOpen(entry v1alpha1.DriftEntry, outcomes []drift.Outcome) bool {
	if entry.State == v1alpha1.Contested {
		return p.disputeOver(entry.Object) != nil
	}
	return slices.ContainsFunc(outcomes, func(o drift.Outcome) bool { return o.Object == entry.Object && len(o.Mutated) > 0 })
}
