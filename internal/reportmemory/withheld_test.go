package reportmemory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

func TestAWithheldReportLeavesItsLevelToTheNext(t *testing.T) {
	type levels = []tightening.AppliedLevel
	tightened := tightening.AppliedLevel{Tightened: true, Warnings: []string{"first"}}
	again := tightening.AppliedLevel{Tightened: true, Warnings: []string{"second"}}
	none := tightening.AppliedLevel{}
	for sentence, tt := range map[string]struct {
		withheld levels
		next     func(*posture.Pass) // changes the pass that reports
		applied  tightening.AppliedLevel
		has      bool
		want     tightening.AppliedLevel
	}{
		"no report was withheld": {applied: tightened, want: tightened},
		"the pass before put a level in place": {
			withheld: levels{tightened}, has: true, want: tightened,
		},
		"the pass before that did": {
			withheld: levels{tightened, none}, has: true, want: tightened,
		},
		"no pass did": {withheld: levels{none}, has: true},
		"the pass that reports put another level in place": {
			withheld: levels{tightened}, applied: again, has: true, want: again,
		},
		"the profile has another generation by now": {
			withheld: levels{tightened}, next: func(p *posture.Pass) { p.Profile.Generation++ },
		},
		"another namespace bears the name by now": {
			withheld: levels{tightened}, next: func(p *posture.Pass) { p.Namespace.UID = "other" },
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := NewWithheld()
			p := &posture.Pass{Profile: posturetest.Profile(), Namespace: posturetest.Namespace()}
			for _, level := range tt.withheld {
				w.Add(p, level)
			}
			if tt.next != nil {
				tt.next(p)
			}
			if got := w.Has(p); got != tt.has {
				t.Errorf("has one: want %t, got %t", tt.has, got)
			}
			if diff := cmp.Diff(tt.want, w.End(p, tt.applied)); diff != "" {
				t.Errorf("the level (-want +got):\n%s", diff)
			}
			if w.Has(p) {
				t.Error("a report is withheld after one was written")
			}
		})
	}
}
