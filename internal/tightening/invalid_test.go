package tightening

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// gives is the item of a LimitRange that gives these requests and limits.
func gives(requests, limits corev1.ResourceList) []corev1.LimitRangeItem {
	return container(corev1.LimitRangeItem{DefaultRequest: requests, Default: limits})
}

func withSidecar(requests, limits corev1.ResourceList) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		withInit(requests, limits)(p)
		p.Spec.InitContainers[0].RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	}
}

// TestLimitCheckKnowsWhatIsInvalid takes what API validation refuses once defaults have been given.
func TestLimitCheckKnowsWhatIsInvalid(t *testing.T) {
	one, two := list("cpu", "1"), list("cpu", "2")
	for sentence, tt := range map[string]struct {
		items, before, theirs []corev1.LimitRangeItem
		pod                   *corev1.Pod
		says                  string // nothing if the pod is let in
	}{
		"a default limit below the request": {
			items: gives(nil, one), pod: sized(two, nil),
			says: "pod web: container app requests 2 of cpu, which is more than the limit of 1 that it would have",
		},
		"a default limit that is the request": {items: gives(nil, two), pod: sized(list("cpu", "2000m"), nil)},
		"a default request above the limit cannot be: the limit is the request": {
			items: gives(two, nil), pod: sized(nil, one),
		},
		"a default limit below the request of an init container": {
			items: gives(nil, one), pod: sized(nil, nil, withInit(two, nil)), says: "container init requests 2 of cpu",
		},
		"or of a sidecar": {items: gives(nil, one), pod: sized(nil, nil, withSidecar(two, nil)), says: "container init requests 2 of cpu"},
		"of ephemeral storage": {
			items: gives(nil, list("ephemeral-storage", "1Gi")), pod: sized(list("ephemeral-storage", "2Gi"), nil),
			says: "requests 2Gi of ephemeral-storage",
		},
		"it was invalid before": {items: gives(nil, one), before: gives(nil, list("cpu", "500m")), pod: sized(two, nil)},
		"it was invalid before of another resource": {
			items: gives(nil, one), before: gives(nil, list("memory", "1Gi")), pod: sized(list("cpu", "2", "memory", "2Gi"), nil),
			says: "requests 2 of cpu",
		},
		"a default limit above that of the pod": {
			items: gives(nil, two), pod: sized(nil, nil, forAll(nil, one)),
			says: "container app would have a limit of 2 for cpu, which is more than the limit of 1 of the pod",
		},
		"an init container may have more": {
			items: gives(list("cpu", "1m"), two), pod: sized(nil, one, withInit(nil, nil), forAll(nil, one)),
		},
		"default requests above that of the pod": {
			items: gives(one, nil), pod: sized(nil, nil, twice, forAll(one, nil)),
			says: "the pod requests 1 of cpu, which is less than the 2 that its containers would request",
		},
		"with those of sidecars": {
			items: gives(one, nil), pod: sized(nil, nil, withSidecar(nil, nil), forAll(one, nil)), says: "less than the 2",
		},
		"what the pod does not set is worked out": {items: gives(one, two), pod: sized(nil, nil, twice, forAll(list("memory", "1Gi"), nil))},
		"a pod's limit is at least its request":   {items: gives(one, one), pod: sized(nil, nil, forAll(two, nil))},
		"huge pages without cpu or memory": {
			items: gives(list("hugepages-2Mi", "2Mi"), list("hugepages-2Mi", "2Mi")), pod: sized(nil, nil),
			says: "container app would have huge pages without cpu or memory",
		},
		"huge pages with memory": {
			items: gives(list("hugepages-2Mi", "2Mi"), list("hugepages-2Mi", "2Mi")), pod: sized(list("memory", "1Gi"), nil),
		},
		"huge pages that are no whole pages": {
			items: gives(list("hugepages-2Mi", "3Mi"), list("hugepages-2Mi", "3Mi")), pod: sized(one, nil), says: "no multiple of a page",
		},
		"huge pages beyond those of the pod": {
			items: gives(list("hugepages-2Mi", "4Mi"), list("hugepages-2Mi", "4Mi")),
			pod:   sized(one, nil, forAll(list("cpu", "1", "hugepages-2Mi", "2Mi"), list("hugepages-2Mi", "2Mi"))),
			says:  "less than the 4Mi",
		},
		"a default request that may not be overcommitted without a limit": {
			items: gives(list("example.com/gpu", "1"), nil), pod: sized(nil, nil), says: "requests 1 of example.com/gpu, and would have no limit",
		},
		"a default limit that is not as much as what is requested": {
			items:  gives(list("example.com/gpu", "2"), list("example.com/gpu", "2")),
			before: gives(list("example.com/gpu", "1"), list("example.com/gpu", "1")), pod: sized(list("example.com/gpu", "1"), nil),
			says: "requests 1 of example.com/gpu, which must be as much as the limit of 2",
		},
		"half a device":     {items: gives(list("example.com/gpu", "500m"), list("example.com/gpu", "500m")), pod: sized(nil, nil), says: "no whole number"},
		"less than nothing": {items: gives(list("cpu", "-1"), list("cpu", "-1")), pod: sized(nil, nil), says: "which is negative"},
		"a LimitRange of others gives a request above the limit that this one gives": {
			items: gives(nil, one), theirs: gives(two, nil), pod: sized(nil, nil), says: "requests 2 of cpu, which is more than the limit of 1",
		},
		"which of two defaults a container is given is chance": {
			items: gives(one, two), theirs: gives(list("cpu", "100m"), list("cpu", "200m")), pod: sized(list("cpu", "500m"), nil),
		},
		"so what one of them refuses may be refused": {
			items: gives(list("cpu", "100m"), list("cpu", "200m")), theirs: gives(one, two), pod: sized(list("cpu", "500m"), nil),
			says: "requests 500m of cpu, which is more than the limit of 200m",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var others [][]corev1.LimitRangeItem
			if tt.theirs != nil {
				others = append(others, tt.theirs)
			}
			check := NewLimitCheck(tt.items, tt.before, others...)
			check.Add(tt.pod)
			refused := check.Result()
			if refused.Empty() != (tt.says == "") || !strings.Contains(refused.Message(), tt.says) {
				t.Errorf("want %q, got %q", tt.says, refused.Message())
			}
		})
	}
}

func TestOrders(t *testing.T) {
	for n, want := range []int{0, 1, 2, 6, 8} { // Up to three, all there are.
		l, seen := limitRanges{}, map[string]bool{}
		for i := range n {
			l = append(l, []corev1.LimitRangeItem{{Type: corev1.LimitType(fmt.Sprint(i))}})
		}
		for _, order := range l.orders() {
			seen[fmt.Sprint(order)] = true
		}
		if len(l.orders()) != want || len(seen) != want {
			t.Errorf("of %d: want %d, got %d, of which %d differ", n, want, len(l.orders()), len(seen))
		}
	}
}

// deleted is a pod that is being deleted, of a controller of this kind; of none, if it is empty.
func deleted(controller string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &metav1.Time{Time: noon}, new(int64(30))
		if controller != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "Node"}, {Kind: controller, Controller: new(true)}}
		}
	}
}

func TestOnlyWhatMayBeMadeAnewIsHeldAgainstALimitRange(t *testing.T) {
	for sentence, tt := range map[string]struct {
		change func(*corev1.Pod)
		want   bool
	}{
		"a pod that runs":                           {func(*corev1.Pod) {}, true},
		"one that waits for a node":                 {func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }, true},
		"not one that has ended":                    {finished, false},
		"not one that has failed":                   {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, false},
		"not one that is deleted and nobody's":      {deleted(""), false},
		"not one that a ReplicaSet has replaced":    {deleted("ReplicaSet"), false},
		"not one of a ReplicationController either": {deleted("ReplicationController"), false},
		"one that a StatefulSet makes anew after":   {deleted("StatefulSet"), true},
		"one of a controller that nobody knows":     {deleted("Database"), true},
	} {
		check := NewLimitCheck(container(corev1.LimitRangeItem{Max: list("cpu", "1")}), nil)
		check.Add(sized(nil, list("cpu", "2"), tt.change))
		if got := !check.Result().Empty(); got != tt.want {
			t.Errorf("%s: want %t, got %t", sentence, tt.want, got)
		}
	}
}
