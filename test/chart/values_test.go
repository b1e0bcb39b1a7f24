package chart

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestEachValueChangesWhatItSays holds each value to all that it changes, and to nothing else.
func TestEachValueChangesWhatItSays(t *testing.T) {
	byDefault := byID(t, rendered(t, ""))
	for sentence, tt := range effects {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got := changes(byDefault, byID(t, rendered(t, tt.values)), tt.told)
			if diff := cmp.Diff(slices.Sorted(slices.Values(tt.changes)), got); diff != "" {
				t.Errorf("of %s (-want +got):\n%s", tt.values, diff)
			}
		})
	}
}

// changes are the objects that come and go, the leaves that differ, and those of a new object if
// they are told.
func changes(from, to map[string]*unstructured.Unstructured, told bool) []string {
	var lines []string
	for name := range from {
		if to[name] == nil {
			lines = append(lines, "- "+name)
		}
	}
	for name, o := range to {
		was := from[name]
		if was == nil {
			lines = append(lines, "+ "+name)
			if !told {
				continue
			}
			was = &unstructured.Unstructured{Object: map[string]any{}}
		}
		before, after := leaves("", inCommon(was)), leaves("", inCommon(o))
		if len(was.Object) == 0 {
			before = nil
		}
		for _, leaf := range after {
			if !slices.Contains(before, leaf) && !isNamed(leaf) {
				lines = append(lines, name+" "+leaf)
			}
		}
		for _, leaf := range before {
			path, _, _ := strings.Cut(leaf, ": ")
			if !slices.ContainsFunc(after, func(l string) bool { return strings.HasPrefix(l, path+": ") }) {
				lines = append(lines, name+" "+path+" is gone")
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// isNamed reports whether a leaf of a new object is known from its name and kind, or its wave.
func isNamed(leaf string) bool {
	for _, known := range []string{
		"apiVersion: ", "kind: ", "metadata.name: ", "metadata.namespace: ", "metadata.annotations.argocd.argoproj.io/sync-wave: ",
	} {
		if strings.HasPrefix(leaf, known) {
			return true
		}
	}
	return false
}

// TestEachValueIsTested wants each value of the schema in a row of effects.
func TestEachValueIsTested(t *testing.T) {
	set := map[string]bool{}
	for _, tt := range effects {
		var values map[string]any
		if err := yaml.Unmarshal([]byte(tt.values), &values); err != nil {
			t.Fatal(err)
		}
		for _, path := range settings("", values) {
			set[path] = true
		}
	}
	for _, value := range schemaOf(t).values("") {
		// Parent charts need these two, and nothing reads them.
		if !set[value] && value != ".global" && value != ".enabled" {
			t.Errorf("%s is a value, and no row of the table sets it", value)
		}
	}
}

// settings are the paths of all maps and leaves.
func settings(path string, value any) []string {
	paths := []string{path}
	if value, ok := value.(map[string]any); ok {
		for key, inner := range value {
			paths = append(paths, settings(path+"."+key, inner)...)
		}
	}
	return paths
}

// valueSchema is what there is to know of a JSON schema.
type valueSchema struct {
	Description string                  `json:"description"`
	Default     any                     `json:"default"`
	Properties  map[string]*valueSchema `json:"properties"`
}

func schemaOf(t *testing.T) *valueSchema {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(chartPath(), "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &valueSchema{}
	if err := json.Unmarshal(content, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// values are the paths of its values: of those that are objects of known keys, the keys.
func (s *valueSchema) values(path string) []string {
	if len(s.Properties) == 0 {
		return []string{path}
	}
	var paths []string
	for key, property := range s.Properties {
		paths = append(paths, property.values(path+"."+key)...)
	}
	return paths
}

// TestEachValueIsCommented wants each value in values.yaml, on its own line below or beside words.
func TestEachValueIsCommented(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(chartPath(), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(content, &values); err != nil {
		t.Fatal(err)
	}
	s := schemaOf(t)
	for name, property := range s.Properties["flags"].Properties {
		said, _ := json.Marshal(property.Default)
		for _, quote := range []string{string(said), strings.Trim(string(said), `"`)} {
			if strings.Contains(string(content), "\n  # "+name+": "+quote+"\n") {
				said = nil
			}
		}
		if said != nil {
			t.Errorf("values.yaml does not say %s: %s, which is the default", name, said)
		}
	}
	known := slices.Sorted(maps.Keys(s.Properties))
	known = slices.DeleteFunc(known, func(key string) bool { return key == "global" || key == "enabled" })
	if diff := cmp.Diff(known, slices.Sorted(maps.Keys(values))); diff != "" {
		t.Errorf("-schema +values.yaml:\n%s", diff)
	}
}

func TestWhatIsMistypedIsRefused(t *testing.T) {
	for sentence, tt := range refused {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			_, err := template(t, tt.values)
			if err == nil {
				t.Fatalf("%s is accepted", tt.values)
			}
			for _, word := range tt.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %q is not in: %v", tt.values, word, err)
				}
			}
		})
	}
}

// TestAnEmptyTagIsTheVersionOfTheOperator also holds that the chart is versioned as the operator is.
func TestAnEmptyTagIsTheVersionOfTheOperator(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(chartPath(), "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var chart struct {
		Version    string `json:"version"`
		AppVersion string `json:"appVersion"`
	}
	if err := yaml.Unmarshal(content, &chart); err != nil {
		t.Fatal(err)
	}
	if chart.AppVersion != "v"+chart.Version {
		t.Errorf("the chart is %s, and what it installs %s", chart.Version, chart.AppVersion)
	}
	deployment := byID(t, rendered(t, ""))["Deployment/bulwark-manager"]
	want := fmt.Sprintf("spec.template.spec.containers[0].image: bulwark:%s", chart.AppVersion)
	if !slices.Contains(leaves("", deployment.Object), want) {
		t.Errorf("the image is not that of %s", want)
	}
}
