// Package chart holds the Helm chart of config/chart against config/default, its values against
// what they change, and its releases against a real API server. It knows Helm as its command, which
// `make chart` builds. It may import the test framework, and must never know Helm's own packages.
package chart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const (
	release   = "bulwark"
	namespace = "bulwark-system"
)

// chartPath is the folder of the chart.
func chartPath() string { return filepath.Join(controlplane.Root(), "config", "chart") }

// helm runs Helm and is what it writes. Its error quotes what it says.
func helm(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	binary := filepath.Join(controlplane.Root(), "bin", "helm")
	if _, err := os.Stat(binary); err != nil {
		t.Skip("bin/helm is not there: make chart builds it, and runs these tests")
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	home := t.TempDir() // No configuration of the user's.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home)
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.String(), nil
}

// template renders the chart with values, as YAML.
func template(t *testing.T, values string) (string, error) {
	t.Helper()
	return helm(t, values, "template", release, chartPath(), "-n", namespace, "-f", "-")
}

// rendered are the objects that the chart comes to with values.
func rendered(t *testing.T, values string) []*unstructured.Unstructured {
	t.Helper()
	out, err := template(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, out)
}

func decoded(t *testing.T, documents string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := controlplane.Decoded(strings.NewReader(documents))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// id is what an object is known by.
func id(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

// byID are objects by what they are known by.
func byID(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, o := range objects {
		if all[id(o)] != nil {
			t.Errorf("%s is there twice", id(o))
		}
		all[id(o)] = o
	}
	return all
}

// labelsOfTheChart are on each object of it, the second not on CRDs. Config has only the first of them, and not everywhere.
var labelsOfTheChart = []string{
	"app.kubernetes.io/name",
	"app.kubernetes.io/instance",
	"app.kubernetes.io/version",
	"app.kubernetes.io/managed-by",
	"helm.sh/chart",
}

// inCommon is what of an object must be equal in config and in the chart: all but the chart's
// labels, and the annotation by which Helm keeps an object when its release goes.
func inCommon(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	for _, label := range labelsOfTheChart {
		delete(labels, label)
	}
	delete(annotations, "helm.sh/resource-policy")
	if o.SetLabels(labels); len(labels) == 0 {
		o.SetLabels(nil)
	}
	if o.SetAnnotations(annotations); len(annotations) == 0 {
		o.SetAnnotations(nil)
	}
	return o.Object
}

// leaves are the values of an object by their paths, each as a line.
func leaves(path string, value any) []string {
	switch value := value.(type) {
	case map[string]any:
		if len(value) > 0 {
			var lines []string
			for key, inner := range value {
				lines = append(lines, leaves(path+"."+key, inner)...)
			}
			slices.Sort(lines)
			return lines
		}
	case []any:
		if len(value) > 0 {
			var lines []string
			for i, inner := range value {
				lines = append(lines, leaves(fmt.Sprintf("%s[%d]", path, i), inner)...)
			}
			return lines
		}
	}
	return []string{fmt.Sprintf("%s: %v", strings.TrimPrefix(path, "."), value)}
}

// empties are the paths at which an object has null, {} or []: a tool that compares what is in git
// with what is live finds that the API server left it out.
func empties(path string, value any) []string {
	var found []string
	switch value := value.(type) {
	case nil:
		return []string{path + " is null"}
	case map[string]any:
		if len(value) == 0 {
			return []string{path + " is {}"}
		}
		for key, inner := range value {
			found = append(found, empties(path+"."+key, inner)...)
		}
	case []any:
		if len(value) == 0 {
			return []string{path + " is []"}
		}
		for i, inner := range value {
			found = append(found, empties(fmt.Sprintf("%s[%d]", path, i), inner)...)
		}
	}
	return found
}
