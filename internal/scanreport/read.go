package scanreport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// document is what a file holds, in whichever format.
type document struct {
	trivy trivyReport
	grype grypeReport
	sarif sarifLog
	vex   vexDocument
	// The others are of formats that are not read.
	isCluster, isCSAF      bool // Trivy of a whole cluster, and CSAF
	bomFormat, spdxVersion string
}

// version is of SARIF a text, and of OpenVEX a number.
func (d *document) ofAll() map[string]reader {
	all := map[string]reader{
		"version":     into(&d.sarif.version),
		"ClusterName": present(&d.isCluster, (*stream).passOver),
		"document":    present(&d.isCSAF, (*stream).passOver),
		"bomFormat":   into(&d.bomFormat),
		"spdxVersion": into(&d.spdxVersion),
	}
	for _, format := range []map[string]reader{d.trivy.fields(), d.grype.fields(), d.sarif.fields(), d.vex.fields()} {
		maps.Copy(all, format)
	}
	return all
}

const readFormats = "the JSON of Trivy (schema 2) and of Grype, SARIF 2.1.0 and OpenVEX 0.2.0"

// Read reads what a file holds, piece by piece. A fault in it is an error: a report is read whole,
// or not.
func Read(file string, from io.ReadSeeker) (*Contents, error) {
	offset, first, err := begin(from)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case first == 0:
		return nil, fmt.Errorf("%s: the scan report is empty", file)
	case first == '[':
		return nil, fmt.Errorf("%s: this is a list, as Trivy wrote it before version 0.20; %s are read",
			file, readFormats)
	case first != '{':
		return nil, fmt.Errorf("%s: this is no scan report, since it is no JSON; %s are read", file, readFormats)
	}
	s, d := &stream{Decoder: json.NewDecoder(from), wrong: map[string]error{}}, &document{}
	if err := s.read(d.ofAll()); err != nil {
		return nil, broken(file, from, offset, s, err)
	}
	contents, err := d.contents(s.wrong)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, r := range contents.Reports {
		r.File, r.Format = file, contents.Format
	}
	for _, s := range contents.Statements {
		s.File = file
	}
	return contents, nil
}

// broken says where a text is no JSON.
func broken(file string, from io.ReadSeeker, offset int64, s *stream, err error) error {
	var syntax *json.SyntaxError
	var line int
	var lost error
	switch {
	case errors.Is(err, errBehind):
		line, lost = lineAt(from, offset+s.InputOffset())
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		line, lost = brokenAt(from, offset)
		err = errors.New("the scan report ends in its middle: was it written to its end?")
	case errors.As(err, &syntax):
		line, lost = brokenAt(from, offset)
		err = fmt.Errorf("this is no JSON: %w", err)
	default:
		return fmt.Errorf("%s: %w", file, err)
	}
	if lost != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return fmt.Errorf("%s:%d: %w", file, line, err)
}

// contents are the reports and statements, by the format that the document is in.
func (d *document) contents(wrong map[string]error) (*Contents, error) {
	for _, name := range []string{"SchemaVersion", "bomFormat", "spdxVersion"} {
		var wrongType *json.UnmarshalTypeError
		if errors.As(wrong[name], &wrongType) {
			return nil, fmt.Errorf("the format of this scan report is unknown: %s is a %s", name, wrongType.Value)
		}
	}
	switch {
	case d.trivy.schema != nil && *d.trivy.schema == 2:
		return readAs(Trivy, wrong, d.trivy.fields(), d.trivy.report)
	case d.sarif.has && unquoted(d.sarif.version) == "2.1.0":
		return readAs(SARIF, wrong, d.sarif.fields(), d.sarif.reports)
	case d.vex.context != nil:
		return d.vex.contents(wrong)
	case d.grype.has && d.grype.Descriptor.Name == "grype":
		return readAs(Grype, wrong, d.grype.fields(), d.grype.report)
	}
	return nil, d.unread()
}

// unread says what a report is that is not read.
func (d *document) unread() error {
	switch {
	case d.trivy.schema != nil:
		return fmt.Errorf("this is a report of Trivy in schema %d, and schema 2 is read", *d.trivy.schema)
	case d.isCluster:
		return errors.New("this is a report of Trivy on a whole cluster (trivy k8s); " +
			"scan images and directories by themselves")
	case d.sarif.has:
		return fmt.Errorf("this is SARIF of version %q, and 2.1.0 is read", unquoted(d.sarif.version))
	case d.bomFormat != "" || d.spdxVersion != "" || d.isCSAF:
		return fmt.Errorf("this is %s, which is not read; %s are", firstOf(d.bomFormat, d.spdxVersion, "CSAF"), readFormats)
	}
	return fmt.Errorf("the format of this scan report is unknown; %s are read", readFormats)
}

// mistakeIn is the first error of a value of another type in some fields.
func mistakeIn(wrong map[string]error, fields map[string]reader) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := wrong[name]; err != nil {
			return err
		}
	}
	return nil
}

// readAs are the reports of a format, of which no field is of another type.
func readAs(
	format Format,
	wrong map[string]error,
	fields map[string]reader,
	reports func() ([]*Report, error),
) (*Contents, error) {
	if err := mistakeIn(wrong, fields); err != nil {
		return nil, fmt.Errorf("this is no report of %s: %w", format, err)
	}
	all, err := reports()
	if err != nil {
		return nil, err
	}
	return &Contents{Format: format, Reports: all}, nil
}

func unquoted(text json.RawMessage) string { return strings.Trim(string(text), `"`) }
