package scanreport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// header tells formats apart.
type header struct {
	SchemaVersion *int            `json:"SchemaVersion"` // Trivy
	ClusterName   *string         `json:"ClusterName"`   // Trivy, of a whole cluster
	Matches       json.RawMessage `json:"matches"`       // Grype
	Descriptor    *struct {
		Name string `json:"name"`
	} `json:"descriptor"`
	Version json.RawMessage `json:"version"` // SARIF, and OpenVEX
	Runs    json.RawMessage `json:"runs"`
	Context json.RawMessage `json:"@context"` // OpenVEX
	// Formats that are not read.
	BOMFormat   string          `json:"bomFormat"`
	SPDXVersion string          `json:"spdxVersion"`
	Document    json.RawMessage `json:"document"` // CSAF
}

const readFormats = "the JSON of Trivy (schema 2) and of Grype, SARIF 2.1.0 and OpenVEX 0.2.0"

// Read reads what a file holds. What is wrong with it is an error: a report is read whole, or not.
func Read(file string, text []byte) (*Contents, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	trimmed := bytes.TrimSpace(text)
	switch {
	case len(trimmed) == 0:
		return nil, fmt.Errorf("%s: the scan report is empty", file)
	case trimmed[0] == '[':
		return nil, fmt.Errorf("%s: this is a list, as Trivy wrote it before version 0.20; %s are read",
			file, readFormats)
	case trimmed[0] != '{':
		return nil, fmt.Errorf("%s: this is no scan report, since it is no JSON; %s are read", file, readFormats)
	}
	var h header
	if err := decode(file, text, &h); err != nil {
		return nil, err
	}
	contents, err := h.read(text)
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

func (h *header) read(text []byte) (*Contents, error) {
	switch {
	case h.SchemaVersion != nil && *h.SchemaVersion == 2:
		return readWith(text, Trivy, (*trivyReport).report)
	case h.Runs != nil && unquoted(h.Version) == "2.1.0":
		return readWith(text, SARIF, (*sarifLog).reports)
	case h.Context != nil:
		return h.readVEX(text)
	case h.Matches != nil && h.Descriptor != nil && h.Descriptor.Name == "grype":
		return readWith(text, Grype, (*grypeReport).report)
	}
	return nil, h.unread()
}

// unread says what a report is that is not read.
func (h *header) unread() error {
	switch {
	case h.SchemaVersion != nil:
		return fmt.Errorf("this is a report of Trivy in schema %d, and schema 2 is read", *h.SchemaVersion)
	case h.ClusterName != nil:
		return errors.New("this is a report of Trivy on a whole cluster (trivy k8s); " +
			"scan images and directories by themselves")
	case h.Runs != nil:
		return fmt.Errorf("this is SARIF of version %q, and 2.1.0 is read", unquoted(h.Version))
	case h.BOMFormat != "" || h.SPDXVersion != "" || h.Document != nil:
		return fmt.Errorf("this is %s, which is not read; %s are", firstOf(h.BOMFormat, h.SPDXVersion, "CSAF"), readFormats)
	}
	return fmt.Errorf("the format of this scan report is unknown; %s are read", readFormats)
}

// readWith decodes a report into its own type.
func readWith[T any](text []byte, format Format, into func(*T) ([]*Report, error)) (*Contents, error) {
	var report T
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("this is no report of %s: %w", format, err)
	}
	reports, err := into(&report)
	if err != nil {
		return nil, err
	}
	return &Contents{Format: format, Reports: reports}, nil
}

// decode decodes one JSON value, and nothing behind it.
func decode(file string, text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(into)
	if err == nil {
		_, behind := decoder.Token()
		if errors.Is(behind, io.EOF) {
			return nil
		}
		return fmt.Errorf("%s:%d: there is something behind the end of the scan report",
			file, lineAt(text, decoder.InputOffset()))
	}
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s:%d: the scan report ends in its middle: was it written to its end?",
			file, lineAt(text, int64(len(text))))
	case errors.As(err, &syntax):
		return fmt.Errorf("%s:%d: this is no JSON: %w", file, lineAt(text, syntax.Offset), err)
	case errors.As(err, &wrongType):
		return fmt.Errorf("%s:%d: the format of this scan report is unknown: %s is a %s",
			file, lineAt(text, wrongType.Offset), wrongType.Field, wrongType.Value)
	}
	return fmt.Errorf("%s: %w", file, err)
}

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(int64(len(text)), offset)], []byte("\n"))
}

func unquoted(text json.RawMessage) string { return strings.Trim(string(text), `"`) }
