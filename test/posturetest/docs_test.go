package posturetest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/config/rbac"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestTheGuideShowsTheExample holds that every block of Go in docs/testing.md stands in the example
// as it is, which is compiled and run.
func TestTheGuideShowsTheExample(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("example", "*", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		example.Write(source)
	}
	blocks := goBlock.FindAllStringSubmatch(string(guide), -1)
	for _, block := range blocks {
		if !strings.Contains(unindented(example.String()), unindented(block[1])) {
			t.Errorf("this block of docs/testing.md is not in the example:\n%s", block[1])
		}
	}
	if len(blocks) < 4 {
		t.Errorf("the guide has only %d blocks of Go", len(blocks))
	}
}

// unindented is code of whatever depth.
func unindented(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}

func TestPermissionsAreThoseThatAreInstalled(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal(data, &kustomization); err != nil {
		t.Fatal(err)
	}
	for _, file := range kustomization.Resources {
		if _, err := rbac.Manifests.ReadFile(file); err != nil {
			t.Errorf("config/rbac/embed.go lacks %s: %v", file, err)
		}
	}
	objects, err := permissions()
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) < len(kustomization.Resources) {
		t.Errorf("%d files hold only %d objects", len(kustomization.Resources), len(objects))
	}
}
