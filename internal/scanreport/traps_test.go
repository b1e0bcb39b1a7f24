package scanreport

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func TestACheckHasThreeSpellings(t *testing.T) {
	for _, spelling := range []string{"KSV-0017", "KSV017", "AVD-KSV-0017", "avd-ksv-0017"} {
		if f := (&Finding{ID: "KSV-0017"}); !f.has(spelling) {
			t.Errorf("%s is %s", spelling, canonicalID(spelling))
		}
	}
	for _, id := range []string{"CVE-2026-17", "GHSA-cfh5-3ghh-wfjx", "aws-access-key-id", "ALPINE-13661"} {
		if !strings.EqualFold(canonicalID(id), id) {
			t.Errorf("%s became %s", id, canonicalID(id))
		}
	}
}

func TestAnObjectIsFoundByItsNameAndNeverByALine(t *testing.T) {
	f := file(t, "trivy-config.json").Reports[0].Findings[1]
	if f.Line != 0 || f.EndLine != 0 || f.ObjectKind != "Deployment" || f.Object != "web" || f.Container != "app" ||
		f.Target != "deploy/all.yaml" {
		t.Errorf("%+v", f)
	}
	for message, want := range map[string]string{
		"Container 'a' of StatefulSet 'db' should set 'x'":                                                              "a of StatefulSet db in ",
		"container \"nginx\" of deployment \"web\" in \"shop\" namespace should specify a seccomp profile":              "nginx of deployment web in shop",
		"Container 'nginx' of 'deployment' 'web' in 'default' namespace should set securityContext.capabilities.drop, ": "nginx of deployment web in default",
		"deployment web in default namespace is using the default security context, which allows root privileges":       "of deployment web in default",
		"Role 'admin:all' should not have access to resource 'secrets'":                                                 "of Role admin:all in",
		"Either Pod or Container should set 'securityContext.seccompProfile.type' to 'RuntimeDefault'":                  "of  in",
		"No issues found": "of  in",
	} {
		var f Finding
		f.object(message)
		if said := strings.TrimSpace(
			fmt.Sprintf("%s of %s in %s", f.Container, strings.TrimSpace(f.ObjectKind+" "+f.Object), f.Namespace),
		); said != strings.TrimSpace(
			want,
		) {
			t.Errorf("%q: %q", message, said)
		}
	}
}

func TestLinesOfADockerfileHold(t *testing.T) {
	if f := file(t, "trivy-config.json").Reports[0].Findings[0]; f.Line != 7 || f.Target != "build/Dockerfile" {
		t.Errorf("%+v", f)
	}
}

func TestTargetsAreNamedFromWhereTheScanWasRun(t *testing.T) {
	for _, tt := range []struct{ artifact, target, want string }{
		{".", "build/Dockerfile", "build/Dockerfile"}, {"deploy", "all.yaml", "deploy/all.yaml"}, {"./deploy/", "all.yaml", "deploy/all.yaml"},
		{"build/Dockerfile", "Dockerfile", "build/Dockerfile"}, {"Dockerfile", "Dockerfile", "Dockerfile"},
		{"https://github.com/example/web", "Dockerfile", "Dockerfile"},
	} {
		if got := (&trivyReport{artifactName: tt.artifact}).file(tt.target); got != tt.want {
			t.Errorf("%s of %s is %s, not %s", tt.target, tt.artifact, got, tt.want)
		}
	}
}

func TestAHundredSuccessesProveNothing(t *testing.T) {
	r := file(t, "trivy-config.json").Reports[0]
	if r.Vulnerabilities {
		t.Error("checks that are kept say that there is no vulnerability")
	}
	contents, err := Read(
		"empty.json",
		strings.NewReader(`{"SchemaVersion": 2, "ArtifactName": "web:1", "ArtifactType": "container_image"}`),
	)
	if err != nil || contents.Reports[0].Vulnerabilities {
		t.Errorf("an image without a result is judged: %v", err)
	}
	contents, err = Read(
		"clean.json",
		strings.NewReader(`{"SchemaVersion": 2, "ArtifactName": "web:1", "ArtifactType": "container_image",
		"Results": [{"Target": "web:1 (alpine 3.20.1)", "Class": "os-pkgs", "Type": "alpine"}]}`),
	)
	if err != nil || !contents.Reports[0].Vulnerabilities {
		t.Errorf("an image with a result and no vulnerability is not clean: %v", err)
	}
	contents, err = Read(
		"empty.sarif",
		strings.NewReader(
			`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Trivy"}}, "results": [], "properties": {"imageName": "web:1"}}]}`,
		),
	)
	if err != nil || contents.Reports[0].Vulnerabilities || contents.Reports[0].Image == nil {
		t.Errorf("SARIF without a result says that an image is clean: %v", err)
	}
}

func TestAReportOfAnSBOMNamesNoImage(t *testing.T) {
	contents, err := Read(
		"g.json",
		strings.NewReader(
			`{"matches": [], "source": {"type": "sbom-file", "target": "web.cdx.json"}, "descriptor": {"name": "grype"}}`,
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	set := Set{}
	set.Add(contents)
	errs := set.Problems(now)
	if len(errs) != 1 ||
		errs[0].Error() != "g.json: the report is of sbom-file web.cdx.json, and names no image: scan the image itself" {
		t.Error(errs)
	}
}

func TestAnArchiveThatNamesNoImageIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"SchemaVersion": 2, "ArtifactName": "image.tar", "ArtifactType": "container_image"}`:                                    "t.json: the report is of image.tar, and names no image: scan the image itself",
		`{"SchemaVersion": 2, "ArtifactName": "web.cdx.json", "ArtifactType": "cyclonedx"}`:                                       "t.json: the report is of web.cdx.json, and names no image: scan the image itself",
		`{"SchemaVersion": 2, "ArtifactName": "web.tar", "ArtifactType": "container_image", "Metadata": {"RepoTags": ["web:1"]}}`: "",
		`{"SchemaVersion": 2, "ArtifactName": ".", "ArtifactType": "filesystem"}`:                                                 "",
		`{"matches": [], "source": {"type": "directory", "target": "."}, "descriptor": {"name": "grype"}}`:                        "",
		`{"version": "2.1.0", "runs": [{"results": []}]}`:                                                                         "",
	} {
		contents, err := Read("t.json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		set := Set{}
		set.Add(contents)
		said := ""
		for _, err := range set.Problems(now) {
			said += err.Error()
		}
		if said != want {
			t.Errorf("%s: %q", text, said)
		}
	}
}

func TestWhatTrivyWasToldToIgnoreIsShown(t *testing.T) {
	contents, err := Read(
		"t.json",
		strings.NewReader(
			`{"SchemaVersion": 2, "ArtifactName": "web:1", "ArtifactType": "container_image", "Results": [{"Target": "web:1 (debian 12)",
		"Class": "os-pkgs", "Type": "debian", "ExperimentalModifiedFindings": [{"Type": "vulnerability", "Status": "ignored", "Statement": "Accept the risk",
		"Source": ".trivyignore.yaml", "Finding": {"VulnerabilityID": "CVE-2022-0563", "PkgName": "bsdutils", "Severity": "LOW"}}]}]}`,
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	if got := brief(contents.Reports[0].Findings); len(got) != 1 ||
		got[0] != "vulnerability|CVE-2022-0563|Low|bsdutils|||Trivy was told to ignore it: ignored, Accept the risk, .trivyignore.yaml" {
		t.Errorf("%q", got)
	}
}

func TestAReportOfATimeToComeIsRefused(t *testing.T) {
	set := Set{
		Reports: []*Report{
			{File: "r.json", OfFiles: true, Made: now.Add(time.Hour)},
			{File: "s.json", OfFiles: true, Made: now.Add(time.Minute)},
		},
	}
	errs := set.Problems(now)
	if len(errs) != 1 ||
		!strings.HasPrefix(
			errs[0].Error(),
			"r.json: the report is of 2026-11-30T13:00:00Z, which is yet to come: is this machine's clock right?",
		) {
		t.Error(errs)
	}
}

func TestImagesAreMatchedByDigestOrReference(t *testing.T) {
	a, b := "@sha256:"+strings.Repeat("a", 64), "@sha256:"+strings.Repeat("b", 64)
	for sentence, tt := range map[string]struct {
		manifest string
		scanned  []string
		same     bool
	}{
		"the same tag":                        {"r.example.com/web:1", []string{"r.example.com/web:1"}, true},
		"another tag":                         {"r.example.com/web:1", []string{"r.example.com/web:2"}, false},
		"no tag is latest":                    {"web", []string{"docker.io/library/web:latest"}, true},
		"docker.io and index.docker.io":       {"docker.io/web:1", []string{"index.docker.io/library/web:1"}, true},
		"the same digest":                     {"r.example.com/web" + a, []string{"r.example.com/web:1", "r.example.com/web" + a}, true},
		"the digest in another registry":      {"mirror.example.com/web" + a, []string{"r.example.com/web" + a}, true},
		"a tag that has moved":                {"r.example.com/web:1" + a, []string{"r.example.com/web:1", "r.example.com/web" + b}, false},
		"a digest of which no report says":    {"r.example.com/web" + a, []string{"r.example.com/web:1"}, false},
		"a tag, where a digest was scanned":   {"r.example.com/web:1", []string{"r.example.com/web" + a}, false},
		"a tag, with its digest":              {"r.example.com/web:1", []string{"r.example.com/web:1" + a}, true},
		"no image at all":                     {"web", nil, false},
		"the path of an archive is no match":  {"web", []string{"images/WEB.tar.gz"}, false},
		"another repository of the same name": {"a.example.com/web:1", []string{"b.example.com/web:1"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := ImageOf(tt.manifest).Same(imageOf(tt.scanned...)); got != tt.same {
				t.Errorf("%s and %v are the same: %t", tt.manifest, tt.scanned, got)
			}
		})
	}
	for _, none := range []string{"", "WEB", "${IMAGE}", "web:1:2"} {
		if image := ImageOf(none); image != nil {
			t.Errorf("%q is an image: %+v", none, image)
		}
	}
}
