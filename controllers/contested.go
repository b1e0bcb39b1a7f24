package controllers

import (
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// disputeOver is the contest over an object, or nil.
func (p *pass) disputeOver(ref v1alpha1.ObjectReference) *dispute {
	i := slices.IndexFunc(p.disputes, func(d dispute) bool { return d.object == ref })
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
	o.State, o.Message = v1alpha1.ObjectDrifted, cut(d.sentence(p.profile.EffectiveContest()))
	return o
}

// contestedCopies are the objects beyond the baseline that were removed, and that somebody will make again.
func (p *pass) contestedCopies(reported []v1alpha1.ManagedObject) []v1alpha1.ManagedObject {
	var copies []v1alpha1.ManagedObject
	for _, d := range p.disputes {
		known := slices.ContainsFunc(reported, func(o v1alpha1.ManagedObject) bool { return o.ObjectReference == d.object })
		if d.change == v1alpha1.Unexpected && !known {
			copies = append(copies, p.contestedOr(v1alpha1.ManagedObject{ObjectReference: d.object, State: v1alpha1.ObjectDrifted}))
		}
	}
	return copies
}

// contestSentence says who contests what is found.
func (p *pass) contestSentence(o *outcome) string {
	d := p.disputeOver(o.Object)
	if d == nil {
		d = &dispute{change: o.Change, managers: managersOf(o.by.Manager)}
	}
	return d.sentence(p.profile.EffectiveContest())
}

// isContested reports whether the report says that an object is contested.
func isContested(o v1alpha1.ManagedObject) bool {
	return o.State == v1alpha1.ObjectDrifted && strings.HasPrefix(o.Message, contestedBy)
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

// contestsAs reports whether an outcome tells nothing of a contest that an entry of the history does not: whoever keeps changing the
// values, or is answered once a second, must not fill the history.
func (o *outcome) contestsAs(entry v1alpha1.DriftEntry) bool {
	return v1alpha1.Cut(o.by.Manager, maxManagerRunes) == entry.Manager &&
		slices.EqualFunc(drift.Report(o.Fields), entry.Fields, func(a, b v1alpha1.FieldDrift) bool { return a.Path == b.Path })
}

// goOn makes an open entry say what has become of its drift, and who contests it by now.
func (o *outcome) goOn(entry *v1alpha1.DriftEntry) {
	if o.state == v1alpha1.Contested && entry.State != v1alpha1.Contested {
		entry.Manager, entry.Operation, entry.ManagedAt = v1alpha1.Cut(o.by.Manager, maxManagerRunes), o.by.Operation, o.by.Time
	}
	entry.State = o.state
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
func (p *pass) staysOpen(entry v1alpha1.DriftEntry, outcomes []outcome) bool {
	if entry.State == v1alpha1.Contested {
		return p.disputeOver(entry.Object) != nil
	}
	return slices.ContainsFunc(outcomes, func(o outcome) bool { return o.Object == entry.Object && len(o.mutated) > 0 })
}
