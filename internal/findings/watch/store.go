package watch

import (
	"fmt"
	"maps"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
)

// factStore is filled by a reflector. It draws a fact from each object, keeps the fact and not the
// object, and tells of the namespaces that a change concerns:
//
//	the object         | its fact before | its fact now | kept     | told
//	comes, or changes  | none            | none         | nothing  | no
//	                   | none            | some         | the fact | yes
//	                   | some            | the same     | the fact | no
//	                   | some            | another      | the fact | yes
//	                   | some            | none         | nothing  | yes
//	goes               | none            | -            | nothing  | no
//	                   | some            | -            | nothing  | yes
//
// If the reflector lists all objects anew, each of them and each fact of before is a row of this
// table.
type factStore[F any] struct {
	// draw is the fact of an object; false if the object is harmless.
	draw func(any) (F, bool)
	// changed is called with each namespace that a change concerns, and with the object's name.
	changed func(namespace, name string)
	// concerns lists the namespaces that a change of a fact concerns; a fact that is not there is
	// nil. Without concerns it is the namespace of the object.
	concerns func(namespace, name string, was, is *F) []string
	// quietStart keeps the first list from being told: each namespace has a pass then anyway.
	quietStart bool

	mu     sync.RWMutex
	facts  map[string]map[string]F // by namespace and name; "" is the namespace of a cluster-scoped object
	once   sync.Once
	synced chan struct{}
}

var _ toolscache.TransformingStore = (*factStore[int])(nil)

// drawn stands for an object of which the fact has been drawn. It is small, since the reflector
// holds one for each object of the cluster until it has listed all.
type drawn[F any] struct {
	namespace, name string
	fact            *F // nil if the object is harmless
}

// GetObjectMeta is what a reflector tells objects apart by.
func (d *drawn[F]) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: d.namespace, Name: d.name}
}

// Transformer draws the fact from each object as it arrives, so that the reflector never holds the
// objects of a whole cluster at once.
func (s *factStore[F]) Transformer() toolscache.TransformFunc {
	return func(o any) (any, error) { return s.drawFrom(o) }
}

func (s *factStore[F]) drawFrom(o any) (*drawn[F], error) {
	if d, ok := o.(*drawn[F]); ok {
		return d, nil
	}
	if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
		o = gone.Obj
	}
	object, err := meta.Accessor(o)
	if err != nil {
		return nil, fmt.Errorf("drawing a fact from an object: %w", err)
	}
	d := &drawn[F]{namespace: object.GetNamespace(), name: object.GetName()}
	if fact, weakens := s.draw(o); weakens {
		d.fact = &fact
	}
	return d, nil
}

// Add takes a new object.
func (s *factStore[F]) Add(o any) error { return s.Update(o) }

// Update takes an object as it is now.
func (s *factStore[F]) Update(o any) error {
	d, err := s.drawFrom(o)
	if err != nil {
		return err
	}
	if was, differs := s.set(d); differs {
		s.tell(d.namespace, d.name, was, d.fact)
	}
	return nil
}

// Delete forgets an object that is gone.
func (s *factStore[F]) Delete(o any) error {
	object, err := meta.Accessor(o)
	if err != nil {
		return fmt.Errorf("forgetting an object: %w", err)
	}
	gone := &drawn[F]{namespace: object.GetNamespace(), name: object.GetName()}
	if was, differs := s.set(gone); differs {
		s.tell(gone.namespace, gone.name, was, nil)
	}
	return nil
}

// tell tells of the namespaces that a change concerns, and reports whether there is any.
func (s *factStore[F]) tell(namespace, name string, was, is *F) bool {
	concerned := []string{namespace}
	if s.concerns != nil {
		concerned = s.concerns(namespace, name, was, is)
	}
	for _, namespace := range concerned {
		s.changed(namespace, name)
	}
	return len(concerned) > 0
}

// set keeps or forgets a fact. It returns the fact of before, and whether the two differ.
func (s *factStore[F]) set(d *drawn[F]) (was *F, differs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, known := s.facts[d.namespace][d.name]; known {
		was = &before
	}
	if d.fact == nil {
		delete(s.facts[d.namespace], d.name)
		if len(s.facts[d.namespace]) == 0 {
			delete(s.facts, d.namespace)
		}
		return was, was != nil
	}
	if s.facts[d.namespace] == nil {
		s.facts[d.namespace] = map[string]F{}
	}
	s.facts[d.namespace][d.name] = *d.fact
	return was, !alike(was, d.fact)
}

// alike reports whether two facts are equal, or neither is there.
func alike[F any](a, b *F) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(*a, *b)
}

// Replace takes all objects that there are.
func (s *factStore[F]) Replace(objects []any, _ string) error {
	facts := map[string]map[string]F{}
	for _, o := range objects {
		d, err := s.drawFrom(o)
		if err != nil {
			return err
		}
		if d.fact == nil {
			continue
		}
		if facts[d.namespace] == nil {
			facts[d.namespace] = map[string]F{}
		}
		facts[d.namespace][d.name] = *d.fact
	}
	s.mu.Lock()
	before := s.facts
	s.facts = facts
	s.mu.Unlock()
	first := false
	s.once.Do(func() { first = true; close(s.synced) })
	if first && s.quietStart {
		return nil
	}
	for _, namespaces := range []map[string]map[string]F{before, facts} {
		for namespace := range namespaces {
			s.tellDifferences(namespace, before[namespace], facts[namespace])
		}
	}
	return nil
}

// tellDifferences compares the facts of a namespace and tells of one that differs. Of
// cluster-scoped objects it tells of each, since each concerns namespaces of its own.
func (s *factStore[F]) tellDifferences(namespace string, before, now map[string]F) {
	for _, facts := range []map[string]F{before, now} {
		for name := range facts {
			was, is := in(before, name), in(now, name)
			if !alike(was, is) && s.tell(namespace, name, was, is) && namespace != "" {
				return
			}
		}
	}
}

// in is the fact of that name; nil if there is none.
func in[F any](facts map[string]F, name string) *F {
	if f, known := facts[name]; known {
		return &f
	}
	return nil
}

// Resync does nothing: what is kept is what was read.
func (s *factStore[F]) Resync() error { return nil }

// of copies the facts of a namespace, by name.
func (s *factStore[F]) of(namespace string) map[string]F {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.facts[namespace])
}

// one is the fact of that name; nil if there is none.
func (s *factStore[F]) one(namespace, name string) *F {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return in(s.facts[namespace], name)
}

// each visits the facts of a namespace, in no order. It holds the store while it visits: the visit
// must be short.
func (s *factStore[F]) each(namespace string, visit func(name string, fact F)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, fact := range s.facts[namespace] {
		visit(name, fact)
	}
}

// namespacesWith lists the namespaces in which some fact is as wanted.
func (s *factStore[F]) namespacesWith(wanted func(F) bool) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var namespaces []string
	for namespace, facts := range s.facts {
		for _, f := range facts {
			if wanted(f) {
				namespaces = append(namespaces, namespace)
				break
			}
		}
	}
	return namespaces
}
