package drift

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Outcome is a drift and what became of it.
type Outcome struct {
	Drift
	// State is what the history says of it.
	State v1alpha1.DriftState
	// Recorded is set if it belongs in the history: tampering, a conflict, an adoption, and all
	// that an Audit profile finds. A difference that the profile's own change made does not.
	Recorded bool
	// By is who brought it about, as far as managed fields tell.
	By Attribution
	// Err is why the API server refused the correction.
	Err error
	// Hint explains the refusal where the API server's words do not.
	Hint string
	// Wait is how long a correction is still deferred: one that is contested, or that admission
	// undoes.
	Wait time.Duration
	// Done is set if the correction was written.
	Done bool
	// Mutated are the fields in which the API server's admission changed what was written, now or
	// at the last try.
	Mutated []Field
	// Standing is what the last report says of a correction that failed and is not tried again yet.
	Standing string
}

// OutcomeOf is the first outcome of a drift of an object, or nil.
func OutcomeOf(ref v1alpha1.ObjectReference, outcomes []Outcome) *Outcome {
	for i := range outcomes {
		if outcomes[i].Object == ref {
			return &outcomes[i]
		}
	}
	return nil
}

// MaxManagerRunes bounds the name of a field manager in the history.
const MaxManagerRunes = 127

// Sentence says what differs, and who did it.
func (o *Outcome) Sentence() string {
	by := ""
	if o.By.Manager != "" {
		by = " by " + ManagerName(o.By.Manager)
	}
	switch o.Change {
	case v1alpha1.DriftChangeMissing:
		return fmt.Sprintf("%s %s is missing", o.Object.Kind, o.Object.Name)
	case v1alpha1.DriftChangeUnexpected:
		return fmt.Sprintf("%s %s bears Bulwark's labels%s and is not part of the baseline", o.Object.Kind, o.Object.Name, by)
	}
	if o.Terminates() {
		return fmt.Sprintf(
			"%s %s was deleted, and finalizers held it: %s",
			o.Object.Kind,
			o.Object.Name,
			strings.Join(o.Got.GetFinalizers(), ", "),
		)
	}
	return printable.Message(
		fmt.Sprintf("%s %s was modified%s: %s", o.Object.Kind, o.Object.Name, by, strings.Join(FieldTexts(o.Fields), "; ")),
	)
}

// FieldTexts say of each field what was wanted and what was found.
func FieldTexts(fields []Field) []string {
	var texts []string
	for _, f := range Report(fields) {
		texts = append(texts, fmt.Sprintf("%s: want %s, got %s", f.Path, orUnset(f.Want), orUnset(f.Got)))
	}
	return texts
}

func orUnset(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

// Entry is the outcome as the history has it.
func (o *Outcome) Entry(now time.Time) v1alpha1.DriftEntry {
	return v1alpha1.DriftEntry{
		Object:     o.Object,
		Change:     o.Change,
		Fields:     Report(o.Fields),
		Manager:    printable.Cut(o.By.Manager, MaxManagerRunes),
		Operation:  o.By.Operation,
		ManagedAt:  o.By.Time,
		ObservedAt: metav1.NewTime(now).Rfc3339Copy(),
		State:      o.State,
	}
}

// Continues reports whether the outcome is the same drift as an open entry, still there or
// corrected at last.
func (o *Outcome) Continues(entry v1alpha1.DriftEntry) bool {
	if o.Object != entry.Object || o.Change != entry.Change {
		return false
	}
	if o.State == v1alpha1.DriftStateContested && entry.State == v1alpha1.DriftStateContested {
		return o.contestsAs(entry)
	}
	return equality.Semantic.DeepEqual(Report(o.Fields), entry.Fields)
}

// contestsAs reports whether an outcome tells nothing of a contest that an entry of the history
// does not: whoever keeps changing the values, or is answered once a second, must not fill the
// history.
func (o *Outcome) contestsAs(entry v1alpha1.DriftEntry) bool {
	return printable.Cut(o.By.Manager, MaxManagerRunes) == entry.Manager &&
		slices.EqualFunc(Report(o.Fields), entry.Fields, func(a, b v1alpha1.FieldDrift) bool { return a.Path == b.Path })
}

// GoOn makes an open entry say what has become of its drift, and who contests it by now.
func (o *Outcome) GoOn(entry *v1alpha1.DriftEntry) {
	if o.State == v1alpha1.DriftStateContested && entry.State != v1alpha1.DriftStateContested {
		entry.Manager, entry.Operation, entry.ManagedAt = printable.Cut(
			o.By.Manager,
			MaxManagerRunes,
		), o.By.Operation, o.By.Time
	}
	entry.State = o.State
}

// ManagerName is a field manager as sentences name it.
func ManagerName(manager string) string {
	if manager == "" {
		return "an unknown manager"
	}
	return "the field manager " + manager
}
