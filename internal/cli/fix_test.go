package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hardened = head + `spec:
  namespaceSelector: {}
  podSecurity: {enforce: restricted, version: v1.37}
  workloads: {readOnlyRootFilesystem: Require, hostNetwork: Forbid, automountServiceAccountToken: Forbid, dropAllCapabilities: Require, runAsNonRoot: Require}
  images: {pullPolicy: Always}
`

func TestFix(t *testing.T) {
	const before = `# The shop's front end.
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}} # labels
    spec:
      hostNetwork: true # for now
      containers:
      # The one container.
      - name: app
        image: nginx:1.29 # pinned
        securityContext:
          allowPrivilegeEscalation: true
      - {name: side, image: "side:1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {b: "1", a: '2'}
`
	const after = `# The shop's front end.
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}} # labels
    spec:
      hostNetwork: false # for now
      automountServiceAccountToken: false
      containers:
      # The one container.
      - name: app
        image: nginx:1.29 # pinned
        imagePullPolicy: Always
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop: [ALL]
          readOnlyRootFilesystem: true
          runAsNonRoot: true
          seccompProfile:
            type: RuntimeDefault
      - {securityContext: {seccompProfile: {type: RuntimeDefault}, allowPrivilegeEscalation: false, runAsNonRoot: true, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}, imagePullPolicy: Always, name: side, image: "side:1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {b: "1", a: '2'}
`
	d := with(t, "p.yaml", hardened, "web.yaml", before)
	code, out, errs := d.run("check -f web.yaml --profile p.yaml --fix")
	if code != 0 || !strings.Contains(errs, "findings in 1 files, and checked again\n") {
		t.Errorf("%d\n%s\n%s", code, out, errs)
	}
	if diff := cmp.Diff(lineSet(after), lineSet(d.text("web.yaml"))); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, d.text("web.yaml"))
	}
	// It is fixed, and fixing it again changes nothing.
	fixed := d.text("web.yaml")
	if code, _, errs := d.run(
		"check -f web.yaml --profile p.yaml --fix",
	); code != 0 || d.text("web.yaml") != fixed ||
		!strings.Contains(errs, "fixed 0 findings in 0 files") {
		t.Errorf("%d %s", code, errs)
	}
}

// lineSet are the lines of a text, and of a flow mapping its words: in which order fields are added
// is not of interest.
func lineSet(text string) map[string]int {
	all := map[string]int{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "      - {") {
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" {},", r) }) {
				all["word "+word]++
			}
			continue
		}
		all[line]++
	}
	return all
}

func TestWhatIsNotCertainIsNotFixed(t *testing.T) {
	for sentence, tt := range map[string]struct{ profile, text, in, file, why string }{
		"what only people know": {tags, web, "", "web.yaml", "not fixed: web.yaml:11: admission/images/denyTags: no one value is right: Name the image by a version"},
		"what is shared": {hardened, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: a, securityContext: &x {privileged: true}}\n" +
			"  - {name: b, image: b, securityContext: *x}\n", "", "web.yaml", "not fixed: web.yaml:6: pod-security/privileged: the field is shared by an anchor"},
		"capabilities that are added": {hardened, web + "        securityContext: {capabilities: {drop: [ALL], add: [SYS_ADMIN]}}\n", "", "web.yaml",
			"not fixed: web.yaml:12: pod-security/capabilities_restricted: no one value is right"},
		"what is on the standard input": {hardened, "", web, "-", "error: --fix: what comes by -f - cannot be mended: name the files by -f"},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, "p.yaml", tt.profile, "web.yaml", tt.text)
			d.in = tt.in
			if code, _, errs := d.run(
				"check -f " + tt.file + " --profile p.yaml --fix",
			); code == 0 ||
				!strings.Contains(errs, tt.why) {
				t.Errorf("%d %s", code, errs)
			}
		})
	}
}

func TestNothingIsFixedWhereSomethingCannotBeRead(t *testing.T) {
	d := with(t, "p.yaml", hardened, "web.yaml", web+"---\na: [\n")
	before := d.text("web.yaml")
	if code, _, _ := d.run("check -f web.yaml --profile p.yaml --fix"); code != 1 || d.text("web.yaml") != before {
		t.Errorf("%d\n%s", code, d.text("web.yaml"))
	}
}

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	d := with(t, "p.yaml", hardened, "a/web.yaml", web)
	if err := os.Chmod(d.dir+"/a", 0o500); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := d.run(
		"check -f a/web.yaml --profile p.yaml --fix",
	); code != 1 ||
		!strings.Contains(errs, "permission denied") {
		t.Errorf("%d %s", code, errs)
	}
}
