package scanreport

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// FuzzRead holds whatever a file may be against a profile: it is read or it is an error, and
// nothing else happens.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(
		[]byte(
			vex(
				`{"vulnerability": {"name": "CVE-1"}, "status": "fixed", "products": [{"@id": "pkg:oci/web@sha256:1?arch=amd64"}]}`,
			),
		),
	)
	f.Fuzz(func(t *testing.T, text []byte) {
		contents, err := Read("r.json", bytes.NewReader(text))
		if (err == nil) != (contents != nil) {
			t.Fatalf("%v, %v", contents, err)
		}
		if err != nil {
			return
		}
		set := &Set{}
		set.Add(contents)
		set.Problems(now)
		for _, r := range set.Reports {
			var findings []*Finding
			for i := range r.Findings {
				findings = append(findings, &r.Findings[i])
			}
			v := &v1alpha1.Vulnerabilities{MaxSeverity: v1alpha1.MaxSeverityNone, MaxReportAge: "1h", FixedFor: "1h"}
			verdict := set.Judge(v, r.Image, findings, now)
			if len(verdict.Broken) > len(findings) || len(findings) > 0 && len(verdict.Broken) == 0 {
				t.Errorf("%d of %d findings are graver than None", len(verdict.Broken), len(findings))
			}
			r.Age(v, now)
		}
	})
}

// FuzzReadIgnores holds whatever an ignore file may be against a finding.
func FuzzReadIgnores(f *testing.F) {
	f.Add(
		[]byte(
			"vulnerabilities:\n- id: CVE-2026-1\n  paths: ['**/*.jar']\n  purls: ['pkg:apk/alpine/libssl3@1?arch=x']\n  expired_at: 2026-12-31\n  statement: x\n",
		),
	)
	f.Add([]byte("misconfigurations:\n- &a {id: AVD-KSV-0017}\n- *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		ignores, err := ReadIgnores("i.yaml", text)
		if err != nil {
			return
		}
		ignores.exempts(
			&Finding{Kind: Vulnerability, ID: "CVE-2026-1", Path: "a/b.jar", PURL: "pkg:apk/alpine/libssl3@1?arch=x"},
			now,
		)
		ignores.Expired(now)
	})
}
