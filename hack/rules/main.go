// Command rules writes the groups of a PrometheusRule as the plain rule file that promtool reads.
//
//	go run ./hack/rules config/prometheus/prometheusrule.yaml
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

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
	var rule struct {
		Kind string          `json:"kind"`
		Spec json.RawMessage `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &rule); err != nil {
		return fmt.Errorf("reading %s: %w", args[0], err)
	}
	if rule.Kind != "PrometheusRule" || len(rule.Spec) == 0 {
		return fmt.Errorf("%s is no PrometheusRule with a spec", args[0])
	}
	groups, err := yaml.JSONToYAML(rule.Spec)
	if err != nil {
		return fmt.Errorf("converting %s: %w", args[0], err)
	}
	_, err = out.Write(groups)
	return err
}
