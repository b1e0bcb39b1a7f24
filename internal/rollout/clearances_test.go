package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

func TestWhatIsDeferredIsScannedForTwice(t *testing.T) {
	c := newClearances()
	for _, step := range []struct {
		what  string
		dirty bool
		at    time.Duration
		clean bool
	}{
		{what: "the first scan", at: 0},
		{what: "another that comes too soon", at: time.Second},
		{what: "one after that time", at: 2 * time.Second, clean: true},
		{what: "the first after something was in the way", dirty: true, at: 3 * time.Second},
		{what: "the clock is set back", at: -time.Hour},
		{what: "and goes on", at: 2*time.Second - time.Hour, clean: true},
	} {
		if step.dirty {
			c.end("shop", "images")
		}
		if got := c.confirm("shop", "images", 2*time.Second, posturetest.Noon.Add(step.at)); got != step.clean {
			t.Errorf("%s: want %t, got %t", step.what, step.clean, got)
		}
	}
	c.end("shop", "images")
	if len(c.since) != 0 {
		t.Errorf("what is over is remembered: %v", c.since)
	}
}

func TestAGateForgetsANamespace(t *testing.T) {
	g := gateOf(nil)
	for _, namespace := range []string{"shop", "till"} {
		g.clearances.confirm(namespace, "images", secondScan, posturetest.Noon)
	}
	g.Forget("shop")
	want := map[string]map[string]time.Time{"till": {"images": posturetest.Noon}}
	if diff := cmp.Diff(want, g.clearances.since); diff != "" {
		t.Errorf("what is remembered to be clear (-want +got):\n%s", diff)
	}
}
