package output

import (
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
		APIVersion: "posture.bulwark.dev/v1alpha1", Kind: "CheckReport", Findings: []entry{}, Problems: r.Problems, Notes: r.Notes, Skipped: r.Skipped,
		Summary: summary{Evaluated: r.Evaluated, Ungoverned: r.Ungoverned, FailOn: r.FailOn, Failing: r.Failing()},
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		rule := check.RuleOf(f.Rule)
		d.Findings = append(d.Findings, entry{
			Rule: f.Rule, Action: f.Action, Severity: f.Severity, Message: f.Message, Answer: f.Answer, Remedy: f.remedy(), Object: f.Object,
			Container: f.Container, OfPods: f.OfPods, Profile: f.Profile, File: f.File, Line: f.Line, Column: f.Column, EndLine: f.EndLine,
			EndColumn: f.EndColumn, Location: f.Location, Fingerprint: f.Fingerprint(), Suppressed: f.Suppressed, Fixable: len(f.Fix) > 0,
			CIS: rule.CIS, NSA: rule.NSA, PSS: rule.PSS,
		})
		switch {
		case f.Suppressed != "":
			d.Summary.Suppressed++
		case f.Action == check.Deny:
			d.Summary.Deny++
		case f.Action == check.Warn:
			d.Summary.Warn++
		default:
			d.Summary.Audit++
		}
	}
	return d
}

// JSON writes a report as JSON.
func JSON(w io.Writer, r *Report) error { return writeJSON(w, documentOf(r)) }

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
