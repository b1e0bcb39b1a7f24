package posture

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestWithRefused(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "strict", Generation: 2}}
	namespaces := []corev1.Namespace{
		{
			ObjectMeta: metav1.ObjectMeta{Name: "new"},
		},
		{ObjectMeta: metav1.ObjectMeta{Name: "old"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "well"}},
	}
	reports := map[string]*v1alpha1.NamespacePosture{
		"old": {
			ObjectMeta: metav1.ObjectMeta{Namespace: "old"}, ProfileGeneration: 1, Status: posturetest.Readiness(true),
			Summary: v1alpha1.PostureSummary{Compliant: 3}, DriftTotal: 4,
		},
		"well": {
			ObjectMeta:        metav1.ObjectMeta{Namespace: "well"},
			ProfileGeneration: 2,
			Status:            posturetest.Readiness(true),
			Summary:           v1alpha1.PostureSummary{Compliant: 3},
		},
	}
	why := func(_, namespace string) (string, bool) { return "exceeded quota: own", namespace != "well" }
	cluster := &Cluster{posturetest.SelectorOf(profile), namespaces, reports}
	status := Summarize(profile, cluster.WithRefused(profile, why), nil, nil, posturetest.Noon)
	want := v1alpha1.NamespaceCounts{Selected: 3, Compliant: 1, Failed: 2}
	if status.Namespaces != want || status.DriftTotal != 4 {
		t.Errorf("want %+v, got %+v with %d drifts", want, status.Namespaces, status.DriftTotal)
	}
	for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
		c := meta.FindStatusCondition(status.Conditions, conditionType)
		if c == nil || c.Reason != v1alpha1.ReasonFailed ||
			!strings.Contains(
				c.Message,
				"in namespace new NamespacePosture posture: the report is refused: exceeded quota: own",
			) {
			t.Errorf("%s: %+v", conditionType, c)
		}
	}
	if reports["new"] != nil || reports["old"].Summary.Failed != 0 || !reports["old"].IsReady() {
		t.Errorf("the reports of the cache have changed: %+v", reports)
	}
}
