package policies

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

var update = flag.Bool("update", false, "write the profiles for Argo CD's health check instead of comparing them")

// argoCDTestdata is the folder of these profiles.
var argoCDTestdata = filepath.Join(
	"..", "..", "config", "argocd", "resource_customizations", "security.bulwark.dev", "SecurityProfile", "testdata",
)

// TestWhatArgoCDIsShown holds that the profiles which Argo CD's health check is tried on are what
// this package writes: one for each way that a profile can be.
func TestWhatArgoCDIsShown(t *testing.T) {
	_, policies := aPolicedProfile()
	policed := reportOf(admission.Pass{Desired: len(policies)})
	contested := []drift.Outcome{policyOutcome(v1alpha1.DriftStateContested, nil)}
	contestedPolicies := reportOf(
		admission.Pass{
			Desired:  len(policies),
			Outcomes: contested,
			Contests: contestSentences(&v1alpha1.SecurityProfile{}, contested, nil),
		},
	)
	for name, tt := range map[string]struct {
		states   []string
		change   func(*v1alpha1.SecurityProfile)
		policies *admission.Report
		contests bool
		status   func(*v1alpha1.SecurityProfile) *v1alpha1.SecurityProfileStatus
	}{
		"new": {status: func(*v1alpha1.SecurityProfile) *v1alpha1.SecurityProfileStatus {
			return &v1alpha1.SecurityProfileStatus{}
		}},
		"in-place":           {states: []string{posturetest.Compliant, posturetest.Compliant}},
		"weakened":           {states: []string{posturetest.Compliant, posturetest.Weakened}},
		"audited":            {states: []string{posturetest.Drifted}, change: func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementAudit }},
		"rolling-out":        {states: []string{posturetest.Compliant, posturetest.Stale, posturetest.Unseen}},
		"rolling-out-beside": {states: []string{posturetest.Compliant, posturetest.Unseen, posturetest.Drifted}, contests: true},
		"blocked":            {states: []string{posturetest.Compliant, posturetest.Blocked}},
		"drifted":            {states: []string{posturetest.Compliant, posturetest.Drifted}},
		"contested":          {states: []string{posturetest.Compliant, posturetest.Drifted}, contests: true},
		"contested-in-place": {states: []string{posturetest.Compliant, posturetest.Compliant}, contests: true},
		"conflicted":         {states: []string{posturetest.Compliant, posturetest.Conflict}},
		"refused":            {states: []string{posturetest.Compliant, posturetest.Refused, posturetest.Unseen}},
		"policies-in-force":  {states: []string{posturetest.Compliant}, policies: policed},
		"policies-contested": {states: []string{posturetest.Compliant}, policies: contestedPolicies},
		"invalid": {status: func(p *v1alpha1.SecurityProfile) *v1alpha1.SecurityProfileStatus {
			return posture.SummarizeInvalid(p, errors.New("spec.namespaceSelector: a word is missing"), noon)
		}},
		"outdated": {change: func(p *v1alpha1.SecurityProfile) { p.Generation = 5 }, status: func(p *v1alpha1.SecurityProfile) *v1alpha1.SecurityProfileStatus {
			earlier := p.DeepCopy()
			earlier.Generation = 4
			namespaces, reports := posturetest.Cluster(posturetest.Compliant)
			return posture.Summarize(earlier, &posture.Cluster{Selector: posturetest.SelectorOf(earlier), Namespaces: namespaces, Reports: reports}, nil, nil, noon)
		}},
	} {
		profile := &v1alpha1.SecurityProfile{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SecurityProfile"},
			ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 4},
		}
		if tt.change != nil {
			tt.change(profile)
		}
		namespaces, reports := posturetest.Cluster(tt.states...)
		if tt.contests {
			report := reports[namespaces[len(namespaces)-1].Name]
			report.Drift[0].State, report.Summary.Contested = v1alpha1.DriftStateContested, 1
			if tt.states[len(tt.states)-1] == posturetest.Drifted {
				report.Objects = []v1alpha1.ManagedObject{
					{
						ObjectReference: v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Role", Name: "bulwark-dev"},
						State:           v1alpha1.ObjectStateDrifted,
						Message:         "contested by the field manager argocd: rules",
					},
				}
			}
		}
		if tt.status != nil {
			profile.Status = *tt.status(profile)
		} else {
			profile.Status = *posture.Summarize(profile, &posture.Cluster{Selector: posturetest.SelectorOf(profile), Namespaces: namespaces, Reports: reports}, nil, tt.policies, noon)
		}
		compareShown(t, name, profile)
	}
}

func compareShown(t *testing.T, name string, profile *v1alpha1.SecurityProfile) {
	t.Helper()
	shown, err := runtime.DefaultUnstructuredConverter.ToUnstructured(profile)
	if err != nil {
		t.Fatal(err)
	}
	delete(shown, "spec") // It is not asked for health, and neither is what counts nothing.
	if status, _, _ := unstructured.NestedMap(shown, "status"); status["namespaces"] != nil {
		maps.DeleteFunc(status["namespaces"].(map[string]any), func(_ string, n any) bool { return n == int64(0) })
		delete(status, "drift")
		shown["status"] = status
	}
	path := filepath.Join(argoCDTestdata, name+".yaml")
	now, err := yaml.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, now, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, now) {
		t.Errorf(
			"%s is not what is written by now: run go test ./internal/policies -run ArgoCD -update\n%s",
			path,
			cmp.Diff(string(written), string(now)),
		)
	}
}
