package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/output"
)

// ratchet is a baseline of findings that are known and do not count: the file of --baseline.
type ratchet struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Findings   []tracked `json:"findings"`
}

// tracked is a finding in it. What counts is the fingerprint; the rest is for people.
type tracked struct {
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	Object      string `json:"object"`
	Container   string `json:"container,omitempty"`
}

const (
	ratchetVersion = "posture.bulwark.dev/v1alpha1"
	ratchetKind    = "FindingsBaseline"
)

// readRatchet reads such a file.
func (w *World) readRatchet(name string) (*ratchet, error) {
	text, err := os.ReadFile(w.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--baseline %s: there is no such file; make it by --update-baseline", name)
	}
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w", name, cause(err))
	}
	var r ratchet
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("--baseline %s: this is no baseline of findings: %w", name, err)
	}
	if r.APIVersion != ratchetVersion || r.Kind != ratchetKind {
		return nil, fmt.Errorf("--baseline %s: this is no %s of %s, but %q of %q", name, ratchetKind, ratchetVersion, r.Kind, r.APIVersion)
	}
	return &r, nil
}

// suppress has the findings that are in the baseline not count, and notes the entries that are gone.
func (r *ratchet) suppress(report *output.Report, name string) {
	known := map[string]bool{}
	for _, t := range r.Findings {
		known[t.Fingerprint] = true
	}
	found := map[string]bool{}
	for i := range report.Findings {
		f := &report.Findings[i]
		if print := f.Fingerprint(); known[print] {
			f.Suppressed = "it is in the baseline " + name
			found[print] = true
		}
	}
	for _, t := range r.Findings {
		if !found[t.Fingerprint] {
			report.Notes = append(report.Notes, strings.TrimSpace(fmt.Sprintf(
				"an entry of the baseline %s is gone: %s of %s %s; take it out by --update-baseline", name, t.Rule, t.Object, t.Container)))
		}
	}
}

// updateRatchet writes a baseline of all findings that would count.
func (w *World) updateRatchet(name string, report *output.Report) error {
	r := ratchet{APIVersion: ratchetVersion, Kind: ratchetKind, Findings: []tracked{}}
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Suppressed == "" && !f.Action.AtLeast(report.FailOn) {
			continue
		}
		r.Findings = append(r.Findings, tracked{f.Fingerprint(), f.Rule, f.Object.String(), f.Container})
	}
	slices.SortFunc(r.Findings, func(a, b tracked) int {
		return strings.Compare(a.Object+"\x00"+a.Container+"\x00"+a.Rule+a.Fingerprint, b.Object+"\x00"+b.Container+"\x00"+b.Rule+b.Fingerprint)
	})
	r.Findings = slices.Compact(r.Findings)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	if err := w.replace(name, append(text, '\n')); err != nil {
		return fmt.Errorf("--update-baseline: %w", err)
	}
	return nil
}

// framework groups rules by the sections of what asks for them.
type framework func(check.Rule) []string

// readFramework is cis, nsa, pss, or a file that maps rules to sections.
func (w *World) readFramework(name string) (framework, error) {
	switch name {
	case "cis":
		return func(r check.Rule) []string { return r.CIS }, nil
	case "nsa":
		return func(r check.Rule) []string { return r.NSA }, nil
	case "pss":
		return func(r check.Rule) []string {
			if r.PSS == "" {
				return nil
			}
			return []string{r.PSS}
		}, nil
	}
	read := w.readFile(name)
	if err := errors.Join(read.problems...); err != nil {
		return nil, fmt.Errorf("--framework: it is cis, nsa, pss or a file: %w", err)
	}
	if len(read.documents) != 1 {
		return nil, fmt.Errorf("--framework %s: it holds %d documents, and one is wanted", name, len(read.documents))
	}
	text, err := json.Marshal(read.documents[0].Object.Object)
	if err != nil {
		return nil, fmt.Errorf("--framework %s: %w", name, err)
	}
	var mapping struct {
		APIVersion string              `json:"apiVersion"`
		Kind       string              `json:"kind"`
		Metadata   map[string]any      `json:"metadata"`
		Sections   map[string][]string `json:"sections"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&mapping); err != nil {
		return nil, fmt.Errorf("--framework %s: %w", name, err)
	}
	if mapping.APIVersion != ratchetVersion || mapping.Kind != "Framework" || len(mapping.Sections) == 0 {
		return nil, fmt.Errorf("--framework %s: it must have apiVersion %s, kind Framework, and sections with lists of rules", name, ratchetVersion)
	}
	sections := map[string][]string{}
	for section, rules := range mapping.Sections {
		for _, id := range rules {
			if !slices.ContainsFunc(check.Rules(), func(r check.Rule) bool { return r.ID == id }) {
				return nil, fmt.Errorf("--framework %s: section %s names the rule %q, which there is not", name, section, id)
			}
			sections[id] = append(sections[id], section)
		}
	}
	return func(r check.Rule) []string { return sections[r.ID] }, nil
}

// groups are the rules of the findings that count, by section.
func groups(report *output.Report, of framework) map[string][]string {
	all := map[string][]string{}
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Suppressed != "" {
			continue
		}
		sections := of(check.RuleOf(f.Rule))
		if len(sections) == 0 {
			sections = []string{"(none)"}
		}
		for _, section := range sections {
			all[section] = append(all[section], f.Rule)
		}
	}
	return all
}
