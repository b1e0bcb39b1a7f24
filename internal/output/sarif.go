package output

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/check"
)

// maxResults is how many results one SARIF run holds at most: GitHub takes 25,000.
const maxResults = 25_000

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

type (
	sarifAutomation struct {
		ID string `json:"id"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string         `json:"id"`
		Name             string         `json:"name"`
		ShortDescription sarifText      `json:"shortDescription"`
		Help             *sarifHelp     `json:"help,omitempty"`
		Properties       map[string]any `json:"properties,omitempty"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           int                `json:"ruleIndex"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
		Fixes               []sarifFix         `json:"fixes,omitempty"`
		Properties          map[string]any     `json:"properties,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical   sarifPhysical  `json:"physicalLocation"`
		Logical    []sarifLogical `json:"logicalLocations"`
		Properties map[string]any `json:"properties,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifFix struct {
		Description sarifText     `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct {
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct {
		DeletedRegion sarifRegion `json:"deletedRegion"`
		Inserted      sarifText   `json:"insertedContent"`
	}
)

// SARIF writes a report as SARIF 2.1.0, in runs of 25,000 results.
func SARIF(w io.Writer, r *Report) error {
	rules := r.rules()
	invocation := sarifInvocation{ExecutionSuccessful: len(r.Problems) == 0}
	for _, problem := range r.Problems {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"error", sarifText{problem}})
	}
	for _, note := range r.Notes {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"note", sarifText{note}})
	}
	parts := max(1, (len(r.Findings)+maxResults-1)/maxResults)
	j := newJSONWriter(w)
	j.open("{")
	j.field("$schema", sarifSchema)
	j.field("version", "2.1.0")
	j.begin("runs", "[")
	described := driver(r, rules)
	for part := range parts {
		j.open("{")
		j.field("tool", sarifTool{Driver: described})
		j.field("columnKind", "unicodeCodePoints")
		if parts > 1 {
			j.field("automationDetails", sarifAutomation{fmt.Sprintf("%s/%d/", Tool, part+1)})
		}
		j.field(
			"originalUriBaseIds",
			map[string]any{srcRoot: map[string]any{"description": sarifText{"The directory in which the check was run."}}},
		)
		j.field("invocations", []sarifInvocation{invocation})
		findings := r.Findings[part*maxResults : min(len(r.Findings), (part+1)*maxResults)]
		j.list("results", len(findings), func(i int) any { return sarifResultOf(&findings[i], rules) })
		j.close("}")
	}
	j.close("]")
	j.close("}")
	return j.end()
}

const srcRoot = "SRCROOT"

func driver(r *Report, rules []check.Rule) sarifDriver {
	d := sarifDriver{
		Name:           Tool,
		Version:        r.Version,
		InformationURI: "https://github.com/bulwark-dev/bulwark/blob/main/docs/cli.md",
		Rules:          []sarifRule{},
	}
	gravest := severities(r)
	for _, rule := range rules {
		described := sarifRule{
			ID: rule.ID, Name: name(rule.ID), ShortDescription: sarifText{rule.Title},
			Properties: map[string]any{"tags": tags(rule), "security-severity": gravest[rule.ID]},
		}
		if rule.Help != "" {
			described.Help = &sarifHelp{Text: rule.Help, Markdown: "**" + rule.Title + ".** " + rule.Help}
		}
		d.Rules = append(d.Rules, described)
	}
	return d
}

// severities are by rule that of the gravest of its findings.
func severities(r *Report) map[string]string {
	gravest := map[string]string{}
	for i := range r.Findings {
		f := &r.Findings[i]
		gravest[f.Rule] = max(gravest[f.Rule], level(f.Severity))
	}
	return gravest
}

// name is a rule's name as SARIF wants it: in Pascal case.
func name(id string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(id, func(r rune) bool { return r == '/' || r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func tags(rule check.Rule) []string {
	all := []string{"security", "kubernetes"}
	for _, section := range rule.CIS {
		all = append(all, "CIS-"+section)
	}
	for _, section := range rule.NSA {
		all = append(all, "NSA: "+section)
	}
	if rule.PSS != "" {
		all = append(all, "PSS-"+rule.PSS)
	}
	return all
}

func sarifResultOf(f *Finding, rules []check.Rule) sarifResult {
	index, _ := slices.BinarySearchFunc(rules, f.Rule, func(r check.Rule, id string) int { return cmp.Compare(r.ID, id) })
	artifact := sarifArtifact{URI: (&url.URL{Path: f.File}).String(), URIBaseID: srcRoot}
	location := sarifLocation{
		Physical: sarifPhysical{Artifact: artifact, Region: sarifRegion{f.Line, f.Column, f.EndLine, f.EndColumn}},
		Logical:  []sarifLogical{{FullyQualifiedName: f.Object.String(), Kind: "object"}},
	}
	if f.Location != "exact" {
		location.Properties = map[string]any{"location": f.Location}
	}
	result := sarifResult{
		RuleID:              f.Rule,
		RuleIndex:           index,
		Level:               map[check.Action]string{check.Deny: "error", check.Warn: "warning"}[f.Action],
		Message:             sarifText{f.text()},
		Locations:           []sarifLocation{location},
		PartialFingerprints: map[string]string{"posture/v1": f.Fingerprint()},
		Properties:          map[string]any{"action": f.Action, "severity": f.Severity, "location": f.Location},
	}
	if result.Level == "" {
		result.Level = "note"
	}
	if f.Answer != "" {
		result.Properties["answer"] = f.Answer
	}
	if f.Suppressed != "" {
		result.Suppressions = []sarifSuppression{{Kind: "external", Justification: f.Suppressed}}
	}
	if len(f.Edits) > 0 {
		change := sarifChange{Artifact: artifact}
		for _, e := range f.Edits {
			change.Replacements = append(change.Replacements,
				sarifReplacement{sarifRegion{e.Line, e.Column, e.EndLine, e.EndColumn}, sarifText{e.Text}})
		}
		result.Fixes = []sarifFix{{Description: sarifText{f.remedy()}, Changes: []sarifChange{change}}}
	}
	return result
}
