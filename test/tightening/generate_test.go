package tightening

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/test/framework/generate"
)

const (
	hugePages = corev1.ResourceName("hugepages-2Mi")
	gpu       = corev1.ResourceName("example.com/gpu")
	// heavy is a RuntimeClass whose pods have overhead.
	heavy = "heavy"
)

// quantities are what pods and LimitRanges ask for, from little to much: few, so that they often
// meet, and odd.
var quantities = map[corev1.ResourceName][]string{
	corev1.ResourceCPU:              {"0", "1m", "0.1234", "250m", "500m", "1", "1500m", "2", "4k"},
	corev1.ResourceMemory:           {"0", "100m", "64Mi", "100M", "128Mi", "1Gi", "1.5Gi", "2Gi", "12Pi"},
	corev1.ResourceEphemeralStorage: {"0", "1Mi", "1G", "1Gi", "1e10"},
	hugePages:                       {"2Mi", "4Mi", "8Mi"},
	gpu:                             {"0", "1", "2"},
}

// strange are values that a LimitRange may hold and that no pod may be given.
var strange = map[corev1.ResourceName][]string{hugePages: {"3Mi"}, gpu: {"1500m"}, corev1.ResourceCPU: {"-1"}}

// once in so many times it is true.
func once(t *rapid.T, in int, name string) bool { return rapid.IntRange(1, in).Draw(t, name) == in }

func quantity(t *rapid.T, name corev1.ResourceName) resource.Quantity {
	return resource.MustParse(generate.OneOf(t, string(name), quantities[name]...))
}

// ascending are two quantities, of which the first is not above the second.
func ascending(t *rapid.T, name corev1.ResourceName) (low, high resource.Quantity) {
	a, b := quantity(t, name), quantity(t, name)
	if a.Cmp(b) > 0 {
		return b, a
	}
	return a, b
}

// requirements are requests and limits that are valid by themselves, mostly with something left
// out.
func requirements(t *rapid.T, names ...corev1.ResourceName) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
	for _, name := range names {
		switch low, high := ascending(t, name); generate.OneOf(
			t,
			string(name)+" as",
			"neither",
			"neither",
			"request",
			"limit",
			"both",
		) {
		case "request":
			r.Requests[name] = low
		case "limit":
			r.Limits[name] = high
		case "both":
			r.Requests[name], r.Limits[name] = low, high
		}
	}
	return r
}

// exactly adds a resource that may not be overcommitted.
func exactly(t *rapid.T, r *corev1.ResourceRequirements, name corev1.ResourceName) {
	if !once(t, 8, "has "+string(name)) {
		return
	}
	amount := quantity(t, name)
	r.Limits[name] = amount
	if rapid.Bool().Draw(t, "requests "+string(name)) {
		r.Requests[name] = amount
	}
}

func container(t *rapid.T, name string) corev1.Container {
	r := requirements(t, corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage)
	exactly(t, &r, hugePages)
	exactly(t, &r, gpu)
	return corev1.Container{Name: name, Image: "registry.example.com/app:1", Resources: r}
}

// manifests generates pods as somebody may write them, almost all of them valid.
func manifests() *rapid.Generator[*corev1.Pod] {
	return rapid.Custom(func(t *rapid.T) *corev1.Pod {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{ServiceAccountName: "run"}}
		for i := range generate.OneOf(t, "containers", 1, 1, 1, 2, 3) {
			pod.Spec.Containers = append(pod.Spec.Containers, container(t, fmt.Sprint("app-", i)))
		}
		for i := range generate.OneOf(t, "init containers", 0, 0, 1, 2) {
			c := container(t, fmt.Sprint("init-", i))
			if rapid.Bool().Draw(t, "sidecar") {
				always := corev1.ContainerRestartPolicyAlways
				c.RestartPolicy = &always
			}
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		}
		if once(t, 3, "sets resources of the whole pod") {
			r := requirements(t, corev1.ResourceCPU, corev1.ResourceMemory)
			exactly(t, &r, hugePages)
			pod.Spec.Resources = &r
		}
		if once(t, 4, "has overhead") {
			class := heavy
			pod.Spec.RuntimeClassName = &class
		}
		return pod
	})
}

// limitRange generates the items of a LimitRange; none, if it is to be none.
func limitRange() *rapid.Generator[[]corev1.LimitRangeItem] {
	return rapid.Custom(func(t *rapid.T) []corev1.LimitRangeItem {
		var items []corev1.LimitRangeItem
		for _, kind := range generate.OneOf(t, "items", nil, []string{"Container"}, []string{"Container"}, []string{"Pod"}, []string{"Pod", "Container"},
			[]string{"PersistentVolumeClaim", "Container", "example.com/other"}) {
			items = append(items, item(t, corev1.LimitType(kind)))
		}
		return items
	})
}

func item(t *rapid.T, kind corev1.LimitType) corev1.LimitRangeItem {
	i := corev1.LimitRangeItem{
		Type: kind, Max: corev1.ResourceList{}, Min: corev1.ResourceList{}, Default: corev1.ResourceList{},
		DefaultRequest: corev1.ResourceList{}, MaxLimitRequestRatio: corev1.ResourceList{},
	}
	if kind == corev1.LimitTypePersistentVolumeClaim {
		i.Max[corev1.ResourceStorage] = resource.MustParse("1Gi")
		return i
	}
	all := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceCPU, corev1.ResourceMemory,
		corev1.ResourceEphemeralStorage, hugePages, gpu}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, rapid.ID[corev1.ResourceName]).Draw(t, "resources") {
		bound(t, &i, name)
	}
	return i
}

// bound sets one or some of the fields of an item for a resource.
func bound(t *rapid.T, i *corev1.LimitRangeItem, name corev1.ResourceName) {
	low, high := ascending(t, name)
	if i.Type == corev1.LimitTypeContainer {
		switch generate.OneOf(t, "gives", "nothing", "limit", "request", "both", "the same") {
		case "limit":
			i.Default[name] = high
		case "request":
			i.DefaultRequest[name] = low
		case "both":
			i.Default[name], i.DefaultRequest[name] = high, low
		case "the same":
			i.Default[name], i.DefaultRequest[name] = low, low
		}
		if odd := strange[name]; odd != nil && once(t, 20, "strange") {
			i.Default[name], i.DefaultRequest[name] = resource.MustParse(odd[0]), resource.MustParse(odd[0])
			return
		}
	}
	low, high = ascending(t, name)
	for _, field := range generate.OneOf(t, "bounds", nil, []string{"max"}, []string{"min"}, []string{"min", "max"}, []string{"ratio"}, []string{"max", "ratio"}) {
		switch field {
		case "max":
			i.Max[name] = high
		case "min":
			i.Min[name] = low
		case "ratio":
			i.MaxLimitRequestRatio[name] = resource.MustParse(generate.OneOf(t, "ratio", "1", "1.5", "2", "3", "1e3"))
		}
	}
}

// relaxed are the items without what the API server may find contradictory, less and less of it.
func relaxed(items []corev1.LimitRangeItem) [][]corev1.LimitRangeItem {
	steps := [][]corev1.LimitRangeItem{items}
	for _, drop := range []func(*corev1.LimitRangeItem){
		func(i *corev1.LimitRangeItem) { i.MaxLimitRequestRatio = nil },
		func(i *corev1.LimitRangeItem) { i.Min = nil },
		func(i *corev1.LimitRangeItem) {
			if i.Type == corev1.LimitTypeContainer {
				i.Max = nil
			}
		},
		func(i *corev1.LimitRangeItem) { i.DefaultRequest = nil },
	} {
		next := slices.Clone(steps[len(steps)-1])
		for i := range next {
			next[i] = *next[i].DeepCopy()
			drop(&next[i])
		}
		steps = append(steps, next)
	}
	return steps
}
