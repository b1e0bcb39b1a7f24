package clusteraccess

import (
	"testing"
	"time"
)

func TestCrowds(t *testing.T) {
	type look struct {
		at     time.Duration
		beyond int
		due    bool
		next   time.Duration
	}
	for sentence, looks := range map[string][]look{
		"none is never read":                              {{0, 0, false, 0}, {time.Hour, 0, false, 0}},
		"a new one is read at once, and not at each look": {{0, 5, true, time.Second}, {time.Second / 4, 5, false, 3 * time.Second / 4}},
		"one that becomes smaller is read each second":    {{0, 5000, true, time.Second}, {time.Second, 3000, true, time.Second}, {2 * time.Second, 1000, true, time.Second}},
		"one that stays is read less and less": {
			{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second}, {2 * time.Second, 5, false, time.Second},
			{3 * time.Second, 5, true, 4 * time.Second}, {time.Minute, 5, true, 8 * time.Second},
		},
		"one that grows does not say when":   {{0, 5, true, time.Second}, {time.Second, 6, true, 2 * time.Second}, {2 * time.Second, 7, false, time.Second}},
		"one that goes at last is read soon": {{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second}, {2 * time.Second, 4, true, time.Second}},
		"one that went is new when it comes": {{0, 5, true, time.Second}, {time.Second, 5, true, 2 * time.Second}, {2 * time.Second, 0, false, 0}, {2 * time.Second, 5, true, time.Second}},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, noon := NewCrowds(), time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
			for i, l := range looks {
				if due, next := c.Due("shop", l.beyond, noon.Add(l.at)); due != l.due || next != l.next {
					t.Errorf("look %d: %v, then in %s", i, due, next)
				}
			}
		})
	}
	c, now := NewCrowds(), time.Now()
	for range 20 {
		_, next := c.Due("shop", 1, now)
		if now = now.Add(next); next > latestCrowd {
			t.Fatalf("it is read after %s", next)
		}
	}
	if due, _ := c.Due("annex", 1, now); !due {
		t.Error("another namespace waits, too")
	}
	if c.Forget("shop"); len(c.of) != 1 {
		t.Error("a namespace that is gone is remembered")
	}
}
