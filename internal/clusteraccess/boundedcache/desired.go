package boundedcache

import (
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/wire"
)

const (
	// An object is cached in full if its content is at most timesDesired times as large as the
	// largest that a profile desires under its name, plus spareBytes.
	timesDesired = 2
	spareBytes   = 1 << 10
)

// kindAndName is the kind and name of an object, in any namespace.
type kindAndName struct{ kind, name string }

// Desired knows the objects that profiles desire, by kind and name, and their sizes. It alone
// decides which objects are cached in full.
type Desired struct {
	mu     sync.RWMutex
	sizes  map[types.UID]map[kindAndName]int // by profile
	limits map[kindAndName]int               // over all profiles
}

// NewDesired returns a Desired that knows no profile.
func NewDesired() *Desired {
	return &Desired{sizes: map[types.UID]map[kindAndName]int{}, limits: map[kindAndName]int{}}
}

// Note records what a profile desires now.
func (d *Desired) Note(profile *v1alpha1.SecurityProfile) {
	d.set(profile.UID, sizesOf(profile))
}

// Forget drops a profile that was deleted.
func (d *Desired) Forget(profile *v1alpha1.SecurityProfile) { d.set(profile.UID, nil) }

func (d *Desired) set(profile types.UID, sizes map[kindAndName]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.sizes[profile]
	if d.sizes[profile] = sizes; sizes == nil {
		delete(d.sizes, profile)
	}
	for _, changed := range []map[kindAndName]int{before, sizes} {
		for key := range changed {
			d.recount(key)
		}
	}
}

// recount computes the limit of a name from the largest object that any profile desires under it.
func (d *Desired) recount(key kindAndName) {
	largest, desired := 0, false
	for _, sizes := range d.sizes {
		if size, ok := sizes[key]; ok {
			largest, desired = max(largest, size), true
		}
	}
	if desired {
		d.limits[key] = timesDesired*largest + spareBytes
	} else {
		delete(d.limits, key)
	}
}

// Limit returns how large the content of an object may be to be cached in full; false if no profile
// desires an object of this kind and name.
func (d *Desired) Limit(kind, name string) (bytes int, desired bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	bytes, desired = d.limits[kindAndName{kind, name}]
	return bytes, desired
}

// longestNamespace is a name of the greatest length: desired objects may contain their namespace's
// name.
var longestNamespace = strings.Repeat("n", 63)

// sizesOf returns the content sizes of all objects that a profile desires.
func sizesOf(profile *v1alpha1.SecurityProfile) map[kindAndName]int {
	sizes := map[kindAndName]int{}
	for _, o := range baseline.Render(profile, longestNamespace) {
		// Kubernetes writes the bounds and the usage of a quota into its status.
		if quota, ok := o.(*corev1.ResourceQuota); ok {
			quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
		}
		raw, err := o.(interface{ Marshal() ([]byte, error) }).Marshal()
		if err != nil {
			continue // The API server refuses such an object anyway.
		}
		sizes[kindAndName{baseline.KindOf(o).Kind, o.GetName()}] = wire.ContentBytes(raw)
	}
	return sizes
}
