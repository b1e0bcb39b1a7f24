package policies

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// heard are states, and how often the reconciler of profiles was told.
func heard() (*States, *int) {
	told, states := 0, NewStates()
	states.requeue = func(string) { told++ }
	return states, &told
}

func inForceResult(of int) admission.Result { return (&admission.Pass{Desired: of}).Result() }

// Each step is a row of the table above States.
func TestAResultIsReportedUntilItIsOld(t *testing.T) {
	states, told := heard()
	profile, _ := aPolicedProfile()
	profile.UID = "uid-1"
	conflicted := (&admission.Pass{Desired: 2, Outcomes: []drift.Outcome{policyOutcome(v1alpha1.DriftStateConflict, nil)}}).Result()
	corrected := []drift.Outcome{policyOutcome(v1alpha1.DriftStateCorrected, nil)}
	var written func()
	for _, step := range []struct {
		what      string
		do        func()
		reason    string // of the current result; none if there is none
		corrected int    // that no status holds
		told      int    // so far
	}{
		{what: "nothing has been looked at", do: func() {}},
		{what: "a pass begins, and fails", do: func() { states.state(profile.Name) }},
		{"a pass ends", func() { states.Publish(profile, inForceResult(2)) }, v1alpha1.ReasonInForce, 0, 1},
		{"another one ends with the same result", func() { states.Publish(profile, inForceResult(2)) }, v1alpha1.ReasonInForce, 0, 1},
		{"one ends with another result", func() { states.Publish(profile, conflicted) }, v1alpha1.ReasonConflicted, 0, 2},
		{"a correction is made in a pass that then fails", func() { states.keep(profile.Name, corrected) }, v1alpha1.ReasonConflicted, 1, 2},
		{"the next one ends with the same result", func() { states.Publish(profile, conflicted) }, v1alpha1.ReasonConflicted, 1, 3},
		{"a status that says it is being written while a further correction is made", func() {
			_, written = states.Report(profile)
			states.keep(profile.Name, slices.Concat(corrected, corrected))
		}, v1alpha1.ReasonConflicted, 3, 3},
		{"it was written", func() { written() }, v1alpha1.ReasonConflicted, 2, 3},
		{"the spec has changed", func() { profile.Generation++ }, "", 0, 3},
		{"a pass ends over the new generation with the same result", func() { states.Publish(profile, conflicted) }, v1alpha1.ReasonConflicted, 2, 4},
		{"another profile bears the name", func() { profile.UID = "uid-2" }, "", 0, 4},
		{"a pass over that ends", func() { states.Publish(profile, conflicted) }, v1alpha1.ReasonConflicted, 2, 5},
		{"the profile is gone", func() { states.Forget(profile.Name) }, "", 0, 5},
	} {
		step.do()
		reason, kept := "", 0
		if report, _ := states.Report(profile); report != nil {
			reason, kept = report.Condition.Reason, len(report.Corrected)
		}
		if reason != step.reason || kept != step.corrected || *told != step.told {
			t.Errorf("%s: the result is %q with %d corrections, told %d times; want %q, %d, %d",
				step.what, reason, kept, *told, step.reason, step.corrected, step.told)
		}
	}
	written() // That the status of before was written after all means nothing now.
}

func TestAResultOfANewGenerationIsToldThoughItIsTheSame(t *testing.T) {
	states, told := heard()
	profile, _ := aPolicedProfile()
	for range 2 {
		states.state(profile.Name)
		states.Publish(profile, inForceResult(2))
		profile.Generation++
	}
	if *told != 2 {
		t.Errorf("told %d times", *told)
	}
}

func TestNobodyIsToldBeforeTheReconcilerOfProfilesHasStarted(t *testing.T) {
	states := NewStates()
	profile, _ := aPolicedProfile()
	states.state(profile.Name)
	states.Publish(profile, inForceResult(2))
	if report, _ := states.Report(profile); report == nil {
		t.Error("it finds no result when it starts")
	}
}

// Events are told once: what the last pass found is known before a status says it.
func TestWhatWasSaidIsTheLastResultOfTheGeneration(t *testing.T) {
	states, _ := heard()
	profile, _ := aPolicedProfile()
	profile.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonContested, ObservedGeneration: profile.Generation,
	}}
	said := func(want string) {
		t.Helper()
		if got := states.said(profile).Reason; got != want {
			t.Errorf("said is %q, and not %q", got, want)
		}
	}
	said(v1alpha1.ReasonContested) // by the status, after a restart
	states.state(profile.Name)
	states.Publish(profile, inForceResult(2))
	said(v1alpha1.ReasonInForce)
	profile.Generation++
	said("")
	states.Publish(profile, inForceResult(0))
	said("")
}

// Else a long pass over one profile would keep the statuses of all: the one worker that writes them
// waits to remove the policies of another.
func TestNoProfileWaitsForThePassOverAnother(t *testing.T) {
	states := NewStates()
	locked := make(chan struct{})
	go func() {
		for i := range 100 {
			_ = states.Lock(fmt.Sprint("profile-", i))
		}
		close(locked)
	}()
	select {
	case <-locked:
	case <-time.After(10 * time.Second):
		t.Fatal("two profiles share a lock")
	}
}

func TestWorkOnOneProfileIsDoneOneAfterTheOther(t *testing.T) {
	states := NewStates()
	var all sync.WaitGroup
	count := 0 // It is guarded by the lock alone.
	for range 100 {
		all.Go(func() {
			defer states.Lock("restricted")()
			count++
		})
	}
	all.Wait()
	if count != 100 || len(states.working) != 0 {
		t.Errorf("counted to %d, and %d locks remain", count, len(states.working))
	}
}

func TestWhenPoliciesChangedIsForgottenWithTheProfile(t *testing.T) {
	states := NewStates()
	known := func() bool { _, known := states.ChangedAt("restricted"); return known }
	before := known()
	states.state("restricted")
	states.noteChange("restricted", noon)
	noted := known()
	states.Forget("restricted")
	if before || !noted || known() {
		t.Errorf("known before: %t, noted: %t, after: %t", before, noted, known())
	}
}

// A correction is not seen again: what no status could be written of, or what another object's
// error cut short, must not be lost.
func TestDriftIsRememberedUntilAStatusHoldsIt(t *testing.T) {
	contested := metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonContested}
	for sentence, tc := range map[string]struct {
		state    v1alpha1.DriftState
		change   v1alpha1.DriftChange
		recorded bool
		err      error // by which it was not corrected
		said     metav1.Condition
		want     int
	}{
		"not the roll-out of a change":       {change: v1alpha1.DriftChangeModified},
		"not what the API server refused":    {change: v1alpha1.DriftChangeModified, recorded: true, err: errors.New("no")},
		"a drift":                            {change: v1alpha1.DriftChangeModified, recorded: true, want: 1},
		"a removal":                          {change: v1alpha1.DriftChangeUnexpected, recorded: true, want: 1},
		"a contest that no status tells of":  {change: v1alpha1.DriftChangeModified, recorded: true, state: v1alpha1.DriftStateContested, want: 1},
		"not a contest that is told already": {change: v1alpha1.DriftChangeModified, recorded: true, state: v1alpha1.DriftStateContested, said: contested},
	} {
		t.Run(sentence, func(t *testing.T) {
			o := policyOutcome(v1alpha1.DriftStateCorrected, nil)
			o.Change, o.Recorded, o.Err, o.Done = tc.change, tc.recorded, tc.err, tc.err == nil
			if tc.state != "" {
				o.State = tc.state
			}
			states := NewStates()
			profile, _ := aPolicedProfile()
			states.state(profile.Name)
			states.keep(profile.Name, admission.History(tc.said, []drift.Outcome{o}))
			states.Publish(profile, inForceResult(2))
			report, written := states.Report(profile)
			if len(report.Corrected) != tc.want {
				t.Fatalf("%d drifts are remembered, and not %d", len(report.Corrected), tc.want)
			}
			for _, o := range report.Corrected {
				if o.State != v1alpha1.DriftStateCorrected {
					t.Errorf("in the history it is %s", o.State)
				}
			}
			written()
			if report, _ = states.Report(profile); len(report.Corrected) > 0 {
				t.Errorf("still remembered though a status holds them: %v", report.Corrected)
			}
		})
	}
}

func TestARefusedPassStandsForAGrowingWhile(t *testing.T) {
	var p *refusedPass
	one, other := digest{1}, digest{2}
	if p.stands(&Pass{digest: one}, noon) != 0 {
		t.Error("without a refusal something waits")
	}
	now := noon
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		p = p.again(one, admission.Result{}, now)
		if got := p.stands(&Pass{digest: one}, now); got != want*time.Second {
			t.Errorf("waits %s, and not %d s", got, want)
		}
		now = now.Add(p.wait)
		if got := p.stands(&Pass{digest: one}, now); got != 0 {
			t.Errorf("once it is time it waits %s more", got)
		}
	}
	stands := p.stands(&Pass{digest: other}, now)
	if stands != 0 || p.again(other, admission.Result{}, now).wait != firstRetry {
		t.Error("other policies wait for the refusal of these")
	}
	if got := p.stands(&Pass{digest: one}, noon.Add(-time.Hour)); got != 0 {
		t.Errorf("by a clock that was set back it waits %s", got)
	}
}

// No status is written by a result that is of before the reports: a refusal would be told a minute
// later.
func TestARefusedPassDoesNotOutlastItsReports(t *testing.T) {
	var p *refusedPass
	waited := &Pass{digest: digest{1}, rollout: admission.PodRollout{Pending: 1}}
	complete := &Pass{digest: digest{1}}
	looking := admission.Result{Pending: 1}
	for range 7 {
		p = p.again(waited.digest, looking, noon)
	}
	if got := p.stands(waited, noon); got != time.Minute {
		t.Errorf("while reports are awaited it stands for %s", got)
	}
	if got := p.stands(complete, noon); got != 0 {
		t.Errorf("once they are there it stands for %s more", got)
	}
	p = p.again(complete.digest, admission.Result{}, noon)
	if got := p.stands(complete, noon); got != time.Minute {
		t.Errorf("refused again, it stands for %s", got)
	}
}
