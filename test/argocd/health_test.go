// Package argocd holds what Argo CD makes of profiles, which decides whether its syncs end, against
// what is right.
package argocd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

const (
	healthy     = "Healthy"
	progressing = "Progressing"
	degraded    = "Degraded"
)

// checks are the health checks of config/argocd, by kind.
func checks(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "config", "argocd", "argocd-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var configMap struct{ Data map[string]string }
	if err := yaml.Unmarshal(data, &configMap); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for key, script := range configMap.Data {
		kind, ours := strings.CutPrefix(key, "resource.customizations.health.security.bulwark.dev_")
		if !ours {
			t.Errorf("the ConfigMap holds %s, which is no health check of ours", key)
		}
		scripts[kind] = script
	}
	return scripts
}

// TestHealthOfProfiles judges what package controllers writes, one file for each way that a profile
// can be.
func TestHealthOfProfiles(t *testing.T) {
	script := checks(t)["SecurityProfile"]
	want := map[string]health{
		"new":                {progressing, "waiting for the operator"},
		"outdated":           {progressing, "waiting for the operator"},
		"in-place":           {healthy, "the baseline is in place in all 2 selected namespaces"},
		"weakened":           {healthy, "the baseline is in place in all 2 selected namespaces"},
		"audited":            {healthy, "all 1 selected namespaces are audited; nothing is enforced"},
		"policies-in-force":  {healthy, "the baseline is in place in all 1 selected namespaces"},
		"rolling-out":        {progressing, "2 of 3 selected namespaces have no report on this generation yet"},
		"rolling-out-beside": {progressing, "1 of 3 selected namespaces have no report on this generation yet"},
		"blocked": {
			degraded,
			"in 1 of 2 namespaces objects wait, since they would refuse what runs there, (ns-1)",
		},
		"drifted": {degraded, "in 1 of 2 namespaces objects are missing or differ (ns-1)"},
		"contested": {degraded, "in 1 of 2 namespaces objects are missing or differ (ns-1); " +
			"in namespace ns-1 Role bulwark-dev is contested by the field manager argocd: rules"},
		"contested-in-place": {degraded, "another manager keeps changing objects back in 1 namespaces"},
		"conflicted":         {degraded, "in 1 of 2 namespaces objects of another maker are in the way (ns-1)"},
		"refused":            {degraded, "in 1 of 3 namespaces the API server refused objects (ns-1)"},
		"policies-contested": {
			degraded,
			"other managers keep changing policies back: ValidatingAdmissionPolicy bulwark-restricted-workloads by the field manager kubectl-edit",
		},
		"invalid": {degraded, "the profile cannot be carried out: spec.namespaceSelector: a word is missing; " +
			"it never could be, and governs nothing"},
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("there are %d files, and %d are judged", len(files), len(want))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		got, err := judge(t, script, read(t, file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func read(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestHealthOfWhatIsIncomplete takes each field of each object away in turn: a health check that
// fails shows as Unknown, and holds a sync.
func TestHealthOfWhatIsIncomplete(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	script, judged := checks(t)["SecurityProfile"], 0
	for _, file := range files {
		whole := read(t, file)
		eachIncomplete(whole, func(path string) {
			judged++
			got, err := judge(t, script, whole)
			if err != nil || !statuses[got.Status] {
				t.Errorf("%s without %s: %v, %v", file, path, got, err)
			}
		})
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

func TestHealthOfPostures(t *testing.T) {
	script := checks(t)["NamespacePosture"]
	const (
		ready   = `"status": {"conditions": [{"type": "Ready", "status": "True"}]}`
		unready = `"status": {"conditions": [{"type": "Ready", "status": "False"}]}`
		stalled = `"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True", "message": "why"}]}`
		unsaid  = `"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "False", "message": "no"}]}`
	)
	for object, want := range map[string]health{
		`{"enforcement": "Enforce", "summary": {"compliant": 13, "findings": 2}, ` + ready + `}`:  {healthy, "13 objects are in place, 2 findings"},
		`{"enforcement": "Enforce", "summary": {"compliant": 12, "drifted": 1}, ` + unready + `}`: {degraded, "1 objects are drifted"},
		`{"enforcement": "Enforce", "summary": {"failed": 2, "drifted": 1}, ` + unready + `}`:     {degraded, "2 objects are failed"},
		`{"enforcement": "Enforce", "summary": {"conflicted": 1}, ` + unready + `}`:               {degraded, "1 objects are conflicted"},
		`{"enforcement": "Enforce", "summary": {"compliant": 12, "blocked": 1}, ` + ready + `}`:   {degraded, "1 objects are blocked"},
		`{"enforcement": "Audit", "summary": {"drifted": 5}, ` + unready + `}`:                    {healthy, "audited; 5 objects differ"},
		`{"enforcement": "Enforce", "summary": {"compliant": 12}, ` + unready + `}`:               {progressing, "the baseline is not yet in place"},
		`{"enforcement": "Enforce", "summary": {"compliant": 12}, ` + stalled + `}`:               {degraded, "why"},
		`{"enforcement": "Audit", "summary": {"drifted": 5}, ` + stalled + `}`:                    {degraded, "why"},
		`{"enforcement": "Enforce", "summary": {"compliant": 12}, ` + unsaid + `}`:                {healthy, "12 objects are in place, 0 findings"},
		`{}`: {progressing, "the baseline is not yet in place"},
		`{"summary": null, "status": {"conditions": [{"status": "True"}]}}`: {progressing, "the baseline is not yet in place"},
	} {
		var o map[string]any
		if err := json.Unmarshal([]byte(object), &o); err != nil {
			t.Fatal(err)
		}
		got, err := judge(t, script, o)
		if err != nil {
			t.Errorf("%s: %v", object, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", object, diff)
		}
	}
}

// TestDocumentationShowsTheHealthChecks holds the text of docs/gitops.md against the ConfigMap.
func TestDocumentationShowsTheHealthChecks(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	configMap, err := os.ReadFile(filepath.Join("..", "..", "config", "argocd", "argocd-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, data, found := strings.Cut(string(configMap), "\ndata:\n")
	if !found || !strings.Contains(string(document), "data:\n"+data) {
		t.Error("docs/gitops.md does not show the data of config/argocd/argocd-cm.yaml as it is")
	}
}
