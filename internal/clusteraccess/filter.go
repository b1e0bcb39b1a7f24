package clusteraccess

import (
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// filter is a watch that lets through what a function does. Unlike that of apimachinery it ends
// when it is stopped, though nobody reads on.
type filter struct {
	watch.Interface
	result chan watch.Event
	done   chan struct{}
	once   sync.Once
}

// filtered passes events on. When the channel is closed it says that the watch has expired, upon
// which all is read anew.
func filtered(events watch.Interface, stale <-chan struct{}, pass func(watch.Event) (watch.Event, bool)) watch.Interface {
	f := &filter{Interface: events, result: make(chan watch.Event), done: make(chan struct{})}
	go f.run(stale, pass)
	return f
}

func (f *filter) run(stale <-chan struct{}, pass func(watch.Event) (watch.Event, bool)) {
	defer close(f.result)
	for {
		out, passes := watch.Event{}, true
		select {
		case e, more := <-f.Interface.ResultChan():
			if !more {
				return
			}
			out, passes = pass(e)
		case <-stale:
			expired := apierrors.NewResourceExpired("what was left out is asked for")
			out, stale = watch.Event{Type: watch.Error, Object: &expired.ErrStatus}, nil
		case <-f.done:
			return
		}
		if !passes {
			continue
		}
		select {
		case f.result <- out:
		case <-f.done:
			return
		}
	}
}

// ResultChan are the events that pass.
func (f *filter) ResultChan() <-chan watch.Event { return f.result }

// Stop stops both watches.
func (f *filter) Stop() {
	f.once.Do(func() { close(f.done) })
	f.Interface.Stop()
}
