package correction

import (
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

// decide is what shall become of a drift. The first case that holds decides:
//
//	the object is unmanaged, and the profile does not adopt it          Conflict
//	the profile audits                                                  Present
//	it was put back, and the next try to replace it is not due          Present
//	admission changes it each time, and the next try is not due         Present
//	admission changes it each time                                      Corrected
//	it is contested, and its correction is not due                      Contested
//	none of these                                                       Corrected
func (e *Engine) decide(s *Scope, o *drift.Outcome) v1alpha1.DriftState {
	switch {
	case o.Foreign && !s.Profile.Adopts():
		return v1alpha1.DriftStateConflict
	case s.Audits:
		return v1alpha1.DriftStatePresent
	case e.isPutBack(s, o):
		return v1alpha1.DriftStatePresent
	case e.isMutated(s, o):
		if o.Wait > 0 {
			return v1alpha1.DriftStatePresent
		}
		return v1alpha1.DriftStateCorrected
	}
	if s.Waits(o) && !goesAtOnce(&o.Drift) {
		o.Wait = e.contestedWait(s, o)
	}
	if o.Wait > 0 {
		return v1alpha1.DriftStateContested
	}
	return v1alpha1.DriftStateCorrected
}

// contestedWait is how long a correction is deferred because of a contest. An object that should
// not be there is not a declared value that could hold meanwhile, so that its removal always backs
// off.
func (e *Engine) contestedWait(s *Scope, o *drift.Outcome) time.Duration {
	now := e.Clock.Now()
	e.Contests.Found(s.Namespace, &o.Drift, o.By.Manager, now)
	if o.Change != v1alpha1.DriftChangeUnexpected && s.Profile.EffectiveContest() == v1alpha1.ContestCorrect {
		return e.Contests.TakeTurn(s.Namespace, &o.Drift, now)
	}
	return e.Contests.Wait(s.Namespace, &o.Drift, now)
}

// goesAtOnce reports whether a drift is an object whose removal waits for no contest.
func goesAtOnce(d *drift.Drift) bool {
	return d.Change == v1alpha1.DriftChangeUnexpected && kindOf(d).JudgesRequests
}

// isPutBack reports whether a drift is that of an object that was put back, and whose replacement
// is not tried again yet. After a restart the last report tells.
func (e *Engine) isPutBack(s *Scope, o *drift.Outcome) bool {
	if !o.Replaces() {
		return false
	}
	now := e.Clock.Now()
	last, _ := s.Memory.Object(o.Object)
	reported := strings.HasPrefix(last.Message, wasPutBack)
	left, known := e.PutBack.Wait(s.Namespace, o.Object, o.Fields, now)
	if !known && reported && s.Current {
		left = e.PutBack.Note(s.Namespace, o.Object, o.Fields, now)
	}
	if left == 0 {
		return false
	}
	o.Recorded, o.Wait, o.Standing = false, left, wasPutBack+"the next try waits"
	if reported {
		o.Standing = last.Message
	}
	return true
}

// isMutated reports whether a drift is what admission made of Bulwark's last write, and not
// somebody's doing. Then it does not belong in the history, and the next try may have to wait.
// After a restart the last report tells.
func (e *Engine) isMutated(s *Scope, o *drift.Outcome) bool {
	wait, known := e.Mutations.Wait(s.Namespace, o.Object, o.Fields, e.Clock.Now())
	last, _ := s.Memory.Object(o.Object)
	reported := strings.HasPrefix(last.Message, posture.ChangedByAdmission)
	if !known && (o.By.Manager != "" || o.Change != v1alpha1.DriftChangeModified || !reported) {
		return false
	}
	o.Recorded, o.Wait = false, wait
	if wait > 0 {
		o.Mutated = o.Fields
	}
	return true
}
