package scanreport

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// trivyReport is a report of Trivy, as far as it is read.
type trivyReport struct {
	Trivy struct {
		Version string
	}
	CreatedAt    time.Time
	ArtifactName string
	ArtifactType string
	Metadata     struct {
		RepoTags    []string
		RepoDigests []string
		Reference   string
		ImageConfig struct {
			Architecture string `json:"architecture"`
		}
	}
	Results []trivyResult
}

type trivyResult struct {
	Target            string
	Class             string
	Type              string
	Vulnerabilities   []trivyVulnerability
	Misconfigurations []struct {
		ID            string
		AVDID         string
		Title         string
		Message       string
		Severity      string
		Status        string
		CauseMetadata struct{ StartLine, EndLine int }
	}
	Secrets []struct {
		RuleID             string
		Severity           string
		Title              string
		StartLine, EndLine int
	}
	// ExperimentalModifiedFindings are what Trivy was told to ignore, of a report with
	// --show-suppressed.
	ExperimentalModifiedFindings []struct {
		Type, Status, Statement, Source string
		Finding                         json.RawMessage
	}
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
		Made: t.CreatedAt, Artifact: t.ArtifactName,
		OfFiles: t.ArtifactType == "filesystem" || t.ArtifactType == "repository",
	}
	if t.ArtifactType == "container_image" {
		references := append(append([]string{}, t.Metadata.RepoTags...), t.Metadata.RepoDigests...)
		if t.Metadata.Reference != "" {
			references = append(references, t.Metadata.Reference)
		}
		if !strings.Contains(t.ArtifactName, ".tar") { // An archive is a file, and no reference.
			references = append(references, t.ArtifactName)
		}
		if r.Image = imageOf(references...); r.Image != nil {
			r.Image.Architecture = t.Metadata.ImageConfig.Architecture
		}
	}
	for i := range t.Results {
		if err := t.result(i, r); err != nil {
			return nil, err
		}
	}
	return []*Report{r}, nil
}

// result adds a result's findings to a report. A summary of checks that passed is left alone: it
// does not say what was judged.
func (t *trivyReport) result(i int, r *Report) error {
	result := &t.Results[i]
	target := result.Target
	if r.OfFiles {
		target = t.file(result.Target)
	}
	if result.Class == "config" && r.OfFiles && linesAreOff(result.Type) {
		r.Targets = append(r.Targets, target)
	}
	r.Vulnerabilities = r.Vulnerabilities || trivyPackages[result.Class] || len(result.Vulnerabilities) > 0
	for i := range result.Vulnerabilities {
		r.Findings = append(r.Findings, result.Vulnerabilities[i].finding(target, result.Type))
	}
	ignored, err := result.ignored(target)
	r.Findings = slices.Concat(r.Findings, ignored, result.misconfigurations(target))
	for _, s := range result.Secrets {
		r.Findings = append(r.Findings, Finding{
			Kind: Secret, ID: s.RuleID, Severity: severityOf(s.Severity), Title: s.Title, Target: target,
			Type: result.Type, Line: s.StartLine, EndLine: s.EndLine,
		})
	}
	return err
}

// ignored are the vulnerabilities that Trivy was told to ignore.
func (result *trivyResult) ignored(target string) ([]Finding, error) {
	var all []Finding
	for _, modified := range result.ExperimentalModifiedFindings {
		if modified.Type != "vulnerability" {
			continue
		}
		var v trivyVulnerability
		if err := json.Unmarshal(modified.Finding, &v); err != nil {
			return nil, fmt.Errorf("a finding that is suppressed: %w", err)
		}
		f := v.finding(target, result.Type)
		why := nonEmpty(modified.Status, modified.Statement, modified.Source)
		f.Suppressed = "Trivy was told to ignore it: " + strings.Join(why, ", ")
		all = append(all, f)
	}
	return all, nil
}

// misconfigurations are the checks that fail. A report may include those that pass (PASS), and
// exceptions.
func (result *trivyResult) misconfigurations(target string) []Finding {
	var all []Finding
	for _, m := range result.Misconfigurations {
		if m.Status != "" && m.Status != "FAIL" {
			continue
		}
		f := Finding{
			Kind: Misconfiguration, ID: canonicalID(m.ID), Aliases: nonEmpty(m.AVDID), Severity: severityOf(m.Severity),
			Title: firstOf(m.Message, m.Title), Target: target, Type: result.Type,
		}
		if f.object(m.Message); !linesAreOff(result.Type) {
			f.Line, f.EndLine = m.CauseMetadata.StartLine, m.CauseMetadata.EndLine
		}
		all = append(all, f)
	}
	return all
}

func (v *trivyVulnerability) finding(target, fileType string) Finding {
	return Finding{
		Kind: Vulnerability, ID: v.VulnerabilityID, Aliases: v.VendorIDs, Severity: severityOf(v.Severity),
		Title: v.Title, Package: v.PkgName, Installed: v.InstalledVersion, PURL: v.PkgIdentifier.PURL,
		Path: v.PkgPath, Fixed: v.FixedVersion, Published: v.PublishedDate, Target: target, Type: fileType,
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
	if strings.Contains(t.ArtifactName, "://") || path.Base(t.ArtifactName) == target {
		if path.Base(t.ArtifactName) == target {
			return path.Clean(t.ArtifactName)
		}
		return target
	}
	return path.Join(t.ArtifactName, target)
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
