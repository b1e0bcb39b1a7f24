// Command chartgen writes the parts of the Helm chart that other folders of config hold already:
// the CRDs, the roles, the alerts, the dashboard, and the version. So nothing of it is written
// twice. It knows which value of the chart says whether a part is there. It may import kustomize,
// and must never know a cluster, nor Helm.
//
//	go run ./hack/chartgen config config/chart
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// part is a folder of config that the chart has, too.
type part struct {
	folder  string
	kinds   []string // those that the chart has of it; none is all
	when    string   // the value that says whether the part is there; empty is always
	keep    string   // the value that says whether Helm keeps its objects when the release goes
	unnamed bool     // its objects do not name the release: Argo CD would take that for an Application
	values  string   // the value that holds further labels and annotations
}

// parts are templates of their own, in this order.
var parts = []part{
	{folder: "crd", when: ".Values.crds.enabled", keep: ".Values.crds.keep", unnamed: true},
	{folder: "rbac"},
	{folder: "openreports", when: ".Values.flags.openreports"},
	{folder: "flowcontrol", when: ".Values.flowControl.enabled"},
	{
		folder: "prometheus",
		kinds:  []string{"PrometheusRule"},
		when:   ".Values.prometheusRule.enabled",
		values: ".Values.prometheusRule",
	},
	{folder: "grafana", when: ".Values.dashboard.enabled", values: ".Values.dashboard"},
}

// alsoWhen are values that say whether single objects are there, by their names.
var alsoWhen = map[string]string{
	"bulwark-grantable-read-workloads": ".Values.grantable.readWorkloads",
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chartgen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: chartgen CONFIG CHART")
	}
	config, chart := args[0], args[1]
	for _, p := range parts {
		objects, err := kustomized(filepath.Join(config, p.folder))
		if err != nil {
			return err
		}
		templates, err := p.templates(objects)
		if err != nil {
			return fmt.Errorf("writing %s as templates: %w", p.folder, err)
		}
		for name, content := range templates {
			path := filepath.Join(chart, "templates", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				return err
			}
		}
	}
	return setVersion(filepath.Join(config, "manager"), filepath.Join(chart, "Chart.yaml"))
}

// kustomized are the objects that a folder of config comes to.
func kustomized(folder string) ([]map[string]any, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", folder, err)
	}
	objects := make([]map[string]any, 0, built.Size())
	for _, resource := range built.Resources() {
		object, err := resource.Map()
		if err != nil {
			return nil, fmt.Errorf("reading what %s comes to: %w", folder, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

var (
	imageTag     = regexp.MustCompile(`(?m)^\s*image: bulwark:v(\S+)$`)
	versionLines = regexp.MustCompile(`(?m)^(version|appVersion): .*$`)
)

// setVersion takes the chart's version and that of the operator from the tag of its image.
func setVersion(manager, chart string) error {
	deployment, err := os.ReadFile(filepath.Join(manager, "deployment.yaml"))
	if err != nil {
		return err
	}
	tag := imageTag.FindSubmatch(deployment)
	if tag == nil {
		return fmt.Errorf("%s names no image bulwark with a version", manager)
	}
	content, err := os.ReadFile(chart)
	if err != nil {
		return err
	}
	set := versionLines.ReplaceAllStringFunc(string(content), func(line string) string {
		if strings.HasPrefix(line, "version:") {
			return "version: " + string(tag[1])
		}
		return "appVersion: v" + string(tag[1])
	})
	return os.WriteFile(chart, []byte(set), 0o644)
}
