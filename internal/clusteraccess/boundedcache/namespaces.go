package boundedcache

import (
	"context"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
)

// namespaces lists and watches as another does, and resends namespaces with trimmed labels on
// request. It does not let the watch expire instead: client-go backs off before it lists again, and
// no event of any namespace would arrive for up to a minute.
func (i *Informers) namespaces(of toolscache.ListerWatcher) toolscache.ListerWatcher {
	source := toolscache.ToListerWatcherWithContext(of)
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			return source.ListWithContext(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if err := i.prime(ctx); err != nil {
				return nil, err
			}
			w, err := source.WatchWithContext(ctx, o)
			if err != nil {
				return nil, err
			}
			sent := progress{complete: o.SendInitialEvents == nil || !*o.SendInitialEvents, version: o.ResourceVersion}
			return (&watchFilter{
				pass: func(e watch.Event) (watch.Event, bool) {
					sent.note(e)
					return e, true
				},
				resendRequested: func() <-chan struct{} {
					if sent.complete {
						return i.Labels.resend
					}
					return nil
				},
				resend: func(ctx context.Context, send func(watch.Event)) error {
					err := i.resend(ctx, &sent, send)
					if err != nil || ctx.Err() != nil {
						i.Labels.requestResend() // The next watch carries it out.
					}
					return err
				},
			}).start(w), nil
		},
	}
}

// progress says how far a watch has sent the objects that it watches.
type progress struct {
	version  string // the resourceVersion of its last event
	complete bool   // it has sent the objects that existed when it began
}

func (p *progress) note(e watch.Event) {
	o, err := meta.Accessor(e.Object)
	if err != nil {
		return
	}
	p.complete = p.complete || e.Type == watch.Bookmark && o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"
	p.version = o.GetResourceVersion()
}

// resend sends the namespaces whose labels may have been trimmed, as they were at the last event of
// the watch. Newer ones would make a watch that resumes from their resourceVersion skip events.
func (i *Informers) resend(ctx context.Context, sent *progress, send func(watch.Event)) error {
	newList := func() *corev1.NamespaceList { return &corev1.NamespaceList{} }
	_, err := clusteraccess.EachPage(ctx, i.live, math.MaxInt, newList, func(page *corev1.NamespaceList) {
		for n := range page.Items {
			if ns := &page.Items[n]; labelBytes(ns.Labels) > maxLabelBytes {
				send(watch.Event{Type: watch.Modified, Object: ns})
			}
		}
	}, exactly(sent.version))
	if err == nil {
		latest := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{ResourceVersion: sent.version}}
		send(watch.Event{Type: watch.Bookmark, Object: latest})
	}
	return err
}

// exactly lists the objects of one resourceVersion. Further pages have the version of the first.
type exactly string

// ApplyToList makes it an option of a list.
func (version exactly) ApplyToList(o *client.ListOptions) {
	if o.Continue == "" {
		o.Raw = &metav1.ListOptions{ResourceVersion: string(version), ResourceVersionMatch: metav1.ResourceVersionMatchExact}
	}
}
