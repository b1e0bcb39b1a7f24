package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

const (
	// turnInterval is how far apart the contested corrections of one namespace are, where the profile goes on correcting. One of them
	// may come that much early, so that a writer whose period is the same, but not exact, does not slowly get ahead.
	turnInterval = time.Second
	// quietFactor is how many times the longest of the last pauses an object must be left alone until it is contested no more: a client
	// that backs off, such as Argo CD, pauses three times as long each time.
	quietFactor = 3
	// maxManagers bounds the field managers that are named of one object. Whoever keeps changing names is told by the first of them.
	maxManagers = 4
	// askInterval is how long an object that waits for its turn may not have asked for it until
	// others no longer wait for it. One whose correction backs off, is refused or is not to be made
	// at all does not ask.
	askInterval = 3 * turnInterval
)

// fight is an object that is contested.
//
//	state | is                                 | becomes
//	------|------------------------------------|-----------------------------------------------------------------
//	      | no fight                           | held, with the correction that reaches the threshold
//	held  | as declared since heldSince        | lost, when it differs again; over, when it was left alone for long enough
//	lost  | different, and waits for its turn  | held, when it is corrected or a pass finds that it does not differ
type fight struct {
	object    v1alpha1.ObjectReference
	change    v1alpha1.DriftChange
	fields    []string
	managers  []string
	lost      bool
	heldSince time.Time
	pauses    []time.Duration // the last ones between a correction and the next change
	tried     time.Time       // when its correction last had its turn
	asked     time.Time       // when its correction last asked for its turn
}

// dispute is what there is to tell of a fight.
type dispute struct {
	object   v1alpha1.ObjectReference
	change   v1alpha1.DriftChange
	fields   []string
	managers []string
	// left is how long the object must still be left alone until it is contested no more; zero if it differs.
	left time.Duration
}

// begin makes a fight of the corrections so far.
func (c *contests) begin(namespace string, d *drift.Drift, now time.Time) *fight {
	f := &fight{object: d.Object, change: d.Change}
	for _, field := range fought(d) {
		times := c.recent(contested{namespace, d.Object, field}, now)
		for i := max(1, len(times)-c.Threshold+1); i < len(times); i++ {
			f.pauses = append(f.pauses, times[i].Sub(times[i-1]))
		}
	}
	if c.fights[namespace] == nil {
		c.fights[namespace] = map[v1alpha1.ObjectReference]*fight{}
	}
	c.fights[namespace][d.Object] = f
	return f
}

// name adds a field manager and what it fights for to those that are told.
func (f *fight) name(d *drift.Drift, by string) {
	f.change = d.Change
	if by != "" && !slices.Contains(f.managers, by) && len(f.managers) < maxManagers {
		f.managers = slices.Sorted(slices.Values(append(f.managers, by)))
	}
	if d.Change != v1alpha1.Modified {
		return
	}
	for _, field := range fought(d) {
		if field != wholeObject && !slices.Contains(f.fields, field) && len(f.fields) < maxFought {
			f.fields = slices.Sorted(slices.Values(append(f.fields, field)))
		}
	}
}

// hold notes that the object is as declared.
func (f *fight) hold(now time.Time) { f.lost, f.heldSince = false, now }

// lose notes that the object differs again, if that is news.
func (f *fight) lose(now time.Time, remembered int) {
	if f.lost {
		return
	}
	f.lost = true
	f.pauses = append(f.pauses, max(0, now.Sub(f.heldSince)))
	f.pauses = f.pauses[max(0, len(f.pauses)-remembered):]
}

// left is how long the object must still be left alone.
func (c *contests) left(f *fight, now time.Time) time.Duration {
	if f.heldSince.After(now) { // The clock has been set back.
		f.heldSince = now
	}
	longest := c.MinDelay
	for _, pause := range f.pauses {
		longest = max(longest, quietFactor*pause)
	}
	return f.heldSince.Add(min(longest, c.MaxDelay)).Sub(now)
}

// found notes that an object that is contested differs again.
func (c *contests) found(namespace string, d *drift.Drift, by string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.fights[namespace][d.Object]; f != nil {
		f.lose(now, c.Threshold)
		f.name(d, by)
	}
}

// take is how long a contested correction must wait for its turn in the namespace; zero if it has
// it. Of several objects a barrier has it, two times of three, and else the one that has had none
// for the longest time.
func (c *contests) take(namespace string, d *drift.Drift, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isContested(namespace, d, now) {
		return 0
	}
	mine := c.fights[namespace][d.Object]
	if mine != nil {
		mine.asked = now
	}
	next := c.turns[namespace]
	if next.Before(now) || next.After(now.Add(2*turnInterval)) { // The clock may have been set back.
		next = now
	}
	if wait := next.Add(-turnInterval).Sub(now); wait > 0 {
		return wait
	}
	if mine != nil {
		if c.goesBefore(namespace, mine, now) {
			return turnInterval
		}
		mine.tried = now
		c.noteTurn(namespace, mine.object)
	}
	c.turns[namespace] = next.Add(turnInterval)
	return 0
}

// goesBefore reports whether another object that precedes this one asks for the turn, too.
func (c *contests) goesBefore(namespace string, mine *fight, now time.Time) bool {
	if mine.tried.After(now) { // The clock has been set back.
		mine.tried = now
	}
	for _, other := range c.fights[namespace] {
		since := now.Sub(other.asked)
		asks := since >= 0 && since < askInterval // The clock may have been set back.
		if asks && other.lost && other.change != v1alpha1.Unexpected && c.precedes(namespace, other, mine) {
			return true
		}
	}
	return false
}

// isContested reports whether every field of a drift has been corrected too often, or the object as a whole.
func (c *contests) isContested(namespace string, d *drift.Drift, now time.Time) bool {
	if len(c.recent(contested{namespace, d.Object, ""}, now)) >= objectFactor*c.Threshold {
		return true
	}
	return !slices.ContainsFunc(fought(d), func(field string) bool {
		return len(c.recent(contested{namespace, d.Object, field}, now)) < c.Threshold
	})
}

// standing ends the fights of a namespace that are over and lists the others, in the order of kinds and names. Those of which nothing
// differs are held: somebody else has put them right.
func (c *contests) standing(namespace string, among, differs func(v1alpha1.ObjectReference) bool, now time.Time) []dispute {
	c.mu.Lock()
	defer c.mu.Unlock()
	var disputes []dispute
	for ref, f := range c.fights[namespace] {
		if !among(ref) {
			continue
		}
		if f.lost && !differs(ref) {
			f.hold(now)
		}
		d := dispute{object: ref, change: f.change, fields: f.fields, managers: f.managers}
		if !f.lost {
			if d.left = c.left(f, now); d.left <= 0 {
				delete(c.fights[namespace], ref)
				continue
			}
		}
		disputes = append(disputes, d)
	}
	slices.SortFunc(disputes, func(a, b dispute) int {
		return strings.Compare(a.object.Kind+"/"+a.object.Name, b.object.Kind+"/"+b.object.Name)
	})
	return disputes
}

// removed notes a removal of which nobody is told as of a contest.
func (c *contests) removed(namespace string, object v1alpha1.ObjectReference, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := contested{namespace, object, removal}
	c.corrections[key] = append(c.recent(key, now), now)
}

// contestsRemoval reports whether somebody makes an object again and again that was removed each time.
func (c *contests) contestsRemoval(namespace string, object v1alpha1.ObjectReference, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.recent(contested{namespace, object, removal}, now)) >= c.Threshold
}

// contestsKind reports whether somebody makes so many objects of a kind that were removed that the
// removal of further ones waits.
func (c *contests) contestsKind(namespace string, object v1alpha1.ObjectReference, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.recent(ofKind(namespace, &drift.Drift{Object: object}), now)) >= objectFactor*c.Threshold
}

// sweepFights drops the fights and the turns that nobody will ask for again.
func (c *contests) sweepFights(now time.Time) {
	for namespace, fights := range c.fights {
		maps.DeleteFunc(fights, func(_ v1alpha1.ObjectReference, f *fight) bool { return now.Sub(f.heldSince) > c.Window+c.MaxDelay })
		if len(fights) == 0 {
			delete(c.fights, namespace)
		}
	}
	maps.DeleteFunc(c.turns, func(_ string, next time.Time) bool { return next.Before(now) })
	maps.DeleteFunc(c.barriers, func(namespace string, _ int) bool { _, turns := c.turns[namespace]; return !turns })
}

// sentence says who contests what, and how that is answered. It says the same for as long as the fight lasts.
func (d *dispute) sentence(answer v1alpha1.Contest) string {
	what := "it is deleted again and again"
	switch {
	case d.change == v1alpha1.Unexpected:
		what, answer = "it is made again and again", v1alpha1.BackOff
	case d.change == v1alpha1.Modified && len(d.fields) > 0:
		what = strings.Join(d.fields, ", ") + " is changed back again and again"
	case d.change == v1alpha1.Modified:
		what = "it is changed back again and again"
	}
	how := "corrections wait with a growing delay"
	if answer == v1alpha1.Correct {
		how = fmt.Sprintf("what is contested in the namespace is corrected every %s", turnInterval)
	}
	return fmt.Sprintf("%s%s: %s; %s", contestedBy, managerNames(d.managers), what, how)
}

// contestedBy begins the message on an object that is contested.
const contestedBy = "contested by "

func managerNames(managers []string) string {
	switch n := len(managers); n {
	case 0:
		return drift.ManagerName("")
	case 1:
		return drift.ManagerName(managers[0])
	default:
		return "the field managers " + strings.Join(managers[:n-1], ", ") + " and " + managers[n-1]
	}
}
