package alerts

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// dashboardPath is a file of JSON, which is YAML, too.
const dashboardPath = "../../config/grafana/bulwark.json"

// dashboard is what there is to know of a dashboard of Grafana.
type dashboard struct {
	Title         string `json:"title"`
	UID           string `json:"uid"`
	SchemaVersion int    `json:"schemaVersion"`
	Annotations   struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

// panel is one of its panels; a row is one, too.
type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct {
		UID string `json:"uid"`
	} `json:"datasource"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
		Overrides []struct {
			Matcher struct{ ID, Options string } `json:"matcher"`
		} `json:"overrides"`
	} `json:"fieldConfig"`
	Targets []struct {
		RefID  string `json:"refId"`
		Expr   string `json:"expr"`
		Legend string `json:"legendFormat"`
	} `json:"targets"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	board, err := read[dashboard](dashboardPath, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) == 0 {
		t.Fatal("there are no panels")
	}
	return board
}

// schemaOfGrafana12 is the least version of a dashboard's schema that Grafana 12 migrates nothing of.
const schemaOfGrafana12 = 41

func TestTheDashboardIsOneOfGrafana12(t *testing.T) {
	board := readDashboard(t)
	if board.Title == "" || board.UID == "" || board.SchemaVersion < schemaOfGrafana12 {
		t.Errorf("the dashboard is %q, %q, of schema %d", board.Title, board.UID, board.SchemaVersion)
	}
	seen, taken := map[int]string{}, map[string]string{}
	for _, p := range board.Panels {
		if seen[p.ID] != "" {
			t.Errorf("%s and %s have the id %d", seen[p.ID], p.Title, p.ID)
		}
		seen[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if cell := fmt.Sprint(x, y); taken[cell] == "" && x < 24 {
					taken[cell] = p.Title
				} else {
					t.Errorf("%s lies on %q, or beyond the right edge", p.Title, taken[cell])
					return
				}
			}
		}
	}
}

func TestEveryPanelSaysWhatItShows(t *testing.T) {
	for _, p := range readDashboard(t).Panels {
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) lacks a title, a description, a unit or a query", p.ID, p.Title)
		}
		if p.Datasource.UID != "${datasource}" {
			t.Errorf("%s reads from %q, and not from what the user chose", p.Title, p.Datasource.UID)
		}
	}
}

// interpolated is what Grafana makes of the windows that it chooses.
var interpolated = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h")

// queries are all that the dashboard asks of Prometheus, by what asks it.
func queries(t *testing.T) map[string]string {
	t.Helper()
	board, all := readDashboard(t), map[string]string{}
	for _, annotation := range board.Annotations.List {
		all[annotation.Name] = interpolated.Replace(annotation.Expr)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = interpolated.Replace(target.Expr)
		}
	}
	return all
}

func TestTheDashboardNamesMetricsThatTheOperatorExports(t *testing.T) {
	service, err := read[corev1.Service](servicePath, true)
	if err != nil {
		t.Fatal(err)
	}
	exported := exported(t)
	for name, expr := range queries(t) {
		named := selectors(expr)
		if len(named) == 0 {
			t.Errorf("%s: no metric is found in %s", name, expr)
		}
		for _, s := range named {
			checkSelector(t, name, s, exported)
			if job, given := s.labels["job"]; given && job != service.Name {
				t.Errorf("%s is about the job %q, not %q", name, job, service.Name)
			}
		}
	}
}

// TestPanelsGroupByLabelsThatThereAre also holds that a legend shows what a query groups by.
func TestPanelsGroupByLabelsThatThereAre(t *testing.T) {
	exported := exported(t)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			known := slices.Clone(targetLabels)
			for _, s := range selectors(interpolated.Replace(target.Expr)) {
				labels, _ := labelsOf(exported, s.metric)
				known = append(known, labels...)
			}
			for _, match := range grouping.FindAllStringSubmatch(target.Expr, -1) {
				for _, label := range regexp.MustCompile(`\w+`).FindAllString(match[2], -1) {
					if !slices.Contains(known, label) {
						t.Errorf("%s groups by %s, which nothing has", p.Title, label)
					}
				}
			}
			for _, match := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.Legend, -1) {
				by := groupedBy(target.Expr)
				if !slices.Contains(by, match[1]) && (by != nil || !slices.Contains(known, match[1])) {
					t.Errorf("%s: the legend shows %s, and the query groups by %q", p.Title, match[1], by)
				}
			}
		}
	}
}

// TestColoursAreOfStatesThatThereAre holds that no series is coloured by a name that it never has.
func TestColoursAreOfStatesThatThereAre(t *testing.T) {
	for title, label := range map[string]string{
		"Namespaces by state":   "bulwark_namespaces state",
		"Findings, by severity": "bulwark_findings severity",
	} {
		metric, of, _ := strings.Cut(label, " ")
		for _, p := range readDashboard(t).Panels {
			if p.Title != title {
				continue
			}
			var coloured []string
			for _, override := range p.FieldConfig.Overrides {
				coloured = append(coloured, override.Matcher.Options)
			}
			for _, value := range valuesOf(metric, of) {
				apart := slices.Contains([]string{"selected", "contested", "overridden"}, value)
				if slices.Contains(coloured, value) == apart {
					t.Errorf("%s: %s is coloured: %t", title, value, !apart)
				}
			}
		}
	}
}
