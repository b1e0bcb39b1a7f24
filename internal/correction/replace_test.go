package correction

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// between is the drift of a RoleBinding from one to another.
func between(want, got *rbacv1.RoleBinding) drift.Drift {
	found := drift.Compare([]baseline.Object{want}, []baseline.Object{got}, func(baseline.Object) bool { return true })
	return found[0]
}

// Each case is a row of the table above replace.
func TestAReplacement(t *testing.T) {
	const asks, deletes, creates = "ask RoleBinding bulwark-bound", "delete RoleBinding bulwark-bound", "create RoleBinding bulwark-bound"
	for sentence, tc := range map[string]struct {
		answers  map[string][]error
		tampered bool
		want     []string
		became   string
		told     []string
		again    bool // whether another pass is to try again
	}{
		"the API server takes it": {
			want: []string{asks, deletes, creates}, became: "Corrected, done, unrecorded", told: []string{v1alpha1.EventReplaced},
		},
		"it would refuse it: the old one stays": {
			answers: map[string][]error{"ask": {errRefused}}, want: []string{asks, "patch RoleBinding bulwark-bound"},
			became: "Present, refused, unrecorded",
		},
		"unless somebody made it": {
			answers: map[string][]error{"ask": {errRefused}}, tampered: true, want: []string{asks, deletes},
			became: "Present, refused",
		},
		"it is busy: nothing has changed": {
			answers: map[string][]error{"ask": {errBusy}}, want: []string{asks}, became: "Present, refused, unrecorded",
		},
		"the old one was replaced meanwhile": {
			answers: map[string][]error{"delete": {errOvertaken}}, want: []string{asks, deletes},
			became: "Present, unrecorded", again: true,
		},
		"the old one is gone already": {
			answers: map[string][]error{"delete": {errGone}}, want: []string{asks, deletes, creates},
			became: "Corrected, done, unrecorded", told: []string{v1alpha1.EventReplaced},
		},
		"it refuses it after all: the old one is put back": {
			answers: map[string][]error{"create": {errRefused}}, want: []string{asks, deletes, creates, creates},
			became: "Present, refused, unrecorded", told: []string{v1alpha1.EventPutBack},
		},
		"and tried so until the API server answers": {
			answers: map[string][]error{"create": {errRefused, errBusy}}, want: []string{asks, deletes, creates, creates, creates},
			became: "Present, refused, unrecorded", told: []string{v1alpha1.EventPutBack},
		},
		"but not what somebody made": {
			answers: map[string][]error{"create": {errRefused}}, tampered: true, want: []string{asks, deletes, creates},
			became: "Present, refused",
		},
		"nor if it cannot be": {
			answers: map[string][]error{"create": {errRefused, errRefused}}, want: []string{asks, deletes, creates, creates},
			became: "Present, refused, unrecorded",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, scope := &server{answers: tc.answers}, newScope()
			scope.Records = func(*drift.Drift) bool { return tc.tampered }
			got := bindingTo("admin", "a")
			got.Labels = map[string]string{v1alpha1.ProfileLabel: "former"}
			want := bindingTo("view", "a")
			want.Labels = map[string]string{v1alpha1.ProfileLabel: "strict"}
			e := newEngine(s)
			e.Writer.Live = nobodyManages{}
			done, err := e.CorrectAll(t.Context(), scope, []drift.Drift{between(want, got)})
			if diff := cmp.Diff(tc.want, s.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.became, became(&done.Outcomes[0])); diff != "" || (err != nil) != tc.again {
				t.Errorf("%v, the outcome (-want +got):\n%s", err, diff)
			}
			var told []string
			for _, n := range done.Notices {
				told = append(told, n.Reason)
			}
			if diff := cmp.Diff(tc.told, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// A policy that is about to go goes, whether it may be made anew or not.
func TestTheReplacementOfAPolicy(t *testing.T) {
	const asks, updates, deletes, creates = "ask ValidatingAdmissionPolicy a", "update ValidatingAdmissionPolicy a",
		"delete ValidatingAdmissionPolicy a", "create ValidatingAdmissionPolicy a"
	for sentence, tc := range map[string]struct {
		answers map[string][]error
		want    []string
		became  string
	}{
		"it is made anew":                     {want: []string{asks, updates, deletes, creates}, became: "Corrected, done"},
		"it may not be made anew":             {answers: map[string][]error{"ask": {errRefused}}, want: []string{asks}, became: "Present, refused"},
		"it may not be made anew after all":   {answers: map[string][]error{"create": {errRefused}}, want: []string{asks, updates, deletes, creates}, became: "Present, refused"},
		"somebody has made another meanwhile": {answers: map[string][]error{"create": {errThere}}, want: []string{asks, updates, deletes, creates, "read ValidatingAdmissionPolicy a"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := &server{answers: tc.answers, there: map[string]baseline.Object{policyKind + " a": kinded(policyKind, "a")}}
			d := modified(kinded(policyKind, "a"), "metadata.deletionTimestamp")
			d.Got.SetFinalizers([]string{"example.com/hold"})
			done, err := newEngine(s).CorrectAll(t.Context(), policyScope(), []drift.Drift{d})
			if diff := cmp.Diff(tc.want, s.calls); diff != "" || err != nil {
				t.Errorf("%v, calls (-want +got):\n%s", err, diff)
			}
			got := ""
			if len(done.Outcomes) > 0 {
				got = became(&done.Outcomes[0])
			}
			if diff := cmp.Diff(tc.became, got); diff != "" {
				t.Errorf("the outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABindingThatMustNotBeMade(t *testing.T) {
	const patches, deletes = "patch RoleBinding bulwark-bound", "delete RoleBinding bulwark-bound"
	for sentence, tc := range map[string]struct {
		want, got *rbacv1.RoleBinding
		refused   []string // roles
		tampered  bool
		calls     []string
		became    string
	}{
		"a role that may be bound is bound": {
			want: bindingTo("view", "a"), got: bindingTo("view"), calls: []string{patches}, became: "Corrected, done, unrecorded",
		},
		"one that is not there is not made": {
			want: bindingTo("admin", "a"), refused: []string{"admin"}, became: "Present, refused, unrecorded",
		},
		"who was added goes": {
			want: bindingTo("admin", "a"), got: bindingTo("admin", "a", "mallory"), refused: []string{"admin"},
			calls: []string{patches}, became: "Corrected, done, unrecorded",
		},
		"nobody is added, and who was added goes": {
			want: bindingTo("admin", "a", "b"), got: bindingTo("admin", "a", "mallory"), refused: []string{"admin"},
			calls: []string{patches}, became: "Present, refused, unrecorded",
		},
		"nobody is added": {
			want: bindingTo("admin", "a", "b"), got: bindingTo("admin", "a"), refused: []string{"admin"},
			became: "Present, refused, unrecorded",
		},
		"what binds another role stays": {
			want: bindingTo("admin", "a"), got: bindingTo("view", "a"), refused: []string{"admin"},
			became: "Present, refused, unrecorded",
		},
		"unless somebody made it so": {
			want: bindingTo("admin", "a"), got: bindingTo("view", "a"), refused: []string{"admin"}, tampered: true,
			calls: []string{deletes}, became: "Present, refused",
		},
		"or that must not be bound either": {
			want: bindingTo("admin", "a"), got: bindingTo("edit", "a"), refused: []string{"admin", "edit"},
			calls: []string{deletes}, became: "Present, refused, unrecorded",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, scope := &server{mutate: func(o client.Object) { tc.want.DeepCopyInto(o.(*rbacv1.RoleBinding)) }}, newScope()
			scope.Records = func(*drift.Drift) bool { return tc.tampered }
			e := newEngine(s)
			e.Writer.Live = nobodyManages{}
			e.CheckBinding = func(_ context.Context, b *rbacv1.RoleBinding) error {
				for _, role := range tc.refused {
					if b.RoleRef.Name == role {
						return errors.New("must not be bound")
					}
				}
				return nil
			}
			d := missing(tc.want)
			if tc.got != nil {
				d = between(tc.want, tc.got)
			}
			done, err := e.CorrectAll(t.Context(), scope, []drift.Drift{d})
			if diff := cmp.Diff(tc.calls, s.calls); diff != "" || err != nil {
				t.Errorf("%v, calls (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(tc.became, became(&done.Outcomes[0])); diff != "" {
				t.Errorf("the outcome (-want +got):\n%s", diff)
			}
		})
	}
}
