package output

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	openreports "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a report as JUnit XML: what fails the check is a failure, what could not be read an
// error, and all else is skipped. A clean report has one case that passes.
func JUnit(w io.Writer, r *Report) error {
	suite := junitSuite{Name: Tool}
	for i := range r.Findings {
		f := &r.Findings[i]
		c := junitCase{
			Name:  printable.Line(f.Rule + " " + f.who()),
			Class: printable.Line(f.File),
			File:  printable.Line(f.File),
			Line:  f.Line,
		}
		message := &junitMessage{Message: printable.Line(f.text()), Type: string(f.Action), Text: printable.Line(f.remedy())}
		if r.Counts(f) {
			c.Failure = message
			suite.Failures++
		} else {
			c.Skipped = message
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	for _, problem := range r.Problems {
		suite.Cases = append(
			suite.Cases,
			junitCase{Name: "reading", Class: Tool, Error: &junitMessage{Message: printable.Line(problem)}},
		)
		suite.Errors++
	}
	if len(suite.Cases) == 0 {
		suite.Cases = []junitCase{{Name: r.Summary(), Class: Tool}}
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// GitHub writes a report as workflow commands, which GitHub shows beside the lines.
func GitHub(w io.Writer, r *Report) error {
	for i := range r.Findings {
		f := &r.Findings[i]
		command := map[check.Action]string{check.Deny: "error", check.Warn: "warning", check.Audit: "notice"}[f.Action]
		if f.Suppressed != "" {
			command = "notice"
		}
		if _, err := fmt.Fprintf(
			w,
			"::%s file=%s,line=%d,col=%d,endLine=%d,endColumn=%d,title=%s::%s\n",
			command,
			property(f.File),
			f.Line,
			f.Column,
			f.EndLine,
			f.EndColumn,
			property(f.Rule),
			data(f.text()+"\n"+f.remedy()),
		); err != nil {
			return err
		}
	}
	for _, problem := range r.Problems {
		if _, err := fmt.Fprintf(w, "::error title=%s::%s\n", property(Tool), data(problem)); err != nil {
			return err
		}
	}
	return nil
}

func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(text))
}

type (
	gitlabReport struct {
		Version         string                `json:"version"`
		Scan            gitlabScan            `json:"scan"`
		Vulnerabilities []gitlabVulnerability `json:"vulnerabilities"`
	}
	gitlabScan struct {
		Type      string     `json:"type"`
		Status    string     `json:"status"`
		StartTime string     `json:"start_time"`
		EndTime   string     `json:"end_time"`
		Scanner   gitlabTool `json:"scanner"`
		Analyzer  gitlabTool `json:"analyzer"`
	}
	gitlabTool struct {
		ID      string       `json:"id"`
		Name    string       `json:"name"`
		Version string       `json:"version"`
		Vendor  gitlabVendor `json:"vendor"`
	}
	gitlabVendor struct {
		Name string `json:"name"`
	}
	gitlabVulnerability struct {
		ID          string             `json:"id"`
		Name        string             `json:"name"`
		Description string             `json:"description"`
		Severity    v1alpha1.Severity  `json:"severity"`
		Solution    string             `json:"solution,omitempty"`
		Location    gitlabLocation     `json:"location"`
		Identifiers []gitlabIdentifier `json:"identifiers"`
	}
	gitlabLocation struct {
		File      string `json:"file"`
		StartLine int    `json:"start_line"`
		EndLine   int    `json:"end_line"`
	}
	gitlabIdentifier struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// GitLab writes a report as GitLab's SAST report, of schema 15. Suppressed results are left out,
// since GitLab keeps its own dismissals.
func GitLab(w io.Writer, r *Report) error {
	tool := gitlabTool{ID: Tool, Name: Tool, Version: r.Version, Vendor: gitlabVendor{"Bulwark"}}
	report := gitlabReport{Version: "15.2.1", Vulnerabilities: []gitlabVulnerability{}, Scan: gitlabScan{
		Type: "sast", Status: "success", StartTime: r.time(), EndTime: r.time(), Scanner: tool, Analyzer: tool,
	}}
	if len(r.Problems) > 0 {
		report.Scan.Status = "failure"
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Suppressed != "" {
			continue
		}
		rule := check.RuleOf(f.Rule)
		v := gitlabVulnerability{
			ID: f.Fingerprint(), Name: rule.Title, Description: f.text(), Severity: f.Severity, Solution: f.remedy(),
			Location:    gitlabLocation{f.File, f.Line, f.EndLine},
			Identifiers: []gitlabIdentifier{{"posture_rule", f.Rule, f.Rule}},
		}
		for _, section := range rule.CIS {
			v.Identifiers = append(v.Identifiers, gitlabIdentifier{"cis_kubernetes", "CIS Kubernetes " + section, section})
		}
		report.Vulnerabilities = append(report.Vulnerabilities, v)
	}
	return writeJSON(w, report)
}

func (r *Report) time() string { return r.Now.UTC().Format("2006-01-02T15:04:05") }

// OpenReports writes a report as Reports of openreports.io, one for each namespace.
func OpenReports(w io.Writer, r *Report) error {
	byNamespace := map[string]*openreports.Report{}
	var order []string
	for i := range r.Findings {
		f := &r.Findings[i]
		report := byNamespace[f.Object.Namespace]
		if report == nil {
			report = &openreports.Report{
				TypeMeta:   metav1.TypeMeta{APIVersion: "openreports.io/v1alpha1", Kind: "Report"},
				ObjectMeta: metav1.ObjectMeta{Name: "bulwark-check", Namespace: f.Object.Namespace},
				Source:     Tool,
			}
			byNamespace[f.Object.Namespace] = report
			order = append(order, f.Object.Namespace)
		}
		result := openreports.ReportResult{
			Source:   Tool,
			Policy:   f.Rule,
			Rule:     f.who(),
			Category: "Check",
			Severity: openreports.ResultSeverity(strings.ToLower(string(f.Severity))),
			Subjects: []corev1.ObjectReference{
				{APIVersion: f.Object.APIVersion, Kind: f.Object.Kind, Namespace: f.Object.Namespace, Name: f.Object.Name},
			},
			Timestamp:   metav1.Timestamp{Seconds: r.Now.Unix(), Nanos: int32(r.Now.Nanosecond())}, //nolint:gosec // Below 1e9.
			Result:      "fail",
			Scored:      true,
			Description: f.text(),
			Properties:  map[string]string{"file": fmt.Sprintf("%s:%d", f.File, f.Line), "remedy": f.remedy()},
		}
		switch {
		case f.Suppressed != "":
			result.Result, result.Scored = "skip", false
			report.Summary.Skip++
		case f.Action != check.Deny:
			result.Result = "warn"
			report.Summary.Warn++
		default:
			report.Summary.Fail++
		}
		report.Results = append(report.Results, result)
	}
	for _, namespace := range order {
		text, err := yaml.Marshal(byNamespace[namespace])
		if err != nil {
			return fmt.Errorf("writing a Report: %w", err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
