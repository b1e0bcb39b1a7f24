package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/output"
	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// ignoreFile is read where it is in the directory, as Trivy does if it is told to.
const ignoreFile = ".trivyignore.yaml"

// scanReports are the reports of scanners that are named, with what is to be ignored of them; nil
// if none is named.
func (w *World) scanReports(names []string, ignores string) (*scanreport.Set, []error) {
	if len(names) == 0 {
		if ignores != "" {
			return nil, []error{errors.New("--ignorefile: there are no scan reports; name them by --scan-report")}
		}
		return nil, nil
	}
	set := &scanreport.Set{}
	var errs []error
	for _, name := range names {
		files, err := w.reportsIn(name)
		errs = append(errs, withoutNil([]error{err})...)
		for _, file := range files {
			contents, err := w.readReport(file)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			set.Add(contents)
		}
	}
	if len(errs) == 0 && len(set.Reports) == 0 {
		errs = append(errs, fmt.Errorf("--scan-report: there is no scan report in %s", strings.Join(names, ", ")))
	}
	var err error
	if set.Ignores, err = w.readIgnores(ignores); err != nil {
		errs = append(errs, err)
	}
	return set, errs
}

// reportsIn is a file, or the files of a directory that end as reports do.
func (w *World) reportsIn(name string) ([]string, error) {
	directory, err := w.isDirectory(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--scan-report %w", err)
	case !directory:
		return []string{name}, nil
	}
	entries, err := os.ReadDir(w.path(name))
	if err != nil {
		return nil, fmt.Errorf("--scan-report %s: %w", name, cause(err))
	}
	var files []string
	for _, entry := range entries {
		if end := strings.ToLower(filepath.Ext(entry.Name())); !entry.IsDir() && (end == ".json" || end == ".sarif") {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	return files, nil
}

// maxReport is how many bytes a report has at most. It is read piece by piece; what it finds is held
// in memory.
const maxReport = manifests.MaxFile

// readReport reads a report: a file piece by piece, the standard input as a whole.
func (w *World) readReport(name string) (*scanreport.Contents, error) {
	if name == "-" {
		text, err := io.ReadAll(io.LimitReader(w.In, maxReport+1))
		if err != nil {
			return nil, fmt.Errorf("--scan-report: %w", err)
		}
		if err := reportTooLarge(stdin, int64(len(text))); err != nil {
			return nil, err
		}
		return scanreport.Read(stdin, bytes.NewReader(text))
	}
	file, err := os.Open(w.path(name))
	if err != nil {
		return nil, fmt.Errorf("--scan-report %s: %w", name, cause(err))
	}
	defer file.Close() //nolint:errcheck // It was only read.
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("--scan-report %s: %w", name, cause(err))
	}
	if err := reportTooLarge(w.shown(name), info.Size()); err != nil {
		return nil, err
	}
	return scanreport.Read(w.shown(name), file)
}

func reportTooLarge(name string, size int64) error {
	if size <= maxReport {
		return nil
	}
	return fmt.Errorf("%s: the scan report has %s, and at most %s are read: scan fewer images at once, "+
		"or have the scanner leave out what is no finding (Trivy: --list-all-pkgs=false)",
		name, manifests.Bytes(size), manifests.Bytes(maxReport))
}

// readWhole is what a file holds, if it is not too large.
func (w *World) readWhole(name string) ([]byte, error) {
	info, err := os.Stat(w.path(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	if problem := manifests.TooLarge(w.shown(name), info.Size()); problem != nil {
		return nil, problem
	}
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	return text, nil
}

// readIgnores reads the file that is named, or else the one that is in the directory, if there is
// one.
func (w *World) readIgnores(name string) (*scanreport.Ignores, error) {
	given := name != ""
	if !given {
		name = ignoreFile
		if _, err := os.Stat(w.path(name)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	text, err := w.readWhole(name)
	if err != nil {
		return nil, fmt.Errorf("--ignorefile %w", err)
	}
	return scanreport.ReadIgnores(w.shown(name), text)
}

// inFile is a result that stands in no manifest: at its lines, if it has some and the file is at
// hand.
func (w *World) inFile(r *check.Result) output.Finding {
	at := r.Elsewhere
	f := output.Finding{Result: r, File: w.shown(at.File), Place: output.Place{
		Line: max(1, at.Line), Column: 1, EndLine: max(1, at.Line, at.EndLine), EndColumn: 1,
		Location: string(manifests.Approximate),
	}}
	info, err := os.Stat(w.path(at.File))
	if err != nil || at.Line == 0 || !info.Mode().IsRegular() || info.Size() > manifests.MaxDocument {
		return f
	}
	text, err := os.ReadFile(w.path(at.File))
	if lines := bytes.Split(text, []byte("\n")); err == nil && f.EndLine <= len(lines) {
		f.EndColumn += utf8.RuneCount(bytes.TrimRight(lines[f.EndLine-1], "\r"))
		f.Location = string(manifests.Exact)
	}
	return f
}

// unscanned says which profiles ask for scan reports, if none are given.
func unscanned(result *check.Report) []string {
	var all []string
	for _, name := range result.Unscanned {
		all = append(all, fmt.Sprintf("spec.images.vulnerabilities of SecurityProfile %s is not judged: "+
			"give reports of scanners by --scan-report", name))
	}
	return all
}
