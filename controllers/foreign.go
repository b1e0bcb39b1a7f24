package controllers

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// foreign watches the objects of other makers that may weaken a baseline, and keeps what findings are drawn from instead of the
// objects: nothing at all of one that is harmless. So its memory grows with what is wrong and not with what tenants keep.
type foreign struct {
	watches []foreignWatch

	policies     *factStore[policyFacts]
	bindings     *factStore[findings.Binding]
	accounts     *factStore[findings.MountedToken]
	limits       *factStore[findings.LimitDefaults]
	quotas       *factStore[findings.Counts]
	roles        *factStore[findings.Powers]
	clusterRoles *factStore[clusterRole]

	calls     []callStore
	shortages []*factStore[findings.Shortage]
	attempts  *factStore[findings.Attempt]

	getOpensStreams bool
}

var _ source.TypedSyncingSource[reconcile.Request] = (*foreign)(nil)

// foreignWatch is a watch of one kind.
type foreignWatch struct {
	reflector *toolscache.Reflector
	synced    <-chan struct{}
	tell      func(func(namespace string))
}

// newForeign watches with the client; nothing happens before the controller starts it. The
// ClusterRoles are watched already.
func newForeign(c client.WithWatch, clusterRoles *foreign) (*foreign, error) {
	notOurs, err := labels.NewRequirement(v1alpha1.ProfileLabel, selection.DoesNotExist, nil)
	if err != nil {
		return nil, fmt.Errorf("selecting what is not ours: %w", err)
	}
	f := &foreign{clusterRoles: clusterRoles.clusterRoles}
	w := &foreignWatcher{foreign: f, client: c, selector: labels.NewSelector().Add(*notOurs)}
	f.policies = watchFacts(w, &networkingv1.NetworkPolicyList{}, policyFactsOf)
	f.bindings = watchFacts(w, &rbacv1.RoleBindingList{}, findings.BindingOf)
	f.accounts = watchFacts(w, &corev1.ServiceAccountList{}, findings.AccountOf)
	f.limits = watchFacts(w, &corev1.LimitRangeList{}, findings.LimitsOf)
	f.quotas = watchFacts(w, &corev1.ResourceQuotaList{}, findings.CountsOf)
	f.roles = watchFacts(w, &rbacv1.RoleList{}, findings.RoleOf)
	f.watchCalls(w)
	f.watchShortages(w)
	return f, nil
}

// of are the facts on a namespace.
func (f *foreign) of(namespace string) *findings.Facts {
	all := f.policies.of(namespace)
	policies, gates := splitPolicyFacts(all)
	bindings := f.bindings.of(namespace)
	return &findings.Facts{
		Policies: policies, Bindings: bindings, Accounts: f.accounts.of(namespace),
		Limits: f.limits.of(namespace), Quotas: f.quotas.of(namespace),
		Roles: f.roles.of(namespace), ClusterRoles: f.powersBound(bindings),
		Large: largePolicies(all),
		Gates: gates, Callers: f.callersInto(namespace),
		Shortages: f.shortagesOf(namespace), Attempts: f.attempts.of(namespace),
		GetOpensStreams: f.getOpensStreams,
	}
}

// coalesce is how long the next changes are awaited too before a namespace is looked at again: whoever toggles an object costs one pass a second.
const coalesce = time.Second

// Start begins to watch. A namespace of which the facts change is looked at again, after all that concerns the baseline itself.
func (f *foreign) Start(ctx context.Context, q queue) error {
	enqueue := func(namespace string) {
		if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(handler.LowPriority), After: coalesce}, requestFor(namespace))
		} else {
			q.Add(requestFor(namespace))
		}
	}
	for _, w := range f.watches {
		w.tell(enqueue)
		go w.reflector.RunWithContext(ctx)
	}
	return nil
}

// String is what the controller's log calls it.
func (*foreign) String() string { return "objects of other makers" }

// WaitForSync waits until every kind has been read once: before, what is wrong would seem to be gone.
func (f *foreign) WaitForSync(ctx context.Context) error {
	for _, w := range f.watches {
		select {
		case <-w.synced:
		case <-ctx.Done():
			return fmt.Errorf("reading the objects of other makers: %w", ctx.Err())
		}
	}
	return nil
}

// namespacesBinding are those with a binding to a ClusterRole.
func (f *foreign) namespacesBinding(clusterRole string) []string {
	return f.bindings.namespacesWith(func(b findings.Binding) bool { return b.RoleKind == "ClusterRole" && b.Role == clusterRole })
}

// foreignWatcher makes the watches.
type foreignWatcher struct {
	foreign  *foreign
	client   client.WithWatch
	selector labels.Selector
	only     client.MatchingFields // nil is all
}

// watchFacts adds a watch of one kind, of which the facts are drawn from each object.
func watchFacts[O any, P interface {
	*O
	client.Object
}, F any](w *foreignWatcher, list client.ObjectList, draw func(P) (F, bool)) *factStore[F] {
	store := &factStore[F]{
		facts: map[string]map[string]F{}, synced: make(chan struct{}),
		draw: func(o any) (F, bool) { return draw(o.(P)) },
	}
	selector, only := w.selector, w.only
	options := func(o metav1.ListOptions) *client.ListOptions {
		options := &client.ListOptions{LabelSelector: selector, Raw: &o}
		if only != nil {
			only.ApplyToList(options)
		}
		return options
	}
	reflector := toolscache.NewReflectorWithOptions(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			found := list.DeepCopyObject().(client.ObjectList)
			err := w.client.List(ctx, found, options(o))
			return found, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return w.client.Watch(ctx, list.DeepCopyObject().(client.ObjectList), options(o))
		},
	}, P(new(O)), store, toolscache.ReflectorOptions{Name: fmt.Sprintf("foreign %T", P(new(O)))})
	w.foreign.watches = append(w.foreign.watches, foreignWatch{
		reflector: reflector, synced: store.synced,
		tell: func(enqueue func(namespace string)) {
			store.changed = func(namespace, _ string) { enqueue(namespace) }
		},
	})
	return store
}

// factStore is what a reflector fills: it draws facts from objects, keeps those, and tells of namespaces of which they change.
type factStore[F any] struct {
	draw    func(any) (F, bool)
	changed func(namespace, name string)
	// concerns are the namespaces that a changed fact concerns, which was nil before or is nil now where there is none; nil is the one
	// that the object is in.
	concerns func(namespace, name string, was, is *F) []string
	// quietStart says not to tell of what is there at first: every namespace has a pass then.
	quietStart bool

	mu     sync.RWMutex
	facts  map[string]map[string]F // by namespace and name; "" is the namespace of what has none
	once   sync.Once
	synced chan struct{}
}

var _ toolscache.TransformingStore = (*factStore[int])(nil)

// drawn stands for an object of which the facts have been drawn. While a cluster is read there is one for each object that a tenant keeps,
// so it is small.
type drawn[F any] struct {
	namespace, name string
	fact            *F // nil if there is nothing to say
}

// GetObjectMeta is by what a reflector tells objects apart.
func (d *drawn[F]) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: d.namespace, Name: d.name}
}

// Transformer draws the facts from an object as it arrives, so that the objects of a whole cluster are never held at once.
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
		return nil, fmt.Errorf("drawing facts from an object: %w", err)
	}
	d := &drawn[F]{namespace: object.GetNamespace(), name: object.GetName()}
	if fact, any := s.draw(o); any {
		d.fact = &fact
	}
	return d, nil
}

// Add is a new object.
func (s *factStore[F]) Add(o any) error { return s.Update(o) }

// Update is an object as it is now.
func (s *factStore[F]) Update(o any) error {
	d, err := s.drawFrom(o)
	if err != nil {
		return err
	}
	if was, news := s.set(d); news {
		s.tell(d.namespace, d.name, was, d.fact)
	}
	return nil
}

// Delete is an object that is gone.
func (s *factStore[F]) Delete(o any) error {
	object, err := meta.Accessor(o)
	if err != nil {
		return fmt.Errorf("forgetting an object: %w", err)
	}
	gone := &drawn[F]{namespace: object.GetNamespace(), name: object.GetName()}
	if was, news := s.set(gone); news {
		s.tell(gone.namespace, gone.name, was, nil)
	}
	return nil
}

// tell tells of the namespaces that a change concerns, and reports whether there are any.
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

// set remembers or forgets a fact. It reports what was known before, and whether the fact is news.
func (s *factStore[F]) set(d *drawn[F]) (was *F, news bool) {
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

// alike reports whether two facts say the same.
func alike[F any](a, b *F) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(*a, *b)
}

// Replace is all objects that there are.
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

// tellDifferences tells of what differs in a namespace: of one object that does, or of each cluster-scoped one.
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

// Resync is of no meaning here.
func (s *factStore[F]) Resync() error { return nil }

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

func (s *factStore[F]) namespacesWith(fact func(F) bool) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var namespaces []string
	for namespace, facts := range s.facts {
		for _, f := range facts {
			if fact(f) {
				namespaces = append(namespaces, namespace)
				break
			}
		}
	}
	return namespaces
}
