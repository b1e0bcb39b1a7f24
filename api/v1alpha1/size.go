package v1alpha1

// The sizes of what a report holds, near enough for a bound: texts and what JSON writes around them.

// overhead is about what JSON adds to an entry of a list: the names of its fields.
const overhead = 160

// Size is about how many bytes the report takes.
func (p *NamespacePosture) Size() int {
	size := 4 * overhead
	for i := range p.Objects {
		size += p.Objects[i].size() + len(p.Objects[i].Message) + overhead
	}
	for i := range p.Drift {
		size += p.Drift[i].Size()
	}
	for i := range p.Findings {
		size += p.Findings[i].Size()
	}
	for i := range p.Blocked {
		b := &p.Blocked[i]
		size += b.Object.size() + len(b.Message) + overhead
		for _, name := range b.Violators {
			size += len(name)
		}
	}
	for i := range p.InPlace {
		size += p.InPlace[i].Object.size() + 2*len(p.InPlace[i].Content) + overhead // Its quotes are escaped.
	}
	return size
}

// Size is about how many bytes the entry takes.
func (e *DriftEntry) Size() int {
	size := e.Object.size() + len(e.Manager) + 2*overhead
	for _, f := range e.Fields {
		size += len(f.Path) + 2*len(f.Want) + 2*len(f.Got) + overhead/2
	}
	return size
}

// Size is about how many bytes the finding takes.
func (f *Finding) Size() int {
	return f.Object.size() + len(f.Message) + len(f.Remedy) + overhead
}

func (r *ObjectReference) size() int { return len(r.APIVersion) + len(r.Kind) + len(r.Name) }
