package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func changed(object v1alpha1.ObjectReference, paths ...string) *drift.Drift {
	d := &drift.Drift{Object: object, Change: v1alpha1.Modified}
	for _, path := range paths {
		d.Fields = append(d.Fields, drift.Field{Path: []string{path}})
	}
	return d
}

func copied(name string) *drift.Drift {
	return &drift.Drift{Object: reference("Role", name), Change: v1alpha1.Unexpected}
}

var (
	always = func(v1alpha1.ObjectReference) bool { return true }
	never  = func(v1alpha1.ObjectReference) bool { return false }
)

// standingOf is what is told of the contests in shop after a pass in which nothing differs that was not corrected.
func standingOf(c *contests, now time.Time) []string {
	var told []string
	for _, d := range c.standing("shop", always, never, now) {
		told = append(told, fmt.Sprintf("%s %s, left %s", d.object.Name, d.sentence(v1alpha1.BackOff), d.left))
	}
	return told
}

// Each step of the table above fight.
func TestFights(t *testing.T) {
	dev := reference("Role", "bulwark-dev")
	d := changed(dev, "rules")
	after := func(at ...time.Duration) *contests {
		c := newContests(DefaultContest)
		for _, at := range at {
			c.found("shop", d, "argocd", noon.Add(at))
			c.corrected("shop", d, "argocd", noon.Add(at))
		}
		return c
	}
	const sentence = "bulwark-dev contested by the field manager argocd: rules is changed back again and again; corrections wait with a growing delay, left "
	for name, tc := range map[string]struct {
		contests *contests
		then     func(*contests)
		at       time.Duration
		want     []string
	}{
		"below the threshold there is none":             {contests: after(0, time.Second), at: time.Second},
		"the correction that reaches it begins one":     {contests: after(0, time.Second, 2*time.Second), at: 2 * time.Second, want: []string{sentence + "3s"}},
		"it is over when the object was left alone":     {contests: after(0, time.Second, 2*time.Second), at: 5 * time.Second},
		"it lasts three times the longest last pause":   {contests: after(0, time.Minute, 61*time.Second), at: 63 * time.Second, want: []string{sentence + "2m58s"}},
		"but not for ever":                              {contests: after(0, 4*time.Minute, 8*time.Minute), at: 13 * time.Minute},
		"and two seconds at the least":                  {contests: after(0, 0, 0), at: time.Second, want: []string{sentence + "1s"}},
		"pauses that are long gone count no more":       {contests: after(0, time.Minute, 61*time.Second, 62*time.Second, 63*time.Second, 64*time.Second), at: 67*time.Second + 1},
		"a client that backs off is contested all on":   {contests: after(0, 2*time.Second, 8*time.Second, 26*time.Second), at: 79 * time.Second, want: []string{sentence + "1s"}},
		"a change after a long pause has it last":       {contests: after(0, time.Second, 2*time.Second, 5*time.Minute), at: 5 * time.Minute, want: []string{sentence + "5m0s"}},
		"a clock that is set back ends it all the same": {contests: after(0, time.Second, 2*time.Second), at: -time.Hour, want: []string{sentence + "3s"}},
		"lost, it goes on until it is corrected": {
			contests: after(0, 0, 0), at: time.Minute, want: []string{sentence + "0s"},
			then: func(c *contests) {
				c.found("shop", d, "argocd", noon.Add(time.Second))
				c.standing("shop", always, always, noon.Add(time.Minute))
				c.found("shop", d, "argocd", noon.Add(time.Minute))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if tc.then != nil {
				tc.then(tc.contests)
				for _, d := range tc.contests.standing("shop", always, always, noon.Add(tc.at)) {
					got = append(got, fmt.Sprintf("%s %s, left %s", d.object.Name, d.sentence(v1alpha1.BackOff), d.left))
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

func TestWhatSomebodyElsePutRightIsHeld(t *testing.T) {
	c := newContests(DefaultContest)
	d := changed(reference("Role", "bulwark-dev"), "rules")
	for range 3 {
		c.corrected("shop", d, "", noon)
	}
	c.found("shop", d, "", noon.Add(time.Second))
	c.standing("shop", always, never, noon.Add(2*time.Second))
	if got := c.standing("shop", always, never, noon.Add(6*time.Second)); got != nil {
		t.Errorf("it was left alone for long enough: %v", got)
	}
}

func TestDisputeSentences(t *testing.T) {
	for want, d := range map[string]dispute{
		"contested by an unknown manager: it is deleted again and again; what is contested in the namespace is corrected every 1s": {change: v1alpha1.Missing},
		"contested by the field manager a: spec.x, y is changed back again and again; what is contested in the namespace is corrected every 1s": {
			change: v1alpha1.Modified, fields: []string{"spec.x", "y"}, managers: []string{"a"}},
		"contested by the field managers a, b and c: it is changed back again and again; what is contested in the namespace is corrected every 1s": {
			change: v1alpha1.Modified, managers: []string{"a", "b", "c"}},
		"contested by the field managers a and b: it is made again and again; corrections wait with a growing delay": {
			change: v1alpha1.Unexpected, managers: []string{"a", "b"}},
	} {
		if got := d.sentence(v1alpha1.Correct); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// corrector corrects what it may, whenever it is asked.
type corrector struct {
	*contests
	writes int
}

func (c *corrector) correct(d *drift.Drift, now time.Time) bool {
	c.found("shop", d, "rival", now)
	if c.take("shop", d, now) > 0 {
		return false
	}
	c.corrected("shop", d, "rival", now)
	c.writes++
	return true
}

// simulate lets writers change objects back for a minute, at their own paces, while each is corrected as soon as it may be. It returns
// for which part of the time each object was as declared.
func simulate(c *corrector, begin time.Time, periods map[string]time.Duration) map[string]float64 {
	const tick = 5 * time.Millisecond
	held, broken := map[string]time.Duration{}, map[string]bool{}
	for at := time.Duration(0); at < time.Minute; at += tick {
		for name, period := range periods {
			if at%period == 0 {
				broken[name] = true
			}
			if broken[name] && c.correct(changed(reference("Role", name), "rules"), begin.Add(at)) {
				broken[name] = false
			}
			if !broken[name] {
				held[name] += tick
			}
		}
	}
	shares := map[string]float64{}
	for name := range periods {
		shares[name] = float64(held[name]) / float64(time.Minute)
	}
	return shares
}

func TestWhatIsContestedIsCorrectedOnceASecond(t *testing.T) {
	for name, tc := range map[string]struct {
		periods map[string]time.Duration
		least   float64
	}{
		"one write a second":                     {map[string]time.Duration{"a": time.Second}, 0.99},
		"two objects, every two seconds":         {map[string]time.Duration{"a": 2 * time.Second, "b": 2 * time.Second}, 0.9},
		"one write every 900 milliseconds":       {map[string]time.Duration{"a": 900 * time.Millisecond}, 0.4},
		"a flood":                                {map[string]time.Duration{"a": 5 * time.Millisecond}, 0},
		"two floods, of which each has its turn": {map[string]time.Duration{"a": 5 * time.Millisecond, "b": 5 * time.Millisecond}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := &corrector{contests: newContests(DefaultContest)}
			shares := simulate(c, noon, tc.periods)
			for object, share := range shares {
				if share < tc.least {
					t.Errorf("%s was as declared for %.2f of the minute, want %.2f", object, share, tc.least)
				}
			}
			if most := 60 + 2 + len(tc.periods)*DefaultContest.Threshold; c.writes > most {
				t.Errorf("%d writes in a minute, want at most %d", c.writes, most)
			}
			for object := range tc.periods {
				if n := len(c.corrections[contested{"shop", reference("Role", object), "rules"}]); n < 20/len(tc.periods) {
					t.Errorf("%s had %d turns", object, n)
				}
			}
		})
	}
}

// simulateAll is simulate for whatever objects.
func simulateAll(c *corrector, period time.Duration, refs ...v1alpha1.ObjectReference) map[v1alpha1.ObjectReference][]time.Duration {
	const tick = 50 * time.Millisecond
	corrected, broken := map[v1alpha1.ObjectReference][]time.Duration{}, map[v1alpha1.ObjectReference]bool{}
	for at := time.Duration(0); at < time.Minute; at += tick {
		for i := range refs {
			ref := refs[(i+int(at/tick))%len(refs)] // In whatever order the namespace is looked at.
			broken[ref] = broken[ref] || at%period == 0
			if broken[ref] && c.correct(changed(ref, "spec"), noon.Add(at)) {
				broken[ref] = false
				corrected[ref] = append(corrected[ref], at)
			}
		}
	}
	return corrected
}

func TestWhoFightsOverManyObjectsDoesNotDelayABarrier(t *testing.T) {
	deny, namespace := reference("NetworkPolicy", "bulwark-default-deny"), reference("Namespace", "shop")
	for sentence, tc := range map[string]struct {
		barriers []v1alpha1.ObjectReference
		longest  time.Duration
	}{
		"of the default-deny":                        {[]v1alpha1.ObjectReference{deny}, 2 * time.Second},
		"of the Namespace":                           {[]v1alpha1.ObjectReference{namespace}, 2 * time.Second},
		"of both, which take turns with each other":  {[]v1alpha1.ObjectReference{deny, namespace}, 3 * time.Second},
		"of neither, though each still has its turn": {},
	} {
		for _, many := range []int{1, 5, 30} {
			t.Run(fmt.Sprint(sentence, ", beside ", many), func(t *testing.T) {
				refs := slices.Clone(tc.barriers)
				for i := range many {
					refs = append(refs, reference("NetworkPolicy", fmt.Sprintf("bulwark-harmless-%d", i)))
				}
				c := &corrector{contests: newContests(DefaultContest)}
				corrected := simulateAll(c, 500*time.Millisecond, refs...)
				for _, ref := range tc.barriers {
					last := 2 * time.Second // By then all are contested.
					for _, at := range append(corrected[ref], time.Minute) {
						if at > last+tc.longest+200*time.Millisecond {
							t.Errorf("%s was not corrected from %s to %s", ref.Name, last, at)
						}
						last = max(last, at)
					}
				}
				for _, ref := range refs {
					if n := len(corrected[ref]); n < DefaultContest.Threshold+min(1, 18/many) {
						t.Errorf("%s was corrected %d times", ref.Name, n)
					}
				}
				if most := 60 + 2 + len(refs)*DefaultContest.Threshold; c.writes > most {
					t.Errorf("%d writes in a minute, want at most %d", c.writes, most)
				}
			})
		}
	}
}

// The policies of all profiles take turns, also those of a profile that backs off, is refused or goes.
func TestATurnIsNotLeftToWhatDoesNotAskForIt(t *testing.T) {
	c := &corrector{contests: newContests(DefaultContest)}
	idle := changed(reference("Role", "idle"), "rules")
	for range 3 {
		c.corrected("shop", idle, "rival", noon)
	}
	c.found("shop", idle, "rival", noon)
	shares := simulate(c, noon, map[string]time.Duration{"a": time.Second})
	if shares["a"] < 0.9 {
		t.Errorf("it was as declared for %.2f of the minute", shares["a"])
	}
}

func TestATurnIsNotWaitedForWhenTheClockIsSetBack(t *testing.T) {
	c := &corrector{contests: newContests(DefaultContest)}
	a, b := changed(reference("Role", "a"), "rules"), changed(reference("Role", "b"), "rules")
	for range 6 {
		c.correct(a, noon.Add(time.Hour))
		c.correct(b, noon.Add(time.Hour))
	}
	had := map[*drift.Drift]int{}
	for at := time.Duration(0); at < 40*time.Second; at += 500 * time.Millisecond {
		for _, d := range []*drift.Drift{a, b} {
			if c.correct(d, noon.Add(at)) {
				had[d]++
			}
		}
	}
	if had[a] < 5 || had[b] < 5 {
		t.Errorf("turns: %d and %d", had[a], had[b])
	}
}

func TestCopiesAreRemovedEverMoreSeldom(t *testing.T) {
	c := newContests(DefaultContest)
	for i := range 4 {
		c.corrected("shop", copied("a"), "hnc", noon.Add(time.Duration(i)*time.Second))
	}
	if got := c.wait("shop", copied("a"), noon.Add(3*time.Second)); got != 4*time.Second {
		t.Errorf("the fourth: want 4s, got %s", got)
	}
	if got := c.wait("shop", copied("b"), noon.Add(3*time.Second)); got != 0 {
		t.Errorf("another one: want 0s, got %s", got)
	}
	if c.wait("shop", deleted(reference("Role", "a")), noon.Add(3*time.Second)) != 0 {
		t.Error("that a copy is contested does not hold the object of that name up when it is to be there")
	}
	for object, want := range map[string]bool{"a": true, "b": false} {
		if got := c.contestsRemoval("shop", reference("Role", object), noon.Add(3*time.Second)); got != want {
			t.Errorf("contests the removal of %s: want %t, got %t", object, want, got)
		}
	}
	for i := range 30 {
		c.corrected("shop", copied(fmt.Sprint("fresh-", i)), "hnc", noon.Add(4*time.Second))
	}
	if got := c.wait("shop", copied("fresh"), noon.Add(4*time.Second)); got != 2*time.Second {
		t.Errorf("the next of many names: want 2s, got %s", got)
	}
}

// What was put right again and again must be released with the profile that goes, whoever fights for it.
func TestWhatIsDeclaredIsNoCopyForBeingContested(t *testing.T) {
	c := newContests(DefaultContest)
	for range 9 {
		c.corrected("shop", deleted(reference("Role", "bulwark-dev")), "", noon)
		c.corrected("shop", changed(reference("Role", "bulwark-dev"), "rules"), "", noon)
	}
	if c.contestsRemoval("shop", reference("Role", "bulwark-dev"), noon) {
		t.Error("an object that was corrected counts as a copy that was removed")
	}
}

func TestFightsAreForgotten(t *testing.T) {
	c := newContests(DefaultContest)
	for i := range 100 {
		for range 3 {
			c.corrected(fmt.Sprint("ns-", i), changed(reference("Role", "bulwark-dev"), "rules"), "x", noon)
			c.take(fmt.Sprint("ns-", i), changed(reference("Role", "bulwark-dev"), "rules"), noon)
		}
	}
	c.corrected("other", deleted(reference("Role", "bulwark-dev")), "", noon.Add(time.Hour))
	if len(c.fights) != 0 || len(c.turns) != 0 {
		t.Errorf("an hour later %d fights and %d turns are remembered", len(c.fights), len(c.turns))
	}
}
