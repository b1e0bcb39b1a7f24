package posture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// FuzzSummarize sums whatever reports there may be on a few namespaces of whatever kind.
func FuzzSummarize(f *testing.F) {
	admitted, err := schemaOf("securityprofiles")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choose.By(data)
		profile := aPass().Profile
		profile.Spec.Enforcement = choose.Of(c, "", v1alpha1.EnforcementEnforce, v1alpha1.EnforcementAudit)
		namespaces, reports := someCluster(c)
		selector := selection.New([]v1alpha1.SecurityProfile{*profile, overriding}, nil)
		late := choose.Of[Lately](c, nil, func(namespace string, _ bool) bool { return len(namespace)%2 == 0 })
		status := Summarize(profile, &Cluster{selector, namespaces, reports}, late, nil, posturetest.Noon)
		if said, err := refusals(admitted.Properties["status"], status); err != nil || len(said) > 0 {
			t.Fatalf("the API server refuses the status: %v %v", err, said)
		}
		checkCounts(t, status)
		checkConditions(t, status)

		shuffled := Summarize(profile, &Cluster{selector, choose.Order(c, namespaces), reports}, late, nil, posturetest.Noon)
		if diff := cmp.Diff(status, shuffled); diff != "" {
			t.Errorf("with the namespaces in another order (-first +second):\n%s", diff)
		}
		profile.Status = stored(t, status)
		again := Summarize(profile, &Cluster{selector, namespaces, reports}, late, nil, posturetest.Noon.Add(time.Hour))
		if !equality.Semantic.DeepEqual(&profile.Status, again) {
			t.Errorf("a status that says nothing new is written (-before +after):\n%s", cmp.Diff(&profile.Status, again))
		}
		checkInvalid(t, admitted, profile, choose.Of(c, refusing[1:]...))
	})
}

// checkInvalid breaks the profile, whatever the reason.
func checkInvalid(t *testing.T, admitted *openAPI, profile *v1alpha1.SecurityProfile, why error) {
	status := SummarizeInvalid(profile, why, posturetest.Noon)
	if said, err := refusals(admitted.Properties["status"], status); err != nil || len(said) > 0 {
		t.Fatalf("the API server refuses the status of an invalid profile: %v %v", err, said)
	}
	profile.Status = stored(t, status)
	if again := SummarizeInvalid(
		profile,
		why,
		posturetest.Noon.Add(time.Hour),
	); !equality.Semantic.DeepEqual(
		&profile.Status,
		again,
	) {
		t.Errorf("a status that says nothing new is written (-before +after):\n%s", cmp.Diff(&profile.Status, again))
	}
}

// stored is the status as the API server gives it back.
func stored(t *testing.T, status *v1alpha1.SecurityProfileStatus) v1alpha1.SecurityProfileStatus {
	data, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var out v1alpha1.SecurityProfileStatus
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func checkCounts(t *testing.T, status *v1alpha1.SecurityProfileStatus) {
	n := status.Namespaces
	if n.Pending+n.Compliant+n.Weakened+n.Blocked+n.Uncounted+n.Drifted+n.Conflicted+n.Failed != n.Selected {
		t.Errorf("more or fewer namespaces than are selected: %+v", n)
	}
	if status.DriftTotal < int64(len(status.Drift)) {
		t.Errorf("a total of %d, with %d held", status.DriftTotal, len(status.Drift))
	}
	if !slices.IsSortedFunc(
		status.Drift,
		func(a, b v1alpha1.DriftEntry) int { return b.ObservedAt.Compare(a.ObservedAt.Time) },
	) {
		t.Errorf("not the newest first: %v", status.Drift)
	}
}

// checkConditions checks what kstatus relies on: a profile is ready, or it is being carried out or
// stalled.
func checkConditions(t *testing.T, status *v1alpha1.SecurityProfileStatus) {
	is := func(conditionType string) bool { return meta.IsStatusConditionTrue(status.Conditions, conditionType) }
	present := func(conditionType string) bool {
		return meta.FindStatusCondition(status.Conditions, conditionType) != nil
	}
	if !present("Ready") || !present("Compliant") || present("Reconciling") != is("Reconciling") ||
		present("Stalled") != is("Stalled") {
		t.Errorf("a condition is missing, or there and not true: %v", status.Conditions)
	}
	if is("Ready") == (is("Reconciling") || is("Stalled")) || is("Reconciling") && is("Stalled") {
		t.Errorf("conditions that contradict each other: %v", status.Conditions)
	}
	if n := status.Namespaces; is("Compliant") && n.Compliant+n.Pending != n.Selected {
		t.Errorf("compliant, with %+v: %v", n, status.Conditions)
	}
}

// overriding takes the namespaces named over-… from the profile of the test.
var overriding = v1alpha1.SecurityProfile{
	ObjectMeta: metav1.ObjectMeta{Name: "overriding"},
	Spec: v1alpha1.SecurityProfileSpec{
		Priority: 1, NamespaceSelector: v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"over": "yes"}},
	},
}

// someCluster is namespaces, with names of any length, and reports on some of them.
func someCluster(c *choose.Source) ([]corev1.Namespace, map[string]*v1alpha1.NamespacePosture) {
	var namespaces []corev1.Namespace
	reports := map[string]*v1alpha1.NamespacePosture{}
	for i := range c.Below(13) {
		ns := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("ns-", i) + strings.Repeat("x", 10*(i%6))}}
		switch c.Below(10) {
		case 8:
			ns.Labels = map[string]string{"over": "yes"}
		case 9:
			ns.DeletionTimestamp = &metav1.Time{Time: posturetest.Noon}
		}
		namespaces = append(namespaces, ns)
		report := someReport(c)
		if report == nil {
			continue
		}
		report.Namespace = ns.Name
		few := func() int32 { return choose.Of[int32](c, 0, 1) }
		report.Summary = v1alpha1.PostureSummary{
			Compliant: 1, Drifted: few(), Conflicted: few(), Failed: few(),
		}
		for j := range report.Drift {
			report.Drift[j].Namespace = ns.Name
		}
		reports[ns.Name] = report
	}
	return namespaces, reports
}
