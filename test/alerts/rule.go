// Package alerts holds the alerts of config/prometheus and the dashboard of config/grafana against
// what the operator exports and docs/alerts.md says. Promtool tests that they say what they should:
// make alerts.
package alerts

import (
	"fmt"
	"os"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"
)

const (
	rulePath    = "../../config/prometheus/prometheusrule.yaml"
	testsGlob   = "../../config/prometheus/tests/*.yaml"
	monitorPath = "../../config/prometheus/servicemonitor.yaml"
	servicePath = "../../config/manager/service.yaml"
	runbookPath = "../../docs/alerts.md"
	runbookURL  = "https://github.com/bulwark-dev/bulwark/blob/main/docs/alerts.md"
)

// alert is one alert of a PrometheusRule.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// prometheusRule is what there is to know of the kind.
type prometheusRule struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []alert `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// ruleTests is a file of promtool's rule tests.
type ruleTests struct {
	Tests []struct {
		Name  string `json:"name"`
		Cases []struct {
			Alert string `json:"alertname"`
			Fired []any  `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

// read decodes a file of YAML.
func read[T any](path string, strict bool) (T, error) {
	var to T
	content, err := os.ReadFile(path)
	if err != nil {
		return to, err
	}
	decode := yaml.Unmarshal
	if strict {
		decode = yaml.UnmarshalStrict
	}
	if err := decode(content, &to); err != nil {
		return to, fmt.Errorf("reading %s: %w", path, err)
	}
	return to, nil
}

var (
	comments  = regexp.MustCompile(`(?m)#.*$`)
	matchers  = regexp.MustCompile(`([a-zA-Z_:][\w:]*)?\{([^}]*)\}`)
	matcher   = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping  = regexp.MustCompile(`\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	durations = regexp.MustCompile(`\[[^\]]*\]|\b\d+(\.\d+)?(ms|[smhdwy])?\b`)
	words     = regexp.MustCompile(`([a-zA-Z_:][\w:]*)(\s*\()?`)
	keywords  = []string{"and", "or", "unless", "offset", "bool"}
)

// selector is a metric as an expression selects it.
type selector struct {
	metric string
	labels map[string]string // label to value or pattern
}

// selectors are the metrics that an expression names. They are written without quotes, and no label
// value holds a brace.
func selectors(expr string) []selector {
	expr = grouping.ReplaceAllString(comments.ReplaceAllString(expr, ""), "")
	var found []selector
	for _, match := range matchers.FindAllStringSubmatch(expr, -1) {
		s := selector{metric: match[1], labels: map[string]string{}}
		for _, m := range matcher.FindAllStringSubmatch(match[2], -1) {
			s.labels[m[1]] = m[2]
		}
		found = append(found, s)
	}
	expr = durations.ReplaceAllString(matchers.ReplaceAllString(expr, ""), "")
	for _, match := range words.FindAllStringSubmatch(expr, -1) {
		if match[2] == "" && !slices.Contains(append(keywords, aggregations...), match[1]) {
			found = append(found, selector{metric: match[1]})
		}
	}
	return found
}

// aggregations can stand without a parenthesis of their own, once what they group by is taken out.
var aggregations = []string{"sum", "max", "min", "count", "avg"}

// groupedBy are the labels that the alerts of an expression bear, by its first grouping.
func groupedBy(expr string) []string {
	match := grouping.FindStringSubmatch(comments.ReplaceAllString(expr, ""))
	if match == nil || match[1] != "by" {
		return nil
	}
	labels := regexp.MustCompile(`\w+`).FindAllString(match[2], -1)
	return slices.DeleteFunc(labels, func(label string) bool { return label == "le" })
}
