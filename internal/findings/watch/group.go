package watch

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// group is watches of several kinds that are one source of a controller.
type group struct {
	name    string // in the controller's log
	watches []kindWatch
}

// kindWatch is a watch of one kind.
type kindWatch struct {
	reflector *toolscache.Reflector
	synced    <-chan struct{}
	onChange  func(enqueue func(namespace string))
}

// changeDelay is how long a namespace waits in the queue after a change, so that further changes
// cost no pass of their own: if somebody toggles an object, that costs one pass a second.
const changeDelay = time.Second

// Start begins to watch. A namespace whose facts change is enqueued with low priority, behind all
// that concerns the baseline itself.
func (g *group) Start(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	enqueue := func(namespace string) {
		request := reconcile.Request{NamespacedName: types.NamespacedName{Name: namespace}}
		if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
			pq.AddWithOpts(priorityqueue.AddOpts{Priority: ptr.To(handler.LowPriority), After: changeDelay}, request)
		} else {
			q.Add(request)
		}
	}
	for _, w := range g.watches {
		w.onChange(enqueue)
		go w.reflector.RunWithContext(ctx)
	}
	return nil
}

// String is what the controller's log calls the source.
func (g *group) String() string { return g.name }

// WaitForSync waits until each kind has been listed once: before that, a weakness would seem to be
// gone.
func (g *group) WaitForSync(ctx context.Context) error {
	for _, w := range g.watches {
		select {
		case <-w.synced:
		case <-ctx.Done():
			return fmt.Errorf("listing %s: %w", g.name, ctx.Err())
		}
	}
	return nil
}

// watcher adds watches to a group.
type watcher struct {
	group    *group
	client   client.WithWatch
	selector labels.Selector
	only     client.MatchingFields // nil selects all
}

// watchFacts adds a watch of one kind, and returns the store of the facts that are drawn from its
// objects.
func watchFacts[O any, P interface {
	*O
	client.Object
}, F any](w *watcher, list client.ObjectList, draw func(P) (F, bool)) *factStore[F] {
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
	}, P(new(O)), store, toolscache.ReflectorOptions{Name: fmt.Sprintf("unmanaged %T", P(new(O)))})
	w.group.watches = append(w.group.watches, kindWatch{
		reflector: reflector, synced: store.synced,
		onChange: func(enqueue func(namespace string)) {
			store.changed = func(namespace, _ string) { enqueue(namespace) }
		},
	})
	return store
}
