package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSARIFPlaces holds the place of each finding in manifests of all forms against a table, which
// shows the text that stands there: several documents, anchors, a List in JSON, what kustomize made
// of a base and Helm of a template. GOLDEN=update writes the table anew.
func TestSARIFPlaces(t *testing.T) {
	d := with(t)
	if err := os.CopyFS(d.dir, os.DirFS("testdata/places")); err != nil {
		t.Fatal(err)
	}
	var table []string
	for _, form := range []struct{ args, stdin string }{
		{"-f documents.yaml -f anchored.yaml -f list.json", ""}, {"-f -", "kustomized.out"}, {"-f -", "templated.out"},
	} {
		if form.stdin != "" {
			d.in = d.text(form.stdin)
		}
		code, out, errs := d.run("check " + form.args + " --profile profile.yaml -o sarif")
		if code != ExitFindings {
			t.Fatalf("%s: %d %s", form.args, code, errs)
		}
		table = append(table, d.places(out, form.stdin)...)
	}
	golden(t, "testdata/places/table.txt", strings.Join(table, "\n")+"\n")
	if len(table) < 40 {
		t.Errorf("only %d findings", len(table))
	}
}

// places are the findings of a SARIF report, each with the text at its place.
func (d *workdir) places(report, stdin string) []string {
	d.t.Helper()
	var log struct {
		Runs []struct {
			Results []struct {
				RuleID    string `json:"ruleId"`
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
				Properties struct{ Location string }
			}
		}
	}
	if err := json.Unmarshal([]byte(report), &log); err != nil {
		d.t.Fatal(err)
	}
	var all []string
	for _, r := range log.Runs[0].Results {
		at := r.Locations[0].PhysicalLocation
		file, region := at.ArtifactLocation.URI, at.Region
		from := file
		if _, err := os.Stat(filepath.Join(d.dir, file)); err != nil {
			from = stdin // It is not at hand: the line is that of what was read.
		}
		line := []rune(strings.Split(d.text(from), "\n")[region.StartLine-1])
		all = append(
			all,
			fmt.Sprintf(
				"%s:%d:%d-%d %s %s |%s|",
				file,
				region.StartLine,
				region.StartColumn,
				region.EndColumn,
				r.Properties.Location,
				r.RuleID,
				string(line[region.StartColumn-1:region.EndColumn-1]),
			),
		)
	}
	return all
}

// golden holds a text against a file.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if os.Getenv("GOLDEN") == "update" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-file +now):\n%s", file, diff)
	}
}

// TestApplications judges manifests as real applications have them by the sample restricted, and
// holds what is said against a file.
func TestApplications(t *testing.T) {
	applications, err := filepath.Glob("testdata/applications/*.yaml")
	if err != nil || len(applications) < 6 {
		t.Fatalf("%v: %v", applications, err)
	}
	profile, err := filepath.Abs("../../config/samples/restricted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, application := range applications {
		t.Run(filepath.Base(application), func(t *testing.T) {
			text, err := os.ReadFile(application)
			if err != nil {
				t.Fatal(err)
			}
			d := with(t, "app.yaml", string(text))
			code, out, errs := d.run("check -f app.yaml -n shop --profile " + profile)
			golden(t, strings.TrimSuffix(application, ".yaml")+".txt", fmt.Sprintf("%sexit %d\n%s", out, code, errs))
		})
	}
}
