package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// quotaOf is the quota bulwark-compute.
func quotaOf(hard corev1.ResourceList, scopes ...corev1.ResourceQuotaScope) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-compute"}, Spec: corev1.ResourceQuotaSpec{Hard: hard, Scopes: scopes},
	}
}

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// inhabited is a namespace as the API server tells of it.
type inhabited struct {
	client.Reader
	pods      []corev1.Pod
	limits    []corev1.LimitRange
	quota     *corev1.ResourceQuota // nil if there is none
	err       error
	limitsErr error
	asked     int
}

func (n *inhabited) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	n.asked++
	if limits, ok := list.(*corev1.LimitRangeList); ok {
		limits.Items = n.limits
		return n.limitsErr
	}
	list.(*corev1.PodList).Items = n.pods
	return n.err
}

func (n *inhabited) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	n.asked++
	if n.quota == nil && n.err == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "resourcequotas"}, key.Name)
	}
	if n.quota != nil {
		n.quota.DeepCopyInto(o.(*corev1.ResourceQuota))
	}
	return n.err
}

func using(used corev1.ResourceList) *corev1.ResourceQuota {
	quota := quotaOf(nil)
	quota.Status.Used = used
	return quota
}

// needing is the pod web, which needs so much cpu; it does not say how much, if that is empty.
func needing(cpu string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app"}}
	if cpu != "" {
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: amounts("cpu", cpu), Limits: amounts("cpu", cpu)}
	}
	return pod
}

// giving is a LimitRange that gives each container a limit, and a request of as much.
func giving(name, cpu string) corev1.LimitRange {
	return corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: amounts("cpu", cpu), DefaultRequest: amounts("cpu", cpu),
		}},
	}}
}

// lostSince is a pod that should have been gone at a time, with a grace period of a second.
func lostSince(at time.Time, pod corev1.Pod) corev1.Pod {
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: at}, new(int64(1))
	return pod
}

// TestWhatSomebodyLoosenedNeverWaits puts back what was in place, whatever runs by now and whether or not the API server can tell.
func TestWhatSomebodyLoosenedNeverWaits(t *testing.T) {
	waiting := func(r *v1alpha1.NamespacePosture) {
		for i := range r.Objects {
			r.Objects[i].State = v1alpha1.ObjectBlocked
		}
	}
	newGeneration := func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration-- }
	compute := quotaOf(amounts("pods", "1"))
	drifts := []drift.Drift{
		modified(posturetest.Levelled("restricted"), posturetest.Levelled("privileged")), modified(posturetest.Levelled("restricted"), posturetest.Levelled("")),
		modified(posturetest.Limited("1"), posturetest.Limited("64")), modified(posturetest.Limited("1"), nil),
		modified(compute, quotaOf(amounts("pods", "64"))), modified(compute, nil),
	}
	for sentence, change := range map[string]func(*v1alpha1.NamespacePosture){
		"in the same generation":                 func(*v1alpha1.NamespacePosture) {},
		"in a new generation":                    newGeneration,
		"though something else of it waits":      waiting,
		"though it waited in another generation": func(r *v1alpha1.NamespacePosture) { newGeneration(r); waiting(r) },
	} {
		t.Run(sentence, func(t *testing.T) {
			for _, d := range drifts {
				p := safely(func(r *v1alpha1.NamespacePosture) { posturetest.Remembering(d.Want)(r); change(r) })
				live := &inhabited{err: errors.New("no route"), pods: []corev1.Pod{needing("32")}}
				remaining, deferred, err := (&NamespaceReconciler{Live: live}).deferObjects(t.Context(), p, []baseline.Object{d.Want}, []drift.Drift{d})
				if err != nil || live.asked > 0 {
					t.Errorf("%s: the API server was asked %d times: %v", d.Object.Kind, live.asked, err)
				}
				if diff := cmp.Diff([]drift.Drift{d}, remaining); diff != "" || len(deferred.Blocked) > 0 {
					t.Errorf("%s is held (-want +got):\n%s", d.Object.Kind, diff)
				}
			}
		})
	}
}

// TestMemoryThatWasTakenAway says what a report without a memory means, by the state in which it holds the object.
func TestMemoryThatWasTakenAway(t *testing.T) {
	for state, waits := range map[v1alpha1.ObjectState]bool{
		v1alpha1.ObjectCompliant: false, // Somebody loosened what was in place, and perhaps wrote into the report.
		v1alpha1.ObjectDrifted:   false,
		v1alpha1.ObjectBlocked:   true,
		v1alpha1.ObjectFailed:    true, // It was never in place, and neither was another maker's.
		v1alpha1.ObjectConflict:  true,
	} {
		p := safely(func(r *v1alpha1.NamespacePosture) { r.Objects[1].State = state })
		if got := len(mayWait(p, []drift.Drift{modified(posturetest.Limited("1"), nil)})) == 1; got != waits {
			t.Errorf("%s: may wait: want %t, got %t", state, waits, got)
		}
	}
}

func TestQuotaIsHeldAgainstWhatIsCountedAndElseAgainstPods(t *testing.T) {
	web := []corev1.Pod{needing("2")}
	for sentence, tt := range map[string]struct {
		want, before *corev1.ResourceQuota
		live         inhabited
		says         string // nothing if it does not wait
		fails        bool
	}{
		"more is used than there will be": {
			want: quotaOf(amounts("pods", "1")), before: quotaOf(amounts("pods", "3")), live: inhabited{quota: using(amounts("pods", "2"))},
			says: "2 of pods are used, which will be at most 1",
		},
		"as much is used": {
			want: quotaOf(amounts("pods", "2")), before: quotaOf(amounts("pods", "3")), live: inhabited{quota: using(amounts("pods", "2"))},
		},
		"a resource that the one in place does not bound is counted by the pods": {
			want: quotaOf(amounts("pods", "9", "requests.cpu", "1")), before: quotaOf(amounts("pods", "9")),
			live: inhabited{quota: using(amounts("pods", "1")), pods: web}, says: "2 of requests.cpu are used, which will be at most 1",
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
		"there is none": {want: quotaOf(amounts("cpu", "1")), live: inhabited{pods: web}, says: "2 of cpu are used, which will be at most 1"},
		"one with scopes is put in place": {
			want: quotaOf(amounts("cpu", "1"), corev1.ResourceQuotaScopeBestEffort), live: inhabited{pods: web},
		},
		"so is one that takes the place of one with other scopes": {
			want: quotaOf(amounts("cpu", "1"), corev1.ResourceQuotaScopeBestEffort), before: quotaOf(amounts("cpu", "9")), live: inhabited{pods: web},
		},
		"one without scopes that takes the place of one with some is counted by the pods": {
			want: quotaOf(amounts("cpu", "1")), before: quotaOf(amounts("cpu", "9"), corev1.ResourceQuotaScopeBestEffort),
			live: inhabited{quota: using(amounts("cpu", "0")), pods: web}, says: "2 of cpu are used, which will be at most 1",
		},
		"the usage cannot be read": {
			want: quotaOf(amounts("pods", "1")), before: quotaOf(amounts("pods", "3")), live: inhabited{err: errors.New("no route")},
			says: "what it would refuse cannot be told: reading the usage of ResourceQuota shop/bulwark-compute: no route", fails: true,
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
			want: quotaOf(amounts("limits.cpu", "1")), live: inhabited{pods: []corev1.Pod{needing("")}, limits: []corev1.LimitRange{giving("theirs", "100m")}},
		},
		"a pod that should have been gone is not counted": {
			want: quotaOf(amounts("cpu", "1")), live: inhabited{pods: []corev1.Pod{lostSince(noon.Add(-2*time.Second), needing("2"))}},
		},
		"until its grace period is over once more": {
			want: quotaOf(amounts("cpu", "1")), live: inhabited{pods: []corev1.Pod{lostSince(noon.Add(-time.Second), needing("2"))}},
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
			r := &NamespaceReconciler{Live: &tt.live, Clock: clocktesting.NewFakePassiveClock(noon)}
			_, deferred, err := r.deferObjects(t.Context(), p, []baseline.Object{tt.want}, []drift.Drift{d})
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

func TestALookAfterATighteningComesWithinAnInterval(t *testing.T) {
	for recheck, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 5 * lookInterval: lookInterval} {
		r := &NamespaceReconciler{Clock: clocktesting.NewFakePassiveClock(noon), Recheck: recheck, looks: newLooks()}
		p := &posture.Pass{Profile: posturetest.Profile(), Namespace: posturetest.Levelled("restricted")}
		r.planLook(p, nil, tightening.AppliedLevel{Tightened: true}, false)
		if got := r.looks.until("shop", noon); got < want || got > 2*want || r.looks.due("shop", noon) {
			t.Errorf("rechecks every %s: want the next look in %s to twice that, got %s", recheck, want, got)
		}
	}
}
