package cli

import (
	"bytes"
	"os"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/output"
)

// placed are results with the places of their fields: in the file that an object came from, if that
// can be read, and else in what was read. The edits that mend them take as long again, and are made
// only if they are wanted; changes are kept only for --fix.
func (w *World) placed(results []*check.Result, withEdits, mend bool) []output.Finding {
	origins := w.readOrigins(results)
	findings := make([]output.Finding, len(results))
	runs := byDocument(results)
	each(len(runs), func(i int) {
		from, to := runs[i][0], runs[i][1]
		if results[from].Document == nil {
			for n := from; n < to; n++ {
				findings[n] = w.inFile(results[n])
			}
			return
		}
		positions := results[from].Document.Positions()
		for n := from; n < to; n++ {
			findings[n] = w.place(results[n], positions, origins)
			if withEdits {
				findings[n].Edits = edits(&findings[n], positions)
			}
			findings[n].Fixable, findings[n].Path = len(findings[n].Fix) > 0, nil // Its place is known.
			if !mend {
				findings[n].Fix = nil
			}
		}
	})
	return findings
}

// byDocument are the ranges of results that are of one document, which stand together.
func byDocument(results []*check.Result) [][2]int {
	var runs [][2]int
	for i := range results {
		if i > 0 && results[i].Document == results[i-1].Document {
			runs[len(runs)-1][1] = i + 1
			continue
		}
		runs = append(runs, [2]int{i, i + 1})
	}
	return runs
}

// place is a result with its place.
func (w *World) place(r *check.Result, positions *manifests.Positions, origins map[string]*origin) output.Finding {
	d := r.Document
	place, file := positions.Of(r.Path...), d.File
	if from := origins[d.Origin]; from != nil {
		place, file = from.of(r, place, file)
	}
	return output.Finding{Result: r, File: file, Place: output.Place{
		Line:      place.Line,
		Column:    place.Column,
		EndLine:   place.EndLine,
		EndColumn: place.EndColumn,
		Location:  string(place.Precision),
	}}
}

// readOrigins reads the files that the objects of results came from.
func (w *World) readOrigins(results []*check.Result) map[string]*origin {
	origins := map[string]*origin{}
	for i := range results {
		if results[i].Document == nil {
			continue
		}
		if name := results[i].Document.Origin; name != "" && origins[name] == nil {
			origins[name] = w.readOrigin(name)
		}
	}
	return origins
}

// origin is a file that objects were made from: manifests, or a template.
type origin struct {
	name      string // as it is shown; empty if there is no such file
	documents []*manifests.Document
	lines     [][]byte
}

// readOrigin reads such a file. Helm names it with the chart's name before it.
func (w *World) readOrigin(name string) *origin {
	_, inChart, _ := strings.Cut(name, "/")
	for _, candidate := range []string{name, inChart} {
		if candidate == "" || !isLocal(candidate) {
			continue
		}
		info, err := os.Stat(w.path(candidate))
		if err != nil || !info.Mode().IsRegular() || info.Size() > manifests.MaxDocument {
			continue
		}
		text, err := os.ReadFile(w.path(candidate))
		if err != nil {
			continue
		}
		o := &origin{name: w.shown(candidate), lines: bytes.Split(text, []byte("\n"))}
		for d, problem := range manifests.Read(o.name, bytes.NewReader(text)) {
			if problem == nil {
				o.documents = append(o.documents, d)
			}
		}
		return o
	}
	return &origin{}
}

// isLocal reports whether a path stays below the directory, or beside it, as a kustomization's base
// may be.
func isLocal(name string) bool { return !path.IsAbs(name) && !strings.Contains(name, "\x00") }

// of is the place of a result in the file: the field's own in manifests, that of the object's kind
// in a template.
func (o *origin) of(r *check.Result, rendered manifests.Place, file string) (manifests.Place, string) {
	if o.name == "" { // The file is not at hand: the rendered one has the right line, if there is one.
		if file == stdin {
			return rendered, r.Document.Origin
		}
		return rendered, file
	}
	if d := o.find(r); d != nil {
		place := d.Positions().Of(r.Path...)
		if place.Precision == manifests.Parent && rendered.Precision == manifests.Exact {
			// A patch or a transformer has put the field there.
			place = d.Positions().Of()
			place.Precision = manifests.Approximate
		}
		return place, o.name
	}
	for i, line := range o.lines {
		if found := kindLine.FindSubmatchIndex(line); found != nil && string(line[found[2]:found[3]]) == r.Object.Kind {
			column := 1 + utf8.RuneCount(line[:found[2]])
			return manifests.Place{
				Line:      i + 1,
				EndLine:   i + 1,
				Column:    column,
				EndColumn: column + len(r.Object.Kind),
				Precision: manifests.Approximate,
			}, o.name
		}
	}
	return manifests.Place{Line: 1, EndLine: 1, Column: 1, EndColumn: 1, Precision: manifests.Approximate}, o.name
}

var kindLine = regexp.MustCompile(`^kind:\s*["']?([A-Za-z]+)`)

// find is the object in the file that a result is about. Kustomize may have put something before
// its name, or behind it.
func (o *origin) find(r *check.Result) *manifests.Document {
	var alike *manifests.Document
	for _, d := range o.documents {
		if d.Object.GetKind() != r.Object.Kind {
			continue
		}
		switch name := d.Object.GetName(); {
		case name == r.Object.Name:
			return d
		case strings.Contains(r.Object.Name, name):
			alike = d
		}
	}
	return alike
}
