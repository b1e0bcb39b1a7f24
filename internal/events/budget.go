// Package events knows how an event is told: to whom, within which budget, and how long its note
// may be. It may import a clock, and no client. It must never decide what there is to tell:
// reconcilers do, and they alone call the Teller.
package events

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const (
	// Most is of how many objects of a namespace an event of one reason is told within Window.
	Most = 16
	// Window is how long a budget lasts.
	Window = 10 * time.Minute
)

// Source is where events come from, and whom they are told.
type Source struct {
	Regarding, Namespace, Reason string
}

// Answer is what is to be done with an event.
type Answer int

const (
	// Tell is for an event on an object that is within the budget.
	Tell Answer = iota
	// TellOfMore is for the first one beyond it: Note is told in its place.
	TellOfMore
	// Silent is for all others.
	Silent
)

// Note says that more objects are concerned than are told of.
var Note = fmt.Sprintf("more than %d objects of the namespace within %s: "+
	"further ones are counted by the metrics and the report, and not told one by one", Most, Window)

// Budget bounds the events of each namespace, since whoever makes a thousand objects there would
// else have the operator tell a thousand events. Repeated events on one object are a series, which
// costs nothing. The budget itself asks no clock, and tells nothing.
//
//	objects told of within a window | event on one of them | event on another one
//	--------------------------------|----------------------|--------------------------
//	none                            |                      | told; the window begins
//	fewer than Most                 | told                 | told
//	Most                            | told                 | told of more, then silent
//
// Its zero value is a whole budget.
type Budget struct {
	mu      sync.Mutex
	seed    maphash.Seed
	windows map[Source]*window
	sweep   time.Time // when windows that are over are forgotten
}

type window struct {
	began   time.Time
	objects []uint64 // by their digests
	more    bool
}

// Take answers for one event.
func (b *Budget) Take(from Source, object v1alpha1.ObjectReference, now time.Time) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	w := b.windows[from]
	if w == nil || w.over(now) {
		w = &window{began: now}
		b.windows[from] = w
	}
	digest := maphash.Comparable(b.seed, object)
	switch {
	case slices.Contains(w.objects, digest):
		return Tell
	case len(w.objects) < Most:
		w.objects = append(w.objects, digest)
		return Tell
	case !w.more:
		w.more = true
		return TellOfMore
	}
	return Silent
}

// forget drops what is over, once a window.
func (b *Budget) forget(now time.Time) {
	if b.windows == nil {
		b.windows, b.seed = map[Source]*window{}, maphash.MakeSeed()
	}
	if now.Before(b.sweep) && b.sweep.Sub(now) <= Window {
		return
	}
	b.sweep = now.Add(Window)
	for from, w := range b.windows {
		if w.over(now) {
			delete(b.windows, from)
		}
	}
}

// over reports whether a window is; the clock may have been set back.
func (w *window) over(now time.Time) bool {
	return now.Before(w.began) || now.Sub(w.began) >= Window
}
