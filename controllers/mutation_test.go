package controllers

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestMutationsAreTriedEverMoreSeldom(t *testing.T) {
	key := mutated{"shop", reference("Role", "bulwark-dev")}
	m := newMutations(DefaultContest)
	fields := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "b"}}
	other := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "c"}}
	if _, known := m.wait(key, fields, noon); known {
		t.Error("nothing was written yet")
	}
	now := noon
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		if got := m.note(key, fields, now); got != want*time.Second {
			t.Errorf("after one more try: want %s, got %s", want*time.Second, got)
		}
		if got, known := m.wait(key, fields, now.Add(time.Second)); !known || got != (want-1)*time.Second {
			t.Errorf("a second later: want %s, got %s, %t", (want-1)*time.Second, got, known)
		}
		now = now.Add(want * time.Second)
	}
	for sentence, tc := range map[string]struct {
		fields []drift.Field
		at     time.Time
		known  bool
	}{
		"what differs otherwise is somebody's doing":   {fields: other, at: noon},
		"a clock that is set back makes it tried once": {fields: fields, at: noon.Add(-time.Hour), known: true},
	} {
		if got, known := m.wait(key, tc.fields, tc.at); got != 0 || known != tc.known {
			t.Errorf("%s: got %s, %t", sentence, got, known)
		}
	}
	m.forget(key)
	if _, known := m.wait(key, fields, now); known || len(m.of) > 0 {
		t.Error("it is forgotten")
	}
}

func TestWhatIsDampedIsComeBackFor(t *testing.T) {
	for sentence, tc := range map[string]struct {
		waits  []time.Duration
		result time.Duration
		want   time.Duration
	}{
		"nothing waits":                   {result: time.Minute, want: time.Minute},
		"nothing else is to be looked at": {waits: []time.Duration{3, 2, 4}, want: 2},
		"something else comes sooner":     {waits: []time.Duration{3}, result: 1, want: 1},
		"what waits comes sooner":         {waits: []time.Duration{3}, result: time.Minute, want: 3},
	} {
		d := newDamping()
		for _, wait := range tc.waits {
			d.note("shop", wait)
		}
		if got := d.soonest("shop", reconcile.Result{RequeueAfter: tc.result}).RequeueAfter; got != tc.want {
			t.Errorf("%s: want %s, got %s", sentence, tc.want, got)
		}
		if got := d.soonest("shop", reconcile.Result{}).RequeueAfter; got != 0 {
			t.Errorf("%s: it is noted still: %s", sentence, got)
		}
	}
}
