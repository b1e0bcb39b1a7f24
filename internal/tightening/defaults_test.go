package tightening

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// sent is a pod of which managedFields say that somebody sent these fields, each of container or
// init container, limits or requests, and resource. The rest of its resources was given to it.
func sent(fields ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		set := fieldpath.NewSet()
		for list, containers := range map[string][]corev1.Container{"containers": p.Spec.Containers, "initContainers": p.Spec.InitContainers} {
			for _, c := range containers {
				set.Insert(fieldpath.MakePathOrDie("spec", list, fieldpath.KeyByFields("name", c.Name), "name"))
			}
		}
		for _, field := range fields {
			path := strings.Fields(field)
			set.Insert(
				fieldpath.MakePathOrDie("spec", path[0], fieldpath.KeyByFields("name", path[1]), "resources", path[2], path[3]),
			)
		}
		p.ManagedFields = append(p.ManagedFields, managed(set))
	}
}

// sentForAll is a pod of which managedFields say that somebody sent these resources of the whole
// pod.
func sentForAll(fields ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		set := fieldpath.NewSet()
		for _, field := range fields {
			path := strings.Fields(field)
			set.Insert(fieldpath.MakePathOrDie("spec", "resources", path[0], path[1]))
		}
		p.ManagedFields = append(p.ManagedFields, managed(set))
	}
}

func managed(set *fieldpath.Set) metav1.ManagedFieldsEntry {
	data, err := set.ToJSON()
	if err != nil {
		panic(err) // It is one of those above.
	}
	return metav1.ManagedFieldsEntry{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(string(data))}
}

// noted is a pod on which LimitRanger noted which defaults it gave.
func noted(note string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Annotations = map[string]string{"kubernetes.io/limit-ranger": "LimitRanger plugin set: " + note}
	}
}

func twice(p *corev1.Pod) {
	second := p.Spec.Containers[0]
	second.Name = "side"
	p.Spec.Containers = append(p.Spec.Containers, second)
}

func forAll(requests, limits corev1.ResourceList) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Resources = &corev1.ResourceRequirements{Requests: requests, Limits: limits}
	}
}

// bounded is items whose maximum is the default too, as the API server stores them.
func bounded(cpu string) []corev1.LimitRangeItem {
	return container(
		corev1.LimitRangeItem{Max: list("cpu", cpu), Default: list("cpu", cpu), DefaultRequest: list("cpu", cpu)},
	)
}

func TestLimitCheckGivesDefaults(t *testing.T) {
	const given = "cpu request for container app; cpu limit for container app"
	one, two := list("cpu", "1"), list("cpu", "2")
	for sentence, tt := range map[string]struct {
		items, before []corev1.LimitRangeItem
		pod           *corev1.Pod
		says          string // nothing if the pod is let in
	}{
		"the bound of a pod holds for the defaults of its containers": {
			items: append(bounded("600m"), whole(corev1.LimitRangeItem{Max: list("cpu", "1")})...),
			pod:   sized(nil, nil, twice), says: "the pod has a limit of 1200m",
		},
		"a pod whose containers have a default has a limit": {
			items: append(whole(corev1.LimitRangeItem{Max: list("cpu", "2")}), bounded("600m")...), pod: sized(nil, nil, twice),
		},
		"so it has a request": {
			items: append(bounded("600m"), whole(corev1.LimitRangeItem{Min: list("cpu", "2")})...),
			pod:   sized(nil, nil), says: "the pod requests 600m of cpu, which is at least 2",
		},
		"a default for an init container": {
			items: append(bounded("2"), whole(corev1.LimitRangeItem{Max: list("cpu", "1")})...),
			pod:   sized(nil, list("cpu", "1"), withInit(nil, nil)), says: "the pod has a limit of 2",
		},
		"what a pod sets for all of its containers is its sum": {
			items: whole(corev1.LimitRangeItem{Max: list("cpu", "1")}), pod: sized(nil, nil, forAll(nil, two)), says: "the pod has a limit of 2",
		},
		"a pod that has its limit from the default in place would have the new one": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, sent()),
		},
		"so it would in an init container": {
			items: bounded("1"), before: bounded("2"), pod: sized(one, one, withInit(two, two), sent("containers app limits cpu")),
		},
		"of several resources": {
			items: append(bounded("1"), whole(corev1.LimitRangeItem{Max: list("memory", "1Gi")})...), before: bounded("2"),
			pod: sized(list("cpu", "2", "memory", "1Gi"), list("cpu", "2", "memory", "1Gi"), sent("containers app limits memory")),
		},
		"who asked for as much is refused": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, sent("containers app limits cpu")),
			says: "has a limit of 2 for cpu, which is at most 1",
		},
		"what was given to another container was not asked for there": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, withInit(two, two), sent("containers app limits cpu")),
			says: "container app has a limit of 2",
		},
		"the annotation of LimitRanger says nothing against what was asked for": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, noted(given), sent("containers app limits cpu")),
			says: "has a limit of 2",
		},
		"and its absence nothing against what was given": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, noted("memory limit for container app"), sent()),
		},
		"where nobody has noted what was asked for, it may have been": {
			items: bounded("1"), before: bounded("2"), pod: sized(two, two, noted(given)), says: "has a limit of 2",
		},
		"or may have been given, which is refused, too": {
			items:  container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "3"), Default: list("cpu", "3"), Max: list("cpu", "2")}),
			before: bounded("2"), pod: sized(two, two), says: "has a limit of 3",
		},
		"and so in a container that a webhook has added": {
			items: bounded("1"), before: bounded("2"),
			pod: sized(one, one, sent("containers app limits cpu"), withInit(two, two)), says: "container init has a limit of 2",
		},
		"what somebody else gave is not ours to take back": {
			items: bounded("1"), before: bounded("4"), pod: sized(two, two, sent()), says: "has a limit of 2",
		},
		"what cannot be read notes nothing": {
			items: bounded("1"), before: bounded("2"), says: "has a limit of 2", pod: sized(two, two, func(p *corev1.Pod) {
				p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "a"}, {Manager: "b", FieldsV1: metav1.NewFieldsV1("[")}}
			}),
		},
		"a request that was given is given anew": {
			items: container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "100m"), Default: list("cpu", "500m")}), before: bounded("2"),
			pod: sized(two, two, sent()),
		},
		"what the API server has worked out for a whole pod it works out anew": {
			items:  container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "1"), Default: list("cpu", "1")}),
			before: container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "100m")}),
			pod:    sized(list("cpu", "100m"), nil, forAll(list("cpu", "100m"), two), sent(), sentForAll("limits cpu")),
		},
		"what was set for a whole pod stays": {
			items:  container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "1"), Default: list("cpu", "1")}),
			before: container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "100m")}),
			pod:    sized(list("cpu", "100m"), nil, forAll(list("cpu", "100m"), two), sent(), sentForAll("limits cpu", "requests cpu")),
			says:   "the pod requests 100m of cpu, which is less than the 1 that its containers would request",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			unchanged := tt.pod.DeepCopy()
			check := NewLimitCheck(tt.items, tt.before)
			check.Add(tt.pod)
			refused := check.Result()
			if refused.Empty() != (tt.says == "") || !strings.Contains(refused.Message(), tt.says) {
				t.Errorf("want %q, got %q", tt.says, refused.Message())
			}
			if diff := cmp.Diff(unchanged, tt.pod); diff != "" {
				t.Errorf("the pod was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestARatioAtItsBoundIsLetIn takes ratios that binary fractions do not hold.
func TestARatioAtItsBoundIsLetIn(t *testing.T) {
	for ratio := 1; ratio <= 30; ratio++ {
		items := container(
			corev1.LimitRangeItem{MaxLimitRequestRatio: list("cpu", fmt.Sprint(ratio), "memory", fmt.Sprint(ratio))},
		)
		for request := 1; request <= 1000; request++ {
			check := NewLimitCheck(items, nil)
			check.Add(sized(list("cpu", fmt.Sprintf("%dm", request), "memory", fmt.Sprintf("%dE", 1)),
				list("cpu", fmt.Sprintf("%dm", request*ratio), "memory", fmt.Sprintf("%dE", min(ratio, 8)))))
			if refused := check.Result(); !refused.Empty() {
				t.Fatalf("a request of %dm at a ratio of %d: %s", request, ratio, refused.Message())
			}
			check.Add(sized(list("cpu", fmt.Sprintf("%dm", request)), list("cpu", fmt.Sprintf("%dm", request*ratio+1))))
			if check.Result().Empty() {
				t.Fatalf("a request of %dm above a ratio of %d is let in", request, ratio)
			}
		}
	}
}

// TestQuotaCheckAsKubernetesDoes is what k8s.io/kubernetes/pkg/quota/v1/evaluator/core does, which
// is not published as a library.
func TestQuotaCheckAsKubernetesDoes(t *testing.T) {
	one := list("cpu", "1")
	for sentence, tt := range map[string]struct {
		hard corev1.ResourceList
		pod  *corev1.Pod
		says string // nothing if nothing is refused
	}{
		"an init container must say how much it needs": {
			list("requests.cpu", "4"), sized(one, nil, withInit(nil, nil)), "pod web: does not say how much it needs of requests.cpu",
		},
		"one that does counts where it needs more than all others": {
			list("requests.cpu", "1"), sized(one, nil, withInit(list("cpu", "2"), nil)), "2 of requests.cpu are used",
		},
		"a pod that says it for all of its containers has said it": {
			list("requests.cpu", "4", "limits.cpu", "4"), sized(nil, nil, forAll(one, one)), "",
		},
		"and is counted":                              {list("limits.cpu", "500m"), sized(nil, nil, forAll(one, one)), "1 of limits.cpu are used"},
		"pods that have ended are objects":            {list("count/pods", "0"), sized(nil, nil, finished), "1 of count/pods are used"},
		"and no pods":                                 {list("pods", "0"), sized(nil, nil, finished), ""},
		"overhead counts":                             {list("cpu", "1"), sized(one, nil, func(p *corev1.Pod) { p.Spec.Overhead = list("cpu", "1m") }), "1001m of cpu are used"},
		"what is set to nothing is said all the same": {list("requests.cpu", "0"), sized(list("cpu", "0"), nil), ""},
		"GPUs are counted":                            {list("requests.nvidia.com/gpu", "0"), sized(list("nvidia.com/gpu", "1"), nil), "1 of requests.nvidia.com/gpu are used"},
		"huge pages are counted":                      {list("hugepages-2Mi", "0"), sized(list("hugepages-2Mi", "2Mi"), nil), "2Mi of hugepages-2Mi are used"},
		"as much as there is":                         {list("cpu", "1", "pods", "1"), sized(one, nil), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			check := NewQuotaCheck(tt.hard, NewLimitCheck(nil, nil), noon)
			check.Add(tt.pod)
			refused := check.Result()
			if refused.Empty() != (tt.says == "") || !strings.Contains(refused.Message(), tt.says) {
				t.Errorf("want %q, got %q", tt.says, refused.Message())
			}
		})
	}
}

func TestUncounted(t *testing.T) {
	for sentence, tt := range map[string]struct{ hard, before, used, want corev1.ResourceList }{
		"what the quota in place does not bound":          {hard: list("pods", "1", "cpu", "1"), before: list("pods", "2"), used: list("pods", "1"), want: list("cpu", "1")},
		"what it bounds and nobody has counted":           {hard: list("pods", "1"), before: list("pods", "2"), want: list("pods", "1")},
		"not what is no stricter":                         {hard: list("pods", "2"), before: list("pods", "2"), want: list()},
		"not what is counted, though none is used":        {hard: list("pods", "1"), before: list("pods", "2"), used: list("pods", "0"), want: list()},
		"not what is counted though it was not to be yet": {hard: list("pods", "1"), used: list("pods", "3"), want: list()},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Uncounted(tt.hard, tt.before, tt.used)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatTwoChecksFindIsAdded(t *testing.T) {
	r := &Refused{Reasons: []string{"a"}, Pods: []string{"x"}, Total: 3}
	r.Add(&Refused{Reasons: []string{"b"}, Pods: []string{"y"}, Total: 1})
	if diff := cmp.Diff(&Refused{Reasons: []string{"a", "b"}, Pods: []string{"x", "y"}, Total: 4}, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
