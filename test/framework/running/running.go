// Package running runs something beside a test until it is stopped, and knows how it ended. It may
// import the standard library alone, and must never know what it runs.
package running

import (
	"context"
	"errors"
	"sync"
)

// Task is something that runs.
type Task struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
	told   sync.Once
}

// Start runs a function until its context ends, which Stop ends at the latest.
func Start(ctx context.Context, run func(context.Context) error) *Task {
	ctx, cancel := context.WithCancel(ctx)
	t := &Task{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		t.err = run(ctx)
	}()
	return t
}

// Ended is closed when the task has ended.
func (t *Task) Ended() <-chan struct{} { return t.ended }

// Err waits until the task has ended, and is the error that it ended with.
func (t *Task) Err() error {
	<-t.ended
	return t.err
}

// Stop stops the task, waits for its end, and is the error that it ended with; nil if it was
// stopped already.
func (t *Task) Stop() error {
	t.cancel()
	<-t.ended
	var err error
	t.told.Do(func() { err = t.err })
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
