package counting

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Refusal is the API server's word that a quota refuses a request, each list by the entries that
// have no room for it.
type Refusal struct {
	// Quota is the quota's name.
	Quota string
	// Requested is what the request would add, Used what is used, and Limited what may be used, as
	// that API server knows it.
	Requested, Used, Limited corev1.ResourceList
	// Uncounted are entries of which the API server knows no usage, and so has no room for
	// anything.
	Uncounted []corev1.ResourceName
}

// The refusals of the API server's quota admission
// (k8s.io/apiserver/pkg/admission/plugin/resourcequota). It names one quota, the first that
// refuses, and neither names nor quantities hold spaces.
var (
	exceeded = regexp.MustCompile(` is forbidden: exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)$`)
	unknown  = regexp.MustCompile(` is forbidden: status unknown for quota: (\S+), resources: (\S+)$`)
)

// RefusalIn reads the API server's words on a request that is forbidden; false if it was not
// refused by a quota.
func RefusalIn(words string) (Refusal, bool) {
	if m := unknown.FindStringSubmatch(words); m != nil {
		r := Refusal{Quota: m[1]}
		for name := range strings.SplitSeq(m[2], ",") {
			r.Uncounted = append(r.Uncounted, corev1.ResourceName(name))
		}
		return r, true
	}
	m := exceeded.FindStringSubmatch(words)
	if m == nil {
		return Refusal{}, false
	}
	r := Refusal{Quota: m[1]}
	for i, list := range []*corev1.ResourceList{&r.Requested, &r.Used, &r.Limited} {
		var readable bool
		if *list, readable = readList(m[i+2]); !readable {
			return Refusal{}, false
		}
	}
	return r, true
}

// readList reads a list of entries and amounts.
func readList(words string) (corev1.ResourceList, bool) {
	list := corev1.ResourceList{}
	for part := range strings.SplitSeq(words, ",") {
		name, amount, _ := strings.Cut(part, "=")
		quantity, err := resource.ParseQuantity(amount)
		if name == "" || err != nil {
			return nil, false
		}
		list[corev1.ResourceName(name)] = quantity
	}
	return list, true
}

// Entries are entries of status.hard as they have to become; what is nil has to go.
type Entries map[corev1.ResourceName]*resource.Quantity

// Opening is what status.hard has to become for a moment, so that what was refused fits, with room
// for so many more beside it.
func (r *Refusal) Opening(room int64) Entries {
	opening := Entries{}
	for name, requested := range r.Requested {
		used := r.Used[name]
		needed := used.DeepCopy()
		needed.Add(requested)
		needed.Add(*resource.NewQuantity(room, resource.DecimalSI))
		opening[name] = &needed
	}
	for _, name := range r.Uncounted {
		opening[name] = nil
	}
	return opening
}

// Knows reports whether the API server that refused has heard of an opening.
func (r *Refusal) Knows(opened Entries) bool {
	for name, limited := range r.Limited {
		if amount, ok := opened[name]; ok && (amount == nil || limited.Cmp(*amount) < 0) {
			return false
		}
	}
	for _, name := range r.Uncounted {
		if _, ok := opened[name]; ok {
			return false
		}
	}
	return true
}

// Closing is what the opened entries of a quota have to become again: what its spec declares, and
// nothing where it declares nothing.
func (e Entries) Closing(quota *corev1.ResourceQuota) Entries {
	closing := Entries{}
	for name := range e {
		closing[name] = nil
		if declared, ok := quota.Spec.Hard[name]; ok {
			closing[name] = &declared
		}
	}
	return closing
}
