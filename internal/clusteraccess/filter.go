package clusteraccess

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// filter is a watch that lets through what a function does. Unlike that of apimachinery it ends
// when it is stopped, though nobody reads on.
type filter struct {
	watch.Interface
	pass func(watch.Event) (watch.Event, bool)
	// missed is what says that something is to be told again, if it can be told now, which retell
	// does. It may be nil.
	missed func() <-chan struct{}
	retell func(ctx context.Context, tell func(watch.Event)) error

	result chan watch.Event
	ctx    context.Context // Done once it is stopped.
	cancel context.CancelFunc
}

// start has the filter pass the events of a watch on.
func (f *filter) start(events watch.Interface) watch.Interface {
	f.Interface, f.result = events, make(chan watch.Event)
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f
}

func (f *filter) run() {
	defer close(f.result)
	for f.ctx.Err() == nil {
		var missed <-chan struct{}
		if f.missed != nil {
			missed = f.missed()
		}
		select {
		case e, more := <-f.Interface.ResultChan():
			if !more {
				return
			}
			if out, passes := f.pass(e); passes {
				f.tell(out)
			}
		case <-missed:
			if f.retell(f.ctx, f.tell) != nil {
				expired := apierrors.NewResourceExpired("what was left out is asked for, and cannot be read")
				f.tell(watch.Event{Type: watch.Error, Object: &expired.ErrStatus})
			}
		case <-f.ctx.Done():
		}
	}
}

func (f *filter) tell(e watch.Event) {
	select {
	case f.result <- e:
	case <-f.ctx.Done():
	}
}

// ResultChan are the events that pass.
func (f *filter) ResultChan() <-chan watch.Event { return f.result }

// Stop stops both watches.
func (f *filter) Stop() {
	f.cancel()
	f.Interface.Stop()
}
