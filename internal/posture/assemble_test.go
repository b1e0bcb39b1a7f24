package posture

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/apiresources/discover"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

func TestAssemble(t *testing.T) {
	entry := v1alpha1.DriftEntry{
		Object: posturetest.Reference("LimitRange", "bulwark-limits"), Change: v1alpha1.DriftChangeMissing,
		ObservedAt: metav1.NewTime(posturetest.Noon.Add(-time.Hour)), State: v1alpha1.DriftStateCorrected,
	}
	limits := posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent)
	limits.Fields, limits.By.Manager = posturetest.Fields("spec.limits"), "kubectl-edit"
	extra := posturetest.Outcome("bulwark-old", v1alpha1.DriftChangeUnexpected, v1alpha1.DriftStatePresent)
	pruned := posturetest.Outcome("bulwark-old", v1alpha1.DriftChangeUnexpected, v1alpha1.DriftStateCorrected)
	tests := map[string]struct {
		previous *v1alpha1.NamespacePosture
		outcomes []drift.Outcome
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
			outcomes: []drift.Outcome{limits},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Summary = v1alpha1.PostureSummary{Compliant: 1, Drifted: 1}
				SetReady(r, nil, false, posturetest.Noon)
				r.Objects[1].State, r.Objects[1].Message = v1alpha1.ObjectStateDrifted, "Modified"
				r.DriftTotal = 8
				r.Drift = []v1alpha1.DriftEntry{{
					Object: limits.Object, Change: v1alpha1.DriftChangeModified, Manager: "kubectl-edit",
					Fields:     []v1alpha1.FieldDrift{{Path: "spec.limits", Want: "1", Got: "2"}},
					ObservedAt: metav1.NewTime(posturetest.Noon), State: v1alpha1.DriftStatePresent,
				}, entry}
			},
		},
		"drift that is not to be recorded is reported all the same": {
			outcomes: []drift.Outcome{posturetest.Unrecorded(limits)},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Summary = v1alpha1.PostureSummary{Compliant: 1, Drifted: 1}
				SetReady(r, nil, false, posturetest.Noon)
				r.Objects[1].State, r.Objects[1].Message = v1alpha1.ObjectStateDrifted, "Modified"
			},
		},
		"an unexpected object that stays is an object of the report": {
			outcomes: []drift.Outcome{posturetest.Unrecorded(extra)},
			change: func(r *v1alpha1.NamespacePosture) {
				r.Summary = v1alpha1.PostureSummary{Compliant: 2, Drifted: 1}
				SetReady(r, nil, false, posturetest.Noon)
				r.Objects = append(r.Objects, v1alpha1.ManagedObject{
					ObjectReference: extra.Object, State: v1alpha1.ObjectStateDrifted, Message: "Unexpected",
				})
			},
		},
		"an unexpected object that was deleted is not": {
			outcomes: []drift.Outcome{posturetest.Unrecorded(pruned)},
			change:   func(*v1alpha1.NamespacePosture) {},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := posturetest.Report()
			tt.change(want)
			p := aPass()
			p.Memory = MemoryOf(tt.previous)
			got := assemble(p, posturetest.Desired(), tt.outcomes, posturetest.Noon.Add(300*time.Millisecond))
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssembleIsAFixpoint(t *testing.T) {
	modified := posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStateContested)
	modified.Fields, modified.By.Manager = posturetest.Fields("spec.limits"), "kubectl-edit"
	tests := map[string][]drift.Outcome{
		"nothing differs": {},
		"an object stays missing": {
			posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent),
		},
		"an object stays contested": {modified},
		"an object stays in conflict": {
			posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeModified, v1alpha1.DriftStateConflict),
		},
		"an object stays refused": {
			posturetest.Failed(posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent)),
		},
		"an unexpected object stays": {
			posturetest.Outcome("bulwark-old", v1alpha1.DriftChangeUnexpected, v1alpha1.DriftStatePresent),
		},
		"drift that is not recorded": {
			posturetest.Unrecorded(
				posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent),
			),
		},
		"as many drifts as are kept":     missing(v1alpha1.MaxDrift),
		"one drift more than are kept":   missing(v1alpha1.MaxDrift + 1),
		"many more drifts than are kept": missing(3 * v1alpha1.MaxDrift),
	}
	for name, outcomes := range tests {
		t.Run(name, func(t *testing.T) {
			p := aPass()
			first := assemble(p, declared(outcomes), outcomes, posturetest.Noon)
			p.Memory = MemoryOf(first.DeepCopy())
			second := assemble(p, declared(outcomes), outcomes, posturetest.Noon.Add(time.Hour))
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("the second report (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(first, p.Report()); diff != "" {
				t.Errorf("the previous report was changed (-before +after):\n%s", diff)
			}
			if !Same(first, second) {
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
		want    baseline.Object
		outcome drift.Outcome
		state   v1alpha1.ObjectState
		message string
	}{
		"a corrected object is compliant": {
			outcome: drift.Outcome{State: v1alpha1.DriftStateCorrected}, state: v1alpha1.ObjectStateCompliant,
		},
		"a conflict names both ways out": {
			outcome: drift.Outcome{State: v1alpha1.DriftStateConflict},
			state:   v1alpha1.ObjectStateConflict,
			message: "an object of this name exists that Bulwark did not make; delete or rename it, or set spec.adoption to Adopt",
		},
		"a contested object names the manager": {
			outcome: drift.Outcome{
				State: v1alpha1.DriftStateContested,
				By:    drift.Attribution{Manager: "argocd"},
			},
			state:   v1alpha1.ObjectStateDrifted,
			message: "contested by the field manager argocd: corrections wait with a growing delay",
		},
		"a contested object whose manager is not known says so": {
			outcome: drift.Outcome{State: v1alpha1.DriftStateContested}, state: v1alpha1.ObjectStateDrifted,
			message: "contested by an unknown manager: corrections wait with a growing delay",
		},
		"what an audit finds is named by its change": {
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent}, state: v1alpha1.ObjectStateDrifted, message: "Modified",
		},
		"a refused role says how to let it be granted": {
			want:    &rbacv1.Role{},
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: forbidden("escalation")},
			state:   v1alpha1.ObjectStateFailed,
			message: refused + "escalation; remedy: to let profiles grant these rules, label a ClusterRole that holds them " +
				"security.bulwark.dev/aggregate-to-grantable=true",
		},
		"a refused role of what there is not says so, and no more": {
			want: &rbacv1.Role{},
			outcome: drift.Outcome{
				State: v1alpha1.DriftStatePresent,
				Err:   forbidden("escalation"),
				Hint:  "; no such resource: there is no resource pod in the core group; pods?",
			},
			state:   v1alpha1.ObjectStateFailed,
			message: refused + "escalation; no such resource: there is no resource pod in the core group; pods?",
		},
		"a refused binding says how to let it be bound": {
			want: bindingTo(
				"ClusterRole",
				"view",
			),
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: forbidden("escalation")},
			state:   v1alpha1.ObjectStateFailed,
			message: refused + "escalation; remedy: to let profiles bind this role, make sure that it exists, and label " +
				"security.bulwark.dev/aggregate-to-grantable=true a ClusterRole that permits the verb bind on it in " +
				"rbac.authorization.k8s.io",
		},
		"so does a binding to a role that is not there": {
			want: bindingTo(
				"ClusterRole",
				"view",
			),
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: missingRole},
			state:   v1alpha1.ObjectStateFailed,
			message: `clusterroles.rbac.authorization.k8s.io "view" not found; remedy: to let profiles bind this role, make ` +
				"sure that it exists, and label security.bulwark.dev/aggregate-to-grantable=true a ClusterRole that permits " +
				"the verb bind on it in rbac.authorization.k8s.io",
		},
		"a binding to a refused role of ours points to that role": {
			want: bindingTo(
				"Role",
				"bulwark-dev",
			),
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: forbidden("escalation")},
			state:   v1alpha1.ObjectStateFailed,
			message: refused + "escalation; remedy: that of Role bulwark-dev, which this binds",
		},
		"a quota that is used up says so": {
			want:    &corev1.LimitRange{},
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: forbidden("exceeded quota: q")},
			state:   v1alpha1.ObjectStateFailed,
			message: refused + "exceeded quota: q; remedy: raise the quota that counts these objects",
		},
		"any other refusal is in the API server's words": {
			want:    &corev1.LimitRange{},
			outcome: drift.Outcome{State: v1alpha1.DriftStatePresent, Err: errors.New("refused by a webhook")},
			state:   v1alpha1.ObjectStateFailed,
			message: "refused by a webhook",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ref := posturetest.Reference("Any", "bulwark-x")
			tt.outcome.Object, tt.outcome.Change, tt.outcome.Want = ref, v1alpha1.DriftChangeModified, tt.want
			want := v1alpha1.ManagedObject{ObjectReference: ref, State: tt.state, Message: tt.message}
			if diff := cmp.Diff(want, managedObject(ref, []drift.Outcome{tt.outcome})); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongRefusalIsCutAndKeepsItsRemedy(t *testing.T) {
	ref := posturetest.Reference("Role", "bulwark-dev")
	err := apierrors.NewForbidden(
		schema.GroupResource{Resource: "roles"},
		"bulwark-dev",
		errors.New(strings.Repeat("é", 4000)),
	)
	got := managedObject(ref, []drift.Outcome{
		{
			Drift: drift.Drift{
				Object: ref,
				Change: v1alpha1.DriftChangeMissing,
				Want:   &rbacv1.Role{},
			},
			State: v1alpha1.DriftStatePresent,
			Err:   err,
		},
	})
	if n := utf8.RuneCountInString(got.Message); n > 1400 || !utf8.ValidString(got.Message) {
		t.Errorf("want at most the 1400 whole characters that the schema allows, got %d", n)
	}
	if start := `roles "bulwark-dev" is forbidden: é`; !strings.HasPrefix(got.Message, start) {
		t.Errorf("want a message that starts with %q, got %q", start, got.Message)
	}
	if end := "security.bulwark.dev/aggregate-to-grantable=true"; !strings.HasSuffix(got.Message, end) {
		t.Errorf("want a message that ends with the remedy %q, got %q", end, got.Message)
	}
}

func TestALongHintFitsTheReport(t *testing.T) {
	hint := printable.Cut(strings.Repeat("é", 2*discover.MaxHintRunes), discover.MaxHintRunes)
	ref := posturetest.Reference("Role", "bulwark-dev")
	long := apierrors.NewForbidden(
		schema.GroupResource{Resource: "roles"},
		"bulwark-dev",
		errors.New(strings.Repeat("é", 4000)),
	)
	got := managedObject(ref, []drift.Outcome{{
		Drift: drift.Drift{Object: ref, Want: &rbacv1.Role{}}, State: v1alpha1.DriftStatePresent, Err: long, Hint: hint,
	}})
	if n := utf8.RuneCountInString(got.Message); n > 1400 || !strings.HasSuffix(got.Message, hint) {
		t.Errorf(
			"want at most the 1400 characters that the schema allows, with the hint at their end, got %d: %s",
			n,
			got.Message,
		)
	}
}

// TestHistory takes one namespace through several passes, a minute apart.
func TestHistory(t *testing.T) {
	const (
		object = "bulwark-limits"
		closed = "12:00 bulwark-limits Modified Corrected"
	)
	present := posturetest.Outcome(object, v1alpha1.DriftChangeModified, v1alpha1.DriftStatePresent)
	present.Fields = posturetest.Fields("spec.limits")
	contended, corrected, elsewhere := present, present, present
	contended.State, corrected.State = v1alpha1.DriftStateContested, v1alpha1.DriftStateCorrected
	elsewhere.Fields = posturetest.Fields("metadata.labels")
	gone := posturetest.Outcome(object, v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent)
	tests := map[string]struct {
		passes [][]drift.Outcome
		want   []string
		total  int64
	}{
		"drift that stays is the same entry, seen when it was first": {
			passes: [][]drift.Outcome{{present}, {present}, {present}},
			want:   []string{"12:00 bulwark-limits Modified Present"}, total: 1,
		},
		"drift that stays, of which more becomes known, is the same entry": {
			passes: [][]drift.Outcome{{present}, {contended}},
			want:   []string{"12:00 bulwark-limits Modified Contested"}, total: 1,
		},
		"drift that is corrected at last is the same entry": {
			passes: [][]drift.Outcome{{contended}, {corrected}, {}},
			want:   []string{closed}, total: 1,
		},
		"drift that stays is the same entry, though it would not be recorded now": {
			passes: [][]drift.Outcome{{present}, {posturetest.Unrecorded(present)}},
			want:   []string{"12:00 bulwark-limits Modified Present"}, total: 1,
		},
		"drift that is gone is closed": {
			passes: [][]drift.Outcome{{present}, {}},
			want:   []string{closed}, total: 1,
		},
		"drift that comes again is another entry": {
			passes: [][]drift.Outcome{{present}, {}, {present}},
			want:   []string{"12:02 bulwark-limits Modified Present", closed}, total: 2,
		},
		"drift of other fields is another entry, and closes the first": {
			passes: [][]drift.Outcome{{present}, {elsewhere}},
			want:   []string{"12:01 bulwark-limits Modified Present", closed}, total: 2,
		},
		"drift of another kind is another entry, and closes the first": {
			passes: [][]drift.Outcome{{present}, {gone}},
			want:   []string{"12:01 bulwark-limits Missing Present", closed}, total: 2,
		},
		"what is not to be recorded is no entry": {
			passes: [][]drift.Outcome{{posturetest.Unrecorded(present)}, {posturetest.Unrecorded(corrected)}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := aPass()
			for i, outcomes := range tt.passes {
				p.Memory = MemoryOf(
					assemble(p, posturetest.Desired(), outcomes, posturetest.Noon.Add(time.Duration(i)*time.Minute)),
				)
			}
			if diff := cmp.Diff(tt.want, history(p.Report())); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
			if p.Report().DriftTotal != tt.total {
				t.Errorf("driftTotal: want %d, got %d", tt.total, p.Report().DriftTotal)
			}
		})
	}
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	p := aPass()
	var want []string
	for i := range 40 {
		o := posturetest.Outcome("bulwark-limits", v1alpha1.DriftChangeMissing, v1alpha1.DriftStateCorrected)
		p.Memory = MemoryOf(
			assemble(p, posturetest.Desired(), []drift.Outcome{o}, posturetest.Noon.Add(time.Duration(i)*time.Minute)),
		)
		want = append([]string{fmt.Sprintf("12:%02d bulwark-limits Missing Corrected", i)}, want...)
	}
	if diff := cmp.Diff(want[:32], history(p.Report())); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	if p.Report().DriftTotal != 40 {
		t.Errorf("driftTotal: want 40, got %d", p.Report().DriftTotal)
	}
}

func history(report *v1alpha1.NamespacePosture) []string {
	var entries []string
	for _, e := range report.Drift {
		entries = append(entries, fmt.Sprintf("%s %s %s %s", e.ObservedAt.Format("15:04"), e.Object.Name, e.Change, e.State))
	}
	return entries
}

// declared is a baseline that holds whatever the outcomes say should exist.
func declared(outcomes []drift.Outcome) []baseline.Object {
	objects := posturetest.Desired()[:1]
	for _, o := range outcomes {
		if o.Change != v1alpha1.DriftChangeUnexpected {
			objects = append(objects, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: o.Object.Name}})
		}
	}
	return objects
}

func missing(n int) []drift.Outcome {
	var outcomes []drift.Outcome
	for i := range n {
		outcomes = append(
			outcomes,
			posturetest.Outcome(fmt.Sprintf("bulwark-%03d", i), v1alpha1.DriftChangeMissing, v1alpha1.DriftStatePresent),
		)
	}
	return outcomes
}

func aPass() *Pass { return &Pass{Profile: posturetest.Profile(), Namespace: posturetest.Namespace()} }

// assemble is the report on a pass that defers nothing and finds no weaknesses.
func assemble(
	p *Pass, desired []baseline.Object, outcomes []drift.Outcome, now time.Time, disputes ...Dispute,
) *v1alpha1.NamespacePosture {
	return Assemble(p, &Found{Desired: desired, Outcomes: outcomes, Deferred: &Deferrals{}, Disputes: disputes}, now)
}

func bindingTo(kind, name string) baseline.Object {
	return &rbacv1.RoleBinding{RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}}
}
