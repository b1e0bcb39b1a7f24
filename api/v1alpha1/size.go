package v1alpha1

import "unicode/utf8"

// The sizes of what a report holds, near enough for a bound and never too small: texts as JSON writes them, and what it writes around them.

// overhead is about what JSON adds to an entry of a list: the names of its fields.
const overhead = 160

// written is how many bytes JSON takes for a text. Whoever may name a role or write a message may choose characters that take six.
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

// Size is about how many bytes the report takes.
func (p *NamespacePosture) Size() int {
	size := 9*overhead + len(p.FindingTotals)*overhead/2
	for i := range p.Status.Conditions {
		size += written(p.Status.Conditions[i].Message) + overhead
	}
	for i := range p.Objects {
		size += p.Objects[i].size() + written(p.Objects[i].Message) + overhead
	}
	for i := range p.Drift {
		size += p.Drift[i].Size()
	}
	for i := range p.Findings {
		size += p.Findings[i].Size()
	}
	for i := range p.Blocked {
		b := &p.Blocked[i]
		size += b.Object.size() + written(b.Message) + overhead
		for _, name := range b.Violators {
			size += written(name) + len(`"",`)
		}
	}
	for i := range p.OperatorState.InPlace {
		size += p.OperatorState.InPlace[i].Object.size() + written(p.OperatorState.InPlace[i].Content) + overhead
	}
	return size
}

// Size is about how many bytes the entry takes.
func (e *DriftEntry) Size() int {
	size := e.Object.size() + written(e.Manager) + 2*overhead
	for _, f := range e.Fields {
		size += written(f.Path) + written(f.Want) + written(f.Got) + overhead/2
	}
	return size
}

// Size is about how many bytes the finding takes.
func (f *Finding) Size() int {
	return f.Object.size() + written(f.Message) + written(f.Remedy) + overhead
}

func (r *ObjectReference) size() int {
	return written(r.APIVersion) + written(r.Kind) + written(r.Name)
}
