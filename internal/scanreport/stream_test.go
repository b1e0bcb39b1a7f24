package scanreport

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// all are the reports that are written as the tools write them.
func all(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v: %v", files, err)
	}
	texts := map[string][]byte{}
	for _, name := range files {
		if texts[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// Fields are read one by one, in whichever order they come: other tools write them anew.
func TestTheOrderOfFieldsDoesNotMatter(t *testing.T) {
	for name, text := range all(t) {
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		before, err := Read("r.json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		after, err := Read("r.json", bytes.NewReader(sorted))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// Wherever a report ends, it is told that it does.
func TestAReportThatEndsInItsMiddleIsNone(t *testing.T) {
	for name, text := range all(t) {
		text = bytes.TrimSpace(text)
		for end := 1; end < len(text); end += 7 {
			_, err := Read("r.json", bytes.NewReader(text[:end]))
			if err == nil || !strings.Contains(err.Error(), "ends in its middle") {
				t.Fatalf("%s up to %d: %v", name, end, err)
			}
		}
	}
}

func TestWhatNobodyAsksForIsPassedOver(t *testing.T) {
	for sentence, text := range map[string]string{
		"values of all types": `{"SchemaVersion": 2, "a": {"b": [1, {"c": null}], "d": "x"}, "e": [[], {}, "x", 1.5, true, null], "f": 1e3, "g": null,
			"ArtifactType": "filesystem", "Results": [{"Target": "a", "Packages": [{"Name": "b", "Layer": {}}], "MisconfSummary": {"Successes": 3}}]}`,
		"fields that are null":                `{"SchemaVersion": 2, "Results": null, "Metadata": null, "matches": null, "runs": null}`,
		"fields of other formats, and others": `{"SchemaVersion": 2, "matches": 5, "runs": {"a": [1, 2]}, "version": {}, "statements": "x", "timestamp": 7}`,
	} {
		if contents, err := Read("r.json", strings.NewReader(text)); err != nil || contents.Format != Trivy {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestAValueOfAnotherTypeIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		`{"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"Severity": 1}]}]}`:                                                    "this is no report of Trivy: json: cannot unmarshal number into Go struct field",
		`{"SchemaVersion": 2, "Results": [[]]}`:                                                                                        "this is no report of Trivy: json: cannot unmarshal array",
		`{"SchemaVersion": 2, "Results": [5]}`:                                                                                         "this is no report of Trivy: json: cannot unmarshal value",
		`{"matches": [{"artifact": []}], "descriptor": {"name": "grype"}}`:                                                             "this is no report of Grype",
		`{"version": "2.1.0", "runs": [{"tool": {"driver": []}}]}`:                                                                     "this is no report of SARIF",
		`{"@context": "https://openvex.dev/ns/v0.2.0", "statements": [{"status": 1}]}`:                                                 "this is no OpenVEX",
		`{"SchemaVersion": 2, "Results": [{"ExperimentalModifiedFindings": [{"Type": "vulnerability", "Finding": {"Severity": 1}}]}]}`: "a finding that is suppressed",
	} {
		if _, err := Read("r.json", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
