package tightening

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
)

// list is a resource list of pairs of name and quantity.
func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resourcev1.MustParse(pairs[i+1])
	}
	return l
}

func container(item corev1.LimitRangeItem) []corev1.LimitRangeItem {
	item.Type = corev1.LimitTypeContainer
	return []corev1.LimitRangeItem{item}
}

func whole(item corev1.LimitRangeItem) []corev1.LimitRangeItem {
	item.Type = corev1.LimitTypePod
	return []corev1.LimitRangeItem{item}
}

// sized is a pod whose container has these requests and limits.
func sized(requests, limits corev1.ResourceList, changes ...func(*corev1.Pod)) *corev1.Pod {
	return pod("web", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources = corev1.ResourceRequirements{Requests: requests, Limits: limits}
		for _, change := range changes {
			change(p)
		}
	})
}

// noon is when quotas are held against pods.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func finished(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }

func withInit(requests, limits corev1.ResourceList) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.InitContainers = []corev1.Container{
			{Name: "init", Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}},
		}
	}
}

func TestLimitCheck(t *testing.T) {
	atMostOne := corev1.LimitRangeItem{Max: list("cpu", "1")}
	for sentence, tt := range map[string]struct {
		items, before []corev1.LimitRangeItem
		pod           *corev1.Pod
		says          string // nothing if the pod is let in
	}{
		"a limit above the maximum":                     {container(atMostOne), nil, sized(nil, list("cpu", "2")), "pod web: container app has a limit of 2 for cpu, which is at most 1"},
		"a limit at the maximum":                        {container(atMostOne), nil, sized(nil, list("cpu", "1000m")), ""},
		"a request above the maximum":                   {container(corev1.LimitRangeItem{Max: list("cpu", "1"), Default: list("cpu", "1")}), nil, sized(list("cpu", "2"), nil), "requests 2 of cpu, which is at most 1"},
		"no limit where there is a maximum":             {container(atMostOne), nil, sized(list("cpu", "1"), nil), "has no limit for cpu"},
		"no limit where there is a default":             {container(corev1.LimitRangeItem{Max: list("cpu", "1"), Default: list("cpu", "1")}), nil, sized(nil, nil), ""},
		"a request below the minimum":                   {container(corev1.LimitRangeItem{Min: list("memory", "1Gi")}), nil, sized(list("memory", "1Mi"), nil), "requests 1Mi of memory, which is at least 1Gi"},
		"no request where there is a minimum":           {container(corev1.LimitRangeItem{Min: list("memory", "1Gi")}), nil, sized(nil, nil), "requests no memory"},
		"a limit is a request, too":                     {container(corev1.LimitRangeItem{Min: list("memory", "1Gi")}), nil, sized(nil, list("memory", "2Gi")), ""},
		"a limit below the minimum":                     {container(corev1.LimitRangeItem{Min: list("memory", "1Gi")}), nil, sized(list("memory", "1Gi"), list("memory", "1Mi")), "has a limit of 1Mi for memory, which is at least 1Gi"},
		"a ratio that is too large":                     {container(corev1.LimitRangeItem{MaxLimitRequestRatio: list("cpu", "2")}), nil, sized(list("cpu", "1"), list("cpu", "3")), "more than 2 times"},
		"a ratio that is just so":                       {container(corev1.LimitRangeItem{MaxLimitRequestRatio: list("cpu", "2")}), nil, sized(list("cpu", "1"), list("cpu", "2")), ""},
		"a ratio without a limit":                       {container(corev1.LimitRangeItem{MaxLimitRequestRatio: list("cpu", "2")}), nil, sized(list("cpu", "1"), nil), "does not set both"},
		"an init container":                             {container(atMostOne), nil, sized(nil, list("cpu", "1"), withInit(nil, list("cpu", "4"))), "container init has a limit of 4"},
		"the sum of a pod":                              {whole(atMostOne), nil, sized(nil, list("cpu", "600m"), func(p *corev1.Pod) { p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0]) }), "the pod has a limit of 1200m"},
		"the larger of a pod's sum and init container":  {whole(atMostOne), nil, sized(nil, list("cpu", "600m"), withInit(nil, list("cpu", "900m"))), ""},
		"a pod that has ended":                          {container(atMostOne), nil, sized(nil, list("cpu", "2"), finished), ""},
		"what was refused before is nothing new":        {container(corev1.LimitRangeItem{Max: list("cpu", "500m")}), container(atMostOne), sized(nil, list("cpu", "2")), ""},
		"what was let in before and no more is":         {container(corev1.LimitRangeItem{Max: list("cpu", "500m")}), container(atMostOne), sized(nil, list("cpu", "1")), "at most 500m"},
		"a bound on another resource was another bound": {container(corev1.LimitRangeItem{Max: list("memory", "1Gi")}), container(atMostOne), sized(nil, list("cpu", "2", "memory", "2Gi")), "for memory"},
		"claims are not of pods":                        {[]corev1.LimitRangeItem{{Type: corev1.LimitTypePersistentVolumeClaim, Max: list("storage", "1Gi")}}, nil, sized(nil, nil), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			check := NewLimitCheck(tt.items, tt.before)
			check.Add(tt.pod)
			refused := check.Result()
			if refused.Empty() != (tt.says == "") || !strings.Contains(refused.Message(), tt.says) {
				t.Errorf("want %q, got %q", tt.says, refused.Message())
			}
			if want := int64(len(refused.Pods)); refused.Total != want || want > 1 {
				t.Errorf("%d pods, named %v", refused.Total, refused.Pods)
			}
		})
	}
}

func TestRefusedByQuota(t *testing.T) {
	for sentence, tt := range map[string]struct {
		hard, before, used corev1.ResourceList
		want               []string
	}{
		"more is used than there will be": {list("pods", "1"), list("pods", "3"), list("pods", "2"), []string{"2 of pods are used, which will be at most 1"}},
		"as much is used":                 {list("pods", "2"), list("pods", "3"), list("pods", "2"), nil},
		"it is no stricter than it was":   {list("pods", "1"), list("pods", "1"), list("pods", "2"), nil},
		"it was not bounded before":       {list("pods", "1"), nil, list("pods", "2"), []string{"2 of pods are used, which will be at most 1"}},
		"what is not used is no matter":   {list("pods", "0"), nil, nil, nil},
		"of several, in order": {list("requests.cpu", "1", "pods", "1"), nil, list("pods", "2", "requests.cpu", "1500m"), []string{
			"2 of pods are used, which will be at most 1", "1500m of requests.cpu are used, which will be at most 1",
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, RefusedByQuota(tt.hard, tt.before, tt.used).Reasons); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestQuotaCheck(t *testing.T) {
	defaults := container(corev1.LimitRangeItem{DefaultRequest: list("cpu", "100m"), Default: list("memory", "1Gi")})
	for sentence, tt := range map[string]struct {
		hard   corev1.ResourceList
		limits []corev1.LimitRangeItem
		pods   []*corev1.Pod
		says   []string // nothing if nothing is refused
		silent int64
	}{
		"pods are counted":                            {hard: list("pods", "1"), pods: []*corev1.Pod{sized(nil, nil), sized(nil, nil)}, says: []string{"2 of pods are used"}},
		"those that have ended are not":               {hard: list("pods", "1"), pods: []*corev1.Pod{sized(nil, nil), sized(nil, nil, finished)}},
		"they are counted by their other name":        {hard: list("count/pods", "0"), pods: []*corev1.Pod{sized(nil, nil)}, says: []string{"1 of count/pods"}},
		"requests are summed":                         {hard: list("requests.cpu", "1"), pods: []*corev1.Pod{sized(list("cpu", "600m"), nil), sized(list("cpu", "600m"), nil)}, says: []string{"1200m of requests.cpu"}},
		"a bare name is a request":                    {hard: list("memory", "1Gi"), pods: []*corev1.Pod{sized(list("memory", "2Gi"), nil)}, says: []string{"2Gi of memory"}},
		"limits are summed":                           {hard: list("limits.cpu", "1"), pods: []*corev1.Pod{sized(list("cpu", "1m"), list("cpu", "2"))}, says: []string{"2 of limits.cpu"}},
		"who does not say how much is refused":        {hard: list("requests.cpu", "1"), pods: []*corev1.Pod{sized(nil, nil)}, says: []string{"pod web: does not say how much it needs of requests.cpu"}, silent: 1},
		"unless a LimitRange says it":                 {hard: list("requests.cpu", "1"), limits: defaults, pods: []*corev1.Pod{sized(nil, nil)}},
		"a default request is no limit":               {hard: list("limits.cpu", "1"), limits: defaults, pods: []*corev1.Pod{sized(list("cpu", "1m"), nil)}, says: []string{"limits.cpu"}, silent: 1},
		"ephemeral storage may be left unsaid":        {hard: list("requests.ephemeral-storage", "1Gi"), pods: []*corev1.Pod{sized(nil, nil)}},
		"and counts if it is not":                     {hard: list("requests.ephemeral-storage", "1Gi"), pods: []*corev1.Pod{sized(list("ephemeral-storage", "2Gi"), nil)}, says: []string{"2Gi of requests.ephemeral-storage"}},
		"what is not of pods is not known, so no bar": {hard: list("services", "0", "count/secrets", "0"), pods: []*corev1.Pod{sized(nil, nil)}},
	} {
		t.Run(sentence, func(t *testing.T) {
			check := NewQuotaCheck(tt.hard, NewLimitCheck(tt.limits, nil), noon)
			for _, p := range tt.pods {
				check.Add(p)
			}
			refused := check.Result()
			if refused.Empty() != (len(tt.says) == 0) {
				t.Errorf("got %q", refused.Reasons)
			}
			for _, says := range tt.says {
				if !strings.Contains(refused.Message(), says) {
					t.Errorf("%q is not said: %q", says, refused.Reasons)
				}
			}
			if refused.Total != tt.silent {
				t.Errorf("%d pods do not say how much, want %d", refused.Total, tt.silent)
			}
		})
	}
}

func TestOnlyTheFirstAreSpokenOf(t *testing.T) {
	check := NewLimitCheck(container(corev1.LimitRangeItem{Max: list("cpu", "1")}), nil)
	for range 100 {
		check.Add(sized(nil, list("cpu", "2")))
	}
	if refused := check.Result(); refused.Total != 100 || len(refused.Reasons) != maxReasons {
		t.Errorf("%d refused, %d in words", refused.Total, len(refused.Reasons))
	}
}
