package policies

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

func TestAPassIsDeferredOnlyWhileARewritingCanWait(t *testing.T) {
	inForce := inForceResult(2).Condition
	for sentence, tc := range map[string]struct {
		awaits bool
		pass   Pass
		want   bool
	}{
		"others have gone, and a release is awaited":  {true, Pass{changes: true, Said: inForce}, true},
		"no release is awaited":                       {false, Pass{changes: true, Said: inForce}, false},
		"nothing would be rewritten":                  {true, Pass{steady: true, Said: inForce}, false},
		"nothing is known after a restart":            {true, Pass{Said: inForce}, false},
		"the generation has not been looked at":       {true, Pass{changes: true}, false},
		"what is declared could not be put in force":  {true, Pass{changes: true, Said: metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonFailed}}, false},
		"the rules for pods wait for reports already": {true, Pass{changes: true, Said: metav1.Condition{Type: v1alpha1.ConditionAdmission, Reason: v1alpha1.ReasonLooking}}, false},
	} {
		if got := tc.pass.Defers(tc.awaits); got != tc.want {
			t.Errorf("%s: deferred is %t", sentence, got)
		}
	}
}

// slowShelf says in which order its objects were listed and something else happened.
type slowShelf struct {
	shelf
	happened chan string
}

func (s *slowShelf) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	s.happened <- "removal"
	return s.shelf.List(ctx, list, options...)
}

// Else a pass that read the profile before it was deleted could make policies after they were
// removed.
func TestARemovalWaitsForThePassUnderWay(t *testing.T) {
	for sentence, remove := range map[string]func(*Keeper, context.Context, *v1alpha1.SecurityProfile) error{
		"of what judges": (*Keeper).Relax,
		"of all":         (*Keeper).Withdraw,
	} {
		t.Run(sentence, func(t *testing.T) {
			profile, _ := aPolicedProfile()
			s := &slowShelf{happened: make(chan string, 100)}
			k := NewKeeper(Options{Client: s, Live: s})
			unlock := k.States.Lock(profile.Name)
			k.States.state(profile.Name)
			removed := make(chan error)
			go func() { removed <- remove(k, t.Context(), profile) }()
			s.happened <- "pass"
			unlock()
			if err := <-removed; err != nil {
				t.Fatal(err)
			}
			if first := <-s.happened; first != "pass" {
				t.Errorf("first was the %s", first)
			}
		})
	}
}

func TestWhatIsKnownOfAProfileGoesWithItsPolicies(t *testing.T) {
	profile, _ := aPolicedProfile()
	ours := policyKindNamed("workloads", map[string]string{v1alpha1.ProfileLabel: profile.Name})
	s := &shelf{objects: []baseline.Object{ours}}
	k := NewKeeper(Options{Client: s, Live: s})
	k.States.Publish(profile, inForceResult(2))
	if err := k.Withdraw(t.Context(), profile); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(0, len(k.States.of)); diff != "" || len(s.deleted) != 1 {
		t.Errorf("%d policies were deleted, remembered (-want +got): %s", len(s.deleted), diff)
	}
}
