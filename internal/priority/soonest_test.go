package priority

import (
	"testing"
	"time"
)

func TestSoonest(t *testing.T) {
	for sentence, tt := range map[string]struct {
		waits []time.Duration
		want  time.Duration
	}{
		"nothing waits":               {},
		"zero is no wait":             {[]time.Duration{0, 0}, 0},
		"the shortest comes first":    {[]time.Duration{3, 2, 5}, 2},
		"zero is never the shortest":  {[]time.Duration{0, 3, 0, 4}, 3},
		"the last may be the soonest": {[]time.Duration{4, 0, 1}, 1},
	} {
		if got := Soonest(tt.waits...); got != tt.want {
			t.Errorf("%s: %s, want %s", sentence, got, tt.want)
		}
	}
}
