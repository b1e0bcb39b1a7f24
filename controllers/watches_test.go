package controllers

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// oneNamespace is a cluster with a namespace that nobody reports on.
type oneNamespace struct{ client.Client }

func (oneNamespace) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if namespaces, ok := list.(*corev1.NamespaceList); ok {
		namespaces.Items = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
	}
	return nil
}

// A namespace that an unheld profile selects waits for that one to be held. If the profile goes instead, the namespace must be looked at:
// another profile, that was deleted meanwhile, may be waiting for it.
func TestAProfileThatGoesUnheldLetsItsNamespacesBeLookedAt(t *testing.T) {
	h := (&NamespaceReconciler{Client: oneNamespace{}}).enqueueGoverned()
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "fleeting"}}
	held := profile.DeepCopy()
	held.Finalizers = []string{v1alpha1.Finalizer}
	for sentence, tt := range map[string]struct {
		event func(queue)
		want  int
	}{
		"one that is created waits":  {func(q queue) { h.Create(t.Context(), event.CreateEvent{Object: profile}, q) }, 0},
		"one that is held is worked": {func(q queue) { h.Update(t.Context(), event.UpdateEvent{ObjectOld: profile, ObjectNew: held}, q) }, 1},
		"one that goes unheld":       {func(q queue) { h.Delete(t.Context(), event.DeleteEvent{Object: profile}, q) }, 1},
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
