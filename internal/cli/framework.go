package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/output"
)

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
	sections, err := w.readSections(name)
	if err != nil {
		return nil, err
	}
	return func(r check.Rule) []string { return append(slices.Clone(sections[r.ID]), sections[r.Family]...) }, nil
}

// mapping is an organisation's own framework.
type mapping struct {
	APIVersion string              `json:"apiVersion"`
	Kind       string              `json:"kind"`
	Metadata   map[string]any      `json:"metadata"`
	Sections   map[string][]string `json:"sections"`
}

// readSections are the sections of each rule that a file names.
func (w *World) readSections(name string) (map[string][]string, error) {
	read := w.readManifests([]string{name})
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
	var own mapping
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&own); err != nil {
		return nil, fmt.Errorf("--framework %s: %w", name, err)
	}
	if own.APIVersion != ratchetVersion || own.Kind != "Framework" || len(own.Sections) == 0 {
		return nil, fmt.Errorf(
			"--framework %s: it must have apiVersion %s, kind Framework, and sections with lists of rules",
			name,
			ratchetVersion,
		)
	}
	sections := map[string][]string{}
	for section, rules := range own.Sections {
		for _, id := range rules {
			if !slices.ContainsFunc(check.Rules(), func(r check.Rule) bool { return r.ID == id }) {
				return nil, fmt.Errorf("--framework %s: section %s names the rule %q, which there is not", name, section, id)
			}
			sections[id] = append(sections[id], section)
		}
	}
	return sections, nil
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
