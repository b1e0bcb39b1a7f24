package cli

import (
	"os/exec"
	"strings"
	"testing"
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

func TestChangedSince(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	d := with(t, "p.yaml", tags, "a.yaml", web, "b.yaml", strings.Replace(web, "name: web,", "name: other,", 1))
	git := func(args ...string) {
		t.Helper()
		command := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
		command.Dir = d.dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if _, _, errs := d.run(
		"check -f a.yaml --profile p.yaml --changed-since HEAD",
	); !strings.Contains(
		errs,
		"error: --changed-since HEAD: git: ",
	) {
		t.Errorf("without a repository: %s", errs)
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "first")
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
