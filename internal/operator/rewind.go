package operator

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	// rewindInterval is how often the API server is asked how far its history has come.
	rewindInterval = 5 * time.Second
	// rewindRetry is how soon it is asked again while it does not answer: what is restored writes
	// from the first moment on.
	rewindRetry = 500 * time.Millisecond
)

// rewindWatch ends the operator when the API server's history goes back, which it does only when
// etcd is restored from a snapshot. Watches then continue at a version that is still to come,
// without an error, and until that is reached the caches hold what never was. An operator that is
// started anew reads everything.
//
// It compares versions of one resource, since an API server may keep resources in several etcds,
// each with a history of its own.
type rewindWatch struct {
	// version is the resource version of all NamespacePostures that the API server holds now.
	version func(context.Context) (string, error)
	// latest is the latest resource version of a NamespacePosture that was heard of, or told by
	// version.
	latest *atomic.Uint64
}

var _ manager.LeaderElectionRunnable = rewindWatch{}

// newRewindWatch listens to the cache, which may have heard of something that came after the last
// answer.
func newRewindWatch(ctx context.Context, caches cache.Cache, live client.Reader) (rewindWatch, error) {
	w := rewindWatch{latest: &atomic.Uint64{}, version: func(ctx context.Context) (string, error) {
		reports := &metav1.PartialObjectMetadataList{}
		reports.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NamespacePostureList"))
		err := live.List(
			ctx,
			reports,
			client.Limit(1),
		) // Without a version it is a read of the latest, whichever API server answers.
		return reports.ResourceVersion, err
	}}
	informer, err := caches.GetInformer(ctx, &v1alpha1.NamespacePosture{}, cache.BlockUntilSynced(false))
	if err == nil {
		_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    w.hear,
			UpdateFunc: func(_, o any) { w.hear(o) },
			DeleteFunc: w.hear,
		})
	}
	if err != nil {
		return w, fmt.Errorf("listening to the cache of NamespacePostures: %w", err)
	}
	return w, nil
}

// NeedLeaderElection is false: the caches of a replica that does not lead are as stale.
func (rewindWatch) NeedLeaderElection() bool { return false }

// Start asks until the context ends.
func (w rewindWatch) Start(ctx context.Context) error {
	for {
		next := rewindInterval
		before := w.latest.Load() // What is heard of while the API server answers may be later than its answer.
		version, err := w.version(ctx)
		if err != nil {
			next = rewindRetry
		} else if now, isNumber := number(version); isNumber && now < before {
			return fmt.Errorf("the API server went back from resource version %d to %d: etcd was restored from a snapshot. "+
				"The operator ends, to be started anew and to read everything as it is now", before, now)
		}
		w.note(version)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

// hear notes the version of an object of an event; the word that one is gone has none.
func (w rewindWatch) hear(o any) {
	if o, ok := o.(metav1.Object); ok {
		w.note(o.GetResourceVersion())
	}
}

// note remembers a version that is later than all before.
func (w rewindWatch) note(version string) {
	now, isNumber := number(version)
	for isNumber {
		latest := w.latest.Load()
		if now <= latest || w.latest.CompareAndSwap(latest, now) {
			return
		}
	}
}

// number is a resource version as a number, which those of Kubernetes are; one of another API
// server tells nothing.
func number(version string) (uint64, bool) {
	n, err := strconv.ParseUint(version, 10, 64)
	return n, err == nil
}
