package correction

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
)

const policyKind = "ValidatingAdmissionPolicy"

// became is what is told of an outcome.
func became(o *drift.Outcome) string {
	told := string(o.State)
	for _, also := range []struct {
		is   bool
		said string
	}{
		{o.Done, "done"}, {o.Err != nil, "refused"}, {!o.Recorded, "unrecorded"},
		{len(o.Mutated) > 0, "changed by admission"}, {o.Standing != "", "put back"},
	} {
		if also.is {
			told += ", " + also.said
		}
	}
	if o.Wait > 0 {
		told += ", waits " + o.Wait.String()
	}
	return told
}

// Each case is a row of the table above resolve.
func TestWhatTheAnswerToACorrectionMeans(t *testing.T) {
	there := map[string]baseline.Object{
		"Role bulwark-dev": kinded("Role", "bulwark-dev"),
		policyKind + " a":  kinded(policyKind, "a"),
	}
	for sentence, tc := range map[string]struct {
		scope  *Scope
		drift  drift.Drift
		verb   string
		answer error
		want   string // of the outcome; none if there is none
		again  bool   // whether another pass is to try again
	}{
		"it takes what is made": {
			scope: newScope(), drift: missing(kinded("Role", "bulwark-dev")), want: "Corrected, done",
		},
		"what is to be made is there, as declared": {
			scope: newScope(), drift: missing(kinded("Role", "bulwark-dev")), verb: "create", answer: errThere,
		},
		"so is a policy": {
			scope: policyScope(), drift: missing(kinded(policyKind, "a")), verb: "create", answer: errThere,
		},
		"what is to be made is gone again": {
			scope: newScope(), drift: missing(kinded("Role", "bulwark-other")), verb: "create", answer: errThere, again: true,
		},
		"what is to go is gone": {
			scope: newScope(), drift: unexpected(kinded("Role", "bulwark-dev")), verb: "delete", answer: errGone,
		},
		"a policy that is to go is gone": {
			scope: policyScope(), drift: unexpected(kinded(policyKind, "a")), verb: "delete", answer: errGone,
			want: "Corrected, done",
		},
		"somebody was faster": {
			scope: newScope(), drift: modified(kinded("Role", "bulwark-dev"), "rules"), verb: "patch", answer: errOvertaken,
			want: "Present", again: true,
		},
		"somebody was faster with a policy": {
			scope: policyScope(), drift: modified(kinded(policyKind, "a"), "spec"), verb: "patch", answer: errOvertaken,
			want: "Present", again: true,
		},
		"it is busy, which is told of a namespace": {
			scope: newScope(), drift: modified(kinded("Role", "bulwark-dev"), "rules"), verb: "patch", answer: errBusy,
			want: "Present, refused",
		},
		"it is busy, which says nothing of a policy": {
			scope: policyScope(), drift: modified(kinded(policyKind, "a"), "spec"), verb: "patch", answer: errBusy,
			want: "Present", again: true,
		},
		"it refuses what differs": {
			scope: newScope(), drift: modified(kinded("Role", "bulwark-dev"), "rules"), verb: "patch", answer: errRefused,
			want: "Present, refused",
		},
		"it refuses a policy": {
			scope: policyScope(), drift: missing(kinded(policyKind, "a")), verb: "create", answer: errRefused,
			want: "Present, refused",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := &server{answers: map[string][]error{tc.verb: {tc.answer}}, there: there}
			done, err := newEngine(s).CorrectAll(t.Context(), tc.scope, []drift.Drift{tc.drift})
			got := ""
			if len(done.Outcomes) > 0 {
				got = became(&done.Outcomes[0])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != tc.again {
				t.Errorf("the error is %v, the outcome (-want +got):\n%s", err, diff)
			}
			if refused := done.Refused(); (refused != nil) != (tc.want == "Present, refused") {
				t.Errorf("refused: %v", refused)
			}
		})
	}
}

func TestATerminatingNamespaceEndsThePass(t *testing.T) {
	s := &server{answers: map[string][]error{"create": {nil, errGoing}}}
	done, err := newEngine(s).CorrectAll(t.Context(), newScope(), []drift.Drift{
		missing(kinded("Role", "a")), missing(kinded("Role", "b")), missing(kinded("Role", "c")),
	})
	if !errors.Is(err, ErrTerminating) || len(done.Outcomes) != 2 || len(s.calls) != 2 {
		t.Errorf("%v after %v, with %d outcomes", err, s.calls, len(done.Outcomes))
	}
}

func TestARefusalKeepsNoOtherObjectOut(t *testing.T) {
	s := &server{answers: map[string][]error{"create": {errRefused, errOvertaken}}}
	_, err := newEngine(s).CorrectAll(t.Context(), newScope(), []drift.Drift{
		missing(
			kinded("Role", "a"),
		),
		missing(kinded("Role", "b")),
		missing(kinded("Role", "c")),
		unexpected(kinded("Role", "d")),
	})
	want := []string{"create Role a", "create Role b", "create Role c", "delete Role d"}
	if diff := cmp.Diff(want, s.calls); diff != "" || err == nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// Each case is a row of the table above decide.
func TestWhatIsDecidedOnADrift(t *testing.T) {
	role := kinded("Role", "bulwark-dev")
	foreign := modified(role)
	foreign.Foreign = true
	replaced := modified(kinded("RoleBinding", "bulwark-dev"), "roleRef")
	adopting := &v1alpha1.SecurityProfile{Spec: v1alpha1.SecurityProfileSpec{Adoption: v1alpha1.AdoptionAdopt}}
	contested := func(e *Engine, d drift.Drift) {
		for range 3 {
			e.Contests.Corrected("shop", &d, "argocd", noon)
			e.Contests.Corrected("", &d, "argocd", noon)
		}
	}
	reported := func(message string) posture.Memory {
		return posture.MemoryOf(&v1alpha1.NamespacePosture{Objects: []v1alpha1.ManagedObject{
			{ObjectReference: baseline.Reference(role), Message: message},
			{ObjectReference: replaced.Object, Message: message},
		}})
	}
	with := func(change func(*Scope)) *Scope {
		s := newScope()
		change(s)
		return s
	}
	for sentence, tc := range map[string]struct {
		scope *Scope
		drift drift.Drift
		known func(*Engine, drift.Drift)
		want  string
	}{
		"tampering is corrected":                 {scope: newScope(), drift: modified(role, "rules"), want: "Corrected"},
		"an unmanaged object is left alone":      {scope: newScope(), drift: foreign, want: "Conflict"},
		"also under Audit":                       {scope: with(func(s *Scope) { s.Audits = true }), drift: foreign, want: "Conflict"},
		"unless the profile adopts it":           {scope: with(func(s *Scope) { s.Profile = adopting }), drift: foreign, want: "Corrected"},
		"Audit corrects nothing":                 {scope: with(func(s *Scope) { s.Audits = true }), drift: modified(role, "rules"), want: "Present"},
		"what is contested waits":                {scope: newScope(), drift: modified(role, "rules"), known: contested, want: "Contested, waits 2s"},
		"but not for the roll-out of a change":   {scope: with(func(s *Scope) { s.Waits = func(*drift.Outcome) bool { return false } }), drift: modified(role, "rules"), known: contested, want: "Corrected"},
		"the removal of a contested object, too": {scope: newScope(), drift: unexpected(role), known: contested, want: "Contested, waits 2s"},
		"a contested policy waits":               {scope: policyScope(), drift: modified(kinded(policyKind, "a"), "spec"), known: contested, want: "Contested, waits 2s"},
		"its removal does not":                   {scope: policyScope(), drift: unexpected(kinded(policyKind, "a")), known: contested, want: "Corrected"},
		"what admission undoes waits": {
			scope: newScope(), drift: modified(role, "rules"),
			known: func(e *Engine, d drift.Drift) { e.Mutations.Note("shop", d.Object, d.Fields, noon) },
			want:  "Present, unrecorded, changed by admission, waits 2s",
		},
		"and is tried again once it is time": {
			scope: newScope(), drift: modified(role, "rules"),
			known: func(e *Engine, d drift.Drift) { e.Mutations.Note("shop", d.Object, d.Fields, noon.Add(-time.Minute)) },
			want:  "Corrected, unrecorded",
		},
		"after a restart the report tells that admission undid it": {
			scope: with(func(s *Scope) { s.Memory = reported(posture.ChangedByAdmission) }),
			drift: modified(role, "rules"), want: "Corrected, unrecorded",
		},
		"what was put back waits": {
			scope: newScope(), drift: replaced,
			known: func(e *Engine, d drift.Drift) { e.PutBack.Note("shop", d.Object, d.Fields, noon) },
			want:  "Present, unrecorded, put back, waits 2s",
		},
		"after a restart the report tells that it was": {
			scope: with(func(s *Scope) { s.Memory = reported(wasPutBack + "no") }), drift: replaced,
			want: "Present, unrecorded, put back, waits 2s",
		},
		"but not a report of another generation": {
			scope: with(func(s *Scope) { s.Memory, s.Current = reported(wasPutBack+"no"), false }), drift: replaced,
			want: "Corrected",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := newEngine(&server{})
			if tc.known != nil {
				tc.known(e, tc.drift)
			}
			o := &drift.Outcome{Drift: tc.drift, Recorded: true}
			o.State = e.decide(tc.scope, o)
			if diff := cmp.Diff(tc.want, became(o)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestABindingIsKeptOutWhileItsPolicyIsUnmanaged(t *testing.T) {
	bindingOf := func(policy string) baseline.Object {
		return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: kinded("ValidatingAdmissionPolicyBinding", policy).(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).ObjectMeta,
			Spec:       admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy},
		}
	}
	unmanaged := modified(kinded(policyKind, "a"))
	unmanaged.Foreign = true
	s := &server{}
	done, err := newEngine(s).CorrectAll(t.Context(), policyScope(), []drift.Drift{
		unmanaged, missing(kinded(policyKind, "b")), missing(bindingOf("a")), missing(bindingOf("b")),
	})
	want := []string{"create ValidatingAdmissionPolicy b", "create ValidatingAdmissionPolicyBinding b"}
	if diff := cmp.Diff(want, s.calls); err != nil || diff != "" || len(done.Outcomes) != 3 {
		t.Errorf("%v, %d outcomes (-want +got):\n%s", err, len(done.Outcomes), diff)
	}
}

// No admission changes what judges requests; what differs in it, somebody has changed since.
func TestNoAdmissionChangesAPolicy(t *testing.T) {
	s := &server{mutate: func(o client.Object) { o.SetLabels(map[string]string{v1alpha1.ProfileLabel: "other"}) }}
	policy := kinded(policyKind, "a")
	policy.SetLabels(map[string]string{v1alpha1.ProfileLabel: "strict"})
	done, err := newEngine(s).CorrectAll(t.Context(), policyScope(), []drift.Drift{missing(policy)})
	if err != nil || became(&done.Outcomes[0]) != "Corrected, done" {
		t.Errorf("%v, %v", err, done.Outcomes)
	}
	role := &rbacv1.Role{}
	role.SetName("bulwark-dev")
	role.SetLabels(policy.GetLabels())
	done, err = newEngine(s).CorrectAll(t.Context(), newScope(), []drift.Drift{missing(role)})
	if err != nil || became(&done.Outcomes[0]) != "Present, done, changed by admission, waits 2s" {
		t.Errorf("%v, %s", err, became(&done.Outcomes[0]))
	}
}

func TestTheThirdCorrectionOfTheSameIsContested(t *testing.T) {
	for sentence, tc := range map[string]struct {
		scope *Scope
		drift drift.Drift
		want  []string
	}{
		"of what differs":                 {newScope(), modified(kinded("Role", "bulwark-dev"), "rules"), []string{"Corrected, done", "Corrected, done", "Contested, done", "Contested, waits 2s"}},
		"of what should not be there":     {newScope(), unexpected(kinded("Role", "copied")), []string{"Corrected, done", "Corrected, done", "Contested, done", "Contested, waits 2s"}},
		"of a policy":                     {policyScope(), modified(kinded(policyKind, "a"), "spec"), []string{"Corrected, done", "Corrected, done", "Contested, done", "Contested, waits 2s"}},
		"but not of an unexpected policy": {policyScope(), unexpected(kinded(policyKind, "a")), []string{"Corrected, done", "Corrected, done", "Corrected, done", "Corrected, done"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			e := newEngine(&server{})
			var got []string
			for range 4 {
				done, err := e.CorrectAll(t.Context(), tc.scope, []drift.Drift{tc.drift})
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, became(&done.Outcomes[0]))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			every := func(v1alpha1.ObjectReference) bool { return true }
			if standing := e.Standing(tc.scope.Namespace, every, nil); (len(standing) == 0) != (got[3] == "Corrected, done") {
				t.Errorf("contests: %v", standing)
			}
			e.Forget(tc.scope.Namespace)
			if e.Contests.Wait(tc.scope.Namespace, &tc.drift, noon) > 0 {
				t.Error("a contest is remembered of a namespace that is gone")
			}
		})
	}
}
