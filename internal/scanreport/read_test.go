package scanreport

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// file reads a report that is written as the tool writes it.
func file(t *testing.T, name string) *Contents {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	contents, err := Read(name, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

// brief is a finding in a line.
func brief(findings []Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(
			all,
			strings.Join([]string{string(f.Kind), f.ID, f.Severity.String(), f.Package, f.Fixed, f.Object, f.Suppressed}, "|"),
		)
	}
	return all
}

func TestWhatReportsHold(t *testing.T) {
	digest := func(n string) []string { return []string{"sha256:" + strings.Repeat(n, 64)} }
	web, api := []string{"registry.example.com/shop/web:1.2"}, []string{"docker.io/library/api:2.0"}
	for name, want := range map[string]struct {
		format        Format
		tags, digests []string
		made          time.Time
		looked        bool
		findings      []string
	}{
		"trivy-image.json": {
			Trivy, web, digest("1"), time.Date(2026, 11, 29, 8, 15, 30, 123456789, time.UTC), true, []string{
				"vulnerability|CVE-2026-1001|Critical|libcrypto3|3.3.1-r1||", "vulnerability|CVE-2026-1001|Critical|libssl3|3.3.1-r1||",
				"vulnerability|CVE-2026-1002|High|busybox|||", "vulnerability|CVE-2026-1003|Unknown|zlib|1.3.1-r2||", "secret|aws-access-key-id|Critical||||",
			},
		},
		"trivy-config.json": {
			Trivy, nil, nil, time.Date(2026, 11, 29, 8, 15, 30, 123456789, time.UTC), false,
			[]string{"misconfiguration|DS-0002|High||||", "misconfiguration|KSV-0017|High|||web|"},
		},
		// The rules' levels and severities are those of their last results; a check that is kept
		// has the level of an error.
		"trivy.sarif": {
			SARIF, web, digest("1"), time.Time{}, true,
			[]string{"vulnerability|CVE-2026-1001|Critical|libcrypto3|3.3.1-r1||", "vulnerability|CVE-2026-1003|Unknown|zlib|||"},
		},
		// The state of a fix is empty; index.docker.io is docker.io.
		"grype-image.json": {
			Grype, api, digest("2"), time.Date(2026, 11, 29, 11, 0, 0, 123456000, time.UTC), true, []string{
				"vulnerability|GHSA-cfh5-3ghh-wfjx|Medium|httpclient|4.3.5||", "vulnerability|CVE-2026-2002|Low|libc6|||",
				"vulnerability|CVE-2026-2003|Critical|perl|||Grype was told to ignore it: not_affected, vulnerable_code_not_present",
			},
		},
		"grype.sarif": {SARIF, api, nil, time.Time{}, true, []string{"vulnerability|CVE-2026-2004|High|libssl3|3.3.1-r1||"}},
	} {
		t.Run(name, func(t *testing.T) {
			contents := file(t, name)
			if len(contents.Reports) != 1 || contents.Format != want.format {
				t.Fatalf("%d reports of %s", len(contents.Reports), contents.Format)
			}
			r := contents.Reports[0]
			image := r.Image
			if image == nil {
				image = &Image{}
			}
			if diff := cmp.Diff(want.tags, image.Tags); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(want.digests, image.Digests); diff != "" {
				t.Error(diff)
			}
			if !r.Made.Equal(want.made) || r.Vulnerabilities != want.looked || r.File != name {
				t.Errorf("made %s, looked for vulnerabilities: %t, file %s", r.Made, r.Vulnerabilities, r.File)
			}
			if diff := cmp.Diff(want.findings, brief(r.Findings)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	for sentence, tt := range map[string]struct{ text, want string }{
		"nothing":                    {" \n", "r.json: the scan report is empty"},
		"no JSON":                    {"image: web\n", "this is no scan report, since it is no JSON"},
		"a truncated report":         {"{\"SchemaVersion\": 2,\n\"Results\": [\n{\"Target\": \"we", "r.json:3: the scan report ends in its middle"},
		"broken JSON":                {"{\"SchemaVersion\": 2,\n,}", "r.json:2: this is no JSON: invalid character ','"},
		"something behind it":        {"{\"SchemaVersion\": 2}\n{}", "r.json:2: there is something behind the end of the scan report"},
		"an old Trivy":               {`[{"Target": "web"}]`, "this is a list, as Trivy wrote it before version 0.20"},
		"Trivy's schema 3":           {`{"SchemaVersion": 3}`, "this is a report of Trivy in schema 3, and schema 2 is read"},
		"a schema that is a word":    {`{"SchemaVersion": "2"}`, "the format of this scan report is unknown: SchemaVersion is a string"},
		"Trivy of a cluster":         {`{"ClusterName": "kind", "Resources": []}`, "on a whole cluster (trivy k8s)"},
		"Trivy with a wrong type":    {`{"SchemaVersion": 2, "Results": {}}`, "this is no report of Trivy: json: cannot unmarshal object"},
		"SARIF 2.0.0":                {`{"version": "2.0.0", "runs": []}`, `this is SARIF of version "2.0.0", and 2.1.0 is read`},
		"CycloneDX":                  {`{"bomFormat": "CycloneDX", "specVersion": "1.6"}`, "this is CycloneDX, which is not read"},
		"SPDX":                       {`{"spdxVersion": "SPDX-2.3"}`, "this is SPDX-2.3, which is not read"},
		"CSAF":                       {`{"document": {"csaf_version": "2.0"}}`, "this is CSAF, which is not read"},
		"what nobody knows":          {`{"results": []}`, "the format of this scan report is unknown; the JSON of Trivy (schema 2) and of Grype, SARIF 2.1.0 and OpenVEX 0.2.0 are read"},
		"matches of another tool":    {`{"matches": [], "descriptor": {"name": "other"}}`, "the format of this scan report is unknown"},
		"a time that is none":        {`{"matches": [], "descriptor": {"name": "grype", "timestamp": "today"}}`, "descriptor.timestamp"},
		"OpenVEX 0.0.1":              {`{"@context": "https://openvex.dev/ns", "statements": []}`, "this is OpenVEX before version 0.2.0"},
		"OpenVEX to come":            {`{"@context": "https://openvex.dev/ns/v9.0.0"}`, "this is OpenVEX of version v9.0.0"},
		"other linked data":          {`{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`, "of @context"},
		"a statement of no status":   {vex(`{"vulnerability": {"name": "CVE-1"}, "status": "harmless"}`), `statement 1, on CVE-1: there is no status "harmless"`},
		"a statement without reason": {vex(`{"vulnerability": {"name": "CVE-1"}, "status": "not_affected"}`), "not_affected needs a justification or an impact_statement"},
		"a statement on nothing":     {vex(`{"status": "fixed"}`), "statement 1, on nothing: it names no vulnerability"},
	} {
		t.Run(sentence, func(t *testing.T) {
			contents, err := Read("r.json", strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "r.json:") {
				t.Errorf("%v, %v", contents, err)
			}
		})
	}
}

func TestAByteOrderMarkIsPassedOver(t *testing.T) {
	if _, err := Read("r.json", strings.NewReader("\ufeff"+`{"SchemaVersion": 2}`)); err != nil {
		t.Error(err)
	}
}

func vex(statements string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex", "author": "Security", "version": 1, "statements": [` + statements + `]}`
}

func TestResultsOfOtherTools(t *testing.T) {
	text := `{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Hadolint", "rules": [
		{"id": "DL3002", "properties": {"security-severity": "7.5"}}, {"id": "GHSA-1", "properties": {"tags": ["vulnerability"]}}]}},
		"invocations": [{"endTimeUtc": "2026-11-29T08:00:00Z"}],
		"results": [
			{"ruleId": "DL3002", "level": "warning", "message": {"text": "Last USER should not be root"},
				"locations": [{"physicalLocation": {"artifactLocation": {"uri": "my%20app/Dockerfile"}, "region": {"startLine": 3}}}]},
			{"ruleId": "GHSA-1", "level": "error", "message": {"text": "x"}, "suppressions": [{"kind": "external", "justification": "known"}]},
			{"ruleId": "GHSA-2", "message": {"text": "x"}, "suppressions": [{"kind": "external", "status": "rejected"}]},
			{"ruleId": "DL1", "kind": "pass", "level": "error", "message": {"text": "x"}},
			{"ruleId": "DL2", "baselineState": "absent", "level": "error", "message": {"text": "x"}},
			{"ruleId": "DL3", "level": "note", "message": {"text": "x"}, "properties": {"security-severity": "0.0"}}]}]}`
	contents, err := Read("h.sarif", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r := contents.Reports[0]
	want := []string{
		"misconfiguration|DL-3002|High||||",
		"vulnerability|GHSA-1|High||||the report suppresses it: known",
		"vulnerability|GHSA-2|Medium||||",
		"misconfiguration|DL-0003|Unknown||||",
	}
	if diff := cmp.Diff(want, brief(r.Findings)); diff != "" {
		t.Error(diff)
	}
	if f := r.Findings[0]; f.Target != "my app/Dockerfile" || f.Line != 3 || r.Made.IsZero() || r.Image != nil {
		t.Errorf("%+v of %+v", f, r)
	}
}
