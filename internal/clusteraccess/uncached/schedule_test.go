package uncached

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	type reconcile struct {
		at    time.Duration
		count int
		due   bool
		next  time.Duration
	}
	for sentence, reconciles := range map[string][]reconcile{
		"no objects are never read": {{0, 0, false, 0}, {time.Hour, 0, false, 0}},
		"the first are read at once, and not in each reconcile": {
			{0, 5, true, time.Second}, {time.Second / 4, 5, false, 3 * time.Second / 4},
		},
		"objects that become fewer are read each second": {
			{0, 5000, true, time.Second}, {time.Second, 3000, true, time.Second}, {2 * time.Second, 1000, true, time.Second},
		},
		"objects that stay are read less and less often": {
			{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second}, {2 * time.Second, 5, false, time.Second},
			{3 * time.Second, 5, true, 4 * time.Second}, {time.Minute, 5, true, 8 * time.Second},
		},
		"objects that become more are not read sooner": {
			{0, 5, true, time.Second}, {time.Second, 6, true, 2 * time.Second}, {2 * time.Second, 7, false, time.Second},
		},
		"objects that become fewer at last are read soon": {
			{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second}, {2 * time.Second, 4, true, time.Second},
		},
		"objects that were gone are read at once when they return": {
			{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second},
			{2 * time.Second, 0, false, 0}, {2 * time.Second, 5, true, time.Second},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, noon := newSchedule(), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
			for i, r := range reconciles {
				if due, next := s.due("shop", r.count, noon.Add(r.at)); due != r.due || next != r.next {
					t.Errorf("reconcile %d: %v, then in %s", i, due, next)
				}
			}
		})
	}
	s, now := newSchedule(), time.Now()
	for range 20 {
		_, next := s.due("shop", 1, now)
		if now = now.Add(next); next > maxInterval {
			t.Fatalf("they are read after %s", next)
		}
	}
	if due, _ := s.due("annex", 1, now); !due {
		t.Error("another namespace waits, too")
	}
	if s.forget("shop"); len(s.last) != 1 {
		t.Error("a namespace that was deleted is remembered")
	}
}
