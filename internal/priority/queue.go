// Package priority knows what comes first: which request the next worker is given, how many writes
// of roll-outs are in flight, and since when a change waits. It may import controller-runtime's
// queue, and must never write an object or decide what a request is worth: those who add requests say
// so by a priority.
package priority

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Queue is a priority queue that keeps workers for corrections. An order alone does not help a
// correction while each worker is in the middle of a roll-out's pass, which is many writes long.
// Requests of a priority below 0 can be overtaken; all others are urgent.
//
//	a worker is | and becomes
//	------------|---------------------------------------------------------------------------------
//	outside     | inside, if fewer than limit workers are inside or busy with overtakable requests,
//	            | or if more urgent requests wait than workers are in there
//	inside      | busy, with the request that comes first
//	busy        | outside, when it is done
//
// Two kinds of urgent requests let nobody in, and so have the next worker of the first kind: those
// that were added after a delay, such as a retry, and those that were added in the very moment in
// which a worker was given the same request.
//
// The queue also tells a pause: nothing can be done at once, and nobody is busy. It tells the first
// one after the first look at everything, and a further one each time that many passes of roll-outs
// or looks are done.
type Queue struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	limit int
	pause func()

	mu      sync.Mutex
	changed sync.Cond
	// inside is how many workers were let in and wait for a request.
	inside int
	// overtakable is how many workers are inside, or busy with an overtakable request.
	overtakable int
	// urgent are the urgent requests that wait.
	urgent map[reconcile.Request]bool
	// busy are the requests that workers have, and whether each can be overtaken.
	busy   map[reconcile.Request]bool
	closed bool
	// left is how many overtakable passes must be done until a pause is told.
	left int
}

// manyPasses is how many overtakable passes there are between two pauses that are told.
const manyPasses = 250

// NewQueue makes a queue for more than limit workers, of whom limit may be busy with overtakable
// requests. It calls pause in a goroutine of its own.
func NewQueue(
	name string, limiter workqueue.TypedRateLimiter[reconcile.Request], limit int, pause func(),
) *Queue {
	limited := func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter }
	q := &Queue{
		PriorityQueue: priorityqueue.New(name, limited),
		limit:         limit,
		pause:         pause,
		left:          1,
		urgent:        map[reconcile.Request]bool{},
		busy:          map[reconcile.Request]bool{},
	}
	q.changed.L = &q.mu
	return q
}

// Add adds a request of priority 0.
func (q *Queue) Add(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{}, request)
}

// AddWithOpts adds requests, and notes the urgent ones in the same step: a worker that is let in
// for one finds it, and the worker that is given it takes the note away.
func (q *Queue) AddWithOpts(o priorityqueue.AddOpts, requests ...reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.PriorityQueue.AddWithOpts(o, requests...)
	if ptr.Deref(o.Priority, 0) < 0 || o.After > 0 || o.RateLimited {
		return
	}
	for _, request := range requests {
		q.urgent[request] = true
	}
	q.changed.Broadcast()
}

// Get waits for the request that comes first.
func (q *Queue) Get() (reconcile.Request, bool) {
	request, _, shutdown := q.GetWithPriority()
	return request, shutdown
}

// GetWithPriority waits for the request that comes first, and tells its priority.
func (q *Queue) GetWithPriority() (reconcile.Request, int, bool) {
	q.letIn()
	request, priority, shutdown := q.PriorityQueue.GetWithPriority()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inside--
	delete(q.urgent, request)
	q.busy[request] = priority < 0
	if priority >= 0 {
		q.overtakable--
	}
	q.changed.Broadcast()
	return request, priority, shutdown
}

// letIn waits until a worker may have an overtakable request, or is needed for an urgent one.
func (q *Queue) letIn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.overtakable >= q.limit && !q.moreUrgentThan(q.inside) && !q.closed {
		q.changed.Wait()
	}
	q.inside++
	q.overtakable++
}

// moreUrgentThan reports whether more than n urgent requests wait that a worker can have now.
func (q *Queue) moreUrgentThan(n int) bool {
	for request := range q.urgent {
		if _, given := q.busy[request]; given { // Its worker has to be done first.
			continue
		}
		if n--; n < 0 {
			return true
		}
	}
	return false
}

// IsOvertakable reports whether a worker has this request, and it can be overtaken.
func (q *Queue) IsOvertakable(request reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy[request]
}

// Done ends a request. It forgets who had the request before another worker can be given it.
func (q *Queue) Done(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[request] {
		q.overtakable--
		q.left--
	}
	delete(q.busy, request)
	q.PriorityQueue.Done(request)
	q.changed.Broadcast()
	if q.left <= 0 && len(q.busy) == 0 && q.Len() == 0 {
		q.left = manyPasses
		go q.pause()
	}
}

// ShutDown lets all workers in, who then find that the queue is closed.
func (q *Queue) ShutDown() {
	q.PriorityQueue.ShutDown()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// ShutDownWithDrain is ShutDown, as it is in the embedded queue.
func (q *Queue) ShutDownWithDrain() { q.ShutDown() }
