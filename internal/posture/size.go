package posture

import (
	"unicode/utf8"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The sizes of what a report holds, near enough for a bound and never too small: texts as JSON
// writes them, and what it writes around them.

// overhead is about what JSON adds to an entry of a list: the names of its fields.
const overhead = 160

// written is how many bytes JSON takes for a text. Whoever may name a role or write a message may
// choose characters that take six.
func written(s string) int {
	size := 0
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			size += 2
		case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
			size += 6
		default:
			size += utf8.RuneLen(r)
		}
	}
	return size
}

// Size is about how many bytes a report takes.
func Size(p *v1alpha1.NamespacePosture) int {
	size := 9*overhead + len(p.FindingTotals)*overhead/2
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		size += written(c.Type) + written(c.Reason) + written(c.Message) + overhead
	}
	for i := range p.Objects {
		size += sizeOf(&p.Objects[i].ObjectReference) + written(p.Objects[i].Message) + overhead
	}
	for i := range p.Drift {
		size += sizeOfDrift(&p.Drift[i])
	}
	for i := range p.Findings {
		size += sizeOfFinding(&p.Findings[i])
	}
	for i := range p.Blocked {
		b := &p.Blocked[i]
		size += sizeOf(&b.Object) + written(b.Message) + overhead
		for _, name := range b.Violators {
			size += written(name) + len(`"",`)
		}
	}
	for i := range p.OperatorState.InPlace {
		size += sizeOf(&p.OperatorState.InPlace[i].Object) + written(p.OperatorState.InPlace[i].Content) + overhead
	}
	return size
}

// sizeOfDrift is about how many bytes an entry of its history takes.
func sizeOfDrift(e *v1alpha1.DriftEntry) int {
	size := sizeOf(&e.Object) + written(e.Manager) + 2*overhead
	for _, f := range e.Fields {
		size += written(f.Path) + written(f.Want) + written(f.Got) + overhead/2
	}
	return size
}

// sizeOfFinding is about how many bytes a finding takes.
func sizeOfFinding(f *v1alpha1.Finding) int {
	return sizeOf(&f.Object) + written(f.Message) + written(f.Remedy) + overhead
}

func sizeOf(r *v1alpha1.ObjectReference) int {
	return written(r.APIVersion) + written(r.Kind) + written(r.Name)
}
