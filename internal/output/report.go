// Package output writes the report of a check in the formats that people and pipelines read.
//
// It is of the pure rooms: it writes to what it is given, and imports check and manifests for their
// types. It must never decide anything, and each format says the same.
package output

import (
	"cmp"
	"io"
	"slices"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
)

// Tool is the name under which all formats know the plugin.
const Tool = "kubectl-posture"

// Report is what is written.
type Report struct {
	Version string
	// Now is the time of the check. Only formats that want one hold it.
	Now time.Time
	// FailOn is the weakest action that fails a check.
	FailOn check.Action
	// Findings are in order.
	Findings []Finding
	// Evaluated and Ungoverned count objects, Unruled those of kinds that no rule is about, and
	// Skipped those of kinds that are not known.
	Evaluated  int
	Ungoverned int
	Unruled    map[string]int
	Skipped    map[string]int
	// Problems are what could not be read or evaluated. A report with one is never clean.
	Problems []string
	// Notes are what is worth knowing and no finding, such as entries of a baseline that are gone.
	Notes []string
}

// Finding is a result with its place.
type Finding struct {
	*check.Result
	// File is the file that the object came from, relative and with slashes.
	File string
	Place
	// Fixable reports whether there is a change that mends it.
	Fixable bool
	// Edits mend it in the file.
	Edits []Edit
}

// Place is a range of a file, from one on, and how sure it is: exact, parent or approximate.
type Place struct {
	Line, Column, EndLine, EndColumn int
	Location                         string
}

// Edit is a replacement of a range of a file.
type Edit struct {
	Line, Column, EndLine, EndColumn int
	Text                             string
}

// Counts reports whether a finding counts for the exit code.
func (r *Report) Counts(f *Finding) bool { return f.Suppressed == "" && f.Action.AtLeast(r.FailOn) }

// Failing counts the findings that fail the check.
func (r *Report) Failing() int {
	n := 0
	for i := range r.Findings {
		if r.Counts(&r.Findings[i]) {
			n++
		}
	}
	return n
}

// rules are the rules of the findings, in the order of their names.
func (r *Report) rules() []check.Rule {
	seen := map[string]check.Rule{}
	for i := range r.Findings {
		seen[r.Findings[i].Rule] = check.RuleOf(r.Findings[i].Rule)
	}
	var rules []check.Rule
	for _, rule := range seen {
		rules = append(rules, rule)
	}
	slices.SortFunc(rules, func(a, b check.Rule) int { return cmp.Compare(a.ID, b.ID) })
	return rules
}

// Sort puts findings in the order of files, lines and rules.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Container, b.Container),
		)
	})
}

// Format writes a report.
type Format func(io.Writer, *Report) error

// Formats are all of them, by name.
func Formats() map[string]Format {
	return map[string]Format{
		"table": Table(
			false,
		),
		"json":        JSON,
		"yaml":        YAML,
		"sarif":       SARIF,
		"junit":       JUnit,
		"github":      GitHub,
		"gitlab-sast": GitLab,
		"openreports": OpenReports,
	}
}

// who is the object of a finding, and its container.
func (f *Finding) who() string {
	who := f.Object.String()
	if f.Container != "" {
		who += " " + f.Container
	}
	return who
}

// text is a finding in one sentence or two.
func (f *Finding) text() string { return f.who() + ": " + f.told(f.Message) }

// told are words of a finding that say of whose pods they are, if the object itself is admitted.
func (f *Finding) told(words string) string {
	if f.OfPods && f.Action == check.Deny {
		return "its pods would be refused: " + words
	}
	return words
}

// remedy is what to do about a finding.
func (f *Finding) remedy() string { return cmp.Or(f.Remedy, check.RuleOf(f.Rule).Help) }

// level is a severity on a scale of ten, as code scanning sorts by it.
func level(s v1alpha1.Severity) string {
	switch s {
	case v1alpha1.SeverityCritical:
		return "9.5"
	case v1alpha1.SeverityHigh:
		return "8.0"
	case v1alpha1.SeverityMedium:
		return "5.5"
	}
	return "3.0"
}
