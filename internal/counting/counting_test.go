package counting

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

type names = []corev1.ResourceName

// list is a list of pairs of an entry and its amount.
func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func quota(declared, hard, used corev1.ResourceList) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		Spec:   corev1.ResourceQuotaSpec{Hard: declared},
		Status: corev1.ResourceQuotaStatus{Hard: hard, Used: used},
	}
}

func TestOf(t *testing.T) {
	for sentence, tt := range map[string]struct {
		declared, hard, used corev1.ResourceList
		want                 Counting
	}{
		"one that declares nothing is counted":        {},
		"one that is counted and not exceeded":        {list("pods", "2"), list("pods", "2"), list("pods", "2"), Counting{}},
		"one amount may be written in two ways":       {list("cpu", "1"), list("cpu", "1000m"), list("cpu", "0"), Counting{}},
		"one with an empty status":                    {list("pods", "2", "cpu", "1"), nil, nil, Counting{Waiting: names{"cpu", "pods"}}},
		"one of which one entry was added just now":   {list("pods", "2", "cpu", "1"), list("pods", "2"), list("pods", "0"), Counting{Waiting: names{"cpu"}}},
		"one that was lowered just now":               {list("pods", "2"), list("pods", "5"), list("pods", "4"), Counting{Waiting: names{"pods"}, Loosened: names{"pods"}}},
		"one that was raised just now":                {list("pods", "5"), list("pods", "2"), list("pods", "2"), Counting{Waiting: names{"pods"}}},
		"a status that somebody emptied of its usage": {list("pods", "2"), list("pods", "2"), nil, Counting{Never: names{"pods"}}},
		"an entry that is none any more":              {list("pods", "2"), list("pods", "2", "cpu", "1"), list("pods", "1", "cpu", "1"), Counting{}},
		"usage above what is granted":                 {list("pods", "2", "cpu", "1"), list("pods", "2", "cpu", "1"), list("pods", "3", "cpu", "1001m"), Counting{Exceeded: names{"cpu", "pods"}}},
		"usage above what will be granted is not known to last": {
			list("pods", "2"), list("pods", "5"), list("pods", "4"), Counting{Waiting: names{"pods"}, Loosened: names{"pods"}},
		},
		"a resource that nobody knows":                     {list("count/widgets.example.com", "1"), list("count/widgets.example.com", "1"), list(), Counting{Never: names{"count/widgets.example.com"}}},
		"a resource without its group, before it is asked": {list("count/deployments", "1"), nil, nil, Counting{Never: names{"count/deployments"}}},
		"events are never counted":                         {list("count/events", "1"), nil, nil, Counting{Never: names{"count/events"}}},
		"nodes are in no namespace":                        {list("count/nodes", "1"), nil, nil, Counting{Never: names{"count/nodes"}}},
		"a resource with its group waits":                  {list("count/deployments.apps", "1"), nil, nil, Counting{Waiting: names{"count/deployments.apps"}}},
		"some of each": {
			list("pods", "2", "cpu", "1", "count/jobs", "1", "services", "3"),
			list("pods", "2", "cpu", "2", "count/jobs", "1", "services", "3"),
			list("pods", "3", "cpu", "1", "services", "0"),
			Counting{Waiting: names{"cpu"}, Loosened: names{"cpu"}, Never: names{"count/jobs"}, Exceeded: names{"pods"}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			q := quota(tt.declared, tt.hard, tt.used)
			if diff := cmp.Diff(tt.want, Of(q)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			Digest(q)
			if diff := cmp.Diff(tt.want, Of(q)); diff != "" {
				t.Errorf("of its digest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADigestIsTheSameForTheSameCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	entries := names{"pods", "cpu", "count/widgets.example.com", "count/jobs"}
	draw := func() corev1.ResourceList {
		l := corev1.ResourceList{}
		for _, name := range entries {
			if r.IntN(4) > 0 {
				l[name] = *resource.NewQuantity(r.Int64N(4), resource.DecimalSI)
			}
		}
		return l
	}
	seen := map[string]corev1.ResourceQuotaStatus{}
	for range 20000 {
		q := quota(draw(), draw(), draw())
		want := Of(q)
		Digest(q)
		if diff := cmp.Diff(want, Of(q)); diff != "" {
			t.Fatalf("a digest tells something else (-want +got):\n%s", diff)
		}
		again := q.DeepCopy()
		Digest(again)
		if diff := cmp.Diff(q, again); diff != "" {
			t.Fatalf("the digest of a digest differs (-once +twice):\n%s", diff)
		}
		spec, err := json.Marshal(q.Spec)
		if err != nil {
			t.Fatal(err)
		}
		told := fmt.Sprintf("%s %v", spec, want)
		if before, known := seen[told]; known && !cmp.Equal(before, q.Status) {
			t.Fatalf("two digests of the same counting: %v, %v", before, q.Status)
		}
		seen[told] = q.Status
	}
}

func TestSentences(t *testing.T) {
	for sentence, tt := range map[string]struct {
		declared, hard corev1.ResourceList
		want           string
	}{
		"all is counted": {nil, nil, ""},
		"nothing is": {list("pods", "2", "cpu", "1"), nil, "Kubernetes has not counted cpu, pods yet, so that what is declared does not hold: " +
			"does kube-controller-manager run, with its resourcequota controller?"},
		"the group is missing": {list("count/deployments", "1"), nil,
			"Kubernetes does not count count/deployments (it is count/deployments.apps), so that it bounds nothing"},
		"there is no such resource of that group": {list("count/widgets.example.com", "1"), list("count/widgets.example.com", "1"),
			"Kubernetes does not count count/widgets.example.com (it knows no resource widgets of example.com in namespaces), so that it bounds nothing"},
		"there is no such resource in the core group": {list("count/widgets", "1"), list("count/widgets", "1"),
			"Kubernetes does not count count/widgets (the core group has no such resource; any other is count/<resource>.<group>), so that it bounds nothing"},
		"it is in no namespace": {list("count/nodes", "1"), nil, "Kubernetes does not count count/nodes (they are in no namespace), so that it bounds nothing"},
		"it is counted in no quota": {list("count/events.events.k8s.io", "1"), nil,
			"Kubernetes does not count count/events.events.k8s.io (it counts no events), so that it bounds nothing"},
		"a device without what is asked of it": {list("example.com/gpu", "1"), list("example.com/gpu", "1"),
			"Kubernetes does not count example.com/gpu (it counts by that name neither requests nor objects), so that it bounds nothing"},
		"both": {list("count/jobs", "1", "pods", "1"), nil,
			"Kubernetes does not count count/jobs (it is count/jobs.batch), so that it bounds nothing; " +
				"Kubernetes has not counted pods yet, so that what is declared does not hold: does kube-controller-manager run, with its resourcequota controller?"},
		"many": {
			list("pods", "1", "cpu", "1", "memory", "1", "services", "1", "secrets", "1", "configmaps", "1",
				"requests.cpu", "1", "limits.cpu", "1", "requests.memory", "1", "limits.memory", "1"),
			nil,
			"Kubernetes has not counted configmaps, cpu, limits.cpu, limits.memory, memory, pods, requests.cpu, requests.memory and 2 more yet, " +
				"so that what is declared does not hold: does kube-controller-manager run, with its resourcequota controller?",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := Of(quota(tt.declared, tt.hard, nil))
			if diff := cmp.Diff(tt.want, c.Sentence()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
