package podscan

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

func TestScansAreSpreadAndComeBack(t *testing.T) {
	s := NewSchedule(time.Minute)
	due := 0
	if s.due("first", posturetest.Noon) && s.due("second", posturetest.Noon) {
		t.Error("who begins to lead scans at once, and not spread")
	}
	for i := range 1000 {
		if s.due(fmt.Sprint("ns-", i), posturetest.Noon.Add(interval/2)) {
			due++
		}
	}
	for i := range 1000 {
		if !s.due(fmt.Sprint("ns-", i), posturetest.Noon.Add(interval)) {
			t.Errorf("ns-%d is not scanned within an interval of the start", i)
		}
	}
	s = NewSchedule(time.Minute)
	if due < 400 || due > 600 {
		t.Errorf("%d of 1000 are scanned in the first half of the interval", due)
	}
	s.plan("shop", posturetest.Noon.Add(time.Minute))
	for _, step := range []struct {
		what string
		at   time.Duration
		due  bool
		left time.Duration
	}{
		{"before", 30 * time.Second, false, 30 * time.Second},
		{"the clock is set back", 30*time.Second - 2*time.Hour, false, 30 * time.Second},
		{"a moment later", 45*time.Second - 2*time.Hour, false, 15 * time.Second},
		{"then", time.Minute - 2*time.Hour, true, time.Second},
		{"the clock is set forward", 0, true, time.Second},
	} {
		if got := s.due("shop", posturetest.Noon.Add(step.at)); got != step.due {
			t.Errorf("%s: want due %t, got %t", step.what, step.due, got)
		}
		if got := s.Until("shop", posturetest.Noon.Add(step.at)); got != step.left {
			t.Errorf("%s: want %s left, got %s", step.what, step.left, got)
		}
	}
}

func TestAScanAfterATighteningComesWithinAnInterval(t *testing.T) {
	for recheck, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 5 * interval: interval} {
		s := NewSchedule(recheck)
		p := &posture.Pass{Profile: posturetest.Profile(), Namespace: posturetest.Levelled("restricted")}
		s.Plan(p, nil, tightening.AppliedLevel{Tightened: true}, false, posturetest.Noon)
		if got := s.Until("shop", posturetest.Noon); got < want || got > 2*want || s.due("shop", posturetest.Noon) {
			t.Errorf("rechecks every %s: want the next scan in %s to twice that, got %s", recheck, want, got)
		}
	}
}
