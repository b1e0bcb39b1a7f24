package chart

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// notValues are flags that no value sets, each with the reason.
var notValues = map[string]string{
	"namespace":  "it is the release's, which the pod knows",
	"kubeconfig": "the chart gives its own service account the permissions",
}

// flag is a flag of the operator as its help tells it.
type flag struct{ Usage, Default string }

var (
	helped      = regexp.MustCompile(`(?m)^  -(\S+).*\n((?:    \t.*\n)+)`)
	defaulted   = regexp.MustCompile(` \(default "?(.*?)"?\)$`)
	capitalized = regexp.MustCompile(`[A-Z]`)
)

// TestEachFlagIsAValue also holds that the schema describes it as the operator's help does, and has
// its default.
func TestEachFlagIsAValue(t *testing.T) {
	cmd := exec.Command("go", "run", "./cmd/manager", "--help")
	cmd.Dir = controlplane.Root()
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	want := map[string]flag{}
	for _, match := range helped.FindAllStringSubmatch(string(help), -1) {
		if notValues[match[1]] != "" {
			continue
		}
		usage, def := strings.TrimSpace(match[2]), ""
		if told := defaulted.FindStringSubmatch(usage); told != nil {
			usage, def = strings.TrimSuffix(usage, told[0]), told[1]
		}
		want[match[1]] = flag{Usage: usage, Default: def}
	}
	got := map[string]flag{}
	for name, property := range schemaOf(t).Properties["flags"].Properties {
		kebab := capitalized.ReplaceAllStringFunc(name, func(c string) string { return "-" + strings.ToLower(c) })
		got[kebab] = flag{Usage: property.Description, Default: shown(t, property.Default)}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-help +schema:\n%s", diff)
	}
}

// shown is a default as the help of a flag shows it, which leaves out those that are zero.
func shown(t *testing.T, def any) string {
	t.Helper()
	text, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) == "false" || string(text) == "[]" {
		return ""
	}
	return strings.Trim(string(text), `"`)
}
