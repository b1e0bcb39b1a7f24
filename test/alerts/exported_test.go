package alerts

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/metrics"
	_ "github.com/bulwark-dev/bulwark/internal/operator" // What it imports registers controller-runtime's metrics.
)

// targetLabels are the labels that Prometheus adds to whatever it scrapes.
var targetLabels = []string{"job", "instance", "namespace", "pod", "service", "container", "endpoint"}

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

// checkSelector checks that the operator exports what a selector names: the metric, its labels, and
// their values where these are known.
func checkSelector(t *testing.T, name string, s selector, exported map[string][]string) {
	t.Helper()
	labels, ok := labelsOf(exported, s.metric)
	if !ok {
		t.Errorf("%s: nothing exports %s", name, s.metric)
	}
	for label, value := range s.labels {
		if !slices.Contains(append(targetLabels, labels...), label) {
			t.Errorf("%s: %s has no label %s, only %q", name, s.metric, label, labels)
		}
		if known := valuesOf(s.metric, label); known != nil {
			for _, v := range strings.Split(value, "|") {
				if !slices.Contains(known, v) {
					t.Errorf("%s: %s of %s is never %q, but one of %q", name, label, s.metric, v, known)
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
