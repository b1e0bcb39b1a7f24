// Package argocd holds what Argo CD makes of profiles and of reports on namespaces, which decides
// whether its syncs end, against what is right.
package argocd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// config is the folder of what is for Argo CD.
var config = filepath.Join("..", "..", "config", "argocd")

// kinds are those that have a health check.
var kinds = []string{"SecurityProfile", "NamespacePosture"}

// folder is that of a kind, as Argo CD's own repository has it: health.lua, health_test.yaml and
// testdata.
func folder(kind string) string {
	return filepath.Join(config, "resource_customizations", "security.bulwark.dev", kind)
}

// decode reads a file of YAML.
func decode(t *testing.T, into any, path ...string) {
	t.Helper()
	if err := yaml.UnmarshalStrict(read(t, path...), into); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// inputs are the objects that the check of a kind is tried on, by their paths in its folder.
func inputs(t *testing.T, kind string) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(kind), "testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]map[string]any{}
	for _, file := range files {
		var object map[string]any
		decode(t, &object, file)
		objects["testdata/"+filepath.Base(file)] = object
	}
	return objects
}

// TestHealth judges each object by what its kind's health_test.yaml says. The profiles are what the
// operator writes, one for each way that a profile can be.
func TestHealth(t *testing.T) {
	for _, kind := range kinds {
		var table struct {
			Tests []struct {
				HealthStatus health
				InputPath    string
			}
		}
		decode(t, &table, folder(kind), "health_test.yaml")
		script, objects := string(read(t, folder(kind), "health.lua")), inputs(t, kind)
		if len(objects) < 10 || len(objects) != len(table.Tests) {
			t.Errorf("%s: there are %d objects, and %d tests", kind, len(objects), len(table.Tests))
		}
		for _, tt := range table.Tests {
			got, err := judge(t, script, objects[tt.InputPath])
			if err != nil {
				t.Errorf("%s, %s: %v", kind, tt.InputPath, err)
			}
			if diff := cmp.Diff(tt.HealthStatus, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", kind, tt.InputPath, diff)
			}
		}
	}
}

// TestHealthOfWhatIsIncomplete takes each field of each object away in turn: a health check that
// fails shows as Unknown, and holds a sync.
func TestHealthOfWhatIsIncomplete(t *testing.T) {
	judged := 0
	for _, kind := range kinds {
		script := string(read(t, folder(kind), "health.lua"))
		for name, object := range inputs(t, kind) {
			eachIncomplete(object, func(path string) {
				judged++
				got, err := judge(t, script, object)
				if err != nil || !statuses[got.Status] {
					t.Errorf("%s, %s without %s: %v, %v", kind, name, path, got, err)
				}
			})
		}
	}
	if judged < 100 {
		t.Errorf("only %d objects were judged", judged)
	}
}

// eachIncomplete calls a function while one field is away, for each field.
func eachIncomplete(v any, try func(path string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, was := range v {
			if key == "metadata" { // The API server sees to that.
				continue
			}
			delete(v, key)
			try(key)
			v[key] = was
			eachIncomplete(was, func(path string) { try(key + "." + path) })
		}
	case []any:
		for i := range v {
			eachIncomplete(v[i], try)
		}
	}
}

// TestTheConfigMapHoldsTheHealthChecks holds the ConfigMap against the checks, and the
// documentation against the ConfigMap.
func TestTheConfigMapHoldsTheHealthChecks(t *testing.T) {
	configMap := read(t, config, "argocd-cm.yaml")
	var decoded struct{ Data map[string]string }
	if err := yaml.Unmarshal(configMap, &decoded); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, kind := range kinds {
		want["resource.customizations.health.security.bulwark.dev_"+kind] = string(read(t, folder(kind), "health.lua"))
	}
	if diff := cmp.Diff(want, decoded.Data); diff != "" {
		t.Errorf("config/argocd/argocd-cm.yaml does not hold the health checks (-want +got):\n%s", diff)
	}
	_, data, found := strings.Cut(string(configMap), "\ndata:\n")
	if !found || !bytes.Contains(read(t, "..", "..", "docs", "gitops.md"), []byte("data:\n"+data)) {
		t.Error("docs/gitops.md does not show the data of config/argocd/argocd-cm.yaml as it is")
	}
}
