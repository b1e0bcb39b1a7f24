package output

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
)

// example is a report with a finding of each kind, and what has to be escaped somewhere.
func example() *Report {
	finding := func(rule string, action check.Action, change func(*Finding)) Finding {
		f := Finding{
			Result: &check.Result{
				Rule:     rule,
				Action:   action,
				Severity: v1alpha1.SeverityHigh,
				Message:  "breaks <it>, 100%:\nreally",
				Answer:   `pods "web" is forbidden`,
				Object: check.Reference{
					APIVersion: "apps/v1",
					Kind:       "Deployment",
					Namespace:  "shop",
					Name:       "web",
				},
				Container: "app",
			},
			File: "a dir/web.yaml", Place: Place{Line: 3, Column: 5, EndLine: 3, EndColumn: 9, Location: "exact"},
		}
		if change != nil {
			change(&f)
		}
		return f
	}
	return &Report{
		Version: "v1", Now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), FailOn: check.Deny, Evaluated: 3, Ungoverned: 1,
		Skipped: map[string]int{"Widget (a.b/v1)": 2}, Problems: []string{"x.yaml:1: broken"}, Notes: []string{"gone"},
		Findings: []Finding{
			finding("pod-security/privileged", check.Deny, func(f *Finding) {
				f.OfPods = true
				f.Edits = []Edit{{3, 5, 3, 9, "privileged: false"}}
			}),
			finding("finding/NetworkReopened", check.Warn, func(f *Finding) { f.Location, f.Container = "approximate", "" }),
			finding("admission/images/denyTags", check.Audit, nil),
			finding("admission/images/denyTags", check.Deny, func(f *Finding) { f.Suppressed = "it is in the baseline" }),
		},
	}
}

func write(t *testing.T, format string, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Formats()[format](&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sarifSchemaOf(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(sarifSchema, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(sarifSchema)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestSARIFIsValid(t *testing.T) {
	schema := sarifSchemaOf(t)
	for sentence, r := range map[string]*Report{"one of each": example(), "nothing": {FailOn: check.Deny}} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(write(t, "sarif", r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestSARIFSaysWhatItShould(t *testing.T) {
	text := write(t, "sarif", example())
	for _, want := range []string{
		`"uri":"a%20dir/web.yaml"`, `"level":"error"`, `"level":"warning"`, `"level":"note"`, `"kind":"external"`, `"location":"approximate"`,
		`"executionSuccessful":false`, `"posture/v1":"`, `"security-severity":"8.0"`, `"CIS-5.2.2"`, `"columnKind":"unicodeCodePoints"`,
		"its pods would be refused: breaks <it>, 100%:\\nreally", `"text":"privileged: false"`, `"answer":"pods \"web\" is forbidden"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

func TestSARIFSplitsWhatIsTooMuch(t *testing.T) {
	r := example()
	for len(r.Findings) < maxResults+1 {
		r.Findings = append(r.Findings, r.Findings[0])
	}
	var log struct {
		Runs []struct {
			AutomationDetails sarifAutomation
			Results           []sarifResult
		}
	}
	if err := json.Unmarshal([]byte(write(t, "sarif", r)), &log); err != nil {
		t.Fatal(err)
	}
	if len(log.Runs) != 2 || len(log.Runs[0].Results) != maxResults || len(log.Runs[1].Results) != 1 ||
		log.Runs[0].AutomationDetails.ID == log.Runs[1].AutomationDetails.ID {
		t.Errorf("%d runs", len(log.Runs))
	}
}

func TestJUnit(t *testing.T) {
	var suites junitSuites
	if err := xml.Unmarshal([]byte(write(t, "junit", example())), &suites); err != nil {
		t.Fatal(err)
	}
	if s := suites.Suites[0]; s.Tests != 5 || s.Failures != 1 || s.Errors != 1 || s.Skipped != 3 || s.Cases[0].Line != 3 {
		t.Errorf("%+v", s)
	}
	if text := write(t, "junit", &Report{}); !strings.Contains(text, `tests="1" failures="0" errors="0"`) {
		t.Errorf("a clean one is %s", text)
	}
}

func TestGitHub(t *testing.T) {
	const want = "::error file=a dir/web.yaml,line=3,col=5,endLine=3,endColumn=9,title=pod-security/privileged::" +
		"Deployment shop/web app: its pods would be refused: breaks <it>, 100%25:%0Areally%0ASet securityContext.privileged: false, or take it out.\n"
	text := write(t, "github", example())
	if !strings.HasPrefix(text, want) || strings.Count(text, "\n") != 5 || strings.Count(text, "::notice ") != 2 {
		t.Errorf("got %s", text)
	}
}

func TestGitLab(t *testing.T) {
	var report gitlabReport
	if err := json.Unmarshal([]byte(write(t, "gitlab-sast", example())), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Vulnerabilities) != 3 || report.Scan.Status != "failure" ||
		report.Scan.StartTime != "2026-11-30T12:00:00" ||
		report.Vulnerabilities[0].Location.File != "a dir/web.yaml" {
		t.Errorf("%+v", report)
	}
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	fromYAML, err := yaml.YAMLToJSON([]byte(write(t, "yaml", example())))
	if err != nil {
		t.Fatal(err)
	}
	var a, b document
	if err := json.Unmarshal(fromYAML, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(write(t, "json", example())), &b); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(a) != fmt.Sprint(b) || b.Summary.Failing != 1 || b.Summary.Suppressed != 1 || len(b.Findings) != 4 {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestOpenReports(t *testing.T) {
	text := write(t, "openreports", example())
	for _, want := range []string{"kind: Report\n", "namespace: shop\n", "result: fail\n", "result: warn\n", "result: skip\n", "file: a dir/web.yaml:3\n",
		"seconds: 1796040000\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

func TestTableIsOneLineAFinding(t *testing.T) {
	text := write(t, "table", example())
	if strings.Contains(text, ":\nreally") ||
		!strings.Contains(
			text,
			"checked 3 objects: 1 findings deny, 1 warn, 1 audit, 1 do not count, 1 objects are governed by no profile, "+
				"2 of unknown kinds skipped (Widget (a.b/v1)); 1 could not be read or evaluated\n",
		) {
		t.Errorf("got %s", text)
	}
}

// TestTableGroupsAVerdict holds that one refusal of the API server stands together, and that the same
// words on several containers are one line with their places.
func TestTableGroupsAVerdict(t *testing.T) {
	of := func(rule, words, container string, line int, change func(*Finding)) Finding {
		f := Finding{
			Result: &check.Result{
				Rule:      rule,
				Action:    check.Deny,
				Message:   `violates PodSecurity "restricted:v1.37": ` + words,
				Verdict:   `violates PodSecurity "restricted:v1.37"`,
				Object:    check.Reference{Kind: "Deployment", Namespace: "shop", Name: "web"},
				Container: container,
				OfPods:    true,
			},
			File: "web.yaml", Place: Place{Line: line, Column: 9},
		}
		if change != nil {
			change(&f)
		}
		return f
	}
	const both = `allowPrivilegeEscalation != false (containers "a", "b" must set it)`
	r := &Report{FailOn: check.Deny, Evaluated: 2, Findings: []Finding{
		of("pod-security/allowPrivilegeEscalation", both, "a", 10, nil),
		of(
			"admission/images/denyTags",
			"",
			"a",
			11,
			func(f *Finding) { f.Verdict, f.OfPods, f.Message = "", false, "denyTags: a" },
		),
		of("pod-security/allowPrivilegeEscalation", both, "b", 12, nil),
		of("pod-security/privileged", "privileged (b)", "b", 13, func(f *Finding) { f.Suppressed = "it is known" }),
		of("pod-security/privileged", "privileged (c)", "c", 20, func(f *Finding) { f.Object.Name = "other" }),
	}}
	const want = `web.yaml
     10:9   Deny  Deployment shop/web: its pods would be refused: violates PodSecurity "restricted:v1.37":
            10:9, 12:9 allowPrivilegeEscalation != false (containers "a", "b" must set it)  pod-security/allowPrivilegeEscalation
                   Set securityContext.allowPrivilegeEscalation: false on each container.
            13:9   privileged (b)  pod-security/privileged
                   does not count: it is known
     11:9   Deny  Deployment shop/web a: denyTags: a  admission/images/denyTags
            Name the image by a version or by its digest.
     20:9   Deny  Deployment shop/other c: its pods would be refused: violates PodSecurity "restricted:v1.37": privileged (c)  pod-security/privileged
            Set securityContext.privileged: false, or take it out.

checked 2 objects: 4 findings deny, 0 warn, 1 do not count
`
	if diff := cmp.Diff(want, write(t, "table", r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
