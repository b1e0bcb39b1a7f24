package scanreport

import (
	"strings"
	"testing"
)

func TestStatementsOfVEX(t *testing.T) {
	image := imageOf("docker.io/library/web:1.2", "index.docker.io/library/web@sha256:"+strings.Repeat("1", 64))
	image.Architecture = "amd64"
	digest := strings.Repeat("1", 64)
	f := &Finding{
		Kind:    Vulnerability,
		ID:      "GHSA-1",
		Aliases: []string{"CVE-2026-1"},
		PURL:    "pkg:apk/alpine/libssl3@3.3.1-r0?arch=x86_64&distro=3.20.1",
	}
	product := func(products string) string {
		return vex(
			`{"vulnerability": {"name": "CVE-2026-1"}, "status": "not_affected", "justification": "vulnerable_code_not_present", "products": [` + products + `]}`,
		)
	}
	id := func(purl string) string { return product(`{"@id": "` + purl + `"}`) }
	said := func(status, more string) string {
		return `{"vulnerability": {"name": "CVE-2026-1"}, "status": "` + status + `", "justification": "x", "products": [{"@id": "pkg:oci/web"}]` + more + `}`
	}
	for sentence, tt := range map[string]struct {
		text   string
		exempt bool
	}{
		"an image by its name":                     {id("pkg:oci/web"), true},
		"another image":                            {id("pkg:oci/api"), false},
		"its digest":                               {id("pkg:oci/web@sha256%3A" + digest), true},
		"another digest":                           {id("pkg:oci/web@sha256%3A" + strings.Repeat("2", 64)), false},
		"the repository, as Trivy writes it":       {id("pkg:oci/web?repository_url=index.docker.io%2Flibrary%2Fweb"), true},
		"the repository, as Grype writes it":       {id("pkg:oci/web?repository_url=index.docker.io/library"), true},
		"the repository by Docker's other name":    {id("pkg:oci/web?repository_url=docker.io/library/web"), true},
		"another repository":                       {id("pkg:oci/web?repository_url=registry.example.com/web"), false},
		"every qualifier is met":                   {id("pkg:oci/web?repository_url=docker.io/library/web&arch=amd64&tag=1.2"), true},
		"one qualifier is not met":                 {id("pkg:oci/web?repository_url=docker.io/library/web&arch=arm64&tag=1.2"), false},
		"another tag":                              {id("pkg:oci/web?tag=1.3"), false},
		"a qualifier that nobody knows":            {id("pkg:oci/web?os=linux"), false},
		"a hash":                                   {product(`{"hashes": {"sha-256": "` + digest + `"}}`), true},
		"a hash with its algorithm before it":      {product(`{"hashes": {"sha-256": "sha256:` + digest + `"}}`), true},
		"another hash":                             {product(`{"hashes": {"sha-256": "` + strings.Repeat("3", 64) + `"}}`), false},
		"a hash of another algorithm":              {product(`{"hashes": {"sha-512": "` + digest + `"}}`), false},
		"a reference":                              {id("docker.io/library/web:1.2"), true},
		"another reference":                        {id("docker.io/library/web:1.3"), false},
		"an identifier":                            {product(`{"@id": "https://example.com/web", "identifiers": {"purl": "pkg:oci/web"}}`), true},
		"the package itself":                       {id("pkg:apk/alpine/libssl3"), true},
		"the package in its version":               {id("pkg:apk/alpine/libssl3@3.3.1-r0?distro=3.20.1"), true},
		"the package in another version":           {id("pkg:apk/alpine/libssl3@3.3.1-r1"), false},
		"the package of another distribution":      {id("pkg:apk/alpine/libssl3?distro=3.19.0"), false},
		"another package":                          {id("pkg:apk/alpine/libcrypto3"), false},
		"the image, and the package in it":         {product(`{"@id": "pkg:oci/web", "subcomponents": [{"@id": "pkg:apk/alpine/libssl3"}]}`), true},
		"the image, and another package in it":     {product(`{"@id": "pkg:oci/web", "subcomponents": [{"@id": "pkg:apk/alpine/zlib"}]}`), false},
		"another image, and the package in it":     {product(`{"@id": "pkg:oci/api", "subcomponents": [{"@id": "pkg:apk/alpine/libssl3"}]}`), false},
		"no product":                               {product(""), false},
		"what is no package URL":                   {id("pkg:oci"), false},
		"the last statement, without times":        {vex(said("affected", "") + "," + said("not_affected", "")), true},
		"the last statement, without times, again": {vex(said("not_affected", "") + "," + said("affected", "")), false},
		"the later statement": {vex(said("not_affected", `, "timestamp": "2026-11-02T00:00:00Z"`) + "," +
			said("affected", `, "timestamp": "2026-11-01T00:00:00Z"`)), true},
		"what is under investigation": {vex(said("under_investigation", "")), false},
		"what is fixed":               {vex(said("fixed", "")), true},
		"the alias of a vulnerability": {vex(`{"vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-9", "aliases": ["GHSA-1"]}, "status": "fixed",
			"products": [{"@id": "pkg:oci/web"}]}`), true},
		"the IRI of a vulnerability": {vex(`{"vulnerability": {"@id": "https://nvd.nist.gov/vuln/detail/CVE-2026-1"}, "status": "fixed",
			"products": [{"@id": "pkg:oci/web"}]}`), true},
		"another vulnerability": {vex(`{"vulnerability": {"name": "CVE-2026-12"}, "status": "fixed", "products": [{"@id": "pkg:oci/web"}]}`), false},
	} {
		t.Run(sentence, func(t *testing.T) {
			contents, err := Read("vex.json", strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if why := exempts(sorted(contents.Statements), image, f); (why != "") != tt.exempt {
				t.Errorf("exempt: %q", why)
			}
		})
	}
}
