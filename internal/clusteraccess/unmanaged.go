package clusteraccess

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// MaxUnmanaged is how many objects of a kind and namespace are held that bear our label and that no
// profile desires by name. Those beyond it are counted.
const MaxUnmanaged = 128

// place is where objects are counted.
type place struct{ kind, namespace string }

// Unmanaged keeps a namespace's objects that bear our label and that no profile desires out of the
// caches beyond a bound. For each object of a place it is one of
//
//	state   | comes, changes             | goes
//	unknown | held if there is room      | -
//	        | else beyond                |
//	held    | held                       | unknown
//	beyond  | held if there is room      | unknown
//
// An object that comes and one that goes are told by the API server; of one beyond no name is kept.
type Unmanaged struct {
	desired *Desired

	mu     sync.RWMutex
	held   map[place]map[string]bool
	beyond map[place]int
}

// NewUnmanaged holds and counts nothing yet.
func NewUnmanaged(desired *Desired) *Unmanaged {
	return &Unmanaged{desired: desired, held: map[place]map[string]bool{}, beyond: map[place]int{}}
}

// Beyond is how many objects of a kind and namespace the cache lacks.
func (u *Unmanaged) Beyond(kind, namespace string) int {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.beyond[place{kind, namespace}]
}

// reset forgets a kind, of which all objects are told anew.
func (u *Unmanaged) reset(kind string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for at := range u.held {
		if at.kind == kind {
			delete(u.held, at)
		}
	}
	for at := range u.beyond {
		if at.kind == kind {
			delete(u.beyond, at)
		}
	}
}

// keeps reports whether an object that comes or changes is to be held.
func (u *Unmanaged) keeps(kind string, o baseline.Object, comes bool) bool {
	at, name := place{kind, o.GetNamespace()}, o.GetName()
	_, desired := u.desired.Limit(kind, name)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case desired || u.held[at][name]:
		return true
	case len(u.held[at]) < MaxUnmanaged:
		if u.held[at] == nil {
			u.held[at] = map[string]bool{}
		}
		u.held[at][name] = true
		if !comes {
			u.lessBeyond(at)
		}
		return true
	case comes:
		u.beyond[at]++
	}
	return false
}

// gone forgets an object.
func (u *Unmanaged) gone(kind string, o baseline.Object) {
	at, name := place{kind, o.GetNamespace()}, o.GetName()
	_, desired := u.desired.Limit(kind, name)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.held[at][name]:
		if delete(u.held[at], name); len(u.held[at]) == 0 {
			delete(u.held, at)
		}
	case !desired:
		u.lessBeyond(at)
	}
}

// lessBeyond counts one less. A name that a profile began or ceased to desire can make the count
// wrong until all objects are told anew; it never ends below nothing.
func (u *Unmanaged) lessBeyond(at place) {
	if u.beyond[at]--; u.beyond[at] <= 0 {
		delete(u.beyond, at)
	}
}

// list takes what is beyond the bound out of a page of a list.
func (u *Unmanaged) list(kind string, list runtime.Object, first bool) (runtime.Object, error) {
	if first {
		u.reset(kind)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	kept := items[:0]
	for _, item := range items {
		if o, ok := item.(baseline.Object); !ok || u.keeps(kind, o, true) {
			kept = append(kept, item)
		}
	}
	if err := meta.SetList(list, kept); err != nil {
		return nil, fmt.Errorf("writing a list: %w", err)
	}
	return list, nil
}

// watch takes what is beyond the bound out of a watch. One that is beyond it and changes may have
// been desired before, so that the cache is told that it is gone.
func (u *Unmanaged) watch(kind string, events watch.Interface, initial bool) watch.Interface {
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
			if !u.keeps(kind, o, true) {
				e.Type = watch.Deleted // So that the namespace is looked at, once.
				return e, u.Beyond(kind, o.GetNamespace()) == 1
			}
		case watch.Modified:
			if !u.keeps(kind, o, false) {
				e.Type = watch.Deleted
			}
		case watch.Deleted:
			u.gone(kind, o)
		case watch.Bookmark, watch.Error:
		}
		return e, true
	}
	return (&filter{pass: pass}).start(events)
}
