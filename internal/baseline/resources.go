package baseline

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// limitRanges is one LimitRange for all items: several would apply together, and which default wins
// is not defined.
func (r *renderer) limitRanges() []Object {
	if len(r.spec.Limits) == 0 {
		return nil
	}
	limits := &corev1.LimitRange{ObjectMeta: r.owned("limits")}
	slices.SortFunc(r.spec.Limits, func(a, b v1alpha1.LimitRangeItem) int { return cmp.Compare(a.Type, b.Type) })
	for _, item := range r.spec.Limits {
		limits.Spec.Limits = append(limits.Spec.Limits, limitRangeItem(item))
	}
	return []Object{limits}
}

// ContainerLimits is what the profile's LimitRange says of containers.
func ContainerLimits(profile *v1alpha1.SecurityProfile) corev1.LimitRangeItem {
	for _, item := range profile.Spec.Limits {
		if item.Type == corev1.LimitTypeContainer {
			return limitRangeItem(*item.DeepCopy())
		}
	}
	return corev1.LimitRangeItem{}
}

// limitRangeItem is the item with what the API server defaults (k8s.io/kubernetes/pkg/apis/core/v1
// SetDefaults_LimitRangeItem).
func limitRangeItem(item v1alpha1.LimitRangeItem) corev1.LimitRangeItem {
	out := corev1.LimitRangeItem{
		Type:                 item.Type,
		Max:                  stored(item.Max),
		Min:                  stored(item.Min),
		Default:              stored(item.Default),
		DefaultRequest:       stored(item.DefaultRequest),
		MaxLimitRequestRatio: stored(item.MaxLimitRequestRatio),
	}
	if item.Type == corev1.LimitTypeContainer {
		out.Default = fill(out.Default, out.Max)
		out.DefaultRequest = fill(out.DefaultRequest, out.Default)
		out.DefaultRequest = fill(out.DefaultRequest, out.Min)
	}
	return out
}

// fill adds to a list what it does not hold and another does.
func fill(list, from corev1.ResourceList) corev1.ResourceList {
	for name, quantity := range from {
		if _, held := list[name]; held {
			continue
		}
		if list == nil {
			list = corev1.ResourceList{}
		}
		list[name] = quantity.DeepCopy()
	}
	return list
}

// stored is the list as the API server stores it: rounded up to the milli
// (SetDefaults_ResourceList).
func stored(list corev1.ResourceList) corev1.ResourceList {
	for name, quantity := range list {
		quantity.RoundUp(resource.Milli)
		list[name] = quantity
	}
	return list
}

func (r *renderer) resourceQuotas() []Object {
	var quotas []Object
	for _, quota := range r.spec.Quotas {
		quota.Spec.Hard = stored(quota.Spec.Hard)
		quotas = append(quotas, &corev1.ResourceQuota{ObjectMeta: r.owned(string(quota.Name)), Spec: quota.Spec})
	}
	return quotas
}
