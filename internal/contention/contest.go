package contention

import (
	"slices"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

const (
	// quietFactor is how many times the longest of the last pauses an object must be left alone
	// until its contest is over: a client that backs off, such as Argo CD, pauses three times as
	// long each time.
	quietFactor = 3
)

// contest is an object that is contested.
//
//	state       | the object                      | becomes
//	------------|---------------------------------|--------------------------------------------------
//	none        | is not contested                | as declared, with the correction that reaches
//	            |                                 | the threshold
//	as declared | is as declared, since           | differing, when a pass finds that;
//	            | declaredSince                   | none, when it was left alone for long enough
//	differing   | differs, and waits for its turn | as declared, when it is corrected, or when a pass
//	            |                                 | finds that it does not differ
type contest struct {
	object        v1alpha1.ObjectReference
	change        v1alpha1.DriftChange
	fields        []string
	managers      []string
	differing     bool
	declaredSince time.Time
	pauses        []time.Duration // the last ones between a correction and the next change
	tried         time.Time       // when its correction last had its turn
	asked         time.Time       // when its correction last asked for its turn
}

// begin makes a contest of the corrections so far.
func (c *Contests) begin(namespace string, d *drift.Drift, now time.Time) *contest {
	begun := &contest{object: d.Object, change: d.Change}
	for _, path := range contestable(d) {
		times := c.corrections.recent(field{namespace, d.Object, path}, now)
		for i := max(1, len(times)-c.settings.Threshold+1); i < len(times); i++ {
			begun.pauses = append(begun.pauses, times[i].Sub(times[i-1]))
		}
	}
	if c.contests[namespace] == nil {
		c.contests[namespace] = map[v1alpha1.ObjectReference]*contest{}
	}
	c.contests[namespace][d.Object] = begun
	return begun
}

// name adds a field manager, and the fields that it contests, to those that are told.
func (c *contest) name(d *drift.Drift, by string) {
	c.change = d.Change
	if by != "" && !slices.Contains(c.managers, by) && len(c.managers) < posture.MaxManagers {
		c.managers = slices.Sorted(slices.Values(append(c.managers, by)))
	}
	if d.Change != v1alpha1.DriftChangeModified {
		return
	}
	for _, path := range contestable(d) {
		if path != wholeObject && !slices.Contains(c.fields, path) && len(c.fields) < maxContested {
			c.fields = slices.Sorted(slices.Values(append(c.fields, path)))
		}
	}
}

// settle notes that the object is as declared.
func (c *contest) settle(now time.Time) { c.differing, c.declaredSince = false, now }

// differ notes that the object differs again, if that is news.
func (c *contest) differ(now time.Time, remembered int) {
	if c.differing {
		return
	}
	c.differing = true
	c.pauses = append(c.pauses, max(0, now.Sub(c.declaredSince)))
	c.pauses = c.pauses[max(0, len(c.pauses)-remembered):]
}

// left is how long the object must still be left alone until its contest is over.
func (c *contest) left(s Settings, now time.Time) time.Duration {
	if c.declaredSince.After(now) { // The clock has been set back.
		c.declaredSince = now
	}
	longest := s.MinDelay
	for _, pause := range c.pauses {
		longest = max(longest, quietFactor*pause)
	}
	return c.declaredSince.Add(min(longest, s.MaxDelay)).Sub(now)
}

// Found notes that a pass found an object different, and who made it so, if that is known.
func (c *Contests) Found(namespace string, d *drift.Drift, by string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.contests[namespace][d.Object]; known != nil {
		known.differ(now, c.settings.Threshold)
		known.name(d, by)
	}
}

// Standing ends the contests of a namespace that are over and lists the others, in the order of
// kinds and names. An object that does not differ is as declared: somebody else has put it right.
func (c *Contests) Standing(
	namespace string, among, differs func(v1alpha1.ObjectReference) bool, now time.Time,
) []Dispute {
	c.mu.Lock()
	defer c.mu.Unlock()
	var disputes []Dispute
	for ref, known := range c.contests[namespace] {
		if !among(ref) {
			continue
		}
		if known.differing && !differs(ref) {
			known.settle(now)
		}
		d := Dispute{Object: ref, Change: known.change, Fields: known.fields, Managers: known.managers}
		if !known.differing {
			if d.Left = known.left(c.settings, now); d.Left <= 0 {
				delete(c.contests[namespace], ref)
				continue
			}
		}
		disputes = append(disputes, d)
	}
	slices.SortFunc(disputes, func(a, b Dispute) int {
		return strings.Compare(a.Object.Kind+"/"+a.Object.Name, b.Object.Kind+"/"+b.Object.Name)
	})
	return disputes
}
