package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/output"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// inPlace reports whether a finding stands in a file that can be edited: not on the standard input,
// and not in what was made of another file.
func inPlace(f *output.Finding) bool {
	return f.Document != nil && f.File != stdin && f.File == f.Document.File && f.Document.Origin == ""
}

// edits are what mends a finding where it stands; none if there is something that cannot be edited
// with certainty.
func edits(f *output.Finding, positions *manifests.Positions) []output.Edit {
	if !inPlace(f) {
		return nil
	}
	var all []output.Edit
	for _, change := range f.Fix {
		edit, err := positions.Edit(change.Path, change.Value)
		if err != nil {
			return nil
		}
		all = append(all, output.Edit(edit))
	}
	return all
}

// mended is what became of a fix.
type mended struct {
	before map[string][]byte // the files that were changed, as they were
	fixed  int
	could  []string // what could not be mended, and why
}

// mend carries out the fixes of findings, file by file.
func (w *World) mend(findings []output.Finding) (*mended, error) {
	byFile := map[string][]*output.Finding{}
	m := &mended{before: map[string][]byte{}}
	for i := range findings {
		f := &findings[i]
		switch {
		case f.Suppressed != "":
		case len(f.Fix) == 0:
			remedy := cmp.Or(f.Remedy, check.RuleOf(f.Rule).Help)
			m.could = append(m.could, fmt.Sprintf("%s:%d: %s: no one value is right: %s", f.File, f.Line, f.Rule, remedy))
		case f.Document.Origin != "":
			m.could = append(
				m.could,
				fmt.Sprintf("%s:%d: %s: it was made of %s, which is where to mend it", f.File, f.Line, f.Rule, f.Document.Origin),
			)
		default:
			byFile[f.File] = append(byFile[f.File], f)
		}
	}
	after := map[string][]byte{}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		text, err := os.ReadFile(w.path(file))
		if err != nil {
			return nil, fmt.Errorf("--fix: %s: %w", file, cause(err))
		}
		if changed := m.mendFile(file, text, byFile[file]); !bytes.Equal(changed, text) {
			m.before[file], after[file] = text, changed
		}
	}
	for _, file := range slices.Sorted(maps.Keys(after)) {
		if err := w.replace(file, after[file]); err != nil {
			return nil, errors.Join(fmt.Errorf("--fix: %w", err), w.restore(m))
		}
	}
	return m, nil
}

// restore puts files back as they were.
func (w *World) restore(m *mended) error {
	var errs []error
	for file, text := range m.before {
		errs = append(errs, w.replace(file, text))
	}
	return errors.Join(errs...)
}

// mendFile is the text of a file with the fixes of its findings. Each document is mended by itself.
func (m *mended) mendFile(file string, text []byte, findings []*output.Finding) []byte {
	byLine := map[int][]*output.Finding{}
	for _, f := range findings {
		byLine[f.Document.Line] = append(byLine[f.Document.Line], f)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	starts := slices.Sorted(maps.Keys(byLine))
	var changed bytes.Buffer
	write := func(from, to int) { changed.Write(bytes.Join(lines[from-1:to-1], nil)) }
	write(1, starts[0])
	for i, start := range starts {
		end := len(lines) + 1
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		document, rest := cut(lines[start-1 : end-1])
		changed.Write(m.mendDocument(file, document, byLine[start]))
		changed.Write(rest)
	}
	return changed.Bytes()
}

// cut cuts lines where the next document begins.
func cut(lines [][]byte) (document, rest []byte) {
	next := slices.IndexFunc(lines, manifests.Separates)
	if next < 0 {
		next = len(lines)
	}
	return bytes.Join(lines[:next], nil), bytes.Join(lines[next:], nil)
}

// mendDocument is the text of a document with the fixes of its findings, one after the other: each
// sees what the ones before it have done.
func (m *mended) mendDocument(file string, text []byte, findings []*output.Finding) []byte {
	documents := documentsOf(file, text)
	for _, f := range findings {
		ordinal := slices.IndexFunc(documents, f.Document.SameElement)
		changed, err := text, error(nil)
		for _, change := range f.Fix {
			if changed, err = mendField(file, changed, ordinal, change); err != nil {
				break
			}
		}
		if err != nil {
			m.could = append(m.could, fmt.Sprintf("%s:%d: %s: %v", f.File, f.Line, f.Rule, err))
			continue
		}
		text = changed
		m.fixed++
	}
	return text
}

func documentsOf(file string, text []byte) []*manifests.Document {
	var all []*manifests.Document
	for d, problem := range manifests.Read(file, bytes.NewReader(text)) {
		if problem == nil {
			all = append(all, d)
		}
	}
	return all
}

func mendField(file string, text []byte, ordinal int, change check.Change) ([]byte, error) {
	documents := documentsOf(file, text)
	if ordinal < 0 || ordinal >= len(documents) {
		return nil, errors.New("the file has changed")
	}
	d := documents[ordinal]
	if reflect.DeepEqual(valueAt(d.Object.Object, change.Path), change.Value) {
		return text, nil // Another fix has done it: two rules may ask for the same.
	}
	edit, err := d.Positions().Edit(change.Path, change.Value)
	if err != nil {
		return nil, err
	}
	changed, err := manifests.Apply(text, edit)
	if err != nil {
		return nil, err
	}
	if after := documentsOf(file, changed); len(after) != len(documents) {
		return nil, errors.New("the edit would break the file")
	}
	return changed, nil
}

// valueAt is the value of a field; nil if it is absent.
func valueAt(from any, path []any) any {
	for _, step := range path {
		switch at := step.(type) {
		case string:
			m, _ := from.(map[string]any)
			from = m[at]
		case int:
			list, _ := from.([]any)
			if at >= len(list) {
				return nil
			}
			from = list[at]
		}
	}
	return from
}

// fixAndRecheck mends what can be, and judges anew. If anything got worse, all files are put back.
func (o *checkOptions) fixAndRecheck(
	ctx context.Context,
	world *World,
	report *output.Report,
	judged *scope,
) (*scope, []error) {
	before := map[string]bool{}
	for i := range report.Findings {
		before[report.Findings[i].Fingerprint()] = true
	}
	m, err := world.mend(report.Findings)
	if err != nil {
		return judged, []error{err}
	}
	again := o.emptyReport(world)
	rejudged, problems := o.find(ctx, world, again)
	problems = append(problems, o.narrow(ctx, world, again, rejudged)...)
	for i := range again.Findings {
		if f := &again.Findings[i]; !before[f.Fingerprint()] {
			problems = append(
				problems,
				fmt.Errorf(
					"--fix: the files are as they were, since a fix would have had another rule broken: %s: %s",
					f.Object,
					f.Message,
				),
			)
		}
	}
	if len(problems) > 0 {
		return judged, append(problems, world.restore(m))
	}
	*report = *again
	for _, why := range m.could {
		fmt.Fprintf(world.Err, "not fixed: %s\n", printable.Line(why))
	}
	fmt.Fprintf(world.Err, "fixed %d findings in %d files, and checked again\n", m.fixed, len(m.before))
	return rejudged, nil
}
