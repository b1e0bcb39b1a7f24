package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulwark-dev/bulwark/internal/output"
)

// vulnerable is a profile with a section on vulnerabilities.
func vulnerable(section string) string {
	return head + "spec: {namespaceSelector: {}, images: {vulnerabilities: {" + section + "}}}\n"
}

// running is a Deployment with an image.
func running(image string) string { return strings.Replace(web, "image: nginx", "image: "+image, 1) }

// scanned is a report that is written as the tool writes it.
func scanned(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../scanreport/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	scannedImage  = "registry.example.com/shop/web:1.2"
	scannedDigest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	cleanReport   = `{"SchemaVersion": 2, "CreatedAt": "2026-11-29T08:15:30Z", "ArtifactName": "%s", "ArtifactType": "container_image",
		"Results": [{"Target": "web (alpine 3.20.1)", "Class": "os-pkgs", "Type": "alpine"}]}`
	notAffected = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex", "author": "Security", "version": 1, "statements": [
		{"vulnerability": {"name": "CVE-2026-1001"}, "products": [{"@id": "pkg:oci/web"}], "status": "not_affected", "justification": "vulnerable_code_not_present"}]}`
)

func TestScanReportsAreAGate(t *testing.T) {
	trivy := scanned(t, "trivy-image.json")
	grave := vulnerable("maxSeverity: High")
	const said = "has the vulnerability CVE-2026-1001 of severity Critical in libcrypto3 3.3.1-r0 (fixed in 3.3.1-r1), libssl3 3.3.1-r0 (fixed in 3.3.1-r1): " +
		"openssl: out-of-bounds write in certificates (spec.images.vulnerabilities of SecurityProfile tags)  scan/vulnerability/CVE-2026-1001"
	for sentence, tt := range map[string]struct {
		profile, manifest, report string
		more                      []string // files
		args                      string
		in                        string
		code                      int
		out, errs                 string
	}{
		"an image with a grave vulnerability": {code: 2, out: "     11:9   Deny  Deployment shop/web app: the image " + scannedImage + " " + said},
		"the same image, by its digest":       {manifest: running("mirror.example.com/web@" + scannedDigest), code: 2, out: said},
		"a secret in an image":                {code: 2, out: "has the secret aws-access-key-id of severity Critical in /app/.env: AWS Access Key ID"},
		"a severity that nobody knows": {profile: vulnerable(`maxSeverity: High, accepted: [{id: CVE-2026-1001, reason: known, expires: "2026-12-31T00:00:00Z"},
			{id: aws-access-key-id, reason: "an example", expires: "2026-12-31T00:00:00Z"}]`), out: "Warn  Deployment shop/web app: the image " + scannedImage + " has the vulnerability CVE-2026-1003 of severity Unknown"},
		"too many vulnerabilities": {profile: vulnerable("maxCounts: {high: 0}"), code: 2, out: "has 1 vulnerabilities of severity High, and at most 0 may be"},
		"a clean image":            {report: fmt.Sprintf(cleanReport, scannedImage), out: "checked 1 objects: 0 findings deny, 0 warn\n"},
		"an image without a report": {report: fmt.Sprintf(cleanReport, "registry.example.com/shop/web:1.3"), code: 2,
			out: "there is no scan report of the image " + scannedImage + ": r.json is of registry.example.com/shop/web:1.3"},
		"a report that is used for nothing": {report: fmt.Sprintf(cleanReport, "api:1"), code: 2, errs: "note: r.json is of the image api:1, which no manifest names"},
		"a report that is too old": {profile: vulnerable("maxSeverity: High, maxReportAge: 24h"), report: fmt.Sprintf(cleanReport, scannedImage), code: 2,
			out: "the scan of the image " + scannedImage + " is older than 24h: r.json is of 2026-11-29"},
		"an old report beside a new one": {profile: vulnerable("maxSeverity: High, maxReportAge: 48h"), report: fmt.Sprintf(cleanReport, scannedImage),
			more: []string{"old.json", strings.Replace(trivy, `"2026-11-29`, `"2026-10-29`, 1)}, args: "--scan-report old.json",
			errs: "note: old.json is of 2026-10-29, which is too old for the image " + scannedImage},
		"an image in which nothing was looked for": {report: `{"SchemaVersion": 2, "ArtifactName": "` + scannedImage + `", "ArtifactType": "container_image"}`, code: 2,
			out: "holds no result on packages, and so does not say that there is no vulnerability: r.json (spec.images.vulnerabilities of SecurityProfile tags)  scan/unjudged\n" +
				"            Scan the image for vulnerabilities, too (trivy image --scanners vuln)."},
		"SARIF of an image in which nothing was found": {report: `{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Trivy"}}, "results": [], "properties": {"imageName": "` + scannedImage + `"}}]}`, code: 2,
			out: "scan/unjudged\n            Give the scanner's own JSON: SARIF without a result does not say what was looked for.\n"},
		"an image that is no reference":                {manifest: running("'${IMAGE}'"), code: 2, out: `the image "${IMAGE}" is no reference`},
		"a profile that warns":                         {profile: vulnerable("maxSeverity: High, action: Warn"), out: "Warn  Deployment shop/web app: the image"},
		"a profile that warns, and warnings that fail": {profile: vulnerable("maxSeverity: High, action: Warn"), args: "--fail-on Warn", code: 2, out: said},
		"a profile that audits":                        {profile: strings.Replace(grave, "spec: {", "spec: {enforcement: Audit, ", 1), out: "Warn  Deployment shop/web app: the image"},
		"Grype":                                        {manifest: running("api:2.0"), report: scanned(t, "grype-image.json"), profile: vulnerable("maxSeverity: Low"), code: 2, out: "has the vulnerability GHSA-cfh5-3ghh-wfjx of severity Medium in httpclient 4.1.1 (fixed in 4.3.5)"},
		"SARIF":                                        {report: scanned(t, "trivy.sarif"), code: 2, out: "has the vulnerability CVE-2026-1001 of severity Critical in libcrypto3"},
		"a report on the standard input":               {args: "--scan-report -", in: trivy, code: 2, out: said},
		"a directory of reports":                       {args: "--scan-report reports", more: []string{"reports/r.json", trivy, "reports/readme.md", "no"}, code: 2, out: said},
		"a statement of VEX": {more: []string{"vex.json", notAffected}, args: "--scan-report vex.json", code: 2,
			out: "does not count: VEX vex.json: not_affected, vulnerable_code_not_present"},
		"an ignore file in the directory": {more: []string{".trivyignore.yaml", "vulnerabilities:\n- id: CVE-2026-1001\n  statement: not reached\n"}, code: 2,
			out: "does not count: .trivyignore.yaml:2 ignores it: not reached"},
		"an entry of it that has expired": {more: []string{"i.yaml", "vulnerabilities:\n- id: CVE-2026-1001\n  expired_at: 2026-11-30\n"}, args: "--ignorefile i.yaml", code: 2,
			out: said, errs: "note: i.yaml:2: the entry of CVE-2026-1001 has expired at 2026-11-30T00:00:00Z, and counts no more"},
		"an acceptance that has expired": {profile: vulnerable(`maxSeverity: High, accepted: [{id: CVE-2026-1001, reason: known, expires: "2026-11-01T00:00:00Z"}]`), code: 2,
			out: said, errs: "note: SecurityProfile tags: CVE-2026-1001 is accepted until 2026-11-01, and counts again: known"},
		"what is left out is counted": {profile: vulnerable("maxSeverity: High, unfixed: Ignore"), code: 2,
			errs: "note: 1 vulnerabilities of the image " + scannedImage + " are left out, since there is no fix (unfixed: Ignore)"},

		"no report, where a profile asks for one":             {args: "no", errs: "note: spec.images.vulnerabilities of SecurityProfile tags is not judged: give reports of scanners by --scan-report"},
		"no report, where a profile asks for one, strictly":   {args: "no --strict", code: 1, errs: "error: spec.images.vulnerabilities of SecurityProfile tags is not judged"},
		"a report, and no profile that asks":                  {profile: tags, code: 1, errs: "error: there is nothing to hold the scan reports against: no SecurityProfile has spec.images.vulnerabilities"},
		"a truncated report":                                  {report: trivy[:len(trivy)/2], code: 1, errs: "the scan report ends in its middle: was it written to its end?"},
		"a report of an unknown version":                      {report: `{"SchemaVersion": 3}`, code: 1, errs: "error: r.json: this is a report of Trivy in schema 3, and schema 2 is read"},
		"a report of an unknown format":                       {report: `{"results": []}`, code: 1, errs: "error: r.json: the format of this scan report is unknown"},
		"a report that is not there":                          {args: "--scan-report gone.json", code: 1, errs: "error: --scan-report gone.json: there is no such file or directory"},
		"a directory without a report":                        {args: "no --scan-report reports", more: []string{"reports/readme.md", "no"}, code: 1, errs: "error: --scan-report: there is no scan report in reports"},
		"a report of a time to come":                          {report: strings.Replace(trivy, `"2026-11-29`, `"2027-01-29`, 1), code: 1, errs: "error: r.json: the report is of 2027-01-29T08:15:30Z, which is yet to come: is this machine's clock right?"},
		"a report of an SBOM":                                 {report: `{"matches": [], "source": {"type": "sbom-file", "target": "web.cdx.json"}, "descriptor": {"name": "grype"}}`, code: 1, errs: "error: r.json: the report is of sbom-file web.cdx.json, and names no image"},
		"an ignore file that says what Trivy does not hear":   {more: []string{"i.yaml", "misconfiguration:\n- id: KSV017\n"}, args: "--ignorefile i.yaml", code: 1, errs: `error: i.yaml:1: the key "misconfiguration" is silently ignored by Trivy`},
		"an ignore file that is not there":                    {args: "--ignorefile gone.yaml", code: 1, errs: "error: --ignorefile gone.yaml: no such file or directory"},
		"an ignore file without a report":                     {args: "no --ignorefile i.yaml", code: 1, errs: "error: --ignorefile: there are no scan reports"},
		"manifests and a report on the standard input":        {args: "-f - --scan-report -", code: 1, errs: "only one of them can be on the standard input"},
		"what the API server would refuse of such a section":  {profile: vulnerable("unfixed: Ignore"), code: 1, errs: "vulnerabilities must set maxSeverity or maxCounts"},
		"a period that is none":                               {profile: vulnerable("maxSeverity: High, fixedFor: 7d"), code: 1, errs: "spec.images.vulnerabilities.fixedFor"},
		"what is accepted for ever":                           {profile: vulnerable("maxSeverity: High, accepted: [{id: CVE-1, reason: known}]"), code: 1, errs: "spec.images.vulnerabilities.accepted[0].expires: Required value"},
		"a section without any of the API server's own rules": {report: fmt.Sprintf(cleanReport, scannedImage), args: "--strict", out: "checked 1 objects: 0 findings deny"},
	} {
		t.Run(sentence, func(t *testing.T) {
			or := func(given, otherwise string) string {
				if given == "" {
					return otherwise
				}
				return given
			}
			d := with(
				t,
				"p.yaml",
				or(tt.profile, grave),
				"web.yaml",
				or(tt.manifest, running(scannedImage)),
				"r.json",
				or(tt.report, trivy),
			)
			for i := 0; i < len(tt.more); i += 2 {
				d.put(tt.more[i], tt.more[i+1])
			}
			d.in = tt.in
			line := "check -f web.yaml --profile p.yaml "
			if args, none := strings.CutPrefix(tt.args, "no"); none {
				line += args
			} else {
				line += "--scan-report r.json " + tt.args
			}
			code, out, errs := d.run(line)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.errs) {
				t.Errorf("%s: exit %d\n%s\n%s", line, code, out, errs)
			}
		})
	}
}

const inOneFile = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n---\n" + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: shop}\n---\n"

func TestWhatScannersSayOfFiles(t *testing.T) {
	d := with(t, "p.yaml", vulnerable("maxSeverity: Medium"), "deploy/all.yaml", inOneFile+running(scannedImage),
		"clean.json", fmt.Sprintf(cleanReport, scannedImage), "config.json", scanned(t, "trivy-config.json"))
	code, out, errs := d.run("check -f deploy --profile p.yaml --scan-report clean.json --scan-report config.json")
	for _, want := range []string{
		"build/Dockerfile\n      7:1   Deny  File build/Dockerfile: the file has the misconfiguration DS-0002 of severity High: Last USER command in Dockerfile should not be 'root'",
		// The container's own line, where the report says 22.
		"deploy/all.yaml\n     18:9   Deny  Deployment shop/web app: the manifest has the misconfiguration KSV-0017 of severity High: Container 'app' of Deployment 'web' should set",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if code != 2 ||
		!strings.Contains(
			errs,
			"note: 2 objects have no result of their own in the scan reports, and are not judged by them: ConfigMap shop/a, ConfigMap shop/b\n",
		) {
		t.Errorf("exit %d\n%s", code, errs)
	}
	d.put("build/Dockerfile", strings.Repeat("# \n", 6)+"USER root\n")
	if _, out, _ = d.run(
		"check -f deploy --profile p.yaml --scan-report clean.json --scan-report config.json -o github",
	); !strings.Contains(
		out,
		"::error file=build/Dockerfile,line=7,col=1,endLine=7,endColumn=10,",
	) {
		t.Error(out)
	}
	// A manifest in JSON has no lines in the report.
	d.put("deploy/all.yaml", strings.Replace(d.text("deploy/all.yaml"), "name: web", "name: other", 1))
	d.put(
		"deploy/web.json",
		`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"containers": [`+"\n"+
			`{"name": "app", "image": "`+scannedImage+`"}]}}`,
	)
	d.put(
		"json.json",
		strings.NewReplacer("deploy/all.yaml", "deploy/web.json", "Deployment 'web'", "Pod 'web'", `"StartLine": 22,`, "", `"EndLine": 26`, `"EndLine": 0`).
			Replace(scanned(t, "trivy-config.json")),
	)
	if _, out, _ = d.run(
		"check -f deploy --profile p.yaml --scan-report clean.json --scan-report json.json",
	); !strings.Contains(
		out,
		"deploy/web.json\n      2:1   Deny  Pod shop/web app: the manifest has the misconfiguration KSV-0017",
	) {
		t.Error(out)
	}
	d.put("p.yaml", vulnerable("maxSeverity: Medium, maxReportAge: 12h"))
	if _, out, _ = d.run("check -f deploy --profile p.yaml --scan-report json.json"); !strings.Contains(out,
		"json.json\n      1:1   Deny  File json.json: the scan of . is older than 12h: json.json is of 2026-11-29") {
		t.Error(out)
	}
}

func TestACheckThatNamesNoObjectIsOfTheOnlyOneInItsFile(t *testing.T) {
	report := strings.Replace(
		scanned(t, "trivy-config.json"),
		"Container 'app' of Deployment 'web' should set 'securityContext.privileged' to false",
		"Either Pod or Container should set 'securityContext.seccompProfile.type' to 'RuntimeDefault'",
		1,
	)
	d := with(
		t,
		"p.yaml",
		vulnerable("maxSeverity: Medium"),
		"deploy/all.yaml",
		running(scannedImage),
		"clean.json",
		fmt.Sprintf(cleanReport, scannedImage),
		"config.json",
		report,
	)
	const line = "check -f deploy --profile p.yaml --scan-report clean.json --scan-report config.json"
	if _, out, _ := d.run(
		line,
	); !strings.Contains(
		out,
		"deploy/all.yaml\n      2:1   Deny  Deployment shop/web: the manifest has the misconfiguration KSV-0017",
	) {
		t.Error(out)
	}
	d.put("deploy/all.yaml", inOneFile+running(scannedImage))
	if _, out, _ := d.run(
		line,
	); !strings.Contains(
		out,
		"deploy/all.yaml\n      1:1   Deny  File deploy/all.yaml: the file has the misconfiguration KSV-0017",
	) {
		t.Error(out)
	}
}

func TestIgnoreFilesHoldForFiles(t *testing.T) {
	d := with(t, "p.yaml", vulnerable("maxSeverity: Medium"), "deploy/all.yaml", inOneFile+running(scannedImage),
		"clean.json", fmt.Sprintf(cleanReport, scannedImage), "config.json", scanned(t, "trivy-config.json"))
	d.put(".trivyignore.yaml", "misconfigurations:\n- id: KSV017\n- id: AVD-DS-0002\n  paths: ['build/**']\n")
	if code, out, _ := d.run(
		"check -f deploy --profile p.yaml --scan-report clean.json --scan-report config.json",
	); code != 0 ||
		!strings.Contains(out, "2 do not count") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestExitCodesOfScanReportsAreThoseOfEveryOutput(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		vulnerable("maxSeverity: Medium"),
		"deploy/all.yaml",
		inOneFile+running(scannedImage),
		"r.json",
		scanned(t, "trivy-image.json"),
		"config.json",
		scanned(t, "trivy-config.json"),
		"vex.json",
		notAffected,
	)
	for format := range output.Formats() {
		if code, out, errs := d.run(
			"check -f deploy --profile p.yaml --scan-report r.json --scan-report config.json -o " + format,
		); code != 2 ||
			!strings.Contains(out, "CVE-2026-1001") {
			t.Errorf("%s: exit %d\n%s\n%s", format, code, out, errs)
		}
	}
	_, out, _ := d.run("check -f deploy --profile p.yaml --scan-report r.json --scan-report vex.json -o json")
	var report struct {
		Findings []struct{ Rule, Suppressed, Severity, Action string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, f := range report.Findings {
		said[f.Rule] = f.Action + " " + f.Severity + " " + f.Suppressed
	}
	for rule, want := range map[string]string{
		"scan/vulnerability/CVE-2026-1001": "Deny Critical VEX vex.json: not_affected, vulnerable_code_not_present",
		"scan/vulnerability/CVE-2026-1003": "Warn Medium ", "scan/secret/aws-access-key-id": "Deny Critical ",
	} {
		if said[rule] != want {
			t.Errorf("%s: %q, not %q", rule, said[rule], want)
		}
	}
}

func TestFindingsOfScansAreKnownByTheirNames(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		vulnerable("maxSeverity: Medium"),
		"web.yaml",
		running(scannedImage),
		"r.json",
		scanned(t, "trivy-image.json"),
		"f.yaml",
		"apiVersion: posture.bulwark.dev/v1alpha1\nkind: Framework\nsections: {images: [scan/vulnerability]}\n",
	)
	const check = "check -f web.yaml --profile p.yaml --scan-report r.json --baseline b.json"
	if code, out, errs := d.run(check + " --update-baseline"); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, out, errs)
	}
	if code, out, errs := d.run(check + " --framework f.yaml"); code != 0 || !strings.Contains(out, "3 do not count") {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	d.put("r.json", strings.Replace(scanned(t, "trivy-image.json"), `"CVE-2026-1002"`, `"CVE-2026-1009"`, 1))
	code, out, errs := d.run(check + " --framework f.yaml")
	if code != 2 || !strings.Contains(out, "CVE-2026-1009") ||
		!strings.Contains(errs, "scan/vulnerability/CVE-2026-1002 of Deployment shop/web app") {
		t.Errorf("exit %d\n%s\n%s", code, out, errs)
	}
	if !strings.Contains(errs, "images   2 ") {
		t.Errorf("the framework groups otherwise:\n%s", errs)
	}
}

// A report may be large for what it says of each vulnerability, and of packages that have none.
func TestALargeReportIsReadPieceByPiece(t *testing.T) {
	const megabytes = 64
	d := with(
		t,
		"p.yaml",
		vulnerable("maxSeverity: High"),
		"web.yaml",
		running(scannedImage),
		"small.json",
		fmt.Sprintf(cleanReport, scannedImage),
	)
	d.putLarge("large.json", megabytes<<20)
	small, code, out := d.peak("check", "-f", "web.yaml", "--profile", "p.yaml", "--scan-report", "small.json")
	if code != ExitClean {
		t.Fatalf("%d %s", code, out)
	}
	large, code, out := d.peak("check", "-f", "web.yaml", "--profile", "p.yaml", "--scan-report", "large.json")
	if code != ExitFindings || !strings.Contains(out, "CVE-2026-1 of severity Critical") {
		t.Fatalf("%d %s", code, out)
	}
	t.Logf("%d MiB at most of a small report, %d of one of %d", small>>20, large>>20, megabytes)
	if large-small > megabytes<<20 {
		t.Errorf("a report of %d MiB takes %d MiB of memory more than a small one", megabytes, (large-small)>>20)
	}
}

// putLarge writes a report of Trivy of so many bytes.
func (d *workdir) putLarge(name string, size int) {
	d.t.Helper()
	file, err := os.Create(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	to := bufio.NewWriter(file)
	n, _ := fmt.Fprintf(
		to,
		`{"SchemaVersion": 2, "CreatedAt": "2026-11-29T08:15:30Z", "ArtifactName": %q, "ArtifactType": "container_image", "Results": [
		{"Target": "web", "Class": "os-pkgs", "Type": "debian", "Packages": [{}`,
		scannedImage,
	)
	filler := strings.Repeat("A flaw was found. ", 100)
	for ; n < size/3; n += len(filler) {
		fmt.Fprintf(to, `, {"Name": "a", "Licenses": [%q]}`, filler)
	}
	fmt.Fprintln(
		to,
		`], "Vulnerabilities": [{"VulnerabilityID": "CVE-2026-1", "PkgName": "b", "InstalledVersion": "1", "Severity": "CRITICAL"}`,
	)
	for i := 0; n < size; i, n = i+1, n+len(filler) {
		fmt.Fprintf(
			to,
			`, {"VulnerabilityID": "CVE-2025-%d", "PkgName": "b", "InstalledVersion": "1", "Severity": "LOW", "Description": %q}`,
			i,
			filler,
		)
	}
	fmt.Fprintln(to, "]}]}")
	if err := errors.Join(to.Flush(), file.Close()); err != nil {
		d.t.Fatal(err)
	}
}

// peak runs a command as a process, and is the most memory that it had.
func (d *workdir) peak(args ...string) (bytes int64, code int, out string) {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	command := exec.CommandContext(d.t.Context(), self, args...)
	command.Dir, command.Env = d.dir, append(os.Environ(), asPlugin+"=1")
	said, err := command.CombinedOutput()
	if command.ProcessState == nil {
		d.t.Fatal(err)
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		d.t.Skip("this system does not tell how much memory a process had")
	}
	return usage.Maxrss << 10, command.ProcessState.ExitCode(), string(said)
}

// Beyond a bound a report is refused with its size, before anything of it is read.
func TestAReportThatIsTooLargeIsRefused(t *testing.T) {
	d := with(t, "p.yaml", vulnerable("maxSeverity: High"), "web.yaml", running(scannedImage), "r.json", "")
	if err := os.Truncate(filepath.Join(d.dir, "r.json"), 300<<20); err != nil {
		t.Fatal(err)
	}
	code, _, errs := d.run("check -f web.yaml --profile p.yaml --scan-report r.json")
	if code != 1 ||
		!strings.Contains(errs, "error: r.json: the scan report has 300.0 MiB, and at most 256.0 MiB are read") {
		t.Errorf("%d %s", code, errs)
	}
}
