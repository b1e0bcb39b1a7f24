package tightening

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// PodCheck holds the pods of a namespace against an object.
type PodCheck interface {
	// Add holds one pod against it.
	Add(pod *corev1.Pod)
	// Result is what the object would refuse, after all pods were added.
	Result() *Refused
}

var _, _ PodCheck = (*LimitCheck)(nil), (*QuotaCheck)(nil)

// LimitCheck holds pods against a LimitRange that is to take the place of another, beside the
// LimitRanges of others.
type LimitCheck struct {
	refused       Refused
	after, before limitRanges
	// afterOrders and beforeOrders are the same orders of the LimitRanges, with the new one and
	// with the one in place.
	afterOrders, beforeOrders []limitRanges
	// known are the LimitRanges of which a pod may have defaults.
	known limitRanges
}

// NewLimitCheck is a check of the items that begin to apply where others applied before. Others are
// the items of each further LimitRange in the namespace: they give defaults, too, and API
// validation judges a pod by all that it is given.
func NewLimitCheck(items, before []corev1.LimitRangeItem, others ...[]corev1.LimitRangeItem) *LimitCheck {
	with := func(items []corev1.LimitRangeItem) limitRanges { return append(limitRanges{items}, others...) }
	c := &LimitCheck{after: with(items), before: with(before), known: append(with(before), items)}
	c.afterOrders, c.beforeOrders = c.after.orders(), c.before.orders()
	return c
}

// Add holds one pod against it: it would be refused if it were made anew, and would not have been
// before.
func (c *LimitCheck) Add(pod *corev1.Pod) {
	if !madeAnew(pod) {
		return
	}
	for _, manifest := range manifests(pod, c.known) {
		for i, after := range c.afterOrders {
			before := c.beforeOrders[i].violations(manifest)
			for _, v := range after.violations(manifest) {
				if !slices.ContainsFunc(before, func(b violation) bool { return b.what == v.what }) {
					c.refused.AddPod(pod.Name, v.text)
					return
				}
			}
		}
	}
}

// Result is what would be refused.
func (c *LimitCheck) Result() *Refused { return &c.refused }

// Waits reports whether the LimitRange in place stays, as far as the pods that were added tell.
func (c *LimitCheck) Waits() bool { return !c.refused.Empty() }

// maxReasons bounds what is said in words; pods that are not spoken of are counted.
const maxReasons = 4

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// madeAnew reports whether somebody may make the pod anew. A pod that has ended is not. Nor is one
// that is being deleted, if no controller would make it again, or if its controller does not wait
// until it is gone and so has replaced it already.
func madeAnew(pod *corev1.Pod) bool {
	if ended(pod) {
		return false
	}
	if pod.DeletionTimestamp == nil {
		return true
	}
	for _, owner := range pod.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			return owner.Kind != "ReplicaSet" && owner.Kind != "ReplicationController"
		}
	}
	return false
}

// violation is a rule that a pod does not keep: which, and in words.
type violation struct {
	what, text string
	// who does not keep it, and for which resource; answer is what LimitRanger says.
	who, answer string
	resource    corev1.ResourceName
}

// limitRanges are the items of each LimitRange of a namespace, in the order in which they give
// their defaults.
type limitRanges [][]corev1.LimitRangeItem

// orders are the orders in which the API server may take the LimitRanges: it keeps to none, and of
// two defaults for one resource the first that a container is given holds. Of more than three, each
// is the first in two orders.
func (l limitRanges) orders() []limitRanges {
	var orders []limitRanges
	for i := range l {
		order := slices.Concat(l[i:], l[:i])
		if orders = append(orders, order); len(l) > 2 {
			backwards := slices.Clone(order)
			slices.Reverse(backwards)
			orders = append(orders, backwards)
		}
	}
	return orders
}

// violations are the rules for which the API server would refuse a pod of this manifest: it does
// not keep a bound, or what it is given makes it invalid. The admission plugin LimitRanger is not
// published as a library; test/tightening holds this against it.
func (l limitRanges) violations(manifest *corev1.Pod) []violation {
	pod := l.admitted(manifest)
	var found []violation
	for _, items := range l {
		for i := range items {
			found = append(found, outOfBounds(&items[i], pod)...)
		}
	}
	return append(found, invalid(pod)...)
}
