package priority

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	rolloutPriority = -50

	retryMin = 100 * time.Millisecond
	retryMax = time.Minute
)

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// staff are workers of a queue, each of which is done with what it was given when it is told so.
type staff struct {
	queue  *Queue
	given  chan reconcile.Request
	done   map[reconcile.Request]chan struct{}
	pauses atomic.Int64
}

// employ makes a queue with so many workers, of whom limit may be busy with what can be overtaken.
func employ(t *testing.T, workers, limit int) *staff {
	t.Helper()
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryMin, retryMax)
	s := &staff{given: make(chan reconcile.Request), done: map[reconcile.Request]chan struct{}{}}
	s.queue = NewQueue("", limiter, limit, func() { s.pauses.Add(1) })
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		s.done[request(name)] = make(chan struct{})
	}
	for range workers {
		go func() {
			for {
				given, shutdown := s.queue.Get()
				if shutdown {
					return
				}
				s.given <- given
				<-s.done[given]
				s.queue.Done(given)
			}
		}()
	}
	t.Cleanup(s.queue.ShutDown)
	return s
}

// add adds once nothing moves any more.
func (s *staff) add(priority int, names ...string) {
	synctest.Wait()
	for _, name := range names {
		s.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request(name))
	}
}

// finish lets the workers be done with these.
func (s *staff) finish(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		select {
		case s.done[request(name)] <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatalf("no worker was given %s", name)
		}
	}
}

// heard is what workers have been given since it was called last, once nothing moves any more.
func (s *staff) heard() []string {
	var names []string
	for {
		synctest.Wait()
		select {
		case given := <-s.given:
			names = append(names, given.Name)
		default:
			return names
		}
	}
}

// expect checks what workers have been given since.
func (s *staff) expect(t *testing.T, want ...string) {
	t.Helper()
	got := s.heard()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("workers were given %v, want %v", got, want)
	}
}

func TestWorkersAreLeftForWhatOvertakes(t *testing.T) {
	tests := map[string]func(*testing.T, *staff){
		"what can be overtaken has so many workers and no more": func(t *testing.T, s *staff) {
			s.add(rolloutPriority, "a", "b", "c")
			s.expect(t, "a", "b")
			s.finish(t, "a")
			s.expect(t, "c")
			s.finish(t, "b", "c")
		},
		"what overtakes has the others too, before what came first": func(t *testing.T, s *staff) {
			s.add(rolloutPriority, "a", "b", "c")
			s.expect(t, "a", "b")
			s.add(0, "d", "e", "f")
			s.expect(t, "d", "e")
			s.finish(t, "d")
			s.expect(t, "f")
			s.finish(t, "a", "b", "e", "f")
			s.expect(t, "c")
			s.finish(t, "c")
		},
		"without what can be overtaken all workers have what is urgent": func(t *testing.T, s *staff) {
			s.add(0, "a", "b", "c", "d", "e")
			s.expect(t, "a", "b", "c", "d")
			s.finish(t, "a", "b", "c", "d")
			s.expect(t, "e")
			s.finish(t, "e")
		},
		"what is raised overtakes": func(t *testing.T, s *staff) {
			s.add(rolloutPriority, "a", "b", "c")
			s.expect(t, "a", "b")
			s.queue.Add(request("c"))
			s.expect(t, "c")
			s.finish(t, "a", "b", "c")
		},
		"what is urgent in the hands of a worker lets nobody else in": func(t *testing.T, s *staff) {
			s.add(rolloutPriority, "a", "b", "c")
			s.expect(t, "a", "b")
			s.add(0, "a")
			s.expect(t)
			s.finish(t, "a")
			s.expect(t, "a", "c")
			s.finish(t, "a", "b", "c")
		},
		"a retry of what is urgent has a worker in its turn": func(t *testing.T, s *staff) {
			s.queue.AddRateLimited(request("a"))
			s.expect(t)
			time.Sleep(retryMin)
			s.expect(t, "a")
			s.finish(t, "a")
		},
		"workers that had nothing to do are no fewer for it": func(t *testing.T, s *staff) {
			for range 3 {
				s.add(0, "a", "b", "c", "d")
				s.expect(t, "a", "b", "c", "d")
				s.finish(t, "a", "b", "c", "d")
			}
			s.add(rolloutPriority, "a", "b", "c")
			s.expect(t, "a", "b")
			s.add(0, "d", "e")
			s.expect(t, "d", "e")
			s.finish(t, "a", "b", "d", "e")
			s.expect(t, "c")
			s.finish(t, "c")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := employ(t, 4, 2)
				test(t, s)
				s.expect(t)
				if len(s.queue.urgent) > 0 || len(s.queue.busy) > 0 || s.queue.Len() > 0 {
					t.Errorf("left: %v urgent, %v busy, %d waiting", s.queue.urgent, s.queue.busy, s.queue.Len())
				}
			})
		})
	}
}

// shift is workers at random work: what waits for one, and what one is busy with.
type shift struct {
	*staff
	random      *rand.Rand
	waits, busy map[string]bool
}

// step adds something, or lets a worker be done.
func (s *shift) step(t *testing.T) {
	name := string("abcdef"[s.random.IntN(6)])
	switch priority := []int{0, rolloutPriority, handler.LowPriority}[s.random.IntN(3)]; {
	case s.busy[name] && s.random.IntN(2) == 0:
		s.leave(t, name)
	case s.random.IntN(8) == 0:
		s.waits[name] = true
		s.queue.AddRateLimited(request(name))
	default:
		s.waits[name] = true
		s.queue.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request(name))
	}
}

func (s *shift) leave(t *testing.T, name string) {
	delete(s.busy, name)
	s.finish(t, name)
}

// collect sees what workers have been given.
func (s *shift) collect(t *testing.T) {
	for _, name := range s.heard() {
		if s.busy[name] {
			t.Errorf("%s was given to two workers at a time", name)
		}
		delete(s.waits, name)
		s.busy[name] = true
	}
	if s.queue.moreUrgentThan(0) && len(s.busy) < 4 {
		t.Errorf("something urgent waits though only %d of 4 workers are busy", len(s.busy))
	}
}

// TestNothingIsLostBetweenWorkers adds at random and is done at random. A worker is given each
// request in the end, no request has two workers at a time, and nothing urgent waits while a worker
// does.
func TestNothingIsLostBetweenWorkers(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			s := &shift{
				staff: employ(t, 4, 2), random: rand.New(rand.NewPCG(seed, 0)), waits: map[string]bool{}, busy: map[string]bool{},
			}
			for range 100 {
				s.step(t)
				if s.random.IntN(2) == 0 {
					s.collect(t)
				}
			}
			for s.collect(t); len(s.busy) > 0; s.collect(t) {
				for name := range maps.Clone(s.busy) {
					s.leave(t, name)
				}
				time.Sleep(retryMax)
			}
			if len(s.waits) > 0 || len(s.queue.urgent) > 0 {
				t.Errorf("nobody was given %v, and noted as urgent is still %v", s.waits, s.queue.urgent)
			}
			if t.Failed() {
				t.Logf("this was seed %d", seed)
			}
		})
	}
}

// TestNoNoteIsLeftBehind adds from several sides while idle workers snatch away what is added.
func TestNoNoteIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](retryMin, retryMax)
		q := NewQueue("", limiter, 2, func() {})
		defer q.ShutDown()
		for range 4 {
			go func() {
				for given, shutdown := q.Get(); !shutdown; given, shutdown = q.Get() {
					q.Done(given)
				}
			}()
		}
		for range 500 {
			for _, name := range []string{"a", "b", "c"} {
				go q.Add(request(name))
			}
			synctest.Wait()
			if len(q.urgent) > 0 || len(q.busy) > 0 || q.inside > 2 {
				t.Fatalf("left: %v urgent, %v busy, %d workers inside", q.urgent, q.busy, q.inside)
			}
		}
	})
}

func TestAPauseIsToldAfterTheFirstLookAndAfterManyPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := employ(t, 3, 1)
		expect := func(want int64, when string) {
			t.Helper()
			synctest.Wait()
			if got := s.pauses.Load(); got != want {
				t.Errorf("%s: told %d times, want %d", when, got, want)
			}
		}
		pass := func(priority int) {
			s.add(priority, "a")
			s.expect(t, "a")
			s.finish(t, "a")
		}
		pass(0)
		expect(0, "after a correction, before the first look")
		s.add(rolloutPriority, "a", "b")
		s.expect(t, "a")
		s.finish(t, "a")
		expect(0, "while something waits")
		s.expect(t, "b")
		s.finish(t, "b")
		expect(1, "after the first look")
		for range manyPasses - 1 {
			pass(rolloutPriority)
			pass(0)
		}
		expect(1, "after fewer passes and as many corrections")
		s.add(0, "b")
		s.expect(t, "b")
		pass(rolloutPriority)
		expect(1, "while somebody is busy")
		s.finish(t, "b")
		expect(2, "after many passes")
	})
}
