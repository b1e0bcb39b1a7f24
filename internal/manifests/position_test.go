package manifests

import (
	"fmt"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	const block = `# a comment
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: "web"}}
spec:
  template:
    spec:
      securityContext: &defaults
        runAsNonRoot: false # why not
      containers:
      - name: app
        image: 'registry.example.com/it''s' # quoted
        securityContext:
          <<: *defaults
          privileged: true
      - {name: side, securityContext: *defaults}
      - name: last
        command: ["a", "b"]
        text: |
          many
`
	template := func(path ...any) []any { return append([]any{"spec", "template", "spec"}, path...) }
	for sentence, tt := range map[string]struct {
		path []any
		want string
	}{
		"the object":                        {nil, "3:1-5 exact"},
		"a field":                           {template("securityContext", "runAsNonRoot"), "9:9-28 exact"},
		"a flow mapping's":                  {[]any{"metadata", "labels", "app"}, "4:32-42 exact"},
		"a quoted one":                      {template("containers", 0, "image"), "12:9-44 exact"},
		"one that is merged in":             {template("containers", 0, "securityContext", "runAsNonRoot"), "9:9-28 exact"},
		"one beside it":                     {template("containers", 0, "securityContext", "privileged"), "15:11-27 exact"},
		"one behind an alias":               {template("containers", 1, "securityContext", "runAsNonRoot"), "9:9-28 exact"},
		"one that is absent":                {template("containers", 2, "securityContext", "runAsNonRoot"), "17:9-13 parent"},
		"one that is absent of what is":     {template("containers", 0, "securityContext", "seccompProfile"), "13:9-24 parent"},
		"an element":                        {template("containers", 2, "command", 1), "18:24-27 exact"},
		"an element that there is not":      {template("containers", 9), "10:7-17 parent"},
		"a text of several lines":           {template("containers", 2, "text"), "19:9-16 exact"},
		"what is no part of such an object": {[]any{"data", "x"}, "3:1-5 parent"},
	} {
		t.Run(sentence, func(t *testing.T) {
			for d, problem := range Read("a.yaml", strings.NewReader(block)) {
				if problem != nil {
					t.Fatal(problem)
				}
				if got := said(d.Positions().Of(tt.path...)); got != tt.want {
					t.Errorf("want %s, got %s", tt.want, got)
				}
			}
		})
	}
}

func said(p Place) string {
	return fmt.Sprintf("%d:%d-%d %s", p.Line, p.Column, p.EndColumn, p.Precision)
}

func TestPlacesInFilesOfManyForms(t *testing.T) {
	const one = "apiVersion: v1\nkind: Pod\nspec:\n  hostNetwork: true\n"
	for sentence, tt := range map[string]struct {
		text string
		want []string
	}{
		"documents, each with a line of its own": {"---\n" + one + "---\n# Source: x\n" + one + "---\n\n" + one,
			[]string{"5:3-20 exact", "11:3-20 exact", "17:3-20 exact"}},
		"JSON": {"{\n\t\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\t\"spec\": {\"hostNetwork\": true}\n}", []string{"3:11-30 exact"}},
		"JSON that YAML does not read": {
			"\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"x\": \"\\ud83d\\ude00\", \"spec\": {\"hostNetwork\": true}}", []string{"2:1-88 approximate"}},
		"characters of several bytes": {"apiVersion: v1\nkind: Pod\nspec: {\"é\": \"ü\", hostNetwork: true}\n", []string{"3:18-35 exact"}},
		"a List": {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec:\n    hostNetwork: true\n- {apiVersion: v1, kind: Pod}\n",
			[]string{"7:5-22 exact", "8:20-24 parent"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			i := 0
			for d, problem := range Read("a", strings.NewReader(tt.text)) {
				if problem != nil {
					t.Fatal(problem)
				}
				if got := said(d.Positions().Of("spec", "hostNetwork")); i >= len(tt.want) || got != tt.want[i] {
					t.Errorf("want the %d. of %v, got %s", i+1, tt.want, got)
				}
				i++
			}
			if i != len(tt.want) {
				t.Errorf("there are %d objects", i)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pod + "---\n{\"a\":1}\n")
	f.Add("a: &a\n  b: *a\n<<: [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		for d, problem := range Read("a", strings.NewReader(text)) {
			if problem != nil {
				if problem.Line > lines+1 || problem.Message == "" {
					t.Errorf("%v in %d lines", problem, lines)
				}
				continue
			}
			if p := d.Positions().Of("metadata", "name"); p.Line < 1 || p.Line > lines || p.EndColumn < p.Column {
				t.Errorf("%+v in %d lines", p, lines)
			}
		}
	})
}
