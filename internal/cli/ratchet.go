package cli

import (
	"bytes"
	"cmp"
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

// tracked is a finding in it, which is known by its fingerprint. By the rest it is told whether a
// check judges it at all.
type tracked struct {
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	Object      string `json:"object"`
	Container   string `json:"container,omitempty"`
	// File is where it is shown, and From what was read, if that is another.
	File string `json:"file,omitempty"`
	From string `json:"from,omitempty"`
}

// track is a finding as a baseline has it.
func track(f *output.Finding) tracked {
	t := tracked{f.Fingerprint(), f.Rule, f.Object.String(), f.Container, f.File, ""}
	if f.Document != nil && f.Document.File != f.File {
		t.From = f.Document.File
	}
	return t
}

// subject is what a finding is about, whatever is found of it.
func (t tracked) subject() tracked {
	return tracked{Rule: t.Rule, Object: t.Object, Container: t.Container}
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
// gone. Those that were not judged are no news. One that is found in another form, as a binding that
// gives more now, has changed: the form that is found counts.
func (r *ratchet) suppress(report *output.Report, name string, judged *scope) {
	known := map[string]bool{}
	for _, t := range r.Findings {
		known[t.Fingerprint] = true
	}
	found, unknown := map[string]bool{}, map[tracked]bool{}
	for i := range report.Findings {
		f := &report.Findings[i]
		print := f.Fingerprint()
		if !known[print] {
			unknown[track(f).subject()] = true
			continue
		}
		f.Suppressed = "it is in the baseline " + name
		found[print] = true
	}
	whole := judged.whole(r.Findings)
	for _, t := range r.Findings {
		if found[t.Fingerprint] || !judged.judges(t, whole) {
			continue
		}
		became, advice := "is gone", "take it out by --update-baseline"
		if unknown[t.subject()] {
			became, advice = "has changed", "--update-baseline would take in what is found now"
		}
		entry := strings.TrimSpace(fmt.Sprintf("%s of %s %s", t.Rule, t.Object, t.Container))
		note := fmt.Sprintf("an entry of the baseline %s %s: %s; %s", name, became, entry, advice)
		report.Notes = append(report.Notes, note)
	}
}

// updateRatchet writes a baseline of all findings that count, and of the entries that are not gone,
// and says what has changed.
func (w *World) updateRatchet(name string, report *output.Report, judged *scope) error {
	before := &ratchet{}
	if _, err := os.Stat(w.path(name)); !errors.Is(err, fs.ErrNotExist) {
		if before, err = w.readRatchet(name); err != nil {
			return err
		}
	}
	after, news := before.updated(report, judged)
	text, err := json.MarshalIndent(after, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	if err := w.replace(name, append(text, '\n')); err != nil {
		return fmt.Errorf("--update-baseline: %w", err)
	}
	fmt.Fprintf(w.Err, "baseline %s: %s\n", name, news)
	return nil
}

// updated is a baseline of what is found now, in order, and what is new in it, in words. Of the
// entries before, each becomes one of:
//  1. found, if its finding is there and counts, or would but for --fail-on;
//  2. kept, if it was not judged;
//  3. gone.
func (r *ratchet) updated(report *output.Report, judged *scope) (*ratchet, string) {
	after := &ratchet{APIVersion: ratchetVersion, Kind: ratchetKind, Findings: []tracked{}}
	there, added, weaker := r.found(report)
	for _, t := range there {
		after.Findings = append(after.Findings, t)
	}
	gone, kept := 0, 0
	whole := judged.whole(r.Findings)
	for _, t := range r.Findings {
		_, found := there[t.Fingerprint]
		switch {
		case found:
		case judged.judges(t, whole):
			gone++
		default:
			kept++
			after.Findings = append(after.Findings, t)
		}
	}
	slices.SortFunc(after.Findings, func(a, b tracked) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Container, b.Container),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	news := fmt.Sprintf("%d findings are known; %d are new, %d are gone and taken out", len(after.Findings), added, gone)
	if kept > 0 {
		news += fmt.Sprintf(", %d are kept, since this check did not judge them", kept)
	}
	if weaker > 0 {
		news += fmt.Sprintf("; %d are below --fail-on %s and not taken in", weaker, report.FailOn)
	}
	return after, news
}

// found are the findings that a baseline takes in, by their fingerprints, how many of them are new,
// and how many others are too weak.
func (r *ratchet) found(report *output.Report) (there map[string]tracked, added, weaker int) {
	before := map[string]bool{}
	for _, t := range r.Findings {
		before[t.Fingerprint] = true
	}
	there = map[string]tracked{}
	for i := range report.Findings {
		f := &report.Findings[i]
		t := track(f)
		_, again := there[t.Fingerprint]
		switch {
		case again || f.Suppressed != "":
		case before[t.Fingerprint]:
			there[t.Fingerprint] = t
		case report.Counts(f):
			there[t.Fingerprint] = t
			added++
		default:
			weaker++
		}
	}
	return there, added, weaker
}
