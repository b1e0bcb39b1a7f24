package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bench is a directory with files, in which commands are run.
type workdir struct {
	t   testing.TB
	dir string
	env map[string]string
	in  string
	tty bool

	cluster Cluster
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// with makes a directory with files, by name and content.
func with(t testing.TB, files ...string) *workdir {
	t.Helper()
	d := &workdir{t: t, dir: t.TempDir(), env: map[string]string{}}
	for i := 0; i+1 < len(files); i += 2 {
		d.put(files[i], files[i+1])
	}
	return d
}

func (d *workdir) put(name, content string) {
	d.t.Helper()
	file := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *workdir) remove(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, name)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *workdir) text(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// run runs a command line.
func (d *workdir) run(line string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = Run(context.Background(), strings.Fields(line), World{
		In: strings.NewReader(d.in), Out: &stdout, Err: &stderr, Dir: d.dir, Now: func() time.Time { return noon },
		Cluster: d.cluster, Terminal: func(any) bool { return d.tty }, Getenv: func(key string) string { return d.env[key] },
	})
	return code, stdout.String(), stderr.String()
}

const (
	head = "apiVersion: security.bulwark.dev/v1alpha1\nkind: SecurityProfile\nmetadata: {name: tags}\n"
	tags = head + "spec: {namespaceSelector: {}, images: {denyTags: [latest]}}\n"
	web  = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {matchLabels: {app: web}}\n" +
		"  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: app\n        image: nginx\n"
	denied = "Deny  Deployment shop/web app: denyTags: container app must not have an image with the tag latest (spec.images of SecurityProfile tags)"
)

// excluding is the profile tags, which does not govern the namespace sandbox, and sandboxed the
// Deployment web there.
var (
	excluding = strings.Replace(tags, "{namespaceSelector: {}", "{namespaceSelector: {}, excludeNamespaces: [sandbox]", 1)
	sandboxed = strings.Replace(web, "namespace: shop", "namespace: sandbox", 1)
)

// pinned is the Deployment web with a tag that the profile tags allows.
var pinned = strings.Replace(web, "image: nginx", "image: nginx:1.29", 1)

func TestCheck(t *testing.T) {
	bom := strings.Repeat("x", 100)
	for sentence, tt := range map[string]struct {
		files []string
		in    string
		line  string
		code  int
		out   string // in the standard output
		errs  string // in the standard error
	}{
		"a finding":            {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml", code: 2, out: "web.yaml\n     11:9   " + denied},
		"clean":                {files: []string{"p.yaml", tags, "web.yaml", pinned}, line: "check -f web.yaml --profile p.yaml", out: "checked 1 objects: 0 findings deny, 0 warn\n"},
		"a directory":          {files: []string{"p.yaml", tags, "a/b/web.yml", web, "a/readme.md", "x"}, line: "check -f a --profile p.yaml", code: 2, out: "a/b/web.yml"},
		"the standard input":   {files: []string{"p.yaml", tags}, in: web, line: "check -f - --profile p.yaml", code: 2, out: "stdin\n"},
		"a profile among them": {files: []string{"a/p.yaml", tags, "a/web.yaml", web}, line: "check -f a", code: 2, out: denied},
		"a warning fails if that is wanted": {files: []string{"p.yaml", strings.Replace(tags, "{denyTags", "{action: Warn, denyTags", 1), "web.yaml", web},
			line: "check -f web.yaml --profile p.yaml --fail-on Warn", code: 2, out: "Warn  Deployment"},
		"and else does not": {files: []string{"p.yaml", strings.Replace(tags, "{denyTags", "{action: Warn, denyTags", 1), "web.yaml", web},
			line: "check -f web.yaml --profile p.yaml", out: "Warn  Deployment"},
		"Helm's output": {files: []string{"p.yaml", tags, "templates/web.yaml", "{{- if .x }}\napiVersion: apps/v1\nkind: Deployment\n{{- end }}\n"},
			in: "---\n# Source: shop/templates/web.yaml\n" + web, line: "check -f - --profile p.yaml", code: 2, out: "templates/web.yaml\n      3:7   " + denied},
		"Helm's output without the chart": {files: []string{"p.yaml", tags}, in: "---\n# Source: shop/templates/web.yaml\n" + web,
			line: "check -f - --profile p.yaml", code: 2, out: "shop/templates/web.yaml\n     13:9   " + denied},
		"kustomize's output": {files: []string{"p.yaml", tags, "base/web.yaml", "# base\n\n" + web},
			in:   strings.Replace(web, "{name: web,", "{name: web, annotations: {config.kubernetes.io/origin: \"path: base/web.yaml\\n\"},", 1),
			line: "check -f - --profile p.yaml", code: 2, out: "base/web.yaml\n     13:9   " + denied},

		"nothing is named":         {line: "check", code: 1, errs: "error: no manifests are named"},
		"no profile":               {files: []string{"web.yaml", web}, line: "check -f web.yaml", code: 1, errs: "error: no SecurityProfile is given: name one by --profile FILE"},
		"no such file":             {files: []string{"p.yaml", tags}, line: "check -f gone.yaml --profile p.yaml", code: 1, errs: "error: gone.yaml: there is no such file or directory\n"},
		"nothing in the directory": {files: []string{"p.yaml", tags, "a/b.txt", bom}, line: "check -f a --profile p.yaml", code: 1, errs: "error: nothing was evaluated"},
		"which may be":             {files: []string{"p.yaml", tags, "a/b.txt", bom}, line: "check -f a --profile p.yaml --allow-empty"},
		"an unknown format":        {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml -o xml", code: 1, errs: `error: -o xml: there is no format "xml"; the formats are github,`},
		"two formats at once":      {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml -o json -o yaml", code: 1, errs: "error: -o: only one format can go"},
		"an unknown flag":          {line: "check --frobnicate", code: 1, errs: "error: unknown flag: --frobnicate"},
		"a wrong --fail-on":        {files: []string{"p.yaml", tags}, line: "check -f p.yaml --fail-on High", code: 1, errs: "error: --fail-on High: it is one of Deny, Warn and Audit"},
		"broken YAML, and the rest is judged": {files: []string{"p.yaml", tags, "web.yaml", "a: [\n---\n" + web}, line: "check -f web.yaml --profile p.yaml", code: 1,
			out: denied, errs: "error: web.yaml:1: this is no YAML: did not find expected node content\n"},
		"a key twice":     {files: []string{"p.yaml", tags, "web.yaml", web + "spec: {}\n"}, line: "check -f web.yaml --profile p.yaml", code: 1, errs: "error: web.yaml:12:1: the key \"spec\" stands twice here\n"},
		"an unknown kind": {files: []string{"p.yaml", tags, "w.yaml", web + "---\napiVersion: a.b/v1\nkind: Widget\nmetadata: {name: w}\n"}, line: "check -f w.yaml --profile p.yaml", code: 2, out: "1 of unknown kinds skipped (Widget (a.b/v1))"},
		"strictly":        {files: []string{"p.yaml", tags, "w.yaml", web + "---\napiVersion: a.b/v1\nkind: Widget\nmetadata: {name: w}\n"}, line: "check -f w.yaml --profile p.yaml --strict", code: 1, errs: "error: 1 objects of the unknown kind Widget (a.b/v1) were skipped (--strict)"},
		"strictly, what no rule is about": {files: []string{"p.yaml", tags, "w.yaml", pinned + "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"},
			line: "check -f w.yaml --profile p.yaml --strict", out: "checked 1 objects: 0 findings deny, 0 warn, 2 of kinds that no rule is about (ConfigMap (v1), PodDisruptionBudget (policy/v1))\n"},
		"a kind that there is not": {files: []string{"p.yaml", tags, "w.yaml", web + "---\napiVersion: apps/v1\nkind: Deplyment\nmetadata: {name: w}\n"}, line: "check -f w.yaml --profile p.yaml", code: 1, out: denied,
			errs: "error: w.yaml:14:1: no matches for kind \"Deplyment\" in version \"apps/v1\"\n"},
		"a kind that there is not, among namespaces": {files: []string{"p.yaml", tags, "w.yaml", web, "ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Namepsace\nmetadata: {name: other}\n"},
			line: "check -f w.yaml --profile p.yaml --namespaces ns.yaml", code: 1, errs: "error: ns.yaml:6:1: no matches for kind \"Namepsace\" in version \"v1\"\n"},
		"what no profile governs, and nothing else": {files: []string{"p.yaml", excluding, "ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: sandbox}\n", "web.yaml", sandboxed},
			line: "check -f ns.yaml -f web.yaml --profile p.yaml", code: 1, errs: "error: nothing was evaluated: no object is in a namespace that a profile governs; see the profile's namespaceSelector and excludeNamespaces, or give --allow-empty\n"},
		"what no profile governs is named": {files: []string{"p.yaml", excluding, "ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: sandbox}\n", "web.yaml", web},
			line: "check -f ns.yaml -f web.yaml --profile p.yaml", code: 2, out: "1 objects are governed by no profile", errs: "note: 1 objects are governed by no profile: Namespace sandbox\n"},
		"of much that no profile governs, some is named": {files: []string{"p.yaml", excluding, "web.yaml", web + strings.Repeat("---\n"+sandboxed, 7)},
			line: "check -f web.yaml --profile p.yaml", code: 2, errs: "note: 7 objects are governed by no profile: " + strings.Repeat("Deployment sandbox/web, ", 5) + "and 2 more\n"},
		"what no profile governs, strictly": {files: []string{"p.yaml", excluding, "web.yaml", pinned + "---\n" + sandboxed},
			line: "check -f web.yaml --profile p.yaml --strict", code: 1, errs: "error: 1 objects are governed by no profile: Deployment sandbox/web (--strict)\n"},
		"what no rule is about, and nothing else": {files: []string{"p.yaml", tags, "c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"},
			line: "check -f c.yaml --profile p.yaml", code: 1, errs: "error: nothing was evaluated: there is no rule about what -f names (ConfigMap (v1)); name other files, or give --allow-empty\n"},
		"two files behind one -f": {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml more.yaml --profile p.yaml", code: 1,
			errs: "error: \"more.yaml\" belongs to no flag of kubectl posture check: repeat -f for each file, as in -f a.yaml -f b.yaml, or name the directory\n"},
		"a profile of another group beside a good one": {files: []string{"p.yaml", tags + "---\n" + strings.Replace(tags, "bulwark.dev", "example.dev", 1), "web.yaml", web}, line: "check -f web.yaml --profile p.yaml", code: 1,
			out: denied, errs: "error: p.yaml:6:1: no matches for kind \"SecurityProfile\" in version \"security.example.dev/v1alpha1\": it is in security.bulwark.dev/v1alpha1\n"},
		"a profile of another kind beside a good one": {files: []string{"p.yaml", tags + "---\n" + strings.Replace(tags, "SecurityProfile", "SecurityProfil", 1), "web.yaml", web}, line: "check -f web.yaml --profile p.yaml", code: 1,
			out: denied, errs: "error: p.yaml:7:1: no matches for kind \"SecurityProfil\" in version \"security.bulwark.dev/v1alpha1\"\n"},
		"what is no profile beside a good one": {files: []string{"p.yaml", tags + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", "web.yaml", web}, line: "check -f web.yaml --profile p.yaml", code: 2,
			out: denied, errs: "note: --profile: 1 objects are no SecurityProfiles, and are left out: ConfigMap c\n"},
		"a CustomResourceDefinition": {files: []string{"p.yaml", tags, "w.yaml", web + "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w}\n"},
			line: "check -f w.yaml --profile p.yaml", code: 2, out: "CustomResourceDefinition (apiextensions.k8s.io/v1)"},
		"a profile that the API server would refuse": {files: []string{"p.yaml", head + "spec:\n  namespaceSelector: {}\n  podSecurity: {enforce: strict}\n", "web.yaml", web}, line: "check -f web.yaml --profile p.yaml", code: 1,
			errs: `error: p.yaml:6:17: SecurityProfile.security.bulwark.dev "tags" is invalid: spec.podSecurity.enforce: Unsupported value: "strict": supported values:`},
		"two profiles of one name": {files: []string{"p/a.yaml", tags, "p/b.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p", code: 1,
			errs: "error: p/b.yaml:1: there is a SecurityProfile tags already, in p/a.yaml:1"},
		"no profile in the file":    {files: []string{"web.yaml", web}, line: "check -f web.yaml --profile web.yaml", code: 1, errs: "error: --profile: there is no SecurityProfile in what it names"},
		"no namespace in the file":  {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml --namespaces web.yaml", code: 1, errs: "error: --namespaces: there is no Namespace in what it names"},
		"an update":                 {files: []string{"p.yaml", tags, "web.yaml", web, "old/web.yaml", web}, line: "check -f web.yaml --profile p.yaml --old old", code: 2, out: "its pods would be refused: denyTags"},
		"what cannot be written to": {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml -o sarif=gone/r.sarif -o json", code: 1, errs: "error: writing the output sarif: gone/r.sarif: no such file or directory"},
		"a disk that is full": {files: []string{"p.yaml", tags, "web.yaml", web}, line: "check -f web.yaml --profile p.yaml -o sarif=/dev/full -o json", code: 1,
			errs: "error: writing the output sarif: /dev/full: no space left on device\n"},
		"escapes in names": {files: []string{"p.yaml", tags, "web.yaml", strings.Replace(web, "name: web,", `name: "a\e[31mb",`, 1)}, line: "check -f web.yaml --profile p.yaml", code: 2, out: `a\u001b[31mb`},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, tt.files...)
			d.in = tt.in
			code, out, errs := d.run(tt.line)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.errs) ||
				tt.errs == "" && errs != "" {
				t.Errorf("want %d\n%s\n%s\ngot %d\n%s\n%s", tt.code, tt.out, tt.errs, code, out, errs)
			}
		})
	}
}

func TestEveryFormatHasTheSameExitCode(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web, "clean.yaml", pinned)
	for _, format := range []string{"table", "json", "yaml", "sarif", "junit", "github", "gitlab-sast", "openreports"} {
		for file, want := range map[string]int{"web.yaml": 2, "clean.yaml": 0, "gone.yaml": 1} {
			if code, _, errs := d.run("check --profile p.yaml -f " + file + " -o " + format); code != want {
				t.Errorf("%s of %s: want %d, got %d: %s", format, file, want, code, errs)
			}
		}
	}
}

// One failure is told once: that nothing was evaluated follows from most others.
func TestWhatFailsIsToldByItself(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		tags,
		"web.yaml",
		web,
		"broken.yaml",
		"a: [\n",
		"wrong.yaml",
		strings.Replace(tags, "bulwark.dev", "example.dev", 1),
		"apps.yaml",
		"apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: w}\n",
		"c.yaml",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
		"gate.yaml",
		vulnerable("maxSeverity: High"),
		"type.yaml",
		head+"spec:\n  namespaceSelector: {}\n  podSecurity: {enforce: 5}\n",
	)
	for _, line := range []string{
		"-f gone.yaml --profile p.yaml", "-f broken.yaml --profile p.yaml", "-f web.yaml", "-f web.yaml --profile gone.yaml",
		"-f web.yaml --profile wrong.yaml", "-f web.yaml --profile c.yaml", "-f apps.yaml --profile p.yaml", "-f web.yaml --profile broken.yaml",
		"-f web.yaml --profile p.yaml --namespaces gone.yaml", "-f c.yaml --profile p.yaml", "-f web.yaml --profile gate.yaml --scan-report gone.json",
		"-f web.yaml --profile type.yaml",
	} {
		if code, _, errs := d.run("check " + line); code != 1 || strings.Count(errs, "error: ") != 1 {
			t.Errorf("%s: %d\n%s", line, code, errs)
		}
	}
}

func TestNothingIsHalfWritten(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web, "r.json", "before")
	if err := os.Mkdir(filepath.Join(d.dir, "r.sarif"), 0o755); err != nil {
		t.Fatal(err)
	}
	code, out, errs := d.run("check -f web.yaml --profile p.yaml -o sarif=gone/x -o json=r.json -o table")
	if code != 1 || out != "" || d.text("r.json") != "before" || errs == "" {
		t.Errorf("%d %s %s %s", code, out, errs, d.text("r.json"))
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if code, out, errs = d.run(
		"check -f web.yaml --profile p.yaml -o json=r.json -o table",
	); code != 2 ||
		!strings.Contains(out, denied) ||
		!strings.Contains(d.text("r.json"), `"failing":1`) {
		t.Errorf("%d %s %s %s", code, out, errs, d.text("r.json"))
	}
}

func TestColour(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web)
	d.tty = true
	if _, out, _ := d.run("check -f web.yaml --profile p.yaml"); !strings.Contains(out, "\x1b[31mDeny") {
		t.Errorf("no colour in %q", out)
	}
	d.env["NO_COLOR"] = "1"
	if _, out, _ := d.run("check -f web.yaml --profile p.yaml"); strings.Contains(out, "\x1b") {
		t.Errorf("colour in %q", out)
	}
}

func TestALinkThatLeadsToItselfIsNoEnd(t *testing.T) {
	d := with(t, "p.yaml", tags, "a/web.yaml", web)
	for from, to := range map[string]string{"a/loop": ".", "a/self.yaml": "self.yaml", "a/dir.yaml": "."} {
		if err := os.Symlink(to, filepath.Join(d.dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := d.run("check -f a --profile p.yaml")
	if code != 1 || strings.Count(out, denied) != 1 ||
		!strings.Contains(errs, "a/self.yaml: too many levels of symbolic links") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
}

func TestAFileOfAGibibyteIsRefused(t *testing.T) {
	d := with(t, "p.yaml", tags, "web.yaml", web)
	file, err := os.Create(filepath.Join(d.dir, "large.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := d.run("check -f large.yaml -f web.yaml --profile p.yaml")
	if code != 1 || !strings.Contains(out, denied) ||
		!strings.Contains(errs, "error: large.yaml: the file has 1.0 GiB, and at most 256.0 MiB are read") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
}

func TestRender(t *testing.T) {
	d := with(
		t,
		"p.yaml",
		head+"spec:\n  namespaceSelector: {matchLabels: {tier: prod}}\n  podSecurity: {enforce: baseline}\n  images: {denyTags: [latest]}\n",
		"ns.yaml",
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {tier: prod}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
	)
	code, out, errs := d.run("render -f p.yaml --namespaces ns.yaml")
	const namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    pod-security.kubernetes.io/enforce: baseline\n" +
		"    pod-security.kubernetes.io/enforce-version: latest\n    security.bulwark.dev/profile: tags\n  name: b\n---\n"
	if code != 0 || errs != "" || !strings.HasPrefix(out, namespace) || strings.Count(out, "\nkind: ") != 3 ||
		strings.Contains(out, "creationTimestamp") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	if _, again, _ := d.run("render -f p.yaml --namespaces ns.yaml"); again != out {
		t.Error("it is another order")
	}
	if code, out, _ = d.run(
		"render -f p.yaml -o json",
	); code != 0 ||
		!strings.Contains(out, `"kind": "ValidatingAdmissionPolicyBinding"`) {
		t.Errorf("%d\n%s", code, out)
	}
	d.put("wrong.yaml", strings.Replace(tags, "bulwark.dev", "example.dev", 1)+"---\n"+tags)
	for line, want := range map[string]string{
		"render":                      "error: no SecurityProfile is named",
		"render -f ns.yaml":           "error: there is no SecurityProfile in what -f names",
		"render -f p.yaml -o table":   "error: -o table: it is yaml or json",
		"render -f gone.yaml":         "error: gone.yaml: there is no such file",
		"render -f p.yaml unexpected": "error: \"unexpected\" belongs to no flag of kubectl posture render",
		"render -f wrong.yaml":        "error: wrong.yaml:1:1: no matches for kind \"SecurityProfile\" in version \"security.example.dev/v1alpha1\"",
	} {
		if code, _, errs := d.run(line); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %s", line, code, errs)
		}
	}
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	root := rootCommand(&World{})
	for _, command := range root.Commands() {
		if command.Name() == "completion" || command.Name() == "help" {
			continue
		}
		if command.Example == "" || command.Long == "" {
			t.Errorf("%s has no example or says too little", command.Name())
		}
	}
}
