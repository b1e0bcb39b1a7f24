package posture

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// MaxReportBytes bounds a report well below the 1.5 MiB that the API server stores of one object.
const MaxReportBytes = 512 << 10

// PrintableHistory returns the drift entries of a report in a form that people can read. Without
// tamper protection, a tenant may have written them.
func PrintableHistory(entries []v1alpha1.DriftEntry) []v1alpha1.DriftEntry {
	history := make([]v1alpha1.DriftEntry, 0, len(entries))
	for _, e := range entries {
		history = append(history, printableEntry(e))
	}
	return history
}

func printableEntry(e v1alpha1.DriftEntry) v1alpha1.DriftEntry {
	e.Object = v1alpha1.ObjectReference{
		APIVersion: printable.Line(e.Object.APIVersion), Kind: printable.Line(e.Object.Kind),
		Name: baseline.PrintableName(e.Object.Name),
	}
	e.Namespace = printable.Line(e.Namespace)
	e.Manager = printable.Cut(printable.Name(e.Manager), drift.MaxManagerRunes)
	var fields []v1alpha1.FieldDrift
	for _, f := range e.Fields {
		fields = append(fields, drift.Printable(f))
	}
	e.Fields = fields
	return e
}

// PrintableCondition returns a condition in a form that people can read: its message quotes the API
// server and webhooks.
func PrintableCondition(c metav1.Condition) metav1.Condition {
	c.Message = printable.Line(c.Message)
	return c
}
