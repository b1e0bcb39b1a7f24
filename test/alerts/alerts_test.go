package alerts

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
)

// alerts are those of the PrometheusRule.
func alerts(t *testing.T) []alert {
	t.Helper()
	rule, err := read[prometheusRule](rulePath, true)
	if err != nil {
		t.Fatal(err)
	}
	if rule.APIVersion != "monitoring.coreos.com/v1" || rule.Kind != "PrometheusRule" {
		t.Errorf("%s is a %s %s", rulePath, rule.APIVersion, rule.Kind)
	}
	var all []alert
	for _, group := range rule.Spec.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

func TestAlertsNameMetricsThatTheOperatorExports(t *testing.T) {
	exported := exported(t)
	for _, a := range alerts(t) {
		named := selectors(a.Expr)
		if len(named) == 0 {
			t.Errorf("%s: no metric is found in %s", a.Alert, a.Expr)
		}
		for _, s := range named {
			checkSelector(t, a.Alert, s, exported)
		}
	}
}

func TestAlertsSayWhatTheyAreAbout(t *testing.T) {
	for _, a := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: the severity is %q", a.Alert, a.Labels["severity"])
		}
		text := a.Annotations["summary"] + a.Annotations["description"]
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", a.Alert)
		}
		for _, label := range groupedBy(a.Expr) {
			if !strings.Contains(text, "{{ $labels."+label+" }}") {
				t.Errorf("%s does not say which %s it is about", a.Alert, label)
			}
		}
		if got, want := a.Annotations["runbook_url"], runbookURL+"#"+strings.ToLower(a.Alert); got != want {
			t.Errorf("%s: the runbook is %q, not %q", a.Alert, got, want)
		}
	}
}

// TestEveryAlertHasARunbook also holds that every section is about an alert. GitHub's anchor of a
// heading of one word is that word in lower case.
func TestEveryAlertHasARunbook(t *testing.T) {
	content, err := os.ReadFile(runbookPath)
	if err != nil {
		t.Fatal(err)
	}
	var sections, named []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (Bulwark[A-Z]\w*)$`).FindAllStringSubmatch(string(content), -1) {
		sections = append(sections, match[1])
	}
	for _, a := range alerts(t) {
		named = append(named, a.Alert)
	}
	if diff := cmp.Diff(named, sections); diff != "" {
		t.Errorf("sections of %s, in the order of the alerts (-want +got):\n%s", runbookPath, diff)
	}
}

func TestEveryAlertIsTested(t *testing.T) {
	paths, err := filepath.Glob(testsGlob)
	if err != nil {
		t.Fatal(err)
	}
	fires, isSilent := map[string]bool{}, map[string]bool{}
	for _, path := range paths {
		tests, err := read[ruleTests](path, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests.Tests {
			for _, c := range test.Cases {
				if len(c.Fired) > 0 {
					fires[c.Alert] = true
				} else {
					isSilent[c.Alert] = true
				}
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !isSilent[a.Alert] {
			t.Errorf("%s: tested that it fires: %t; that it is silent: %t", a.Alert, fires[a.Alert], isSilent[a.Alert])
		}
	}
}

func TestTheDocumentationListsEveryMetric(t *testing.T) {
	content, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for metric, labels := range exported(t) {
		if !strings.HasPrefix(metric, "bulwark_") {
			continue
		}
		row := regexp.MustCompile("(?m)^\\| `" + metric + "` \\| \\w+ \\| ([^|]*)\\|").FindStringSubmatch(string(content))
		if row == nil {
			t.Errorf("docs/operating.md does not list %s", metric)
			continue
		}
		if diff := cmp.Diff(labels, regexp.MustCompile(`\w+`).FindAllString(row[1], -1), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("labels of %s in docs/operating.md (-want +got):\n%s", metric, diff)
		}
	}
}

// TestTheJobIsTheOneThatAlertsName holds that the ServiceMonitor finds the Service after which the
// job is named.
func TestTheJobIsTheOneThatAlertsName(t *testing.T) {
	service, err := read[corev1.Service](servicePath, true)
	if err != nil {
		t.Fatal(err)
	}
	monitor, err := read[struct {
		Spec struct {
			JobLabel string `json:"jobLabel"`
			Selector struct {
				MatchLabels map[string]string `json:"matchLabels"`
			} `json:"selector"`
			Endpoints []struct {
				Port string `json:"port"`
			} `json:"endpoints"`
		} `json:"spec"`
	}](monitorPath, false)
	if err != nil {
		t.Fatal(err)
	}
	for label, value := range monitor.Spec.Selector.MatchLabels {
		if service.Labels[label] != value {
			t.Errorf("the ServiceMonitor selects %s=%s, the Service has %q", label, value, service.Labels[label])
		}
	}
	if monitor.Spec.JobLabel != "" || len(monitor.Spec.Endpoints) != 1 ||
		monitor.Spec.Endpoints[0].Port != service.Spec.Ports[0].Name {
		t.Errorf("the ServiceMonitor is %+v, the Service's port %q", monitor.Spec, service.Spec.Ports[0].Name)
	}
	for _, a := range alerts(t) {
		for _, s := range selectors(a.Expr) {
			if job, given := s.labels["job"]; given && job != service.Name {
				t.Errorf("%s is about the job %q, not %q", a.Alert, job, service.Name)
			}
		}
	}
}

// TestTheLeaseIsTheOneThatAlertsName reads the operator's source: nothing else says the name of the
// Lease.
func TestTheLeaseIsTheOneThatAlertsName(t *testing.T) {
	source, err := os.ReadFile("../../internal/operator/operator.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		for _, s := range selectors(a.Expr) {
			if s.metric == "leader_election_master_status" &&
				!strings.Contains(string(source), `leaderElectionID = "`+s.labels["name"]+`"`) {
				t.Errorf("%s is about the Lease %q", a.Alert, s.labels["name"])
			}
		}
	}
}

func TestSelectors(t *testing.T) {
	for name, tt := range map[string]struct {
		expr   string
		want   []selector
		labels []string
	}{
		"a function of a range": {
			expr: `max by (profile) (last_over_time(a_b{state="failed"}[5m])) > 0`,
			want: []selector{{"a_b", map[string]string{"state": "failed"}}}, labels: []string{"profile"},
		},
		"what is not there, and numbers": {
			expr:   "sum by (x, le) (\n  (a_total unless a_total offset 1h) and on (job) time() - b{c=~\"d|e\"} < 3600 # f\n)",
			want:   []selector{{"b", map[string]string{"c": "d|e"}}, {metric: "a_total"}, {metric: "a_total"}},
			labels: []string{"x"},
		},
		"no grouping": {expr: `up{job="a"} == 0`, want: []selector{{"up", map[string]string{"job": "a"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, selectors(tt.expr), cmp.AllowUnexported(selector{})); diff != "" {
				t.Errorf("selectors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.labels, groupedBy(tt.expr)); diff != "" {
				t.Errorf("grouped by (-want +got):\n%s", diff)
			}
		})
	}
}
