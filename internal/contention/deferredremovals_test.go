package contention

import (
	"testing"
	"time"
)

func TestDeferredRemovalsAreRequeued(t *testing.T) {
	for sentence, tc := range map[string]struct {
		waits []time.Duration
		after time.Duration
		want  time.Duration
	}{
		"nothing waits":                   {after: time.Minute, want: time.Minute},
		"nothing else is to be looked at": {waits: []time.Duration{3, 2, 4}, want: 2},
		"something else comes sooner":     {waits: []time.Duration{3}, after: 1, want: 1},
		"what waits comes sooner":         {waits: []time.Duration{3}, after: time.Minute, want: 3},
	} {
		d := NewDeferredRemovals()
		for _, wait := range tc.waits {
			d.Note("shop", wait)
		}
		if got := d.TakeSooner("shop", tc.after); got != tc.want {
			t.Errorf("%s: want %s, got %s", sentence, tc.want, got)
		}
		if got := d.TakeSooner("shop", 0); got != 0 {
			t.Errorf("%s: it is noted still: %s", sentence, got)
		}
	}
}
