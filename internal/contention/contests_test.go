package contention

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestContestsWait(t *testing.T) {
	tests := map[string]struct {
		corrected []time.Duration // after noon
		asked     time.Duration
		want      time.Duration
	}{
		"no correction, no wait":         {asked: time.Minute},
		"two corrections are no contest": {corrected: after(0, 1), asked: time.Second},
		"the third begins one": {
			corrected: after(0, 1, 2), asked: 2 * time.Second, want: 2 * time.Second,
		},
		"the wait counts from the last": {
			corrected: after(0, 1, 2), asked: 3 * time.Second, want: time.Second,
		},
		"the wait ends":                    {corrected: after(0, 1, 2), asked: 4 * time.Second},
		"a wait that is long over is zero": {corrected: after(0, 1, 2), asked: 5 * time.Minute},
		"the fourth waits twice as long": {
			corrected: after(0, 1, 2, 3), asked: 3 * time.Second, want: 4 * time.Second,
		},
		"the tenth waits 256 seconds": {
			corrected: after(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), want: 256 * time.Second,
		},
		"the eleventh waits five minutes": {
			corrected: after(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), want: 5 * time.Minute,
		},
		"more never wait longer": {
			corrected: make([]time.Duration, 100), want: 5 * time.Minute,
		},
		"a correction counts for ten minutes": {
			corrected: after(0, 599, 600), asked: 10 * time.Minute, want: 2 * time.Second,
		},
		"and no longer": {
			corrected: after(0, 599, 600), asked: 10*time.Minute + time.Nanosecond,
		},
		"a clock that is set back makes nobody wait for it": {corrected: after(3600, 3601, 3602), asked: 0},
		"the delay shrinks as corrections leave the window": {
			corrected: after(0, 0, 0, 599, 600, 601), asked: 601 * time.Second, want: 2 * time.Second,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := New(DefaultSettings())
			for _, at := range tt.corrected {
				c.Corrected("shop", deleted(reference("Role", "bulwark-dev")), "", noon.Add(at))
			}
			if got := c.Wait("shop", deleted(reference("Role", "bulwark-dev")), noon.Add(tt.asked)); got != tt.want {
				t.Errorf("wait: want %s, got %s", tt.want, got)
			}
		})
	}
}

func TestContestsAreOfOneObjectInOneNamespace(t *testing.T) {
	c := New(DefaultSettings())
	for range 3 {
		c.Corrected("shop", deleted(reference("Role", "bulwark-dev")), "", noon)
	}
	tests := map[string]struct {
		namespace string
		object    v1alpha1.ObjectReference
		want      time.Duration
	}{
		"the contested object":                   {"shop", reference("Role", "bulwark-dev"), 2 * time.Second},
		"the object of that name elsewhere":      {"till", reference("Role", "bulwark-dev"), 0},
		"an object of another name":              {"shop", reference("Role", "bulwark-ops"), 0},
		"an object of that name of another kind": {"shop", reference("RoleBinding", "bulwark-dev"), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := c.Wait(tt.namespace, deleted(tt.object), noon); got != tt.want {
				t.Errorf("wait: want %s, got %s", tt.want, got)
			}
		})
	}
}

func TestContestsForgetWhatLeftTheWindow(t *testing.T) {
	c := New(DefaultSettings())
	object := reference("Role", "bulwark-dev")
	c.Corrected("shop", deleted(object), "", noon)
	c.Corrected("shop", deleted(object), "", noon.Add(5*time.Minute))
	c.Corrected("shop", deleted(object), "", noon.Add(11*time.Minute))
	want := remembered("shop", object, noon.Add(5*time.Minute), noon.Add(11*time.Minute))
	if diff := cmp.Diff(want, c.corrections.at, cmp.AllowUnexported(field{})); diff != "" {
		t.Errorf("corrections that are remembered (-want +got):\n%s", diff)
	}
	c.Wait("shop", deleted(object), noon.Add(time.Hour))
	if len(c.corrections.at) != 0 {
		t.Errorf("an hour later: want nothing remembered, got %v", c.corrections.at)
	}
}

func TestContestsForgetThoughTheClockIsSetBack(t *testing.T) {
	c := New(DefaultSettings())
	c.Corrected("shop", deleted(reference("Role", "forged")), "", noon)
	dev, before := reference("Role", "bulwark-dev"), noon.Add(-time.Hour)
	c.Corrected("shop", deleted(dev), "", before)
	if diff := cmp.Diff(remembered("shop", dev, before), c.corrections.at, cmp.AllowUnexported(field{})); diff != "" {
		t.Errorf("corrections that are remembered (-want +got):\n%s", diff)
	}
}

func TestContestsOfANamespaceThatIsGoneAreForgotten(t *testing.T) {
	c := New(DefaultSettings())
	dev, ops := reference("Role", "bulwark-dev"), reference("Role", "bulwark-ops")
	for _, namespace := range []string{"shop", "till"} {
		c.Corrected(namespace, deleted(dev), "", noon)
		c.Corrected(namespace, deleted(ops), "", noon)
	}
	c.Forget("shop")
	want := remembered("till", dev, noon)
	maps.Copy(want, remembered("till", ops, noon))
	if diff := cmp.Diff(want, c.corrections.at, cmp.AllowUnexported(field{})); diff != "" {
		t.Errorf("corrections that are remembered (-want +got):\n%s", diff)
	}
}

// TestObjectsThatNeverComeBackAreForgotten is about a tenant who makes ever new objects that bear
// our label.
func TestObjectsThatNeverComeBackAreForgotten(t *testing.T) {
	c := New(DefaultSettings())
	for i := range 1000 {
		c.Corrected("shop", deleted(reference("Role", fmt.Sprint("forged-", i))), "", noon.Add(time.Duration(i)*time.Minute))
	}
	if n, most := len(c.corrections.at)/2, 2*int(c.settings.Window/time.Minute)+1; n > most {
		t.Errorf("one correction a minute: want at most those of two windows, %d, remembered, got %d", most, n)
	}
}

func TestAFieldIsContestedByItself(t *testing.T) {
	modified := func(paths ...string) *drift.Drift {
		d := &drift.Drift{Object: reference("Role", "bulwark-dev"), Change: v1alpha1.DriftChangeModified}
		for _, path := range paths {
			d.Fields = append(d.Fields, drift.Field{Path: strings.Split(path, ".")})
		}
		return d
	}
	fresh := func(n int) []*drift.Drift {
		var drifts []*drift.Drift
		for i := range n {
			drifts = append(drifts, modified(fmt.Sprint("metadata.labels.", i)))
		}
		return drifts
	}
	same := func(n int) []*drift.Drift { return slices.Repeat([]*drift.Drift{modified("rules")}, n) }
	for name, tt := range map[string]struct {
		corrected []*drift.Drift
		next      *drift.Drift
		want      time.Duration
	}{
		"the same field three times":                           {same(3), modified("rules"), 2 * time.Second},
		"another field is corrected at once":                   {same(3), modified("metadata.labels.x"), 0},
		"another field is corrected at once, and with it both": {same(3), modified("rules", "metadata.labels.x"), 0},
		"both contested wait for the shorter": {
			slices.Concat(same(4), slices.Repeat([]*drift.Drift{modified("x")}, 3)), modified("rules", "x"), 2 * time.Second,
		},
		"a deletion is none of its fields": {same(3), deleted(reference("Role", "bulwark-dev")), 0},
		"ever other fields are no contest": {fresh(29), modified("rules"), 0},
		"but a flood of them is":           {fresh(30), modified("rules"), 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(DefaultSettings())
			for _, d := range tt.corrected {
				c.Corrected("shop", d, "", noon)
			}
			if got := c.Wait("shop", tt.next, noon); got != tt.want {
				t.Errorf("wait: want %s, got %s", tt.want, got)
			}
		})
	}
}

func TestAFloodOfFieldsIsOneContest(t *testing.T) {
	c := New(DefaultSettings())
	for n := range 10 {
		d := &drift.Drift{Object: reference("NetworkPolicy", "bulwark-default-deny"), Change: v1alpha1.DriftChangeModified}
		for i := range 10000 {
			d.Fields = append(d.Fields, drift.Field{Path: []string{"metadata", "labels", fmt.Sprint(n, "-", i)}})
		}
		c.Corrected("shop", d, "", noon)
	}
	if len(c.corrections.at) != 2 {
		t.Errorf("%d fields are remembered", len(c.corrections.at))
	}
}

func TestContestsOfWhichNoneCouldBeAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"a threshold of none":       func(c *Settings) { c.Threshold = 0 },
		"no window":                 func(c *Settings) { c.Window = 0 },
		"no delay":                  func(c *Settings) { c.MinDelay = 0 },
		"a longest below the first": func(c *Settings) { c.MaxDelay = c.MinDelay - 1 },
	} {
		c := DefaultSettings()
		if err := c.Validate(); err != nil {
			t.Fatalf("the default: %v", err)
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: want an error, got none", name)
		}
	}
}

// remembered is what contests hold of an object that was corrected at these times.
func remembered(namespace string, object v1alpha1.ObjectReference, at ...time.Time) map[field][]time.Time {
	return map[field][]time.Time{{namespace, object, wholeObject}: at, {namespace, object, ""}: at}
}

func after(seconds ...int) []time.Duration {
	var durations []time.Duration
	for _, s := range seconds {
		durations = append(durations, time.Duration(s)*time.Second)
	}
	return durations
}

func reference(kind, name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: "v1", Kind: kind, Name: name}
}

func deleted(object v1alpha1.ObjectReference) *drift.Drift {
	return &drift.Drift{Object: object, Change: v1alpha1.DriftChangeMissing}
}
