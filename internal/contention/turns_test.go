package contention

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// corrector corrects what it may, whenever it is asked.
type corrector struct {
	*Contests
	writes int
}

func (c *corrector) correct(d *drift.Drift, now time.Time) bool {
	c.Found("shop", d, "rival", now)
	if c.TakeTurn("shop", d, now) > 0 {
		return false
	}
	c.Corrected("shop", d, "rival", now)
	c.writes++
	return true
}

// simulate lets writers change objects back for a minute, at their own paces, while each is
// corrected as soon as it may be. It returns for which part of the time each object was as
// declared.
func simulate(c *corrector, begin time.Time, periods map[string]time.Duration) map[string]float64 {
	const tick = 5 * time.Millisecond
	declared, broken := map[string]time.Duration{}, map[string]bool{}
	for at := time.Duration(0); at < time.Minute; at += tick {
		for name, period := range periods {
			if at%period == 0 {
				broken[name] = true
			}
			if broken[name] && c.correct(changed(reference("Role", name), "rules"), begin.Add(at)) {
				broken[name] = false
			}
			if !broken[name] {
				declared[name] += tick
			}
		}
	}
	shares := map[string]float64{}
	for name := range periods {
		shares[name] = float64(declared[name]) / float64(time.Minute)
	}
	return shares
}

func TestWhatIsContestedIsCorrectedOnceASecond(t *testing.T) {
	for name, tc := range map[string]struct {
		periods map[string]time.Duration
		least   float64
	}{
		"one write a second": {map[string]time.Duration{"a": time.Second}, 0.99},
		"two objects, every two seconds": {
			map[string]time.Duration{"a": 2 * time.Second, "b": 2 * time.Second}, 0.9,
		},
		"one write every 900 milliseconds": {map[string]time.Duration{"a": 900 * time.Millisecond}, 0.4},
		"a flood":                          {map[string]time.Duration{"a": 5 * time.Millisecond}, 0},
		"two floods, of which each has its turn": {
			map[string]time.Duration{"a": 5 * time.Millisecond, "b": 5 * time.Millisecond}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &corrector{Contests: New(DefaultSettings())}
			shares := simulate(c, noon, tc.periods)
			for object, share := range shares {
				if share < tc.least {
					t.Errorf("%s was as declared for %.2f of the minute, want %.2f", object, share, tc.least)
				}
			}
			if most := 60 + 2 + len(tc.periods)*DefaultSettings().Threshold; c.writes > most {
				t.Errorf("%d writes in a minute, want at most %d", c.writes, most)
			}
			for object := range tc.periods {
				if n := len(c.corrections.at[field{"shop", reference("Role", object), "rules"}]); n < 20/len(tc.periods) {
					t.Errorf("%s had %d turns", object, n)
				}
			}
		})
	}
}

// simulateAll is simulate for whatever objects.
func simulateAll(
	c *corrector, period time.Duration, refs ...v1alpha1.ObjectReference,
) map[v1alpha1.ObjectReference][]time.Duration {
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

func TestContestsOverManyObjectsDoNotDelayABarrier(t *testing.T) {
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
				c := &corrector{Contests: New(DefaultSettings())}
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
					if n := len(corrected[ref]); n < DefaultSettings().Threshold+min(1, 18/many) {
						t.Errorf("%s was corrected %d times", ref.Name, n)
					}
				}
				if most := 60 + 2 + len(refs)*DefaultSettings().Threshold; c.writes > most {
					t.Errorf("%d writes in a minute, want at most %d", c.writes, most)
				}
			})
		}
	}
}

// The policies of all profiles take turns, also those of a profile that backs off, is refused or
// goes.
func TestATurnIsNotLeftToWhatDoesNotAskForIt(t *testing.T) {
	c := &corrector{Contests: New(DefaultSettings())}
	idle := changed(reference("Role", "idle"), "rules")
	for range 3 {
		c.Corrected("shop", idle, "rival", noon)
	}
	c.Found("shop", idle, "rival", noon)
	shares := simulate(c, noon, map[string]time.Duration{"a": time.Second})
	if shares["a"] < 0.9 {
		t.Errorf("it was as declared for %.2f of the minute", shares["a"])
	}
}

func TestATurnIsNotWaitedForWhenTheClockIsSetBack(t *testing.T) {
	c := &corrector{Contests: New(DefaultSettings())}
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
