package chart

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// everything is all that the chart has beside what it has by default, and that other folders of
// config have, too.
const everything = `
namespace: {create: true}
flags: {openreports: true}
flowControl: {enabled: true}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboard: {enabled: true}
`

// TestTheChartIsWhatConfigIs is about each object of the folders of config that are installed. The
// chart differs in three things:
//
//  1. Its labels are on each object.
//  2. Helm makes the namespace, unless the chart is asked to.
//  3. Helm keeps the CRDs and the namespace, by an annotation.
func TestTheChartIsWhatConfigIs(t *testing.T) {
	for sentence, tt := range map[string]struct {
		values  string
		folders []string
		apart   []string
	}{
		"by default it is config/default, and Helm makes the namespace": {
			folders: []string{"default"}, apart: []string{"Namespace/" + namespace},
		},
		"it can make the namespace, too": {
			values: "namespace: {create: true}", folders: []string{"default"},
		},
		"with all parts it is all that is installed": {
			values: everything, folders: []string{"default", "openreports", "flowcontrol", "prometheus", "grafana"},
			apart: []string{"Deployment/bulwark-manager"}, // It has the flag --openreports.
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := map[string]any{}
			for _, folder := range tt.folders {
				objects, err := controlplane.Kustomized(t.Context(), "config/"+folder)
				if err != nil {
					t.Fatal(err)
				}
				for name, o := range byID(t, objects) {
					want[name] = inCommon(o)
				}
			}
			got := map[string]any{}
			for name, o := range byID(t, rendered(t, tt.values)) {
				got[name] = inCommon(o)
			}
			for _, name := range tt.apart {
				if want[name] == nil {
					t.Errorf("%s is set apart, and config has none", name)
				}
				delete(want, name)
				delete(got, name)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
				t.Fatalf("objects (-config +chart):\n%s", diff)
			}
			for name := range want {
				if diff := cmp.Diff(want[name], got[name]); diff != "" {
					t.Errorf("%s (-config +chart):\n%s", name, diff)
				}
			}
		})
	}
}

// TestEachObjectBearsTheChartsLabels exempts CRDs from the name of the release: Argo CD marks no CRD
// by its own label, and would take the release for an Application that has the CRD, too.
func TestEachObjectBearsTheChartsLabels(t *testing.T) {
	for name, o := range byID(t, rendered(t, everything)) {
		bears := slices.Collect(maps.Keys(o.GetLabels()))
		for _, label := range labelsOfTheChart {
			wanted := o.GetKind() != "CustomResourceDefinition" || label != "app.kubernetes.io/instance"
			if slices.Contains(bears, label) != wanted {
				t.Errorf("%s bears the label %s: %v", name, label, !wanted)
			}
		}
	}
}

// TestWhatIsRenderedIsNotEmptyAnywhere exempts two selectors of everything, and what the CRDs say
// by an empty map.
func TestWhatIsRenderedIsNotEmptyAnywhere(t *testing.T) {
	meant := []string{"NetworkPolicy/default-deny.spec.podSelector is {}"}
	for _, o := range rendered(t, everything) {
		if o.GetKind() == "CustomResourceDefinition" {
			checkOwnFields(t, o)
			continue
		}
		for _, empty := range empties(id(o), o.Object) {
			if !slices.Contains(meant, empty) {
				t.Error(empty)
			}
		}
	}
}

// checkOwnFields checks a CRD but for its schemas: an empty map says something there, and the
// operator's own suites apply them.
func checkOwnFields(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	for _, empty := range empties(id(o), o.Object) {
		if !strings.Contains(empty, ".openAPIV3Schema.") && !strings.Contains(empty, ".subresources") {
			t.Error(empty)
		}
	}
}

func TestHelmFindsNothingToBlame(t *testing.T) {
	for _, values := range []string{"{}", everything} {
		out, err := helm(t, values, "lint", "--strict", chartPath(), "-n", namespace, "-f", "-")
		if err != nil || strings.Contains(out, "[WARNING]") || strings.Contains(out, "[ERROR]") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestTheChartHasNoHooks also holds that it has no jobs: an installation does nothing but apply.
func TestTheChartHasNoHooks(t *testing.T) {
	for _, o := range rendered(t, everything) {
		if _, hook := o.GetAnnotations()["helm.sh/hook"]; hook || o.GetKind() == "Job" || o.GetKind() == "Pod" {
			t.Errorf("%s is a hook, or runs during the installation", id(o))
		}
	}
}

// TestEachObjectBearsWhatAllShould also holds that the chart's own labels, which its Service and its
// ServiceMonitor select by, win, and that a part's own labels win over those of all.
func TestEachObjectBearsWhatAllShould(t *testing.T) {
	objects := byID(t, rendered(t, everything+`
commonLabels: {team: security, app.kubernetes.io/name: mine, tier: all}
commonAnnotations: {cost: "7"}
dashboard: {enabled: true, labels: {tier: board, grafana_dashboard: "yes"}, annotations: {grafana_folder: Security}}
prometheusRule: {enabled: true, labels: {release: prometheus}, annotations: {a: b}}
`))
	for name, o := range objects {
		labels, tier := o.GetLabels(), "all"
		if o.GetKind() == "ConfigMap" {
			tier = "board"
		}
		if labels["team"] != "security" || labels["app.kubernetes.io/name"] != "bulwark" || labels["tier"] != tier ||
			o.GetAnnotations()["cost"] != "7" {
			t.Errorf("%s bears %v and %v", name, labels, o.GetAnnotations())
		}
	}
	board, rule := objects["ConfigMap/bulwark-dashboard"], objects["PrometheusRule/bulwark"]
	if board.GetLabels()["grafana_dashboard"] != "yes" || board.GetAnnotations()["grafana_folder"] != "Security" {
		t.Errorf("the dashboard bears %v and %v", board.GetLabels(), board.GetAnnotations())
	}
	if rule.GetLabels()["release"] != "prometheus" || rule.GetAnnotations()["a"] != "b" {
		t.Errorf("the alerts bear %v and %v", rule.GetLabels(), rule.GetAnnotations())
	}
}

func TestHelmKeepsTheCRDsIfItIsAskedTo(t *testing.T) {
	for values, want := range map[string]string{"": "keep", "crds: {keep: false}": ""} {
		for _, o := range rendered(t, values) {
			policy := o.GetAnnotations()["helm.sh/resource-policy"]
			if o.GetKind() == "CustomResourceDefinition" && policy != want ||
				o.GetKind() != "CustomResourceDefinition" && policy != "" {
				t.Errorf("with %q the policy of %s is %q", values, id(o), policy)
			}
		}
	}
}
