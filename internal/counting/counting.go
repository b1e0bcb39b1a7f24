// Package counting knows what Kubernetes makes of a ResourceQuota: which of its entries are counted
// and so hold, which are exceeded, which request was refused by it, and how long to wait for a
// count. It imports Kubernetes' API packages only, and must never talk to a cluster.
package counting

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Counting is how far Kubernetes has counted a quota, entry by entry. The API server holds requests
// against the status of a quota, never against its spec: an entry holds once status.hard is its
// equal and status.used knows a usage.
type Counting struct {
	// Waiting are the entries that kube-controller-manager has not taken over from the spec as they
	// are there.
	Waiting []corev1.ResourceName
	// Loosened are those of Waiting of which a larger amount is in force.
	Loosened []corev1.ResourceName
	// Never are the entries that it has taken over without counting anything, or never would count
	// by their name.
	Never []corev1.ResourceName
	// Exceeded are the counted entries of which more is used than the quota grants.
	Exceeded []corev1.ResourceName
}

// Of is how far a quota is counted. Its lists are sorted.
func Of(quota *corev1.ResourceQuota) Counting {
	var c Counting
	for _, name := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
		declared := quota.Spec.Hard[name]
		hard, takenOver := quota.Status.Hard[name]
		used, counted := quota.Status.Used[name]
		switch {
		case neverCounted(name):
			c.Never = append(c.Never, name)
		case !takenOver || hard.Cmp(declared) != 0:
			c.Waiting = append(c.Waiting, name)
			if takenOver && hard.Cmp(declared) > 0 {
				c.Loosened = append(c.Loosened, name)
			}
		case !counted:
			c.Never = append(c.Never, name)
		case used.Cmp(declared) > 0:
			c.Exceeded = append(c.Exceeded, name)
		}
	}
	return c
}

// Complete reports whether every entry holds.
func (c *Counting) Complete() bool { return len(c.Waiting)+len(c.Never) == 0 }

// Digest makes the status of a quota the least that tells the same Counting, so that it differs
// only where the Counting does: usage that comes and goes below what the quota grants leaves it as
// it is. Where all is well it is the spec's own map.
func Digest(quota *corev1.ResourceQuota) {
	c := Of(quota)
	if c.Complete() && len(c.Exceeded) == 0 {
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
		return
	}
	var status corev1.ResourceQuotaStatus
	for name, declared := range quota.Spec.Hard {
		switch {
		case slices.Contains(c.Loosened, name):
			put(&status.Hard, name, above(declared))
		case slices.Contains(c.Waiting, name):
		case slices.Contains(c.Never, name):
			put(&status.Hard, name, declared)
		case slices.Contains(c.Exceeded, name):
			put(&status.Hard, name, declared)
			put(&status.Used, name, above(declared))
		default:
			put(&status.Hard, name, declared)
			put(&status.Used, name, declared)
		}
	}
	quota.Status = status
}

func put(list *corev1.ResourceList, name corev1.ResourceName, quantity resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = quantity
}

// above is a quantity that is larger than another.
func above(q resource.Quantity) resource.Quantity {
	larger := q.DeepCopy()
	larger.Add(*resource.NewQuantity(1, resource.DecimalSI))
	return larger
}
