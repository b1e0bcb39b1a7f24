package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestAssemble(t *testing.T) {
	entry := v1alpha1.DriftEntry{
		Namespace: "shop", Object: reference("LimitRange", "bulwark-limits"), Change: v1alpha1.Missing,
		ObservedAt: metav1.NewTime(noon.Add(-time.Hour)), State: v1alpha1.Corrected,
	}
	limits := outcomeOf("bulwark-limits", v1alpha1.Missing, v1alpha1.Present)
	extra := outcomeOf("bulwark-old", v1alpha1.Unexpected, v1alpha1.Present)
	pruned := outcomeOf("bulwark-old", v1alpha1.Unexpected, v1alpha1.Corrected)
	tests := map[string]struct {
		previous *v1alpha1.NamespacePosture
		outcomes []outcome
		change   func(*v1alpha1.NamespacePosture)
	}{
		"without drift all is compliant": {
			change: func(*v1alpha1.NamespacePosture) {},
		},
		"history stays": {
			previous: &v1alpha1.NamespacePosture{DriftTotal: 7, Drift: []v1alpha1.DriftEntry{entry}},
			change: func(r *v1alpha1.NamespacePosture) {
				r.DriftTotal, r.Drift = 7, []v1alpha1.DriftEntry{entry}
			},
		},
		"an object that differs is counted, recorded and named": {
			previous: &v1alpha1.NamespacePosture{DriftTotal: 7, Drift: []v1alpha1.DriftEntry{entry}},
			outcomes: []outcome{limits},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Ready = false
				r.Summary = v1alpha1.PostureSummary{Compliant: 1, Drifted: 1}
				r.Objects[1].State, r.Objects[1].Message = v1alpha1.ObjectDrifted, "Missing"
				r.DriftTotal = 8
				r.Drift = []v1alpha1.DriftEntry{{
					Namespace: "shop", Object: limits.Object, Change: v1alpha1.Missing,
					ObservedAt: metav1.NewTime(noon), State: v1alpha1.Present,
				}, entry}
			},
		},
		"drift that is not to be recorded is reported all the same": {
			outcomes: []outcome{unrecorded(limits)},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Ready = false
				r.Summary = v1alpha1.PostureSummary{Compliant: 1, Drifted: 1}
				r.Objects[1].State, r.Objects[1].Message = v1alpha1.ObjectDrifted, "Missing"
			},
		},
		"an unexpected object that stays is an object of the report": {
			outcomes: []outcome{unrecorded(extra)},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Ready = false
				r.Summary = v1alpha1.PostureSummary{Compliant: 2, Drifted: 1}
				r.Objects = append(r.Objects, v1alpha1.ManagedObject{
					ObjectReference: extra.Object, State: v1alpha1.ObjectDrifted, Message: "Unexpected",
				})
			},
		},
		"an unexpected object that was deleted is not": {
			outcomes: []outcome{unrecorded(pruned)},
			change:   func(*v1alpha1.NamespacePosture) {},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := compliantReport()
			tt.change(want)
			p := aPass()
			p.previous = tt.previous
			got := assemble(p, desired(), tt.outcomes, noon.Add(300*time.Millisecond))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssembleIsAFixpoint(t *testing.T) {
	modified := outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Contested)
	modified.Fields, modified.manager = fields("spec.limits"), "kubectl-edit"
	tests := map[string][]outcome{
		"nothing differs":                {},
		"an object stays missing":        {outcomeOf("bulwark-limits", v1alpha1.Missing, v1alpha1.Present)},
		"an object stays contested":      {modified},
		"an object stays in conflict":    {outcomeOf("bulwark-limits", v1alpha1.Modified, v1alpha1.Conflict)},
		"an object stays refused":        {failed(outcomeOf("bulwark-limits", v1alpha1.Missing, v1alpha1.Present))},
		"an unexpected object stays":     {outcomeOf("bulwark-old", v1alpha1.Unexpected, v1alpha1.Present)},
		"drift that is not recorded":     {unrecorded(outcomeOf("bulwark-limits", v1alpha1.Missing, v1alpha1.Present))},
		"as many drifts as are kept":     missing(v1alpha1.MaxDrift),
		"one drift more than are kept":   missing(v1alpha1.MaxDrift + 1),
		"many more drifts than are kept": missing(3 * v1alpha1.MaxDrift),
	}
	for name, outcomes := range tests {
		t.Run(name, func(t *testing.T) {
			p := aPass()
			first := assemble(p, desired(), outcomes, noon)
			p.previous = first.DeepCopy()
			second := assemble(p, desired(), outcomes, noon.Add(time.Hour))
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("the second report (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(first, p.previous); diff != "" {
				t.Errorf("the previous report was changed (-before +after):\n%s", diff)
			}
			if !sameReport(first, second) {
				t.Error("the second report would be written")
			}
		})
	}
}

func TestManagedObjectMessages(t *testing.T) {
	forbidden := func(message string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "bulwark-x", errors.New(message))
	}
	missingRole := apierrors.NewNotFound(schema.GroupResource{Group: rbacv1.GroupName, Resource: "clusterroles"}, "view")
	const refused = `things "bulwark-x" is forbidden: `
	tests := map[string]struct {
		kind    string
		outcome outcome
		state   v1alpha1.ObjectState
		message string
	}{
		"a corrected object is compliant": {
			outcome: outcome{state: v1alpha1.Corrected}, state: v1alpha1.ObjectCompliant,
		},
		"a conflict names both ways out": {
			outcome: outcome{state: v1alpha1.Conflict}, state: v1alpha1.ObjectConflict,
			message: "an object of this name exists that Bulwark did not make; delete or rename it, or set spec.adoption to Adopt",
		},
		"a contested object names the manager": {
			outcome: outcome{state: v1alpha1.Contested, manager: "argocd"}, state: v1alpha1.ObjectDrifted,
			message: "contested by the field manager argocd: corrections wait with a growing delay",
		},
		"a contested object whose manager is not known says so": {
			outcome: outcome{state: v1alpha1.Contested}, state: v1alpha1.ObjectDrifted,
			message: "contested by an unknown manager: corrections wait with a growing delay",
		},
		"what an audit finds is named by its change": {
			outcome: outcome{state: v1alpha1.Present}, state: v1alpha1.ObjectDrifted, message: "Modified",
		},
		"a refused role says how to let it be granted": {
			kind: "Role", outcome: outcome{state: v1alpha1.Present, err: forbidden("escalation")}, state: v1alpha1.ObjectFailed,
			message: refused + "escalation; remedy: to let profiles grant these rules, label a ClusterRole that holds them " +
				"security.bulwark.dev/aggregate-to-grantable=true",
		},
		"a refused binding says how to let it be bound": {
			kind: "RoleBinding", outcome: outcome{state: v1alpha1.Present, err: forbidden("escalation")}, state: v1alpha1.ObjectFailed,
			message: refused + "escalation; remedy: to let profiles bind this role, make sure that it exists, and label " +
				"security.bulwark.dev/aggregate-to-grantable=true a ClusterRole that permits the verb bind on it in " +
				"rbac.authorization.k8s.io",
		},
		"so does a binding to a role that is not there": {
			kind: "RoleBinding", outcome: outcome{state: v1alpha1.Present, err: missingRole}, state: v1alpha1.ObjectFailed,
			message: `clusterroles.rbac.authorization.k8s.io "view" not found; remedy: to let profiles bind this role, make ` +
				"sure that it exists, and label security.bulwark.dev/aggregate-to-grantable=true a ClusterRole that permits " +
				"the verb bind on it in rbac.authorization.k8s.io",
		},
		"a quota that is used up says so": {
			kind: "LimitRange", outcome: outcome{state: v1alpha1.Present, err: forbidden("exceeded quota: q")},
			state: v1alpha1.ObjectFailed, message: refused + "exceeded quota: q; remedy: raise the quota that counts these objects",
		},
		"any other refusal is in the API server's words": {
			kind: "LimitRange", outcome: outcome{state: v1alpha1.Present, err: errors.New("refused by a webhook")},
			state: v1alpha1.ObjectFailed, message: "refused by a webhook",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ref := reference(tt.kind, "bulwark-x")
			tt.outcome.Object, tt.outcome.Change = ref, v1alpha1.Modified
			want := v1alpha1.ManagedObject{ObjectReference: ref, State: tt.state, Message: tt.message}
			if diff := cmp.Diff(want, managedObject(ref, []outcome{tt.outcome})); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongRefusalIsCutAndKeepsItsRemedy(t *testing.T) {
	ref := reference("Role", "bulwark-dev")
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "roles"}, "bulwark-dev", errors.New(strings.Repeat("é", 4000)))
	got := managedObject(ref, []outcome{{
		Drift: drift.Drift{Object: ref, Change: v1alpha1.Missing}, state: v1alpha1.Present, err: err,
	}})
	if n := utf8.RuneCountInString(got.Message); n > 1100 {
		t.Errorf("the message has %d characters, and its schema allows 1100", n)
	}
	if !utf8.ValidString(got.Message) {
		t.Error("the message was cut within a character")
	}
	if start := `roles "bulwark-dev" is forbidden: é`; !strings.HasPrefix(got.Message, start) {
		t.Errorf("want a message that starts with %q, got %q", start, got.Message)
	}
	if end := "security.bulwark.dev/aggregate-to-grantable=true"; !strings.HasSuffix(got.Message, end) {
		t.Errorf("want a message that ends with the remedy %q, got %q", end, got.Message)
	}
}

// desired is a baseline of two objects.
func desired() []baseline.Object {
	return []baseline.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-limits"}},
	}
}

func aPass() *pass {
	return &pass{
		profile: &v1alpha1.SecurityProfile{
			ObjectMeta: metav1.ObjectMeta{Name: "strict", UID: "uid-1", Generation: 4, Labels: map[string]string{"team": "a"}},
		},
		namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
	}
}

// compliantReport is the report on a pass that found the desired objects as they should be.
func compliantReport() *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "posture",
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "bulwark", "security.bulwark.dev/profile": "strict",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "security.bulwark.dev/v1alpha1", Kind: "SecurityProfile", Name: "strict", UID: "uid-1",
				Controller: ptr.To(true),
			}},
		},
		Profile: "strict", ProfileGeneration: 4, Enforcement: v1alpha1.Enforce, Ready: true,
		Summary: v1alpha1.PostureSummary{Compliant: 2},
		Objects: []v1alpha1.ManagedObject{
			{ObjectReference: reference("Namespace", "shop"), State: v1alpha1.ObjectCompliant},
			{ObjectReference: reference("LimitRange", "bulwark-limits"), State: v1alpha1.ObjectCompliant},
		},
		Drift: []v1alpha1.DriftEntry{},
	}
}

// outcomeOf is a drift of a LimitRange that is to be recorded.
func outcomeOf(name string, change v1alpha1.DriftChange, state v1alpha1.DriftState) outcome {
	return outcome{
		Drift: drift.Drift{Object: reference("LimitRange", name), Change: change}, state: state, recorded: true,
	}
}

func unrecorded(o outcome) outcome {
	o.recorded = false
	return o
}

func failed(o outcome) outcome {
	o.err = errors.New("refused by a webhook")
	return o
}

func missing(n int) []outcome {
	var outcomes []outcome
	for i := range n {
		outcomes = append(outcomes, outcomeOf(fmt.Sprintf("bulwark-%03d", i), v1alpha1.Missing, v1alpha1.Present))
	}
	return outcomes
}

func fields(path string) []drift.Field {
	return []drift.Field{{Path: strings.Split(path, "."), Want: "1", Got: "2"}}
}
