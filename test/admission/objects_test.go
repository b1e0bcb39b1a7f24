package admission

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// kinds are those that have a pod spec.
var kinds = []string{
	"Pod",
	"Deployment",
	"ReplicaSet",
	"StatefulSet",
	"DaemonSet",
	"ReplicationController",
	"Job",
	"CronJob",
}

// parse reads YAML as the API server would, integers as integers.
func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSONStrict([]byte(strings.ReplaceAll(text, "\t", " ")))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var m map[string]any
	if err := utiljson.Unmarshal(data, &m); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return m
}

func object(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	return &unstructured.Unstructured{Object: parse(t, manifest)}
}

// withPodSpec is an object of a kind with the pod spec, which is given as the inside of a YAML
// mapping.
func withPodSpec(t *testing.T, kind, name, podSpec string) *unstructured.Unstructured {
	t.Helper()
	spec := parse(t, "{"+podSpec+"}")
	meta := map[string]any{"labels": map[string]any{"app": "x"}}
	template := map[string]any{"metadata": meta, "spec": spec}
	selector := map[string]any{"matchLabels": meta["labels"]}
	version, body := "apps/v1", map[string]any{"selector": selector, "template": template}
	switch kind {
	case "Pod":
		version, body = "v1", spec
	case "ReplicationController":
		version, body["selector"] = "v1", meta["labels"]
	case "StatefulSet":
		body["serviceName"] = "x"
	case "Job", "CronJob":
		version, body = "batch/v1", map[string]any{"template": template}
		if _, set := spec["restartPolicy"]; !set {
			spec["restartPolicy"] = "Never" // It must not be Always, which is the default.
		}
		if kind == "CronJob" {
			body = map[string]any{"schedule": "0 0 * * *", "jobTemplate": map[string]any{"spec": body}}
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}, "spec": body,
	}}
}

// container is a container of this name and with these fields, and with an image if they have none.
func container(name, fields string) string {
	c := "{name: " + name
	if !strings.Contains(fields, "image:") {
		c += ", image: 'app:v1'"
	}
	if fields != "" {
		c += ", " + fields
	}
	return c + "}"
}

// only is a pod spec with one container, named app.
func only(fields string, more ...string) string {
	return strings.Join(append([]string{"containers: [" + container("app", fields) + "]"}, more...), ", ")
}

// initially is a field of a pod spec with one init container, named setup.
func initially(fields string) string { return "initContainers: [" + container("setup", fields) + "]" }

// set is a change that sets a field.
func set(value any, path ...string) func(*testing.T, *unstructured.Unstructured) {
	return func(t *testing.T, o *unstructured.Unstructured) {
		t.Helper()
		if err := unstructured.SetNestedField(o.Object, value, path...); err != nil {
			t.Fatal(err)
		}
	}
}

// debugging is a change that adds an ephemeral container with these fields, named debugger.
func debugging(fields string) func(*testing.T, *unstructured.Unstructured) {
	return func(t *testing.T, o *unstructured.Unstructured) {
		t.Helper()
		set([]any{parse(t, container("debugger", fields))}, "spec", "ephemeralContainers")(t, o)
	}
}

// first is a change of the first container of a pod.
func first(field string, value any) func(*testing.T, *unstructured.Unstructured) {
	return func(t *testing.T, o *unstructured.Unstructured) {
		t.Helper()
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "containers")
		if err != nil {
			t.Fatal(err)
		}
		containers[0].(map[string]any)[field] = value
		set(containers, "spec", "containers")(t, o)
	}
}

// ofEveryKind is each case with an object of every kind. What is said of pods, those of the exempt
// kinds, which run to an end, pass.
func ofEveryKind(cases []testcase, exempt ...string) []testcase {
	var all []testcase
	for _, tc := range cases {
		for _, kind := range kinds {
			one := tc
			one.sentence = kind + ": " + tc.sentence
			one.object = func(t *testing.T) *unstructured.Unstructured { return podAs(t, kind, tc.object(t)) }
			if slices.Contains(exempt, kind) {
				one.want = ""
			}
			all = append(all, one)
		}
	}
	return all
}

// podAs is an object of a kind that has the spec of a pod.
func podAs(t *testing.T, kind string, pod *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	data, err := utiljson.Marshal(pod.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return withPodSpec(t, kind, "x", strings.TrimSuffix(strings.TrimPrefix(string(data), "{"), "}"))
}

// heldPods are a pod named running of that pod spec.
func heldPods(podSpec string) []func(*testing.T) *unstructured.Unstructured {
	return []func(*testing.T) *unstructured.Unstructured{held("Pod", "running", podSpec)}
}
