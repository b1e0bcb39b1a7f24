package scanreport

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// trivyReport is a report of Trivy, as far as it is read.
type trivyReport struct {
	schema       *int
	createdAt    time.Time
	artifactName string
	artifactType string
	metadata     struct {
		RepoTags    []string
		RepoDigests []string
		Reference   string
		ImageConfig struct {
			Architecture string `json:"architecture"`
		}
	}
	results []trivyResult
}

// trivyResult is a result of which the vulnerabilities are findings already, since there may be a
// hundred thousand.
type trivyResult struct {
	target, class, fileType  string
	vulnerabilities, ignored []Finding
	misconfigurations        []trivyMisconfiguration
	secrets                  []trivySecret
}

type trivyMisconfiguration struct {
	ID            string
	AVDID         string
	Title         string
	Message       string
	Severity      string
	Status        string
	CauseMetadata struct{ StartLine, EndLine int }
}

type trivySecret struct {
	RuleID             string
	Severity           string
	Title              string
	StartLine, EndLine int
}

// trivyModified is a finding that Trivy was told to ignore, of a report with --show-suppressed.
type trivyModified struct {
	Type, Status, Statement, Source string
	Finding                         json.RawMessage
}

func (t *trivyReport) fields() map[string]reader {
	return map[string]reader{
		"SchemaVersion": into(&t.schema), "CreatedAt": into(&t.createdAt), "ArtifactName": into(&t.artifactName),
		"ArtifactType": into(&t.artifactType), "Metadata": into(&t.metadata), "Results": list(t.readResult),
	}
}

func (t *trivyReport) readResult(s *stream) error {
	var r trivyResult
	err := s.fields(map[string]reader{
		"Target": into(&r.target), "Class": into(&r.class), "Type": into(&r.fileType),
		"Vulnerabilities": elements(func(v *trivyVulnerability) {
			r.vulnerabilities = append(r.vulnerabilities, v.finding())
		}),
		"Misconfigurations": elements(func(m *trivyMisconfiguration) {
			r.misconfigurations = append(r.misconfigurations, *m)
		}),
		"Secrets": elements(func(secret *trivySecret) { r.secrets = append(r.secrets, *secret) }),
		"ExperimentalModifiedFindings": elements(func(m *trivyModified) {
			if err := r.ignore(m); err != nil {
				s.mistake(fmt.Errorf("a finding that is suppressed: %w", err))
			}
		}),
	})
	t.results = append(t.results, r)
	return err
}

// ignore takes in a vulnerability that Trivy was told to ignore.
func (r *trivyResult) ignore(m *trivyModified) error {
	if m.Type != "vulnerability" {
		return nil
	}
	var v trivyVulnerability
	if err := json.Unmarshal(m.Finding, &v); err != nil {
		return err
	}
	f := v.finding()
	f.Suppressed = "Trivy was told to ignore it: " + strings.Join(nonEmpty(m.Status, m.Statement, m.Source), ", ")
	r.ignored = append(r.ignored, f)
	return nil
}

type trivyVulnerability struct {
	VulnerabilityID  string
	VendorIDs        []string
	PkgName          string
	PkgPath          string
	PkgIdentifier    struct{ PURL string }
	InstalledVersion string
	FixedVersion     string
	Severity         string
	Title            string
	PublishedDate    time.Time
}

// The classes of results that packages were looked for in. A result without vulnerabilities is then
// a clean one.
var trivyPackages = map[string]bool{"os-pkgs": true, "lang-pkgs": true}

func (t *trivyReport) report() ([]*Report, error) {
	r := &Report{
		Made: t.createdAt, Artifact: t.artifactName,
		OfFiles: t.artifactType == "filesystem" || t.artifactType == "repository",
	}
	if t.artifactType == "container_image" {
		references := append(append([]string{}, t.metadata.RepoTags...), t.metadata.RepoDigests...)
		if t.metadata.Reference != "" {
			references = append(references, t.metadata.Reference)
		}
		if !strings.Contains(t.artifactName, ".tar") { // An archive is a file, and no reference.
			references = append(references, t.artifactName)
		}
		if r.Image = imageOf(references...); r.Image != nil {
			r.Image.Architecture = t.metadata.ImageConfig.Architecture
		}
	}
	for i := range t.results {
		t.result(&t.results[i], r)
	}
	return []*Report{r}, nil
}

// result adds a result's findings to a report. A summary of checks that passed is left alone: it
// does not say what was judged.
func (t *trivyReport) result(result *trivyResult, r *Report) {
	target := result.target
	if r.OfFiles {
		target = t.file(result.target)
	}
	if result.class == "config" && r.OfFiles && linesAreOff(result.fileType) {
		r.Targets = append(r.Targets, target)
	}
	r.Vulnerabilities = r.Vulnerabilities || trivyPackages[result.class] || len(result.vulnerabilities) > 0
	from := len(r.Findings)
	r.Findings = append(r.Findings, result.vulnerabilities...)
	r.Findings = append(r.Findings, result.ignored...)
	r.Findings = append(r.Findings, result.failed()...)
	for _, s := range result.secrets {
		r.Findings = append(r.Findings, Finding{
			Kind: Secret, ID: s.RuleID, Severity: severityOf(s.Severity), Title: s.Title, Line: s.StartLine, EndLine: s.EndLine,
		})
	}
	for i := range r.Findings[from:] {
		f := &r.Findings[from+i]
		f.Target, f.Type = target, result.fileType
	}
}

// failed are the checks that fail. A report may include those that pass (PASS), and exceptions.
func (result *trivyResult) failed() []Finding {
	var all []Finding
	for _, m := range result.misconfigurations {
		if m.Status != "" && m.Status != "FAIL" {
			continue
		}
		f := Finding{
			Kind: Misconfiguration, ID: canonicalID(m.ID), Aliases: nonEmpty(m.AVDID), Severity: severityOf(m.Severity),
			Title: firstOf(m.Message, m.Title),
		}
		if f.object(m.Message); !linesAreOff(result.fileType) {
			f.Line, f.EndLine = m.CauseMetadata.StartLine, m.CauseMetadata.EndLine
		}
		all = append(all, f)
	}
	return all
}

func (v *trivyVulnerability) finding() Finding {
	return Finding{
		Kind: Vulnerability, ID: v.VulnerabilityID, Aliases: v.VendorIDs, Severity: severityOf(v.Severity),
		Title: v.Title, Package: v.PkgName, Installed: v.InstalledVersion, PURL: v.PkgIdentifier.PURL,
		Path: v.PkgPath, Fixed: v.FixedVersion, Published: v.PublishedDate,
	}
}

// linesAreOff reports whether lines of a file of this type do not hold: those of manifests, of
// which a file may have several.
func linesAreOff(fileType string) bool {
	switch fileType {
	case "kubernetes", "helm", "yaml", "json":
		return true
	}
	return false
}

// file is a target of a scanned directory, as it is named from where the scan was run.
func (t *trivyReport) file(target string) string {
	if strings.Contains(t.artifactName, "://") || path.Base(t.artifactName) == target {
		if path.Base(t.artifactName) == target {
			return path.Clean(t.artifactName)
		}
		return target
	}
	return path.Join(t.artifactName, target)
}

func nonEmpty(texts ...string) []string {
	var all []string
	for _, text := range texts {
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
