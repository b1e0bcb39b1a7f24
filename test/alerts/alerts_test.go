package alerts

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	_ "github.com/bulwark-dev/bulwark/internal/operator" // What it imports registers controller-runtime's metrics.
)

// targetLabels are the labels that Prometheus adds to whatever it scrapes.
var targetLabels = []string{"job", "instance", "namespace", "pod", "service", "container", "endpoint"}

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

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)".* variableLabels: \{([^}]*)\}\}$`)

// exported are the labels of every metric that the operator exports, by the metric's name.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	own := prometheus.NewRegistry()
	if _, err := metrics.New(own); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc)
	go func() {
		own.Describe(descriptions)
		ctrlmetrics.Registry.(prometheus.Collector).Describe(descriptions)
		close(descriptions)
	}()
	labels := map[string][]string{"up": nil} // Prometheus' own.
	for description := range descriptions {
		match := described.FindStringSubmatch(description.String())
		if match == nil {
			t.Fatalf("not understood: %s", description)
		}
		labels[match[1]] = strings.FieldsFunc(match[2], func(r rune) bool { return r == ',' })
	}
	return labels
}

// labelsOf are the labels of a metric, of which a histogram exports several.
func labelsOf(exported map[string][]string, metric string) ([]string, bool) {
	if labels, ok := exported[metric]; ok {
		return labels, true
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(metric, suffix); cut {
			labels, ok := exported[base]
			return append(slices.Clone(labels), "le"), ok
		}
	}
	return nil, false
}

func TestAlertsNameMetricsThatTheOperatorExports(t *testing.T) {
	exported := exported(t)
	for _, a := range alerts(t) {
		named := selectors(a.Expr)
		if len(named) == 0 {
			t.Errorf("%s: no metric is found in %s", a.Alert, a.Expr)
		}
		for _, s := range named {
			labels, ok := labelsOf(exported, s.metric)
			if !ok {
				t.Errorf("%s: nothing exports %s", a.Alert, s.metric)
			}
			for label, value := range s.labels {
				if !slices.Contains(append(targetLabels, labels...), label) {
					t.Errorf("%s: %s has no label %s, only %q", a.Alert, s.metric, label, labels)
				}
				if known := valuesOf(s.metric, label); known != nil {
					for _, v := range strings.Split(value, "|") {
						if !slices.Contains(known, v) {
							t.Errorf("%s: %s of %s is never %q, but one of %q", a.Alert, label, s.metric, v, known)
						}
					}
				}
			}
		}
	}
}

// valuesOf are the values that a label of a metric may have; nil if they are not known.
func valuesOf(metric, label string) []string {
	switch metric + " " + label {
	case "bulwark_namespaces state":
		var states []string
		counts := reflect.TypeFor[v1alpha1.NamespaceCounts]()
		for i := range counts.NumField() {
			state, _, _ := strings.Cut(counts.Field(i).Tag.Get("json"), ",")
			states = append(states, state)
		}
		return states
	case "bulwark_findings severity":
		return []string{
			string(v1alpha1.SeverityCritical),
			string(v1alpha1.SeverityHigh),
			string(v1alpha1.SeverityMedium),
			string(v1alpha1.SeverityLow),
		}
	}
	return nil
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
