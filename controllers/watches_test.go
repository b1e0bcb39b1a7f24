package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/inventory/inventorytest"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// oneNamespace is a cluster with a namespace that nobody reports on.
type oneNamespace struct{ client.Client }

func (oneNamespace) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if namespaces, ok := list.(*corev1.NamespaceList); ok {
		namespaces.Items = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
	}
	return nil
}

// A namespace that an unheld profile selects waits for that one to be held. If the profile goes
// instead, or does not select it any more, the namespace must be looked at: it may be another's by
// now, or nobody's, and who bears its name may be waiting for it.
func TestNamespacesThatWaitForAnUnheldProfileAreLookedAt(t *testing.T) {
	h := (&namespaceEvents{cached: oneNamespace{}}).enqueueGoverned()
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "fleeting"}}
	held := profile.DeepCopy()
	held.Finalizers = []string{v1alpha1.Finalizer}
	elsewhere, heldElsewhere := profile.DeepCopy(), held.DeepCopy()
	for _, p := range []*v1alpha1.SecurityProfile{elsewhere, heldElsewhere} {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{"team": "payments"}
	}
	change := func(old, updated *v1alpha1.SecurityProfile) func(queue) {
		return func(q queue) { h.Update(t.Context(), event.UpdateEvent{ObjectOld: old, ObjectNew: updated}, q) }
	}
	for sentence, tt := range map[string]struct {
		event func(queue)
		want  int
	}{
		"one that is created waits":                   {func(q queue) { h.Create(t.Context(), event.CreateEvent{Object: profile}, q) }, 0},
		"one that is held is worked":                  {change(profile, held), 1},
		"one that goes unheld":                        {func(q queue) { h.Delete(t.Context(), event.DeleteEvent{Object: profile}, q) }, 1},
		"one that selects elsewhere, unheld":          {change(profile, elsewhere), 1},
		"one that selects elsewhere, and is held now": {change(profile, heldElsewhere), 1},
		"one that selected elsewhere, unheld":         {change(elsewhere, profile), 0},
		"one that has always selected elsewhere":      {change(elsewhere, heldElsewhere), 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			tt.event(q)
			if q.Len() != tt.want {
				t.Errorf("%d namespaces are to be looked at, and not %d", q.Len(), tt.want)
			}
		})
	}
}

// aNamespaceMadeAt is a cluster with one namespace, made at a time, that nobody reports on.
type aNamespaceMadeAt struct {
	client.Client
	time.Time
}

func (c aNamespaceMadeAt) namespace() corev1.Namespace {
	return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", CreationTimestamp: metav1.NewTime(c.Time)}}
}

func (c aNamespaceMadeAt) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if namespaces, ok := list.(*corev1.NamespaceList); ok {
		namespaces.Items = []corev1.Namespace{c.namespace()}
	}
	return nil
}

func (c aNamespaceMadeAt) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	ns := c.namespace()
	ns.DeepCopyInto(into.(*corev1.Namespace))
	return nil
}

// The status of a broken profile says since when it is broken a moment after the spec is. From then
// on the policies of others, and who governs the namespaces that were made since, are not the same
// as before.
func TestSinceWhenAProfileIsBrokenIsHeardOf(t *testing.T) {
	broken := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{
		Name: "broken", Generation: 2, Finalizers: []string{v1alpha1.Finalizer},
	}}
	broken.Status.Selection = selection.Remember(broken)
	broken.Spec.ExcludeNamespaces = []string{"["}
	dated := broken.DeepCopy()
	dated.Status.Selection = selection.Broken(dated, noon)
	counted := dated.DeepCopy()
	counted.Status.DriftTotal++
	for sentence, tc := range map[string]struct {
		before, after *v1alpha1.SecurityProfile
		heard         bool
		made          time.Time
		namespaces    int
	}{
		"since when it is":                  {broken, dated, true, noon, 1},
		"which older namespaces outlast":    {broken, dated, true, noon.Add(-time.Hour), 0},
		"what else its status says is none": {dated, counted, false, noon, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after}
			if got := governanceChanged().Update(e); got != tc.heard {
				t.Errorf("the others hear of it: %t", got)
			}
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			(&namespaceEvents{cached: aNamespaceMadeAt{Time: tc.made}}).enqueueGoverned().Update(t.Context(), e, q)
			if q.Len() != tc.namespaces {
				t.Errorf("%d namespaces are to be looked at, and not %d", q.Len(), tc.namespaces)
			}
		})
	}
}

func TestAProfileOfTheSameNameIsAnotherOne(t *testing.T) {
	profile := func(uid types.UID) *v1alpha1.SecurityProfile {
		return &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "again", UID: uid, Generation: 1}}
	}
	for uid, want := range map[types.UID]bool{"old": false, "new": true} {
		if got := specChanged().Update(event.UpdateEvent{ObjectOld: profile("old"), ObjectNew: profile(uid)}); got != want {
			t.Errorf("from old to %s: want %t, got %t", uid, want, got)
		}
	}
}

// A profile that was deleted waits until nothing bears its name, and what another took over does
// not any more.
func TestAProfileHearsOfWhatBearsItsNameNoMore(t *testing.T) {
	h := (&SecurityProfileReconciler{}).enqueueLabelled()
	of := func(profile, app string) *corev1.LimitRange {
		return &corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1alpha1.ProfileLabel: profile, "app": app}},
		}
	}
	going := of("old", "")
	going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	for sentence, tt := range map[string]struct {
		event func(queue)
		want  []reconcile.Request
	}{
		"what is created": {func(q queue) { h.Create(t.Context(), event.CreateEvent{Object: of("old", "")}, q) }, nil},
		"what is changed": {func(q queue) {
			h.Update(t.Context(), event.UpdateEvent{ObjectOld: of("old", "a"), ObjectNew: of("old", "b")}, q)
		}, nil},
		"what changes hands": {
			func(q queue) {
				h.Update(t.Context(), event.UpdateEvent{ObjectOld: of("old", ""), ObjectNew: of("new", "")}, q)
			},
			[]reconcile.Request{requestFor("old")},
		},
		"what is to go": {
			func(q queue) { h.Update(t.Context(), event.UpdateEvent{ObjectOld: of("old", ""), ObjectNew: going}, q) },
			[]reconcile.Request{requestFor("old")},
		},
		"what goes": {func(q queue) { h.Delete(t.Context(), event.DeleteEvent{Object: of("old", "")}, q) }, []reconcile.Request{requestFor("old")}},
	} {
		t.Run(sentence, func(t *testing.T) {
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			tt.event(q)
			var got []reconcile.Request
			for q.Len() > 0 {
				request, _ := q.Get()
				got = append(got, request)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// bindingProfiles is a cache that holds one namespace, some profiles and no report.
type bindingProfiles struct{ inventorytest.Cluster }

func (c *bindingProfiles) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	switch list := into.(type) {
	case *corev1.NamespaceList:
		list.Items = []corev1.Namespace{*c.Namespace}
	case *v1alpha1.NamespacePostureList:
	default:
		return c.Cluster.List(ctx, into, options...)
	}
	return nil
}

func TestAClusterRoleConcernsTheNamespacesOfProfilesThatBindIt(t *testing.T) {
	binding := func(p *v1alpha1.SecurityProfile) {
		p.Spec.RBAC = &v1alpha1.RBAC{Bindings: []v1alpha1.RoleBinding{{Name: "viewers", ClusterRole: "view"}}}
	}
	n := &namespaceEvents{cached: &bindingProfiles{
		inventorytest.Cluster{
			Profiles: []v1alpha1.SecurityProfile{
				inventorytest.Profile("shop", binding),
				inventorytest.Profile("shop"),
				inventorytest.Profile("till", binding),
			},
			Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"shop": "yes"}}},
		},
	}}
	for role, want := range map[string][]string{"view": {"shop"}, "edit": nil} {
		if diff := cmp.Diff(want, n.namespacesUsing(role)); diff != "" {
			t.Errorf("%s: concerns (-want +got):\n%s", role, diff)
		}
	}
}
