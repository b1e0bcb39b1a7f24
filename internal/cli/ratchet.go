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
// gone. Those that were not judged are no news.
func (r *ratchet) suppress(report *output.Report, name string, judged *scope) {
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
	whole := judged.whole(r.Findings)
	for _, t := range r.Findings {
		if !found[t.Fingerprint] && judged.judges(t, whole) {
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
	before, there := map[string]bool{}, map[string]bool{}
	for _, t := range r.Findings {
		before[t.Fingerprint] = true
	}
	after := &ratchet{APIVersion: ratchetVersion, Kind: ratchetKind, Findings: []tracked{}}
	added, gone, kept := 0, 0, 0
	for i := range report.Findings {
		f := &report.Findings[i]
		t := track(f)
		if there[t.Fingerprint] || f.Suppressed != "" || !report.Counts(f) && !before[t.Fingerprint] {
			continue
		}
		there[t.Fingerprint] = true
		after.Findings = append(after.Findings, t)
		if !before[t.Fingerprint] {
			added++
		}
	}
	whole := judged.whole(r.Findings)
	for _, t := range r.Findings {
		switch {
		case there[t.Fingerprint]:
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
	return after, news
}
