package rollout

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestQuotasAreCheckedByWhatIsCountedAndElseByPods(t *testing.T) {
	web := []corev1.Pod{needing("2")}
	for sentence, tt := range map[string]struct {
		want, before *corev1.ResourceQuota
		live         inhabited
		says         string // nothing if it does not wait
		fails        bool
	}{
		"more is used than there will be": {
			want: quotaOf(amounts("pods", "1")), before: quotaOf(amounts("pods", "3")),
			live: inhabited{quota: using(amounts("pods", "2"))},
			says: "2 of pods are used, which will be at most 1",
		},
		"as much is used": {
			want: quotaOf(amounts("pods", "2")), before: quotaOf(amounts("pods", "3")),
			live: inhabited{quota: using(amounts("pods", "2"))},
		},
		"a resource that the one in place does not bound is counted by the pods": {
			want: quotaOf(amounts("pods", "9", "requests.cpu", "1")), before: quotaOf(amounts("pods", "9")),
			live: inhabited{quota: using(amounts("pods", "1")), pods: web},
			says: "2 of requests.cpu are used, which will be at most 1",
		},
		"and what is said of the others stays said": {
			want: quotaOf(amounts("pods", "0", "requests.cpu", "1")), before: quotaOf(amounts("pods", "9")),
			live: inhabited{quota: using(amounts("pods", "1")), pods: web},
			says: "1 of pods are used, which will be at most 0; 2 of requests.cpu are used, which will be at most 1",
		},
		"a pod that does not say how much it needs of it": {
			want: quotaOf(amounts("limits.cpu", "1")), before: quotaOf(amounts("pods", "9")),
			live: inhabited{quota: using(amounts("pods", "1")), pods: []corev1.Pod{needing("")}},
			says: "pod web: does not say how much it needs of limits.cpu",
		},
		"somebody deleted the one in place": {
			want: quotaOf(amounts("cpu", "1")), before: quotaOf(amounts("cpu", "9")), live: inhabited{pods: web},
			says: "2 of cpu are used, which will be at most 1",
		},
		"there is none": {
			want: quotaOf(amounts("cpu", "1")), live: inhabited{pods: web}, says: "2 of cpu are used, which will be at most 1",
		},
		"one with scopes is put in place": {
			want: quotaOf(amounts("cpu", "1"), corev1.ResourceQuotaScopeBestEffort), live: inhabited{pods: web},
		},
		"so is one that takes the place of one with other scopes": {
			want: quotaOf(amounts("cpu", "1"), corev1.ResourceQuotaScopeBestEffort), before: quotaOf(amounts("cpu", "9")),
			live: inhabited{pods: web},
		},
		"one without scopes that takes the place of one with some is counted by the pods": {
			want: quotaOf(amounts("cpu", "1")), before: quotaOf(amounts("cpu", "9"), corev1.ResourceQuotaScopeBestEffort),
			live: inhabited{quota: using(amounts("cpu", "0")), pods: web}, says: "2 of cpu are used, which will be at most 1",
		},
		"the usage cannot be read": {
			want: quotaOf(amounts("pods", "1")), before: quotaOf(amounts("pods", "3")),
			live:  inhabited{err: errors.New("no route")},
			says:  "what it would refuse cannot be told: reading the usage of ResourceQuota shop/bulwark-compute: no route",
			fails: true,
		},
		"the pods cannot be listed": {
			want: quotaOf(amounts("pods", "1")), live: inhabited{err: errors.New("no route")},
			says: "what it would refuse cannot be told: listing the pods of namespace shop: no route", fails: true,
		},
		"the LimitRanges cannot be listed": {
			want: quotaOf(amounts("pods", "1")), live: inhabited{limitsErr: errors.New("no route")},
			says: "what it would refuse cannot be told: listing the LimitRanges of namespace shop: no route", fails: true,
		},
		"a LimitRange of somebody else says how much a pod needs": {
			want: quotaOf(amounts("limits.cpu", "1")),
			live: inhabited{pods: []corev1.Pod{needing("")}, limits: []corev1.LimitRange{giving("theirs", "100m")}},
		},
		"a pod that should have been gone is not counted": {
			want: quotaOf(amounts("cpu", "1")),
			live: inhabited{pods: []corev1.Pod{lostSince(posturetest.Noon.Add(-2*time.Second), needing("2"))}},
		},
		"until its grace period is over once more": {
			want: quotaOf(amounts("cpu", "1")),
			live: inhabited{pods: []corev1.Pod{lostSince(posturetest.Noon.Add(-time.Second), needing("2"))}},
			says: "2 of cpu are used, which will be at most 1",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := safely(func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- })
			d := modified(tt.want, nil)
			if tt.before != nil {
				posturetest.Remembering(tt.before)(p.Report())
				d = modified(tt.want, tt.before)
			}
			_, deferred, err := gateOf(&tt.live).Objects(
				t.Context(), p, []baseline.Object{tt.want}, []drift.Drift{d}, posturetest.Noon)
			if (err != nil) != tt.fails {
				t.Errorf("error: %v", err)
			}
			says := ""
			if len(deferred.Blocked) > 0 {
				says = deferred.Blocked[0].Message
			}
			if diff := cmp.Diff(tt.says, says); diff != "" {
				t.Errorf("blocked (-want +got):\n%s", diff)
			}
		})
	}
}
