package breakglass

import (
	"testing"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func TestWhatAChangeProves(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old, young := now.Add(-ForceDelay), now.Add(-ForceDelay+1)
	groups := &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid, BreakGlassGroups: []string{"on-call"}}
	users := &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid, BreakGlassUsers: []string{"ada"}}
	watched := Change{Heard: now, InForce: old, Watched: true}
	nobody := &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
	gate := &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire, BreakGlassGroups: []string{"on-call"}}
	for name, tt := range map[string]struct {
		protection *v1alpha1.Protection
		change     Change
		want       Verdict
	}{
		"it was a member of a group":                     {groups, watched, Used},
		"it was a user of break-glass":                   {users, watched, Used},
		"nobody may break glass":                         {nobody, watched, Unproven},
		"it came while the operator was down":            {groups, Change{Heard: now, InForce: old}, Unproven},
		"policies are too young to have held everybody":  {groups, Change{Heard: now, InForce: young, Watched: true}, Unguarded},
		"policies came after it":                         {groups, Change{Heard: old, InForce: now, Watched: true}, Unguarded},
		"nothing is guarded":                             {gate, watched, Unguarded},
		"nothing is protected":                           {nil, watched, Unguarded},
		"nobody may break glass, and policies are young": {nobody, Change{Heard: now, InForce: young}, Unguarded},
	} {
		got, why := tt.change.Judge(tt.protection)
		if got != tt.want {
			t.Errorf("%s: want %d, got %d", name, tt.want, got)
		}
		if (why != "") != (got == Unproven) {
			t.Errorf("%s: %q is said of %d", name, why, got)
		}
	}
}
