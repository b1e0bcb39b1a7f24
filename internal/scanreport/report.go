// Package scanreport knows the reports of image scanners: what they hold, which image they are of,
// and what of it a profile allows. Each format is read in a file of its own.
//
// It is pure: it reads from what it is given, and the time is passed in. It may import the API, and
// what parses references of images and package URLs. It must never scan, ask a registry, or take
// what a report does not say for a pass.
package scanreport

import (
	"strings"
	"time"
)

// Format is how a report is written.
type Format string

// The formats that are read.
const (
	Trivy   Format = "Trivy"
	Grype   Format = "Grype"
	SARIF   Format = "SARIF"
	OpenVEX Format = "OpenVEX"
)

// Kind is what a scanner finds.
type Kind string

// The kinds of findings.
const (
	Vulnerability    Kind = "vulnerability"
	Misconfiguration Kind = "misconfiguration"
	Secret           Kind = "secret"
)

// Severity is how grave a finding is, as the scanner says.
type Severity int

// The severities. One that the scanner does not know may be any of the others.
const (
	Unknown Severity = iota
	Low
	Medium
	High
	Critical
)

// String is the severity as profiles name it.
func (s Severity) String() string {
	return [...]string{"Unknown", "Low", "Medium", "High", "Critical"}[s]
}

// severityOf is a severity by the word of any scanner. The word negligible of scanners is Low.
func severityOf(word string) Severity {
	switch strings.ToLower(word) {
	case "critical":
		return Critical
	case "high":
		return High
	case "medium", "moderate":
		return Medium
	case "low", "negligible":
		return Low
	}
	return Unknown
}

// Finding is one thing that a scanner has found.
type Finding struct {
	Kind Kind
	// ID is the finding's name: CVE-2026-1234, DS-0002, aws-access-key-id.
	ID string
	// Aliases are its other names.
	Aliases  []string
	Severity Severity
	Title    string
	// Package and Installed are the package that is vulnerable, PURL its package URL, if the report
	// has it, and Path where it is.
	Package, Installed, PURL, Path string
	// Fixed are the versions that are not vulnerable; empty if there is none.
	Fixed string
	// FixedSince is when the fix came, and Published when the vulnerability became known; zero if
	// the report does not say.
	FixedSince, Published time.Time
	// Target is the file that it is in, as the scanner names it, and Type its type: dockerfile,
	// kubernetes.
	Target, Type string
	// Line and EndLine are lines of the target; zero if there are none that hold.
	Line, EndLine int
	// ObjectKind, Object, Container and Namespace are what a misconfiguration's message names;
	// empty if it names none.
	ObjectKind, Object, Container, Namespace string
	// Suppressed says why the report itself does not count it; empty if it does.
	Suppressed string
}

// OfManifest reports whether a finding is a misconfiguration of a manifest, whose lines do not
// hold.
func (f *Finding) OfManifest() bool { return f.Kind == Misconfiguration && linesAreOff(f.Type) }

// has reports whether an id is one of the finding's names. Checks are spelled in three ways.
func (f *Finding) has(id string) bool {
	id = canonicalID(id)
	if strings.EqualFold(canonicalID(f.ID), id) {
		return true
	}
	for _, alias := range f.Aliases {
		if strings.EqualFold(canonicalID(alias), id) {
			return true
		}
	}
	return false
}

// Report is what one scan has found of one image, or of one directory.
type Report struct {
	// File is the file that it is in.
	File   string
	Format Format
	// Made is when it was made; zero if it does not say.
	Made time.Time
	// Image is what was scanned; nil if it is no image, or if it is not told which.
	Image *Image
	// OfFiles says that files were scanned: what is found stands in them.
	OfFiles bool
	// Artifact is what was scanned, in the report's own words.
	Artifact string
	// Vulnerabilities reports whether vulnerabilities were looked for, as far as the report shows:
	// without, no vulnerability is no pass.
	Vulnerabilities bool
	// Targets are the files of manifests that misconfigurations were looked for in.
	Targets  []string
	Findings []Finding
}

// Contents are what a file holds: reports, or statements of OpenVEX.
type Contents struct {
	Format     Format
	Reports    []*Report
	Statements []*Statement
}
