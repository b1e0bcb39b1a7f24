package priority

import (
	"testing"
	"time"
)

func TestTheThrottleSpacesSums(t *testing.T) {
	tests := map[string]struct {
		summed bool // at noon
		asked  time.Duration
		want   time.Duration
	}{
		"a profile that was never summed does not wait": {},
		"one that was summed just now waits a second":   {summed: true, want: time.Second},
		"it waits for what is left of the second": {
			summed: true,
			asked:  400 * time.Millisecond,
			want:   600 * time.Millisecond,
		},
		"and no longer": {summed: true, asked: time.Second},
		"a clock that is set back makes nobody wait for it": {summed: true, asked: -time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			throttle := NewThrottle(time.Second)
			if tt.summed {
				throttle.Note("restricted", noon)
			}
			if got := throttle.Wait("restricted", noon.Add(tt.asked)); got != tt.want {
				t.Errorf("wait: want %s, got %s", tt.want, got)
			}
		})
	}
}
