package posture

import (
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	// ContestedBy begins the message on an object that is contested.
	ContestedBy = "contested by "
	// MaxManagers bounds the field managers that are named of one object. Whoever keeps changing
	// names is told by the first of them.
	MaxManagers = 4
)

// Dispute is what there is to tell of a contest over an object.
type Dispute struct {
	Object v1alpha1.ObjectReference
	Change v1alpha1.DriftChange
	// Sentence says who contests what, and how that is answered. It begins with ContestedBy, and is
	// the same for as long as the contest lasts.
	Sentence string
}

// DisputeOver is the contest over an object, or nil.
func (f *Found) DisputeOver(ref v1alpha1.ObjectReference) *Dispute {
	i := slices.IndexFunc(f.Disputes, func(d Dispute) bool { return d.Object == ref })
	if i < 0 {
		return nil
	}
	return &f.Disputes[i]
}

// contestedOr is an object that is contested, if it is: it may be as declared just now, and will
// not stay so.
func (f *Found) contestedOr(o v1alpha1.ManagedObject) v1alpha1.ManagedObject {
	d := f.DisputeOver(o.ObjectReference)
	mutates := strings.HasPrefix(o.Message, ChangedByAdmission)
	if d == nil || mutates || o.State != v1alpha1.ObjectStateCompliant && o.State != v1alpha1.ObjectStateDrifted {
		return o
	}
	o.State, o.Message = v1alpha1.ObjectStateDrifted, printable.Message(d.Sentence)
	return o
}

// contestedCopies are the objects beyond the baseline that were removed, and that somebody will
// make again.
func (f *Found) contestedCopies(reported []v1alpha1.ManagedObject) []v1alpha1.ManagedObject {
	var copies []v1alpha1.ManagedObject
	for _, d := range f.Disputes {
		known := slices.ContainsFunc(reported, func(o v1alpha1.ManagedObject) bool { return o.ObjectReference == d.Object })
		if d.Change == v1alpha1.DriftChangeUnexpected && !known {
			copied := v1alpha1.ManagedObject{ObjectReference: d.Object, State: v1alpha1.ObjectStateDrifted}
			copies = append(copies, f.contestedOr(copied))
		}
	}
	return copies
}

// isContested reports whether the report says that an object is contested.
func isContested(o v1alpha1.ManagedObject) bool {
	return o.State == v1alpha1.ObjectStateDrifted && strings.HasPrefix(o.Message, ContestedBy)
}

// contestedAmong counts the objects that are contested.
func contestedAmong(objects []v1alpha1.ManagedObject) int32 {
	var n int32
	for _, o := range objects {
		if isContested(o) {
			n++
		}
	}
	return n
}

// contestedEntries counts the entries of the history by which a contest over an object is told.
func contestedEntries(entries []v1alpha1.DriftEntry, ref v1alpha1.ObjectReference) int {
	n := 0
	for _, e := range entries {
		if e.Object == ref && e.State == v1alpha1.DriftStateContested {
			n++
		}
	}
	return n
}

// staysOpen reports whether an entry of the history is not closed though its drift is gone: it is
// contested, or was corrected in vain.
func (f *Found) staysOpen(entry v1alpha1.DriftEntry) bool {
	if entry.State == v1alpha1.DriftStateContested {
		return f.DisputeOver(entry.Object) != nil
	}
	return slices.ContainsFunc(f.Outcomes, func(o drift.Outcome) bool {
		return o.Object == entry.Object && len(o.Mutated) > 0
	})
}
