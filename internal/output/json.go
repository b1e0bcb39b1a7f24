package output

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
)

// document is a report as JSON and YAML have it. Fields are added to it, and none is taken away.
type document struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Summary    summary        `json:"summary"`
	Findings   []entry        `json:"findings"`
	Problems   []string       `json:"problems,omitempty"`
	Notes      []string       `json:"notes,omitempty"`
	Unruled    map[string]int `json:"unruled,omitempty"`
	Skipped    map[string]int `json:"skipped,omitempty"`
}

type summary struct {
	Evaluated  int          `json:"evaluated"`
	Ungoverned int          `json:"ungoverned"`
	Deny       int          `json:"deny"`
	Warn       int          `json:"warn"`
	Audit      int          `json:"audit"`
	Suppressed int          `json:"suppressed"`
	FailOn     check.Action `json:"failOn"`
	Failing    int          `json:"failing"`
}

type entry struct {
	Rule        string            `json:"rule"`
	Action      check.Action      `json:"action"`
	Severity    v1alpha1.Severity `json:"severity"`
	Message     string            `json:"message"`
	Answer      string            `json:"answer,omitempty"`
	Remedy      string            `json:"remedy,omitempty"`
	Object      check.Reference   `json:"object"`
	Container   string            `json:"container,omitempty"`
	OfPods      bool              `json:"ofPods,omitempty"`
	Profile     string            `json:"profile,omitempty"`
	File        string            `json:"file"`
	Line        int               `json:"line"`
	Column      int               `json:"column"`
	EndLine     int               `json:"endLine"`
	EndColumn   int               `json:"endColumn"`
	Location    string            `json:"location"`
	Fingerprint string            `json:"fingerprint"`
	Suppressed  string            `json:"suppressed,omitempty"`
	Fixable     bool              `json:"fixable,omitempty"`
	CIS         []string          `json:"cis,omitempty"`
	NSA         []string          `json:"nsa,omitempty"`
	PSS         string            `json:"pss,omitempty"`
}

func documentOf(r *Report) document {
	d := document{
		APIVersion: "posture.bulwark.dev/v1alpha1",
		Kind:       "CheckReport",
		Findings:   make([]entry, len(r.Findings)),
		Problems:   r.Problems,
		Notes:      r.Notes,
		Unruled:    r.Unruled,
		Skipped:    r.Skipped,
		Summary:    summaryOf(r),
	}
	for i := range r.Findings {
		d.Findings[i] = entryOf(&r.Findings[i])
	}
	return d
}

func summaryOf(r *Report) summary {
	s := summary{Evaluated: r.Evaluated, Ungoverned: r.Ungoverned, FailOn: r.FailOn, Failing: r.Failing()}
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Suppressed != "":
			s.Suppressed++
		case f.Action == check.Deny:
			s.Deny++
		case f.Action == check.Warn:
			s.Warn++
		default:
			s.Audit++
		}
	}
	return s
}

func entryOf(f *Finding) entry {
	rule := check.RuleOf(f.Rule)
	return entry{
		Rule:        f.Rule,
		Action:      f.Action,
		Severity:    f.Severity,
		Message:     f.Message,
		Answer:      f.Answer,
		Remedy:      f.remedy(),
		Object:      f.Object,
		Container:   f.Container,
		OfPods:      f.OfPods,
		Profile:     f.Profile,
		File:        f.File,
		Line:        f.Line,
		Column:      f.Column,
		EndLine:     f.EndLine,
		EndColumn:   f.EndColumn,
		Location:    f.Location,
		Fingerprint: f.Fingerprint(),
		Suppressed:  f.Suppressed,
		Fixable:     f.Fixable,
		CIS:         rule.CIS,
		NSA:         rule.NSA,
		PSS:         rule.PSS,
	}
}

// JSON writes a report as JSON, a finding a line: of a hundred thousand one at a time is in memory.
func JSON(w io.Writer, r *Report) error {
	d := document{APIVersion: "posture.bulwark.dev/v1alpha1", Kind: "CheckReport"}
	j := newJSONWriter(w)
	j.open("{")
	j.field("apiVersion", d.APIVersion)
	j.field("kind", d.Kind)
	j.field("summary", summaryOf(r))
	j.list("findings", len(r.Findings), func(i int) any { return entryOf(&r.Findings[i]) })
	if len(r.Problems) > 0 {
		j.field("problems", r.Problems)
	}
	if len(r.Notes) > 0 {
		j.field("notes", r.Notes)
	}
	if len(r.Unruled) > 0 {
		j.field("unruled", r.Unruled)
	}
	if len(r.Skipped) > 0 {
		j.field("skipped", r.Skipped)
	}
	j.close("}")
	return j.end()
}

// YAML writes it as YAML.
func YAML(w io.Writer, r *Report) error {
	text, err := yaml.Marshal(documentOf(r))
	if err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	_, err = w.Write(text)
	return err
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// jsonWriter writes JSON part by part. The first error is the only one, and nothing is written
// behind it.
type jsonWriter struct {
	out     *bufio.Writer
	encoder *json.Encoder
	text    bytes.Buffer // of one value
	next    bool         // whether a comma comes before the next value
	err     error
}

func newJSONWriter(w io.Writer) *jsonWriter {
	j := &jsonWriter{out: bufio.NewWriterSize(w, 64<<10)}
	j.encoder = json.NewEncoder(&j.text)
	j.encoder.SetEscapeHTML(false)
	return j
}

func (j *jsonWriter) raw(text string) {
	if j.err == nil {
		_, j.err = j.out.WriteString(text)
	}
}

// open begins an object or an array, as a value or as an element.
func (j *jsonWriter) open(bracket string) {
	j.comma()
	j.raw(bracket)
	j.next = false
}

func (j *jsonWriter) close(bracket string) {
	j.raw("\n" + bracket)
	j.next = true
}

func (j *jsonWriter) comma() {
	if j.next {
		j.raw(",")
	}
	j.next = true
}

// value writes a value on a line of its own.
func (j *jsonWriter) value(value any) {
	j.comma()
	j.raw("\n")
	j.encode(value)
}

func (j *jsonWriter) encode(value any) {
	if j.err != nil {
		return
	}
	j.text.Reset()
	if j.err = j.encoder.Encode(value); j.err == nil {
		_, j.err = j.out.Write(bytes.TrimSuffix(j.text.Bytes(), []byte("\n")))
	}
}

func (j *jsonWriter) name(name string) {
	j.comma()
	j.raw("\n\"" + name + "\":")
}

func (j *jsonWriter) field(name string, value any) {
	j.name(name)
	j.encode(value)
}

// begin is a field that is an object or an array.
func (j *jsonWriter) begin(name, bracket string) {
	j.name(name)
	j.raw(bracket)
	j.next = false
}

// list is a field that is an array, an element a line.
func (j *jsonWriter) list(name string, n int, element func(int) any) {
	j.begin(name, "[")
	for i := range n {
		j.value(element(i))
	}
	if n > 0 {
		j.raw("\n")
	}
	j.raw("]")
	j.next = true
}

func (j *jsonWriter) end() error {
	j.raw("\n")
	if j.err != nil {
		return j.err
	}
	return j.out.Flush()
}
