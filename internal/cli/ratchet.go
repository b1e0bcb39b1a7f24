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
		return nil, fmt.Errorf(
			"--baseline %s: this is no %s of %s, but %q of %q",
			name,
			ratchetKind,
			ratchetVersion,
			r.Kind,
			r.APIVersion,
		)
	}
	return &r, nil
}

// suppress has the findings that are in the baseline not count, and notes the entries that are
// gone.
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
				"an entry of the baseline %s is gone: %s of %s %s; take it out by --update-baseline",
				name,
				t.Rule,
				t.Object,
				t.Container,
			)))
		}
	}
}

// updateRatchet writes a baseline of all findings that would count.
func (w *World) updateRatchet(name string, report *output.Report) error {
	r := ratchet{APIVersion: ratchetVersion, Kind: ratchetKind, Findings: []tracked{}}
	for i := range report.Findings {
		f := &report.Findings[i]
		if !report.Counts(f) {
			continue
		}
		r.Findings = append(r.Findings, tracked{f.Fingerprint(), f.Rule, f.Object.String(), f.Container})
	}
	slices.SortFunc(r.Findings, func(a, b tracked) int {
		return strings.Compare(
			a.Object+"\x00"+a.Container+"\x00"+a.Rule+a.Fingerprint,
			b.Object+"\x00"+b.Container+"\x00"+b.Rule+b.Fingerprint,
		)
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
