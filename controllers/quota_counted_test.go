package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/counting"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

var small = reference("ResourceQuota", "bulwark-small")

func waitingCount() posture.QuotaCount {
	return posture.QuotaCount{Ref: small, Counting: counting.Counting{Waiting: []corev1.ResourceName{"pods"}}}
}

func neverCount() posture.QuotaCount {
	return posture.QuotaCount{Ref: small, Counting: counting.Counting{Never: []corev1.ResourceName{"count/jobs"}}}
}

func TestPatience(t *testing.T) {
	other := posture.QuotaCount{Ref: reference("ResourceQuota", "bulwark-other"), Counting: counting.Counting{Waiting: []corev1.ResourceName{"pods"}}}
	written := waitingCount()
	written.Written = true
	for sentence, tt := range map[string]struct {
		of     posture.QuotaCount
		after  time.Duration
		others []time.Duration // when another quota was counted
		want   time.Duration
	}{
		"one that is seen for the first time":                        {of: waitingCount(), want: countPatience},
		"one that was written just now":                              {of: written, after: time.Hour, want: countPatience},
		"one that has waited a second":                               {of: waitingCount(), after: time.Second, want: countPatience - time.Second},
		"one that has waited long, and nothing is counted":           {of: waitingCount(), after: countPatience},
		"one that has waited long, while others are counted":         {of: waitingCount(), after: 8 * time.Second, others: []time.Duration{7 * time.Second}, want: 8 * time.Second},
		"one that has waited long, and others were counted before":   {of: waitingCount(), after: 8 * time.Second, others: []time.Duration{5 * time.Second}},
		"one that has waited almost the longest":                     {of: waitingCount(), after: longestPatience - time.Second, others: []time.Duration{longestPatience - 2*time.Second}, want: time.Second},
		"one that has waited the longest":                            {of: waitingCount(), after: longestPatience, others: []time.Duration{longestPatience - time.Second}},
		"one that will never be counted is not waited for that long": {of: neverCount(), after: 8 * time.Second, others: []time.Duration{7 * time.Second}},
		"the clock was set back":                                     {of: waitingCount(), after: -time.Hour, want: countPatience},
		"the clock was set back, and others were counted later":      {of: waitingCount(), after: countPatience, others: []time.Duration{time.Hour}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newCountWatch()
			first := tt.of
			first.Written = false
			w.observe("shop", []posture.QuotaCount{first}, noon)
			for _, at := range tt.others {
				w.observe("till", []posture.QuotaCount{other}, noon.Add(at))
				w.observe("till", []posture.QuotaCount{{Ref: other.Ref}}, noon.Add(at))
			}
			now := noon.Add(tt.after)
			w.observe("shop", []posture.QuotaCount{tt.of}, now)
			if got := w.patience("shop", &tt.of, now); got != tt.want {
				t.Errorf("want %s, got %s", tt.want, got)
			}
		})
	}
}

// A watch must lead to a pass when a quota is counted or exceeded, and not for usage.
func TestOnlyWhatIsCountedAndExceededIsHeardOf(t *testing.T) {
	kind := baseline.KindOf(&corev1.ResourceQuota{})
	pods := func(n string) corev1.ResourceList { return corev1.ResourceList{"pods": resource.MustParse(n)} }
	cached := func(status corev1.ResourceQuotaStatus) *corev1.ResourceQuota {
		quota, err := boundedcache.StripExclusive(&corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Hard: pods("2")}, Status: status})
		if err != nil {
			t.Fatal(err)
		}
		return quota.(*corev1.ResourceQuota)
	}
	none, idle := corev1.ResourceQuotaStatus{}, corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("0")}
	full, over := corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("2")}, corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("3")}
	far, raised := corev1.ResourceQuotaStatus{Hard: pods("2"), Used: pods("300")}, corev1.ResourceQuotaStatus{Hard: pods("9"), Used: pods("3")}
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
