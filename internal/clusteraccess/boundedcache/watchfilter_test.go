package boundedcache

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

func TestWatchFilterEndsThoughNobodyReads(t *testing.T) {
	source := watch.NewFakeWithChanSize(1, false)
	w := (&watchFilter{pass: func(e watch.Event) (watch.Event, bool) { return e, true }}).start(source)
	source.Add(role("shop", "one"))
	w.Stop()
	for range w.ResultChan() { // It is closed, after one event at most.
	}
}

func TestWatchExpiresWhenResendFails(t *testing.T) {
	source, requested := watch.NewFake(), make(chan struct{}, 1)
	w := (&watchFilter{
		resendRequested: func() <-chan struct{} { return requested },
		resend:          func(context.Context, func(watch.Event)) error { return errors.New("the version is compacted") },
	}).start(source)
	requested <- struct{}{}
	if e := <-w.ResultChan(); !apierrors.IsResourceExpired(apierrors.FromObject(e.Object)) {
		t.Errorf("it says %v", e)
	}
	w.Stop()
}
