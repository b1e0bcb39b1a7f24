package scanreport

import (
	"strings"
	"testing"
)

func TestIgnoreFiles(t *testing.T) {
	ssl := &Finding{
		Kind:   Vulnerability,
		ID:     "CVE-2026-1",
		Target: "web (alpine 3.20.1)",
		Path:   "usr/lib/app.jar",
		PURL:   "pkg:apk/alpine/libssl3@3.3.1-r0?distro=3.20.1",
	}
	check := &Finding{Kind: Misconfiguration, ID: "KSV-0017", Target: "deploy/web.yaml"}
	for sentence, tt := range map[string]struct {
		text string
		of   *Finding
		want string // why it does not count; empty if it does
	}{
		"an entry":                       {"vulnerabilities:\n- id: CVE-2026-1\n  statement: not used\n", ssl, "i.yaml:2 ignores it: not used"},
		"another id":                     {"vulnerabilities:\n- id: CVE-2026-12\n", ssl, ""},
		"another section":                {"secrets:\n- id: CVE-2026-1\n", ssl, ""},
		"another spelling":               {"misconfigurations:\n- id: AVD-KSV-0017\n", check, "i.yaml:2 ignores it"},
		"an entry that is still in time": {"vulnerabilities:\n- id: CVE-2026-1\n  expired_at: 2026-12-01\n", ssl, "i.yaml:2 ignores it"},
		"an unquoted date of today":      {"vulnerabilities:\n- id: CVE-2026-1\n  expired_at: 2026-11-30\n", ssl, ""},
		"a time of today":                {"vulnerabilities:\n- id: CVE-2026-1\n  expired_at: 2026-11-30T20:00:00Z\n", ssl, "i.yaml:2 ignores it"},
		"a path":                         {"misconfigurations:\n- id: KSV017\n  paths: ['deploy/**']\n", check, "i.yaml:2 ignores it"},
		"another path":                   {"misconfigurations:\n- id: KSV017\n  paths: ['test/**']\n", check, ""},
		"the path of a package":          {"vulnerabilities:\n- id: CVE-2026-1\n  paths: ['**/*.jar']\n", ssl, "i.yaml:2 ignores it"},
		"a package":                      {"vulnerabilities:\n- id: CVE-2026-1\n  purls: ['pkg:apk/alpine/libssl3']\n", ssl, "i.yaml:2 ignores it"},
		"a package of another version":   {"vulnerabilities:\n- id: CVE-2026-1\n  purls: ['pkg:apk/alpine/libssl3@3.3.1-r1']\n", ssl, ""},
		"a package, where none is known": {"vulnerabilities:\n- id: CVE-2026-1\n  purls: ['pkg:apk/alpine/libssl3']\n", &Finding{Kind: Vulnerability, ID: "CVE-2026-1"}, ""},
		"an empty file":                  {"# nothing\n", ssl, ""},
		"an empty section":               {"vulnerabilities:\n", ssl, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			ignores, err := ReadIgnores("i.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if why := ignores.exempts(tt.of, now); why != tt.want {
				t.Errorf("%q, not %q", why, tt.want)
			}
		})
	}
	ignores, err := ReadIgnores("i.yaml", []byte("vulnerabilities:\n- id: CVE-2026-1\n  expired_at: 2026-11-30\n"))
	if expired := ignores.Expired(now); err != nil || len(expired) != 1 ||
		expired[0] != "i.yaml:2: the entry of CVE-2026-1 has expired at 2026-11-30T00:00:00Z, and counts no more" {
		t.Errorf("%q, %v", expired, err)
	}
}

func TestWhatTrivyIgnoresOfIgnoreFilesIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"vulnerabilities:\n- id: CVE-1\n  expires_at: 2026-12-01\n":       `i.yaml:3: the key "expires_at" is silently ignored by Trivy: it is one of id, paths, purls, expired_at, statement; the time when an entry ends is expired_at`,
		"misconfiguration:\n- id: KSV017\n":                               `i.yaml:1: the key "misconfiguration" is silently ignored by Trivy: it is one of licenses, misconfigurations, secrets, vulnerabilities`,
		"vulnerabilities:\n- id: CVE-1\n  expired_at: \"2026-12-01\"\n":   `i.yaml:3: expired_at: "2026-12-01" is no date that Trivy can read: write 2026-12-31, without quotes`,
		"vulnerabilities:\n- id: CVE-1\n  expired_at: tomorrow\n":         `i.yaml:3: expired_at: "tomorrow" is no date`,
		"vulnerabilities:\n- statement: why\n":                            "i.yaml:2: this entry has no id",
		"vulnerabilities:\n- CVE-1\n":                                     "i.yaml:2: an entry is a mapping with an id",
		"vulnerabilities: CVE-1\n":                                        "i.yaml:1: vulnerabilities must be a list",
		"CVE-1\nCVE-2\n":                                                  "i.yaml:1: this is no .trivyignore.yaml",
		"vulnerabilities:\n- id: CVE-1\n  purls: [libssl3]\n":             `i.yaml:3: purls: "libssl3" is no package URL`,
		"vulnerabilities:\n- id: CVE-1\n  paths: ['a[']\n":                `i.yaml:3: paths: "a[" is no pattern`,
		"vulnerabilities:\n\t- id: CVE-1\n":                               "i.yaml: yaml: line 2",
		"vulnerabilities:\n- id: CVE-1\n  statement: a\n  statement: b\n": "",
	} {
		_, err := ReadIgnores("i.yaml", []byte(text))
		if want == "" {
			continue // The last of two keys counts, as for Trivy.
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
