package events

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// many are more objects than a budget is for.
const many = 250

func object(n int) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: "v1", Kind: "ServiceAccount", Name: fmt.Sprint("object-", n)}
}

// took are how often each answer was given for events on so many objects.
func took(b *Budget, from Source, objects int, now time.Time) map[Answer]int {
	answers := map[Answer]int{}
	for n := range objects {
		answers[b.Take(from, object(n), now)]++
	}
	return answers
}

func TestABudget(t *testing.T) {
	drift := Source{Regarding: "Namespace", Namespace: "shop", Reason: "DriftDetected"}
	spent := func(at time.Time) func(*Budget) { return func(b *Budget) { took(b, drift, many, at) } }
	spentOnce := map[Answer]int{Tell: Most, TellOfMore: 1, Silent: many - Most - 1}
	for name, tt := range map[string]struct {
		before func(*Budget)
		from   Source
		events int
		at     time.Time
		want   map[Answer]int
	}{
		"few objects are told of one by one": {from: drift, events: 3, want: map[Answer]int{Tell: 3}},
		"as many as the budget is, too":      {from: drift, events: Most, want: map[Answer]int{Tell: Most}},
		"one more is told of as more": {
			from: drift, events: Most + 1, want: map[Answer]int{Tell: Most, TellOfMore: 1},
		},
		"of hundreds, all others are not told": {from: drift, events: many, want: spentOnce},
		"one object may be told of again": {
			before: spent(start),
			from:   drift, events: Most, want: map[Answer]int{Tell: Most},
		},
		"another namespace has one of its own": {
			before: spent(start),
			from:   Source{drift.Regarding, "annex", drift.Reason}, events: 2, want: map[Answer]int{Tell: 2},
		},
		"another reason has, too": {
			before: spent(start),
			from:   Source{drift.Regarding, drift.Namespace, "BreakGlassUsed"}, events: 2, want: map[Answer]int{Tell: 2},
		},
		"the profile is told as its namespace is": {
			before: spent(start),
			from:   Source{"SecurityProfile", drift.Namespace, drift.Reason}, events: 2, want: map[Answer]int{Tell: 2},
		},
		"it is whole again after a window": {
			before: spent(start),
			from:   drift, events: many, at: start.Add(Window), want: spentOnce,
		},
		"and not just before": {
			before: spent(start.Add(1)),
			from:   drift, events: many, at: start.Add(Window), want: map[Answer]int{Tell: Most, Silent: many - Most},
		},
		"and when the clock was set back": {
			before: spent(start.Add(time.Hour)),
			from:   drift, events: 1, want: map[Answer]int{Tell: 1},
		},
		"an object that was not told of stays so": {
			before: spent(start),
			from:   drift, events: many, want: map[Answer]int{Tell: Most, Silent: many - Most},
		},
		"a namespace that was forgotten is whole": {
			before: func(b *Budget) { spent(start)(b); took(b, Source{}, 1, start.Add(2*Window)) },
			from:   drift, events: 1, at: start.Add(2 * Window), want: map[Answer]int{Tell: 1},
		},
		"an event without an object counts as one": {from: Source{}, events: 1, want: map[Answer]int{Tell: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var b Budget
			if tt.before != nil {
				tt.before(&b)
			}
			at := tt.at
			if at.IsZero() {
				at = start
			}
			if diff := cmp.Diff(tt.want, took(&b, tt.from, tt.events, at)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestABudgetForgetsWhatIsOver(t *testing.T) {
	var b Budget
	for n := range 1000 {
		b.Take(Source{Namespace: fmt.Sprint(n)}, object(0), start)
	}
	b.Take(Source{}, object(0), start.Add(Window))
	if len(b.windows) != 1 {
		t.Errorf("%d windows are kept", len(b.windows))
	}
}
