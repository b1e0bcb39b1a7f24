package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
)

// A watch must lead to a pass when a quota is counted or exceeded, and not for usage.
func TestOnlyWhatIsCountedAndExceededIsHeardOf(t *testing.T) {
	kind := baseline.KindOf(&corev1.ResourceQuota{})
	pods := func(n string) corev1.ResourceList { return corev1.ResourceList{"pods": resource.MustParse(n)} }
	cached := func(status corev1.ResourceQuotaStatus) *corev1.ResourceQuota {
		quota, err := boundedcache.StripExclusive(
			&corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: pods("2")}, Status: status},
		)
		if err != nil {
			t.Fatal(err)
		}
		return quota.(*corev1.ResourceQuota)
	}
	none, idle := corev1.ResourceQuotaStatus{}, corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("0")}
	full, over := corev1.ResourceQuotaStatus{
		Hard: pods("2"),
		Used: pods("2"),
	}, corev1.ResourceQuotaStatus{
		Hard: pods("2"),
		Used: pods("3"),
	}
	far, raised := corev1.ResourceQuotaStatus{
		Hard: pods("2"),
		Used: pods("300"),
	}, corev1.ResourceQuotaStatus{
		Hard: pods("9"),
		Used: pods("3"),
	}
	for sentence, tt := range map[string]struct {
		before, after corev1.ResourceQuotaStatus
		want          bool
	}{
		"it is counted":                        {none, idle, true},
		"its count is lost":                    {full, none, true},
		"it is used":                           {idle, full, false},
		"it is exceeded":                       {full, over, true},
		"it is exceeded further":               {over, far, false},
		"it is exceeded no more":               {far, full, true},
		"somebody raises what is in force":     {full, raised, true},
		"nothing changes but the usage of one": {over, over, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := event.UpdateEvent{ObjectOld: cached(tt.before), ObjectNew: cached(tt.after)}
			if got := contentChanged(kind).Update(e); got != tt.want {
				t.Errorf("want %t", tt.want)
			}
		})
	}
}
