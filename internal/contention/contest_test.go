package contention

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func changed(object v1alpha1.ObjectReference, paths ...string) *drift.Drift {
	d := &drift.Drift{Object: object, Change: v1alpha1.DriftChangeModified}
	for _, path := range paths {
		d.Fields = append(d.Fields, drift.Field{Path: []string{path}})
	}
	return d
}

func copied(name string) *drift.Drift {
	return &drift.Drift{Object: reference("Role", name), Change: v1alpha1.DriftChangeUnexpected}
}

var (
	always = func(v1alpha1.ObjectReference) bool { return true }
	never  = func(v1alpha1.ObjectReference) bool { return false }
)

// standingOf is what is told of the contests in shop after a pass that corrected all that differed.
func standingOf(c *Contests, now time.Time) []string {
	var told []string
	for _, d := range c.Standing("shop", always, never, now) {
		told = append(told, fmt.Sprintf("%s %s, left %s", d.Object.Name, d.Sentence(v1alpha1.ContestBackOff), d.Left))
	}
	return told
}

// Each step of the table above contest.
func TestTheCourseOfAContest(t *testing.T) {
	dev := reference("Role", "bulwark-dev")
	d := changed(dev, "rules")
	after := func(at ...time.Duration) *Contests {
		c := New(DefaultSettings())
		for _, at := range at {
			c.Found("shop", d, "argocd", noon.Add(at))
			c.Corrected("shop", d, "argocd", noon.Add(at))
		}
		return c
	}
	const sentence = "bulwark-dev contested by the field manager argocd: rules is changed back again and again; " +
		"corrections wait with a growing delay, left "
	for name, tc := range map[string]struct {
		contests *Contests
		then     func(*Contests)
		at       time.Duration
		want     []string
	}{
		"below the threshold there is none": {contests: after(0, time.Second), at: time.Second},
		"the correction that reaches it begins one": {
			contests: after(0, time.Second, 2*time.Second), at: 2 * time.Second, want: []string{sentence + "3s"},
		},
		"it is over when the object was left alone": {
			contests: after(0, time.Second, 2*time.Second), at: 5 * time.Second,
		},
		"it lasts three times the longest last pause": {
			contests: after(0, time.Minute, 61*time.Second), at: 63 * time.Second, want: []string{sentence + "2m58s"},
		},
		"but not for ever": {
			contests: after(0, 4*time.Minute, 8*time.Minute), at: 13 * time.Minute,
		},
		"and two seconds at the least": {
			contests: after(0, 0, 0), at: time.Second, want: []string{sentence + "1s"},
		},
		"pauses that are long gone count no more": {
			contests: after(0, time.Minute, 61*time.Second, 62*time.Second, 63*time.Second, 64*time.Second),
			at:       67*time.Second + 1,
		},
		"a client that backs off is contested all on": {
			contests: after(0, 2*time.Second, 8*time.Second, 26*time.Second),
			at:       79 * time.Second, want: []string{sentence + "1s"},
		},
		"a change after a long pause has it last": {
			contests: after(0, time.Second, 2*time.Second, 5*time.Minute),
			at:       5 * time.Minute, want: []string{sentence + "5m0s"},
		},
		"a clock that is set back ends it all the same": {
			contests: after(0, time.Second, 2*time.Second), at: -time.Hour, want: []string{sentence + "3s"},
		},
		"while it differs, it goes on until it is corrected": {
			contests: after(0, 0, 0), at: time.Minute, want: []string{sentence + "0s"},
			then: func(c *Contests) {
				c.Found("shop", d, "argocd", noon.Add(time.Second))
				c.Standing("shop", always, always, noon.Add(time.Minute))
				c.Found("shop", d, "argocd", noon.Add(time.Minute))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if tc.then != nil {
				tc.then(tc.contests)
				for _, d := range tc.contests.Standing("shop", always, always, noon.Add(tc.at)) {
					got = append(got, fmt.Sprintf("%s %s, left %s", d.Object.Name, d.Sentence(v1alpha1.ContestBackOff), d.Left))
				}
			} else {
				got = standingOf(tc.contests, noon.Add(tc.at))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnObjectThatSomebodyElsePutRightIsAsDeclared(t *testing.T) {
	c := New(DefaultSettings())
	d := changed(reference("Role", "bulwark-dev"), "rules")
	for range 3 {
		c.Corrected("shop", d, "", noon)
	}
	c.Found("shop", d, "", noon.Add(time.Second))
	c.Standing("shop", always, never, noon.Add(2*time.Second))
	if got := c.Standing("shop", always, never, noon.Add(6*time.Second)); got != nil {
		t.Errorf("it was left alone for long enough: %v", got)
	}
}

func TestCopiesAreRemovedEverMoreSeldom(t *testing.T) {
	c := New(DefaultSettings())
	for i := range 4 {
		c.Corrected("shop", copied("a"), "hnc", noon.Add(time.Duration(i)*time.Second))
	}
	if got := c.Wait("shop", copied("a"), noon.Add(3*time.Second)); got != 4*time.Second {
		t.Errorf("the fourth: want 4s, got %s", got)
	}
	if got := c.Wait("shop", copied("b"), noon.Add(3*time.Second)); got != 0 {
		t.Errorf("another one: want 0s, got %s", got)
	}
	if c.Wait("shop", deleted(reference("Role", "a")), noon.Add(3*time.Second)) != 0 {
		t.Error("that a copy is contested does not hold the object of that name up when it is to be there")
	}
	for object, want := range map[string]bool{"a": true, "b": false} {
		if got := c.IsRemovalContested("shop", reference("Role", object), noon.Add(3*time.Second)); got != want {
			t.Errorf("contests the removal of %s: want %t, got %t", object, want, got)
		}
	}
	for i := range 30 {
		c.Corrected("shop", copied(fmt.Sprint("fresh-", i)), "hnc", noon.Add(4*time.Second))
	}
	if got := c.Wait("shop", copied("fresh"), noon.Add(4*time.Second)); got != 2*time.Second {
		t.Errorf("the next of many names: want 2s, got %s", got)
	}
}

// An object that was corrected again and again must be released with the profile that goes, whoever
// contests it.
func TestWhatIsDeclaredIsNoCopyForBeingContested(t *testing.T) {
	c := New(DefaultSettings())
	for range 9 {
		c.Corrected("shop", deleted(reference("Role", "bulwark-dev")), "", noon)
		c.Corrected("shop", changed(reference("Role", "bulwark-dev"), "rules"), "", noon)
	}
	if c.IsRemovalContested("shop", reference("Role", "bulwark-dev"), noon) {
		t.Error("an object that was corrected counts as a copy that was removed")
	}
}

func TestContestsThatAreOverAreForgotten(t *testing.T) {
	c := New(DefaultSettings())
	for i := range 100 {
		for range 3 {
			c.Corrected(fmt.Sprint("ns-", i), changed(reference("Role", "bulwark-dev"), "rules"), "x", noon)
			c.TakeTurn(fmt.Sprint("ns-", i), changed(reference("Role", "bulwark-dev"), "rules"), noon)
		}
	}
	c.Corrected("other", deleted(reference("Role", "bulwark-dev")), "", noon.Add(time.Hour))
	if len(c.contests) != 0 || len(c.turns) != 0 {
		t.Errorf("an hour later %d contests and %d turns are remembered", len(c.contests), len(c.turns))
	}
}
