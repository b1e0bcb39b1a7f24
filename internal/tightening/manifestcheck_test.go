package tightening

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestBreaches(t *testing.T) {
	one := container(corev1.LimitRangeItem{
		Max: list("cpu", "1"), Min: list("memory", "1Mi"), MaxLimitRequestRatio: list("cpu", "2"),
		Default: list("cpu", "1"), DefaultRequest: list("cpu", "500m", "memory", "1Mi"),
	})
	for sentence, tt := range map[string]struct {
		pod  *corev1.Pod
		want []Breach
	}{
		"what is given is enough": {sized(nil, nil), nil},
		"more than the maximum": {sized(nil, list("cpu", "2")), []Breach{{
			Container: "app", Resource: "cpu", Words: "container app has a limit of 2 for cpu, which is at most 1",
			Answer: "maximum cpu usage per Container is 1, but limit is 2",
		}}},
		"less than the minimum": {sized(list("memory", "1"), nil), []Breach{{
			Container: "app", Resource: "memory", Words: "container app requests 1 of memory, which is at least 1Mi",
			Answer: "minimum memory usage per Container is 1Mi, but request is 1",
		}}},
		"a ratio": {sized(list("cpu", "100m"), nil), []Breach{{
			Container: "app", Resource: "cpu", Words: "container app has a limit of 1 for cpu at a request of 100m, which is more than 2 times",
			Answer: "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
		}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Breaches(tt.pod, one)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBreachesWithoutALimitRange(t *testing.T) {
	got := Breaches(sized(list("cpu", "2"), list("cpu", "1")))
	want := []Breach{
		{
			Container: "app",
			Resource:  "cpu",
			Words:     "container app requests 2 of cpu, which is more than the limit of 1 that it would have",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnsaid(t *testing.T) {
	hard := list("requests.cpu", "1", "pods", "1")
	if got := Unsaid(hard, sized(nil, nil)); got != "requests.cpu" {
		t.Errorf("got %q", got)
	}
	if got := Unsaid(hard, sized(list("cpu", "1"), nil)); got != "" {
		t.Errorf("got %q", got)
	}
}
