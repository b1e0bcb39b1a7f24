package counting

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Refusal is the API server's word that a quota refuses a request.
type Refusal struct {
	// Quota is the quota's name.
	Quota string
	// Requested is what the request would add to the usage, by the entries that have no room for it.
	Requested corev1.ResourceList
	// Unknown is set if the quota has no room since Kubernetes has not counted these entries.
	Unknown bool
}

// What the API server's quota admission says (k8s.io/apiserver/pkg/admission/plugin/resourcequota). It names one quota, the first that
// refuses, and neither names nor quantities hold spaces.
var (
	exceeded = regexp.MustCompile(` is forbidden: exceeded quota: (\S+), requested: (\S+), used: \S+, limited: \S+$`)
	unknown  = regexp.MustCompile(` is forbidden: status unknown for quota: (\S+), resources: (\S+)$`)
)

// RefusalIn reads the API server's words on a request that is forbidden; false if it was not refused by a quota.
func RefusalIn(words string) (Refusal, bool) {
	if m := exceeded.FindStringSubmatch(words); m != nil {
		requested := corev1.ResourceList{}
		for part := range strings.SplitSeq(m[2], ",") {
			name, amount, _ := strings.Cut(part, "=")
			quantity, err := resource.ParseQuantity(amount)
			if name == "" || err != nil {
				return Refusal{}, false
			}
			requested[corev1.ResourceName(name)] = quantity
		}
		return Refusal{Quota: m[1], Requested: requested}, true
	}
	if m := unknown.FindStringSubmatch(words); m != nil {
		requested := corev1.ResourceList{}
		for name := range strings.SplitSeq(m[2], ",") {
			requested[corev1.ResourceName(name)] = resource.Quantity{}
		}
		return Refusal{Quota: m[1], Requested: requested, Unknown: true}, true
	}
	return Refusal{}, false
}

// Opening is what status.hard of a quota has to be for a moment, so that what it refused fits, with room for so many more beside it:
// an entry without an amount has to go. It is empty if there is room already, and the API server's cache only has to hear of it.
func (r Refusal) Opening(quota *corev1.ResourceQuota, room int64) map[corev1.ResourceName]*resource.Quantity {
	opening := map[corev1.ResourceName]*resource.Quantity{}
	for name, requested := range r.Requested {
		hard, bounds := quota.Status.Hard[name]
		used, counted := quota.Status.Used[name]
		switch needed := used.DeepCopy(); {
		case !bounds:
		case !counted:
			opening[name] = nil
		default:
			needed.Add(requested)
			if needed.Cmp(hard) > 0 {
				needed.Add(*resource.NewQuantity(room, resource.DecimalSI))
				opening[name] = &needed
			}
		}
	}
	return opening
}

// Closing is what the opened entries of status.hard have to be again: what the spec declares, and nothing where it declares nothing.
func Closing(quota *corev1.ResourceQuota, opened map[corev1.ResourceName]*resource.Quantity) map[corev1.ResourceName]*resource.Quantity {
	closing := map[corev1.ResourceName]*resource.Quantity{}
	for name := range opened {
		closing[name] = nil
		if declared, ok := quota.Spec.Hard[name]; ok {
			closing[name] = &declared
		}
	}
	return closing
}
