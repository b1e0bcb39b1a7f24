// Package clusteraccess knows how the operator reads the cluster: what its caches hold of each
// object, and how much of what somebody else makes. It knows names and sizes of what profiles
// desire, and decides nothing about a namespace.
package clusteraccess

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
	// An object is held whole if its content is at most so many times as large as the largest that
	// a profile desires under its name, and spareBytes.
	timesDesired = 2
	spareBytes   = 1 << 10
)

// named is a kind and a name, in whatever namespace.
type named struct{ kind, name string }

// Desired knows what profiles desire by kind and name, and how large it is. Nobody else decides
// what is held whole.
type Desired struct {
	mu     sync.RWMutex
	of     map[types.UID]map[named]int // by profile
	limits map[named]int               // the largest of all profiles
}

// NewDesired knows of no profile.
func NewDesired() *Desired {
	return &Desired{of: map[types.UID]map[named]int{}, limits: map[named]int{}}
}

// Note learns what a profile desires now.
func (d *Desired) Note(profile *v1alpha1.SecurityProfile) {
	d.set(profile.UID, sizesOf(profile))
}

// Forget is for a profile that is gone.
func (d *Desired) Forget(profile *v1alpha1.SecurityProfile) { d.set(profile.UID, nil) }

func (d *Desired) set(profile types.UID, sizes map[named]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.of[profile]
	if d.of[profile] = sizes; sizes == nil {
		delete(d.of, profile)
	}
	for _, changed := range []map[named]int{before, sizes} {
		for key := range changed {
			d.recount(key)
		}
	}
}

// recount finds the largest that any profile desires under a name.
func (d *Desired) recount(key named) {
	largest, desired := 0, false
	for _, sizes := range d.of {
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

// Limit is how large the content of an object may be that is held whole; false if no profile
// desires one of its name.
func (d *Desired) Limit(kind, name string) (bytes int, desired bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	bytes, desired = d.limits[named{kind, name}]
	return bytes, desired
}

// longestNamespace is a name as long as any, since what is desired can hold its namespace's.
var longestNamespace = strings.Repeat("n", 63)

func sizesOf(profile *v1alpha1.SecurityProfile) map[named]int {
	sizes := map[named]int{}
	for _, o := range baseline.Render(profile, longestNamespace) {
		// Kubernetes writes into a quota's status what it has taken over, and what is used.
		if quota, ok := o.(*corev1.ResourceQuota); ok {
			quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
		}
		raw, err := o.(interface{ Marshal() ([]byte, error) }).Marshal()
		if err != nil {
			continue // What cannot be written is desired in vain, and the API server says so.
		}
		sizes[named{baseline.KindOf(o).Kind, o.GetName()}] = wire.ContentBytes(raw)
	}
	return sizes
}
