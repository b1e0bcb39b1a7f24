package tightening

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func given(requests corev1.ResourceList, change ...func(*corev1.ContainerStatus)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		status := corev1.ContainerStatus{Name: "app", Resources: &corev1.ResourceRequirements{Requests: requests}}
		for _, change := range change {
			change(&status)
		}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, status)
	}
}

func pending(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodResizePending, Reason: reason})
	}
}

func TestUsage(t *testing.T) {
	one, two := list("cpu", "1"), list("cpu", "2")
	oneCPU := list("pods", "1", "cpu", "1", "requests.cpu", "1")
	twoCPU := list("pods", "1", "cpu", "2", "requests.cpu", "2")
	gone := func(before time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &metav1.Time{Time: noon.Add(-before)}, new(int64(30))
		}
	}
	for sentence, tt := range map[string]struct {
		pod  *corev1.Pod
		want corev1.ResourceList // beside that it is an object
	}{
		"a pod that asks for nothing":            {sized(nil, nil), list("pods", "1")},
		"requests":                               {sized(one, nil), oneCPU},
		"limits":                                 {sized(one, two), list("pods", "1", "cpu", "1", "requests.cpu", "1", "limits.cpu", "2")},
		"one that has ended":                     {sized(one, nil, finished), list()},
		"one that is being deleted":              {sized(one, nil, gone(0)), oneCPU},
		"one that should be gone":                {sized(one, nil, gone(30*time.Second)), oneCPU},
		"one that should long be gone":           {sized(one, nil, gone(30*time.Second+time.Nanosecond)), list()},
		"one of which the grace is not known":    {sized(one, nil, gone(time.Hour), func(p *corev1.Pod) { p.DeletionGracePeriodSeconds = nil }), oneCPU},
		"one that has been given more":           {sized(one, nil, given(two)), twoCPU},
		"one that has been given less so far":    {sized(two, nil, given(one)), twoCPU},
		"one that cannot be given more":          {sized(two, nil, given(one), pending(corev1.PodReasonInfeasible)), oneCPU},
		"one that has to wait until it can":      {sized(two, nil, given(one), pending(corev1.PodReasonDeferred)), twoCPU},
		"one for which more has been set aside":  {sized(one, nil, given(one, func(s *corev1.ContainerStatus) { s.AllocatedResources = two })), twoCPU},
		"what is set for the whole pod":          {sized(one, nil, forAll(two, nil)), twoCPU},
		"a sidecar beside its container":         {sized(one, nil, withSidecar(one, nil)), twoCPU},
		"an init container, while it runs alone": {sized(one, nil, withInit(two, nil)), twoCPU},
		"overhead": {sized(nil, list("cpu", "1"), func(p *corev1.Pod) { p.Spec.Overhead = one }),
			list("pods", "1", "cpu", "1", "requests.cpu", "1", "limits.cpu", "2")},
		"huge pages, which have no limits of their own": {sized(nil, list("hugepages-2Mi", "2Mi"), func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Requests = list("hugepages-2Mi", "2Mi")
		}), list("pods", "1", "hugepages-2Mi", "2Mi", "requests.hugepages-2Mi", "2Mi")},
		"devices":                   {sized(list("nvidia.com/gpu", "1"), nil), list("pods", "1", "requests.nvidia.com/gpu", "1")},
		"devices of a device class": {sized(list(deviceClassPrefix+"gpu", "1"), nil), list("pods", "1", "requests."+deviceClassPrefix+"gpu", "1")},
		"what no quota counts":      {sized(list("kubernetes.io/batteries", "1"), nil), list("pods", "1")},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := list("count/pods", "1")
			for name, quantity := range tt.want {
				want[name] = quantity
			}
			if diff := cmp.Diff(want, Usage(tt.pod, noon)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestUsageLeavesThePodAsItIs takes a quantity that is too large to be added to a copy of it.
func TestUsageLeavesThePodAsItIs(t *testing.T) {
	large := list("memory", "12Pi")
	p := sized(nil, nil, forAll(large, large), func(p *corev1.Pod) { p.Spec.Overhead = list("memory", "1Gi") })
	before := p.DeepCopy()
	Usage(p, noon)
	if diff := cmp.Diff(before, p); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestQuotaCheckGoesByTheDefaultsThatThereWillBe(t *testing.T) {
	hard, given := list("limits.cpu", "64"), gives(list("cpu", "1"), list("cpu", "1"))
	for sentence, tt := range map[string]struct {
		after, before []corev1.LimitRangeItem
		others        [][]corev1.LimitRangeItem
		pods          []*corev1.Pod
		silent        []string
	}{
		"the new LimitRange says it":     {after: given, pods: []*corev1.Pod{sized(nil, nil)}},
		"a LimitRange of others says it": {others: [][]corev1.LimitRangeItem{given}, pods: []*corev1.Pod{sized(nil, nil)}},
		"the new one has to wait": {
			after: given, pods: []*corev1.Pod{sized(nil, nil), sized(list("cpu", "2"), nil, func(p *corev1.Pod) { p.Name = "big" })},
			silent: []string{"web", "big"},
		},
		"the new one has to wait, and the old one says it": {
			after: given, before: gives(nil, list("cpu", "4")), pods: []*corev1.Pod{sized(nil, nil), sized(list("cpu", "2"), nil)},
		},
		"the old one said it, and the new one does not": {
			before: given, pods: []*corev1.Pod{sized(list("cpu", "1"), list("cpu", "1"), sent())}, silent: []string{"web"},
		},
		"it was said by the pod itself": {
			before: given, pods: []*corev1.Pod{sized(list("cpu", "1"), list("cpu", "1"), sent("containers app limits cpu"))},
		},
		"one that is deleted and nobody's": {pods: []*corev1.Pod{sized(nil, nil, deleted(""))}},
		"one that is made anew":            {pods: []*corev1.Pod{sized(nil, nil, deleted("StatefulSet"))}, silent: []string{"web"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			limits := NewLimitCheck(tt.after, tt.before, tt.others...)
			quota := NewQuotaCheck(hard, limits, noon)
			for _, p := range tt.pods {
				for _, check := range []PodCheck{quota, limits} { // In whichever order.
					check.Add(p)
				}
			}
			if diff := cmp.Diff(tt.silent, quota.Result().Pods); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
