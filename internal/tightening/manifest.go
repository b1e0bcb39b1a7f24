package tightening

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// manifests are what the author of a pod may have written of its requests and limits: what it is
// made anew from. Usually that is known and one. There are two where a value may as well be a
// default: the pod as it is, and without it.
//
// The API server notes in managedFields which fields it was sent, before the plugins of admission
// add theirs. So a value that is not noted was given, and if it is a default of a LimitRange, it
// was given by that: made anew, the pod would have the default of the day. Otherwise stricter items
// would wait for pods to ask for less, and each new pod would be given the old default for as long
// as they wait. A value that a webhook gave is no default, and it would give it again.
// LimitRanger's own annotation says nothing: a second LimitRange or a mutating policy overwrites
// it.
func manifests(pod *corev1.Pod, known limitRanges) []*corev1.Pod {
	if !mayHaveDefaults(pod, known) {
		return []*corev1.Pod{pod}
	}
	sent := fieldsSent(pod)
	written := withResources(pod, func(list string, c *corev1.Container, r *corev1.ResourceRequirements) {
		if sent.Has(fieldpath.MakePathOrDie("spec", list, fieldpath.KeyByFields("name", c.Name), "name")) {
			known.drop(r, func(of string, name corev1.ResourceName) bool {
				return !sent.Has(
					fieldpath.MakePathOrDie("spec", list, fieldpath.KeyByFields("name", c.Name), "resources", of, string(name)),
				)
			})
		}
	})
	written.Spec.Resources = sentForPod(pod, sent)
	unnoted := withResources(written, func(list string, c *corev1.Container, r *corev1.ResourceRequirements) {
		if !sent.Has(fieldpath.MakePathOrDie("spec", list, fieldpath.KeyByFields("name", c.Name), "name")) {
			known.drop(r, func(string, corev1.ResourceName) bool { return true })
		}
	})
	if sameResources(written, unnoted) {
		return []*corev1.Pod{written}
	}
	return []*corev1.Pod{written, unnoted}
}

// mayHaveDefaults reports whether anything of what the pod sets may not have been written by its
// author.
func mayHaveDefaults(pod *corev1.Pod, known limitRanges) bool {
	found := pod.Spec.Resources != nil
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		found = found || known.isDefault(c.Resources.Limits, defaultLimit) ||
			known.isDefault(c.Resources.Requests, defaultRequest)
	}
	return found
}

func defaultLimit(item *corev1.LimitRangeItem) corev1.ResourceList   { return item.Default }
func defaultRequest(item *corev1.LimitRangeItem) corev1.ResourceList { return item.DefaultRequest }

// isDefault reports whether a list has a value that is a default.
func (l limitRanges) isDefault(
	list corev1.ResourceList,
	defaults func(*corev1.LimitRangeItem) corev1.ResourceList,
) bool {
	for name, quantity := range list {
		if l.gives(name, quantity, defaults) {
			return true
		}
	}
	return false
}

// gives reports whether a value is a default.
func (l limitRanges) gives(
	name corev1.ResourceName,
	value resourcev1.Quantity,
	defaults func(*corev1.LimitRangeItem) corev1.ResourceList,
) bool {
	for _, items := range l {
		for i := range items {
			quantity, given := defaults(&items[i])[name]
			if given && items[i].Type == corev1.LimitTypeContainer && quantity.Cmp(value) == 0 {
				return true
			}
		}
	}
	return false
}

// drop drops the values that are defaults and were given.
func (l limitRanges) drop(r *corev1.ResourceRequirements, given func(of string, name corev1.ResourceName) bool) {
	maps.DeleteFunc(r.Limits, func(name corev1.ResourceName, value resourcev1.Quantity) bool {
		return l.gives(name, value, defaultLimit) && given("limits", name)
	})
	maps.DeleteFunc(r.Requests, func(name corev1.ResourceName, value resourcev1.Quantity) bool {
		return l.gives(name, value, defaultRequest) && given("requests", name)
	})
}

// sentForPod is what the pod sets for all of its containers together, without what the API server
// has worked out from them. Where nothing of it was sent, all of it was given by somebody, who
// would give it again.
func sentForPod(pod *corev1.Pod, sent *fieldpath.Set) *corev1.ResourceRequirements {
	if pod.Spec.Resources == nil {
		return nil
	}
	r := pod.Spec.Resources.DeepCopy()
	maps.DeleteFunc(r.Limits, func(name corev1.ResourceName, _ resourcev1.Quantity) bool {
		return !sent.Has(fieldpath.MakePathOrDie("spec", "resources", "limits", string(name)))
	})
	maps.DeleteFunc(r.Requests, func(name corev1.ResourceName, _ resourcev1.Quantity) bool {
		return !sent.Has(fieldpath.MakePathOrDie("spec", "resources", "requests", string(name)))
	})
	if len(r.Limits)+len(r.Requests) == 0 {
		return pod.Spec.Resources
	}
	return r
}

// fieldsSent are the fields of a pod that somebody sent. An entry that cannot be read notes
// nothing.
func fieldsSent(pod *corev1.Pod) *fieldpath.Set {
	sent := &fieldpath.Set{}
	for _, entry := range pod.ManagedFields {
		if entry.FieldsV1 == nil {
			continue
		}
		var fields fieldpath.Set
		if err := fields.FromJSON(entry.FieldsV1.GetRawReader()); err == nil {
			sent = sent.Union(&fields)
		}
	}
	return sent
}

// withResources is the pod with other requests and limits of its containers. The pod itself is left
// as it is.
func withResources(
	pod *corev1.Pod,
	change func(list string, c *corev1.Container, r *corev1.ResourceRequirements),
) *corev1.Pod {
	changed := *pod
	changed.Spec.Containers, changed.Spec.InitContainers = slices.Clone(
		pod.Spec.Containers,
	), slices.Clone(
		pod.Spec.InitContainers,
	)
	for list, containers := range map[string][]corev1.Container{
		"containers": changed.Spec.Containers, "initContainers": changed.Spec.InitContainers,
	} {
		for i := range containers {
			c := &containers[i]
			r := corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
			maps.Copy(r.Requests, c.Resources.Requests)
			maps.Copy(r.Limits, c.Resources.Limits)
			change(list, c, &r)
			c.Resources = r
		}
	}
	return &changed
}

// sameResources reports whether two pods with the same containers set the same resources.
func sameResources(a, b *corev1.Pod) bool {
	same := func(a, b corev1.Container) bool {
		return len(a.Resources.Limits) == len(b.Resources.Limits) && len(a.Resources.Requests) == len(b.Resources.Requests)
	}
	return slices.EqualFunc(a.Spec.Containers, b.Spec.Containers, same) &&
		slices.EqualFunc(a.Spec.InitContainers, b.Spec.InitContainers, same)
}
