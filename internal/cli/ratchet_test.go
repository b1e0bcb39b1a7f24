package cli

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBaseline(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web)
	expect := func(line string, code int, out, errs string) {
		t.Helper()
		gotCode, gotOut, gotErrs := d.run(line)
		if gotCode != code || !strings.Contains(gotOut, out) || !strings.Contains(gotErrs, errs) {
			t.Errorf("%s\nwant %d\n%s\n%s\ngot %d\n%s\n%s", line, code, out, errs, gotCode, gotOut, gotErrs)
		}
	}
	const check = "check -f web.yaml --profile p.yaml --baseline known.json"
	expect(check, 1, denied, "error: --baseline known.json: there is no such file; make it by --update-baseline")
	expect(check+" --update-baseline", 0, "", "")
	expect(check, 0, "does not count: it is in the baseline known.json", "")

	// It moves, and its containers do: it is still known. What is new counts.
	d.put(
		"web.yaml",
		"# moved\n\n"+strings.Replace(web, "      - name: app", "      - {name: side, image: a}\n      - name: app", 1),
	)
	expect(check, 2, "1 findings deny, 0 warn, 1 do not count", "")
	d.put("web.yaml", pinned)
	expect(
		check,
		0,
		"",
		"note: an entry of the baseline known.json is gone: admission/images/denyTags of Deployment shop/web app; take it out by --update-baseline\n",
	)
	expect(check+" --update-baseline", 0, "", "")
	if text := d.text("known.json"); !strings.Contains(text, `"findings": []`) {
		t.Errorf("it is %s", text)
	}
	for content, want := range map[string]string{
		"x": "this is no baseline of findings", `{"apiVersion":"v1","kind":"List"}`: `but "List" of "v1"`, `{"more": 1}`: "unknown field",
	} {
		d.put("known.json", content)
		expect(check, 1, "", want)
	}
	expect(
		"check -f web.yaml --profile p.yaml --update-baseline",
		1,
		"",
		"error: --update-baseline: name the file by --baseline",
	)
}

// entries are the rules and objects that a baseline has.
func (d *workdir) entries(name string) []string {
	d.t.Helper()
	var known ratchet
	if err := json.Unmarshal([]byte(d.text(name)), &known); err != nil {
		d.t.Fatal(err)
	}
	var all []string
	for _, t := range known.Findings {
		all = append(all, t.Rule+" of "+t.Object)
	}
	return all
}

// An entry of a baseline goes only if it was judged, and is not found any more.
func TestABaselineKeepsWhatWasNotJudged(t *testing.T) {
	other := strings.Replace(web, "name: web,", "name: other,", 1)
	mended := strings.Replace(other, "image: nginx", "image: nginx:1.29", 1)
	const ofWeb, ofOther = "admission/images/denyTags of Deployment shop/web", "admission/images/denyTags of Deployment shop/other"
	both := []string{ofOther, ofWeb}
	for sentence, tt := range map[string]struct {
		change func(*workdir)
		args   string
		left   []string
		says   string // on the standard error, of the update
		notes  int    // how many entries are told to be gone, without an update
	}{
		"nothing has changed":  {args: "-f deploy", left: both, says: "2 findings are known; 0 are new, 0 are gone and taken out\n"},
		"fewer files are read": {args: "-f deploy/web.yaml", left: both, says: "0 are gone and taken out, 1 are kept, since this check did not judge them\n"},
		"one is mended": {change: func(d *workdir) { d.put("deploy/other.yaml", mended) }, args: "-f deploy",
			left: []string{ofWeb}, says: "1 are gone and taken out\n", notes: 1},
		"one is taken out of a directory that is read": {change: func(d *workdir) { d.remove("deploy/other.yaml") }, args: "-f deploy",
			left: []string{ofWeb}, says: "1 are gone and taken out\n", notes: 1},
		"one is taken out of a directory that is not read": {change: func(d *workdir) { d.remove("deploy/other.yaml") }, args: "-f deploy/web.yaml",
			left: both, says: "1 are kept"},
		"one moves": {change: func(d *workdir) { d.remove("deploy/other.yaml"); d.put("moved.yaml", other) }, args: "-f moved.yaml -f deploy",
			left: both, says: "0 are gone and taken out\n"},
		"the standard input is read instead": {args: "-f -", left: both, says: "1 are new, 0 are gone and taken out, 2 are kept"},
		"no profile governs them any more": {change: func(d *workdir) { d.put("p.yaml", strings.Replace(excluding, "sandbox", "shop", 1)) }, args: "-f deploy -f more.yaml",
			left: both, says: "2 are kept"},
		"they are only warned of": {change: func(d *workdir) { d.put("p.yaml", strings.Replace(tags, "{denyTags", "{action: Warn, denyTags", 1)) }, args: "-f deploy",
			left: both, says: "0 are gone and taken out\n"},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, "p.yaml", tags, "deploy/web.yaml", web, "deploy/other.yaml", other,
				"more.yaml", strings.Replace(pinned, "namespace: shop", "namespace: test", 1))
			d.in = strings.Replace(web, "name: web,", "name: third,", 1)
			if code, out, errs := d.run("check -f deploy --profile p.yaml --baseline b.json --update-baseline"); code != 0 {
				t.Fatal(out, errs)
			}
			if tt.change != nil {
				tt.change(d)
			}
			line := "check --profile p.yaml --baseline b.json " + tt.args
			if _, _, errs := d.run(line); strings.Count(errs, "note: an entry of the baseline b.json is gone") != tt.notes {
				t.Errorf("want %d notes of what is gone: %s", tt.notes, errs)
			}
			code, out, errs := d.run(line + " --update-baseline")
			left := slices.DeleteFunc(d.entries("b.json"), func(e string) bool { return strings.HasSuffix(e, "third") })
			if diff := cmp.Diff(tt.left, left); diff != "" || code != 0 || !strings.Contains(errs, tt.says) {
				t.Errorf("%d\n%s\n%s\n%s", code, out, errs, diff)
			}
		})
	}
}

func TestABaselineKeepsWhatNoScannerLookedAt(t *testing.T) {
	trivy := scanned(t, "trivy-image.json")
	ofImage := []string{
		"scan/secret/aws-access-key-id of Deployment shop/web",
		"scan/vulnerability/CVE-2026-1001 of Deployment shop/web",
	}
	for sentence, tt := range map[string]struct {
		report string
		left   []string
	}{
		"no report is given":                 {left: ofImage},
		"a report of another image is given": {report: fmt.Sprintf(cleanReport, "registry.example.com/shop/api:1"), left: append([]string{"scan/no-report of Deployment shop/web"}, ofImage...)},
		"a report that is clean is given":    {report: fmt.Sprintf(cleanReport, scannedImage)},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, "p.yaml", vulnerable("maxSeverity: High"), "web.yaml", running(scannedImage), "r.json", trivy)
			const line = "check -f web.yaml --profile p.yaml --baseline b.json --update-baseline"
			if code, out, errs := d.run(line + " --scan-report r.json"); code != 0 {
				t.Fatal(out, errs)
			}
			again := line
			if tt.report != "" {
				d.put("r.json", tt.report)
				again += " --scan-report r.json"
			}
			code, out, errs := d.run(again)
			if diff := cmp.Diff(tt.left, d.entries("b.json")); diff != "" || code != 0 {
				t.Errorf("%d\n%s\n%s\n%s", code, out, errs, diff)
			}
		})
	}
}

// A quota is judged by all objects that count towards it, and not by some of them.
func TestABaselineKeepsWhatHangsOnObjectsThatAreNotGiven(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		head+"spec: {namespaceSelector: {}, images: {denyTags: [latest]}, quotas: [{name: pods, spec: {hard: {pods: 1}}}]}\n",
		"web.yaml",
		web,
		"other.yaml",
		strings.Replace(web, "name: web,", "name: other,", 1),
	)
	const line = "check --profile p.yaml --baseline b.json --update-baseline -f web.yaml"
	for _, args := range []string{" -f other.yaml", ""} {
		if code, out, errs := d.run(
			line + args,
		); code != 0 ||
			!slices.Contains(d.entries("b.json"), "quota/fits of Deployment shop/web") {
			t.Errorf("%d\n%s\n%s\n%s", code, out, errs, d.text("b.json"))
		}
	}
}

func TestABaselineThatIsNoneIsNotWrittenOver(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web, "b.json", "{}")
	code, _, errs := d.run("check -f web.yaml --profile p.yaml --baseline b.json --update-baseline")
	if code != 1 || !strings.Contains(errs, "error: --baseline b.json: this is no FindingsBaseline") ||
		d.text("b.json") != "{}" {
		t.Errorf("%d %s %s", code, errs, d.text("b.json"))
	}
}

func TestFrameworks(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		tags,
		"web.yaml",
		web,
		"own.yaml",
		"apiVersion: posture.bulwark.dev/v1alpha1\nkind: Framework\nsections:\n  A.1: [admission/images/denyTags]\n",
		"wrong.yaml",
		"apiVersion: posture.bulwark.dev/v1alpha1\nkind: Framework\nsections:\n  A.1: [no-such-rule]\n",
		"other.yaml",
		"apiVersion: posture.bulwark.dev/v1alpha1\nkind: Framework\nsection: {}\n",
	)
	for name, want := range map[string]string{
		"cis": "5.5.1    1         admission/images/denyTags\n", "nsa": "Pod security  1", "pss": "(none)   1", "own.yaml": "A.1      1         admission/images/denyTags\n",
		"wrong.yaml": `error: --framework wrong.yaml: section A.1 names the rule "no-such-rule", which there is not`, "other.yaml": `unknown field "section"`,
		"gone": "error: --framework: it is cis, nsa, pss or a file: gone: there is no such file or directory",
	} {
		if _, out, errs := d.run(
			"check -f web.yaml --profile p.yaml --framework " + name,
		); !strings.Contains(errs, want) ||
			!strings.Contains(out, denied) {
			t.Errorf("%s: want %q in %s", name, want, errs)
		}
	}
}

// commit has git know the files of the directory.
func (d *workdir) commit() {
	d.t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "first"}} {
		command := exec.CommandContext(d.t.Context(), "git", args...)
		command.Dir = d.dir
		if out, err := command.CombinedOutput(); err != nil {
			d.t.Fatalf("git %v: %s", args, out)
		}
	}
}

// A baseline keeps what is not reported, and takes in no more.
func TestABaselineKeepsWhatHasNotChanged(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	d := with(t, "p.yaml", tags, "a.yaml", web, "b.yaml", strings.Replace(web, "name: web,", "name: other,", 1))
	d.commit()
	d.put("b.yaml", "# changed\n"+d.text("b.yaml"))
	const check = "check -f a.yaml -f b.yaml --profile p.yaml --baseline known.json"
	for _, line := range []string{check + " --update-baseline", check + " --update-baseline --changed-since HEAD"} {
		if code, _, errs := d.run(line); code != 0 || len(d.entries("known.json")) != 2 {
			t.Errorf("%s: %d %s %s", line, code, errs, d.text("known.json"))
		}
	}
	if _, _, errs := d.run(check + " --changed-since HEAD"); strings.Contains(errs, "is gone") {
		t.Errorf("what is not reported is told to be gone: %s", errs)
	}
}

func TestChangedSince(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	d := with(t, "p.yaml", tags, "a.yaml", web, "b.yaml", strings.Replace(web, "name: web,", "name: other,", 1))
	if _, _, errs := d.run(
		"check -f a.yaml --profile p.yaml --changed-since HEAD",
	); !strings.Contains(
		errs,
		"error: --changed-since HEAD: git: ",
	) {
		t.Errorf("without a repository: %s", errs)
	}
	d.commit()
	const check = "check -f a.yaml -f b.yaml --profile p.yaml --changed-since HEAD"
	if code, out, errs := d.run(check); code != 0 || strings.Contains(out, "Deny") {
		t.Errorf("nothing has changed: %d %s %s", code, out, errs)
	}
	d.put("b.yaml", "# changed\n"+d.text("b.yaml"))
	if code, out, _ := d.run(check); code != 2 || strings.Contains(out, "a.yaml") || !strings.Contains(out, "b.yaml") {
		t.Errorf("one has changed: %d %s", code, out)
	}
	d.put("c.yaml", web)
	if _, out, _ := d.run(check + " -f c.yaml"); !strings.Contains(out, "c.yaml") {
		t.Errorf("one is new: %s", out)
	}
	if code, _, errs := d.run(
		"check -f a.yaml --profile p.yaml --changed-since --output=x",
	); code != 1 ||
		!strings.Contains(errs, "that is no name of a commit") {
		t.Errorf("an option: %d %s", code, errs)
	}
}

// TestABaselineTellsWhatHasChanged has a binding that is known give more than it did, and findings
// that are too weak for a baseline.
func TestABaselineTellsWhatHasChanged(t *testing.T) {
	const profile = "apiVersion: security.bulwark.dev/v1alpha1\nkind: SecurityProfile\nmetadata: {name: p}\n" +
		"spec: {namespaceSelector: {}, podSecurity: {enforce: baseline}}\n"
	const binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: team, namespace: shop}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}\n" +
		"subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: team}]\n"
	d := with(t, "p.yaml", profile, "team.yaml", binding)
	const check = "check -f team.yaml --profile p.yaml --baseline known.json"
	for _, step := range []struct {
		line string
		code int
		says string
	}{
		{check + " --update-baseline", 0, "0 findings are known; 0 are new, 0 are gone and taken out; 1 are below --fail-on Deny and not taken in"},
		{check + " --fail-on Warn", 2, ""},
		{check + " --fail-on Warn --update-baseline", 0, "1 findings are known; 1 are new, 0 are gone and taken out\n"},
		{check + " --fail-on Warn", 0, ""},
	} {
		if code, out, errs := d.run(step.line); code != step.code || !strings.Contains(errs, step.says) {
			t.Errorf("%s: %d\n%s\n%s", step.line, code, out, errs)
		}
	}
	d.put("team.yaml", strings.Replace(binding, "name: edit", "name: cluster-admin", 1))
	const want = "note: an entry of the baseline known.json has changed: finding/PrivilegedBinding of RoleBinding shop/team; " +
		"--update-baseline would take in what is found now\n"
	if code, out, errs := d.run(check + " --fail-on Warn"); code != 2 || !strings.Contains(errs, want) {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
}
