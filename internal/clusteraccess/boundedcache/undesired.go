package boundedcache

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// MaxUndesired is how many undesired objects of one kind are cached in each namespace: those that
// bear Bulwark's label, and whose name no profile desires. Further ones are only counted.
const MaxUndesired = 128

// kindInNamespace is a kind of objects in one namespace.
type kindInNamespace struct{ kind, namespace string }

// Undesired keeps a namespace's undesired objects out of the caches beyond a bound. The API server
// says whether an object is added, modified or deleted, and each is in one of these states:
//
//	state    | added or modified                             | deleted
//	unknown  | cached if there is room, otherwise uncached   | unknown
//	cached   | cached                                        | unknown
//	uncached | cached if there is room, otherwise uncached   | unknown
//
// The names of uncached objects are not kept.
type Undesired struct {
	desired *Desired

	mu       sync.RWMutex
	cached   map[kindInNamespace]map[string]bool
	uncached map[kindInNamespace]int
}

// NewUndesired returns an Undesired that knows no object.
func NewUndesired(desired *Desired) *Undesired {
	return &Undesired{
		desired: desired, cached: map[kindInNamespace]map[string]bool{}, uncached: map[kindInNamespace]int{},
	}
}

// Uncached returns how many objects of a kind and namespace the cache lacks.
func (u *Undesired) Uncached(kind, namespace string) int {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.uncached[kindInNamespace{kind, namespace}]
}

// reset forgets all objects of a kind, before the API server sends all of them again.
func (u *Undesired) reset(kind string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for at := range u.cached {
		if at.kind == kind {
			delete(u.cached, at)
		}
	}
	for at := range u.uncached {
		if at.kind == kind {
			delete(u.uncached, at)
		}
	}
}

// admit reports whether an object that is added or modified is cached.
func (u *Undesired) admit(kind string, o baseline.Object, added bool) bool {
	at, name := kindInNamespace{kind, o.GetNamespace()}, o.GetName()
	_, desired := u.desired.Limit(kind, name)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case desired || u.cached[at][name]:
		return true
	case len(u.cached[at]) < MaxUndesired:
		if u.cached[at] == nil {
			u.cached[at] = map[string]bool{}
		}
		u.cached[at][name] = true
		if !added {
			u.decrement(at)
		}
		return true
	case added:
		u.uncached[at]++
	}
	return false
}

// remove forgets an object that was deleted.
func (u *Undesired) remove(kind string, o baseline.Object) {
	at, name := kindInNamespace{kind, o.GetNamespace()}, o.GetName()
	_, desired := u.desired.Limit(kind, name)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.cached[at][name]:
		if delete(u.cached[at], name); len(u.cached[at]) == 0 {
			delete(u.cached, at)
		}
	case !desired:
		u.decrement(at)
	}
}

// decrement counts one uncached object less, and never below zero. If a profile began or ceased to
// desire a name, the count can be wrong until the API server sends all objects again.
func (u *Undesired) decrement(at kindInNamespace) {
	if u.uncached[at]--; u.uncached[at] <= 0 {
		delete(u.uncached, at)
	}
}

// list removes the uncached objects from a page of a list.
func (u *Undesired) list(kind string, list runtime.Object, first bool) (runtime.Object, error) {
	if first {
		u.reset(kind)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	cached := items[:0]
	for _, item := range items {
		if o, ok := item.(baseline.Object); !ok || u.admit(kind, o, true) {
			cached = append(cached, item)
		}
	}
	if err := meta.SetList(list, cached); err != nil {
		return nil, fmt.Errorf("writing a list: %w", err)
	}
	return list, nil
}

// watch removes the uncached objects from a watch. An uncached object that is modified may have
// been desired and cached before, so that the cache is sent its deletion.
func (u *Undesired) watch(kind string, events watch.Interface, initial bool) watch.Interface {
	if initial {
		u.reset(kind)
	}
	pass := func(e watch.Event) (watch.Event, bool) {
		o, ok := e.Object.(baseline.Object)
		if !ok {
			return e, true
		}
		switch e.Type {
		case watch.Added:
			if !u.admit(kind, o, true) {
				e.Type = watch.Deleted // So that the namespace is reconciled, once.
				return e, u.Uncached(kind, o.GetNamespace()) == 1
			}
		case watch.Modified:
			if !u.admit(kind, o, false) {
				e.Type = watch.Deleted
			}
		case watch.Deleted:
			u.remove(kind, o)
		case watch.Bookmark, watch.Error:
		}
		return e, true
	}
	return (&watchFilter{pass: pass}).start(events)
}
