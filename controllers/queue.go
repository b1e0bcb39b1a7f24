package controllers

import (
	"sync"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// overtaking is a priority queue that never lets all workers be busy with what can be overtaken, which has a priority below 0: an order
// alone is no help to a correction while each worker is in the middle of a roll-out's pass, which is many writes long.
//
// As many workers as may be busy with that take whatever comes first. A further one is let in only while more requests of priority 0 or
// above wait than workers are there to take them. Two have the next of the former workers, and nobody is let in for them: what was added
// after a delay, such as a retry, and what was added in the very moment in which the same request was handed out.
//
// It also tells when the first look at everything is over, and later, after many passes of roll-outs or looks, that there is a pause:
// nothing can be done at once, and nobody is busy.
type overtaking struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	limit int
	pause func()

	mu      sync.Mutex
	changed sync.Cond
	// inside is how many workers have been let in and not been given anything yet.
	inside int
	// overtakable is how many workers are inside, or busy with what can be overtaken.
	overtakable int
	// urgent is what waits and has a priority of 0 or more.
	urgent map[reconcile.Request]bool
	// handed is what workers are busy with, and whether it can be overtaken.
	handed map[reconcile.Request]bool
	closed bool
	// left is how many passes that can be overtaken must be done yet before a pause is told.
	left int
}

// manyPasses is how many passes that can be overtaken there are between two pauses that are told.
const manyPasses = 250

// newOvertaking makes a queue for more than limit workers, of whom limit may be busy with what can be overtaken. It calls pause in a
// goroutine of its own.
func newOvertaking(name string, limiter workqueue.TypedRateLimiter[reconcile.Request], limit int, pause func()) *overtaking {
	q := &overtaking{
		PriorityQueue: priorityqueue.New(name, func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter }),
		limit:         limit,
		pause:         pause,
		left:          1,
		urgent:        map[reconcile.Request]bool{},
		handed:        map[reconcile.Request]bool{},
	}
	q.changed.L = &q.mu
	return q
}

func (q *overtaking) Add(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{}, request)
}

// AddWithOpts notes what is urgent in one step with the addition. A worker that is let in for it finds it, and one that is given it takes
// the note away.
func (q *overtaking) AddWithOpts(o priorityqueue.AddOpts, requests ...reconcile.Request) {
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

func (q *overtaking) Get() (reconcile.Request, bool) {
	request, _, shutdown := q.GetWithPriority()
	return request, shutdown
}

func (q *overtaking) GetWithPriority() (reconcile.Request, int, bool) {
	q.letIn()
	request, priority, shutdown := q.PriorityQueue.GetWithPriority()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inside--
	delete(q.urgent, request)
	q.handed[request] = priority < 0
	if priority >= 0 {
		q.overtakable--
	}
	q.changed.Broadcast()
	return request, priority, shutdown
}

// letIn waits until a worker may be given what can be overtaken, or is needed for what is urgent.
func (q *overtaking) letIn() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.overtakable >= q.limit && !q.moreUrgentThan(q.inside) && !q.closed {
		q.changed.Wait()
	}
	q.inside++
	q.overtakable++
}

// moreUrgentThan reports whether more than n urgent requests wait that a worker can be given now.
func (q *overtaking) moreUrgentThan(n int) bool {
	for request := range q.urgent {
		if _, busy := q.handed[request]; busy { // Its worker has to be done first.
			continue
		}
		if n--; n < 0 {
			return true
		}
	}
	return false
}

// isOvertakable reports whether a request that a worker is busy with can be overtaken.
func (q *overtaking) isOvertakable(request reconcile.Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.handed[request]
}

// Done forgets who had the request before another worker can be given it.
func (q *overtaking) Done(request reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.handed[request] {
		q.overtakable--
		q.left--
	}
	delete(q.handed, request)
	q.PriorityQueue.Done(request)
	q.changed.Broadcast()
	if q.left <= 0 && len(q.handed) == 0 && q.Len() == 0 {
		q.left = manyPasses
		go q.pause()
	}
}

func (q *overtaking) ShutDown() {
	q.PriorityQueue.ShutDown()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// ShutDownWithDrain is ShutDown, as it is of the queue beneath.
func (q *overtaking) ShutDownWithDrain() { q.ShutDown() }
