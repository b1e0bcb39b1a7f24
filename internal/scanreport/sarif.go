package scanreport

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// sarifLog is a log of SARIF 2.1.0, as far as it is read.
type sarifLog struct {
	version json.RawMessage // of OpenVEX, too, where it is a number
	has     bool            // whether there are runs, be it none
	runs    []sarifRun
}

type sarifRun struct {
	tool        string
	rules       []sarifRule
	invocations []struct {
		EndTime time.Time `json:"endTimeUtc"`
	}
	properties struct { // Trivy says there, and nowhere else, which image it is.
		ImageName   string   `json:"imageName"`
		RepoTags    []string `json:"repoTags"`
		RepoDigests []string `json:"repoDigests"`
	}
	results []sarifResult
}

func (l *sarifLog) fields() map[string]reader {
	return map[string]reader{"runs": present(&l.has, list(l.readRun))}
}

func (l *sarifLog) readRun(s *stream) error {
	var run sarifRun
	err := s.fields(map[string]reader{
		"tool": object(map[string]reader{"driver": object(map[string]reader{
			"name": into(&run.tool), "rules": elements(func(r *sarifRule) { run.rules = append(run.rules, *r) }),
		})}),
		"invocations": into(&run.invocations), "properties": into(&run.properties),
		"results": elements(func(r *sarifResult) { run.results = append(run.results, *r) }),
	})
	l.runs = append(l.runs, run)
	return err
}

type sarifRule struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	ShortDescription sarifText      `json:"shortDescription"`
	Help             sarifText      `json:"help"`
	Properties       map[string]any `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string `json:"ruleId"`
	RuleIndex *int   `json:"ruleIndex"`
	Rule      struct {
		ID string `json:"id"`
	} `json:"rule"`
	Kind      string    `json:"kind"`
	Level     string    `json:"level"`
	Message   sarifText `json:"message"`
	Locations []struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
				EndLine   int `json:"endLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	} `json:"locations"`
	BaselineState string `json:"baselineState"`
	Suppressions  []struct {
		Status        string `json:"status"`
		Justification string `json:"justification"`
	} `json:"suppressions"`
	Properties map[string]any `json:"properties"`
}

func (l *sarifLog) reports() ([]*Report, error) {
	var reports []*Report
	for i := range l.runs {
		reports = append(reports, l.runs[i].report())
	}
	return reports, nil
}

// report is a run. A run without any result may be one of a clean image, or one that looked for
// nothing: it judges nothing.
func (run *sarifRun) report() *Report {
	r := &Report{Artifact: firstOf(run.properties.ImageName, "files")}
	for _, invocation := range run.invocations {
		if invocation.EndTime.After(r.Made) {
			r.Made = invocation.EndTime
		}
	}
	references := append(append([]string{}, run.properties.RepoTags...), run.properties.RepoDigests...)
	if name := run.properties.ImageName; name != "" && !strings.Contains(name, ".tar") {
		references = append(references, name)
	}
	for i := range run.results {
		result := &run.results[i]
		if found := grypeImageIn.FindStringSubmatch(result.Message.Text); found != nil {
			references = appendNew(references, found[1])
			r.Artifact = found[1]
		}
		f, isFinding := run.finding(result)
		if !isFinding {
			continue
		}
		r.Findings = append(r.Findings, f)
		r.Vulnerabilities = r.Vulnerabilities || f.Kind == Vulnerability
		if f.Kind == Misconfiguration && linesAreOff(f.Type) {
			r.Targets = appendNew(r.Targets, f.Target)
		}
	}
	r.Image = imageOf(references...)
	if r.OfFiles = r.Image == nil; !r.OfFiles {
		r.Targets = nil
	}
	return r
}

// The words in which scanners say what SARIF has no field for.
var (
	grypeImageIn  = regexp.MustCompile(`was found in image (\S+) at: `)
	grypeMessage  = regexp.MustCompile(`^A (\w+) vulnerability in \S+ package: (\S+), version (\S+) was found`)
	grypeFix      = regexp.MustCompile(`(?m)^Fix Version: ?(.*)$`)
	trivySeverity = regexp.MustCompile(`(?m)^Severity: (\w+)$`)
	trivyFields   = regexp.MustCompile(`(?m)^(Package|Installed Version|Fixed Version|Type|Message): ?(.*)$`)
)

// passed is the message of a check of Trivy that is kept. A report that includes such checks gives
// them the level of an error.
const passed = "No issues found"

// finding is a result; false of what is kept, absent or of another concern.
func (run *sarifRun) finding(result *sarifResult) (Finding, bool) {
	if result.Kind != "" && result.Kind != "fail" && result.Kind != "open" || result.BaselineState == "absent" {
		return Finding{}, false
	}
	rule := run.rule(result)
	f := Finding{
		ID:         firstOf(result.RuleID, result.Rule.ID, rule.ID),
		Title:      firstOf(rule.ShortDescription.Text, result.Message.Text),
		Suppressed: result.suppressed(),
	}
	if len(result.Locations) > 0 {
		at := &result.Locations[0].Physical
		f.Target, f.Line, f.EndLine = unescaped(at.Artifact.URI), at.Region.StartLine, at.Region.EndLine
	}
	switch strings.ToLower(run.tool) {
	case "trivy":
		return f.asTrivySays(result, rule)
	case "grype":
		return f.asGrypeSays(result, rule)
	}
	f.Kind, f.Severity = kindOf(rule, f.ID), result.severity(rule)
	if f.Kind == Misconfiguration {
		f.ID = canonicalID(f.ID)
		f.object(result.Message.Text)
	}
	return f, true
}

// rule is the rule of a result. Its level, and its severity, are those of the last of its results.
func (run *sarifRun) rule(result *sarifResult) *sarifRule {
	rules := run.rules
	if i := result.RuleIndex; i != nil && *i >= 0 && *i < len(rules) {
		return &rules[*i]
	}
	for i := range rules {
		if rules[i].ID == firstOf(result.RuleID, result.Rule.ID) {
			return &rules[i]
		}
	}
	return &sarifRule{}
}

func (result *sarifResult) suppressed() string {
	for _, s := range result.Suppressions {
		if s.Status == "" || s.Status == "accepted" {
			return "the report suppresses it: " + firstOf(s.Justification, "it does not say why")
		}
	}
	return ""
}

// asTrivySays completes a finding by the message of Trivy.
func (f Finding) asTrivySays(result *sarifResult, rule *sarifRule) (Finding, bool) {
	text := result.Message.Text
	if found := trivySeverity.FindStringSubmatch(text); found != nil {
		f.Severity = severityOf(found[1])
	}
	fields := map[string]string{}
	for _, found := range trivyFields.FindAllStringSubmatch(text, -1) {
		fields[found[1]] = strings.TrimSpace(found[2])
	}
	switch rule.Name {
	case "Misconfiguration":
		if fields["Message"] == passed {
			return Finding{}, false
		}
		f.Kind, f.Type, f.ID = Misconfiguration, fields["Type"], canonicalID(f.ID)
		f.Title = firstOf(fields["Message"], f.Title)
		if f.object(fields["Message"]); linesAreOff(f.Type) {
			f.Line, f.EndLine = 0, 0
		}
	case "Secret":
		f.Kind = Secret
	case "License":
		return Finding{}, false
	default:
		f.Kind, f.Line, f.EndLine = Vulnerability, 0, 0
		f.Package, f.Installed, f.Fixed = fields["Package"], fields["Installed Version"], fields["Fixed Version"]
	}
	return f, true
}

// asGrypeSays completes a finding by the message of Grype, whose rules are named by the
// vulnerability and the package.
func (f Finding) asGrypeSays(result *sarifResult, rule *sarifRule) (Finding, bool) {
	f.Kind, f.Line, f.EndLine = Vulnerability, 0, 0
	if found := grypeMessage.FindStringSubmatch(result.Message.Text); found != nil {
		f.Package, f.Installed = found[2], found[3]
		f.ID = strings.TrimSuffix(f.ID, "-"+f.Package)
		if f.Severity = severityOf(found[1]); f.Severity == Low && securitySeverity(rule.Properties) == 0 {
			f.Severity = Unknown // Grype says low of what it does not know.
		}
	}
	if found := grypeFix.FindStringSubmatch(rule.Help.Text); found != nil {
		f.Fixed = strings.TrimSpace(found[1])
	}
	return f, true
}

func unescaped(uri string) string {
	uri = strings.TrimPrefix(uri, "file://")
	if plain, err := url.PathUnescape(uri); err == nil {
		return plain
	}
	return uri
}
