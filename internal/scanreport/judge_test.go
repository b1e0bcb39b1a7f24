package scanreport

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestThresholds(t *testing.T) {
	all := file(t, "trivy-image.json").Reports[0]
	java := file(t, "grype-image.json").Reports[0]
	count := func(n int32) *int32 { return &n }
	accepted := func(id string, until time.Time) []v1alpha1.AcceptedVulnerability {
		return []v1alpha1.AcceptedVulnerability{{ID: id, Reason: "not used", Expires: metav1.Time{Time: until}}}
	}
	for sentence, tt := range map[string]struct {
		v       v1alpha1.Vulnerabilities
		of      *Report
		broken  string // ids, with ? of what is warned of, and ! of what does not count
		tooMany string
		unfixed int
	}{
		"nothing graver than High":                     {v: v1alpha1.Vulnerabilities{MaxSeverity: "High"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1003?"},
		"nothing graver than Medium":                   {v: v1alpha1.Vulnerabilities{MaxSeverity: "Medium"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1002 CVE-2026-1003?"},
		"nothing at all":                               {v: v1alpha1.Vulnerabilities{MaxSeverity: "None"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1002 CVE-2026-1003"},
		"what is negligible is low":                    {v: v1alpha1.Vulnerabilities{MaxSeverity: "Low"}, of: java, broken: "CVE-2026-2003! GHSA-cfh5-3ghh-wfjx"},
		"one in two packages counts once":              {v: v1alpha1.Vulnerabilities{MaxCounts: &v1alpha1.VulnerabilityCounts{Critical: count(0), High: count(1)}}, of: all, tooMany: "1 vulnerabilities of severity Critical, and at most 0 may be"},
		"counts that are kept":                         {v: v1alpha1.Vulnerabilities{MaxCounts: &v1alpha1.VulnerabilityCounts{Critical: count(1), Unknown: count(1)}}, of: all},
		"what is not fixed is left out":                {v: v1alpha1.Vulnerabilities{MaxSeverity: "Medium", Unfixed: "Ignore"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1003?", unfixed: 1},
		"a fix of two days, by its date":               {v: v1alpha1.Vulnerabilities{MaxSeverity: "Low", FixedFor: "168h"}, of: java, broken: "CVE-2026-2003! GHSA-cfh5-3ghh-wfjx!"},
		"a fix that had its time":                      {v: v1alpha1.Vulnerabilities{MaxSeverity: "Low", FixedFor: "24h"}, of: java, broken: "CVE-2026-2003! GHSA-cfh5-3ghh-wfjx"},
		"a fix of what was published two months ago":   {v: v1alpha1.Vulnerabilities{MaxSeverity: "High", FixedFor: "168h"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1003!?"},
		"no grace without a fix":                       {v: v1alpha1.Vulnerabilities{MaxSeverity: "Medium", FixedFor: "1000h"}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1002 CVE-2026-1003!?"},
		"accepted":                                     {v: v1alpha1.Vulnerabilities{MaxSeverity: "High", Accepted: accepted("cve-2026-1001", now.Add(time.Hour))}, of: all, broken: "CVE-2026-1001! aws-access-key-id CVE-2026-1003?"},
		"accepted by another name":                     {v: v1alpha1.Vulnerabilities{MaxSeverity: "Low", Accepted: accepted("CVE-2014-3577", now.Add(time.Hour))}, of: java, broken: "CVE-2026-2003! GHSA-cfh5-3ghh-wfjx!"},
		"accepted until now":                           {v: v1alpha1.Vulnerabilities{MaxSeverity: "High", Accepted: accepted("CVE-2026-1001", now)}, of: all, broken: "CVE-2026-1001 aws-access-key-id CVE-2026-1003?"},
		"what is accepted is not counted":              {v: v1alpha1.Vulnerabilities{MaxCounts: &v1alpha1.VulnerabilityCounts{Critical: count(0)}, Accepted: accepted("CVE-2026-1001", now.Add(1))}, of: all},
		"what the report itself ignores is no finding": {v: v1alpha1.Vulnerabilities{MaxCounts: &v1alpha1.VulnerabilityCounts{Critical: count(0)}}, of: java},
	} {
		t.Run(sentence, func(t *testing.T) {
			var findings []*Finding
			for i := range tt.of.Findings {
				findings = append(findings, &tt.of.Findings[i])
			}
			verdict := (&Set{}).Judge(&tt.v, tt.of.Image, findings, now)
			var said []string
			for _, j := range verdict.Broken {
				word := j.ID
				if j.Exempt != "" {
					word += "!"
				}
				if j.Warns {
					word += "?"
				}
				said = append(said, word)
			}
			if got := strings.Join(said, " "); got != tt.broken {
				t.Errorf("broken: %q, not %q", got, tt.broken)
			}
			if got := strings.Join(verdict.TooMany, "; "); got != tt.tooMany || verdict.Unfixed != tt.unfixed {
				t.Errorf("too many: %q, unfixed: %d", got, verdict.Unfixed)
			}
		})
	}
}

func TestAgesOfReports(t *testing.T) {
	week := &v1alpha1.Vulnerabilities{MaxReportAge: "168h"}
	for made, want := range map[time.Time]string{
		now.Add(-167 * time.Hour): "", now.Add(-169 * time.Hour): "r.json is of 2026-11-23", {}: "r.json does not say when it was made",
	} {
		if got := (&Report{File: "r.json", Made: made}).Age(week, now); got != want {
			t.Errorf("%s: %q", made, got)
		}
	}
	if got := (&Report{File: "r.json"}).Age(&v1alpha1.Vulnerabilities{}, now); got != "" {
		t.Error(got)
	}
}

func TestOneVulnerabilityByTwoNamesIsOne(t *testing.T) {
	findings := []*Finding{
		{Kind: Vulnerability, ID: "GHSA-1", Aliases: []string{"CVE-2026-1"}, Severity: Medium, Package: "a"},
		{Kind: Vulnerability, ID: "CVE-2026-1", Severity: Critical, Package: "b"},
		{Kind: Vulnerability, ID: "GHSA-2", Aliases: []string{"CVE-2026-1", "CVE-2026-2"}, Severity: Critical, Package: "c"},
	}
	verdict := (&Set{}).Judge(&v1alpha1.Vulnerabilities{MaxSeverity: "High"}, ImageOf("web"), findings, now)
	if len(verdict.Broken) != 2 || len(verdict.Broken[0].Packages) != 2 {
		t.Errorf("%+v", verdict.Broken)
	}
}

func TestAVulnerabilityOfTwoFilesIsOneOfEach(t *testing.T) {
	findings := []*Finding{
		{
			Kind:     Vulnerability,
			ID:       "CVE-2026-1",
			Severity: Critical,
			Target:   "a/go.mod",
		},
		{Kind: Vulnerability, ID: "CVE-2026-1", Severity: Critical, Target: "b/go.mod"},
	}
	if verdict := (&Set{}).Judge(
		&v1alpha1.Vulnerabilities{MaxSeverity: "High"},
		nil,
		findings,
		now,
	); len(
		verdict.Broken,
	) != 2 {
		t.Errorf("%+v", verdict.Broken)
	}
}
