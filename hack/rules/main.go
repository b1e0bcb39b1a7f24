// Command rules writes what promtool can read: the groups of a PrometheusRule as a plain rule file,
// or each query of a Grafana dashboard as a recording rule, panel:ID:REF. So Prometheus' own parser
// checks them, and promtool tests them. It knows files, and must never know a cluster.
//
//	go run ./hack/rules config/prometheus/prometheusrule.yaml
//	go run ./hack/rules config/grafana/bulwark.json
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: rules FILE")
	}
	content, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	convert := alerts
	if strings.HasSuffix(args[0], ".json") {
		convert = dashboard
	}
	groups, err := convert(content)
	if err != nil {
		return fmt.Errorf("reading %s: %w", args[0], err)
	}
	_, err = out.Write(groups)
	return err
}

// alerts are the groups of a PrometheusRule.
func alerts(content []byte) ([]byte, error) {
	var rule struct {
		Kind string          `json:"kind"`
		Spec json.RawMessage `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &rule); err != nil {
		return nil, err
	}
	if rule.Kind != "PrometheusRule" || len(rule.Spec) == 0 {
		return nil, fmt.Errorf("it is no PrometheusRule with a spec")
	}
	return yaml.JSONToYAML(rule.Spec)
}

// variables are what Grafana puts into a query, as it would be with every profile and a window that
// fits scrapes of 30 s.
var variables = strings.NewReplacer("$profile", ".*", "$__rate_interval", "5m", "$__range", "1h")

// dashboard are the queries of a dashboard: of its annotations, and of its panels.
func dashboard(content []byte) ([]byte, error) {
	var board struct {
		Annotations struct {
			List []struct {
				Expr string `json:"expr"`
			} `json:"list"`
		} `json:"annotations"`
		Panels []struct {
			ID      int `json:"id"`
			Targets []struct {
				RefID string `json:"refId"`
				Expr  string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(content, &board); err != nil {
		return nil, err
	}
	var rules []map[string]string
	add := func(name, expr string) {
		rules = append(rules, map[string]string{"record": name, "expr": variables.Replace(expr)})
	}
	for i, annotation := range board.Annotations.List {
		add(fmt.Sprintf("annotation:%d", i+1), annotation.Expr)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			add(fmt.Sprintf("panel:%d:%s", panel.ID, target.RefID), target.Expr)
		}
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("it has no queries")
	}
	return yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
}
