package boundedcache

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// watchFilter passes on the events of a watch that a function lets pass. Unlike watch.Filter of
// apimachinery, it ends when it is stopped even if nobody reads its events.
type watchFilter struct {
	watch.Interface
	pass func(watch.Event) (watch.Event, bool)
	// resendRequested returns the channel that requests to send objects again, or nil as long as
	// resend cannot be called. It may itself be nil.
	resendRequested func() <-chan struct{}
	resend          func(ctx context.Context, send func(watch.Event)) error

	result chan watch.Event
	ctx    context.Context // Done once it is stopped.
	cancel context.CancelFunc
}

// start begins to filter the events of a watch.
func (f *watchFilter) start(events watch.Interface) watch.Interface {
	f.Interface, f.result = events, make(chan watch.Event)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f
}

func (f *watchFilter) run() {
	defer close(f.result)
	for f.ctx.Err() == nil {
		var requested <-chan struct{}
		if f.resendRequested != nil {
			requested = f.resendRequested()
		}
		select {
		case e, more := <-f.Interface.ResultChan():
			if !more {
				return
			}
			if out, passes := f.pass(e); passes {
				f.send(out)
			}
		case <-requested:
			if f.resend(f.ctx, f.send) != nil {
				expired := apierrors.NewResourceExpired("what was left out is asked for, and cannot be read")
				f.send(watch.Event{Type: watch.Error, Object: &expired.ErrStatus})
			}
		case <-f.ctx.Done():
		}
	}
}

func (f *watchFilter) send(e watch.Event) {
	select {
	case f.result <- e:
	case <-f.ctx.Done():
	}
}

// ResultChan returns the events that pass.
func (f *watchFilter) ResultChan() <-chan watch.Event { return f.result }

// Stop stops the filter and the watch that it reads.
func (f *watchFilter) Stop() {
	f.cancel()
	f.Interface.Stop()
}
