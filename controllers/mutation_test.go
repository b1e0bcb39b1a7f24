package controllers

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

func TestMutationsAreTriedEverMoreSeldom(t *testing.T) {
	key := mutated{"shop", reference("Role", "bulwark-dev")}
	m := newMutations(DefaultContest)
	fields := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "b"}}
	other := []drift.Field{{Path: []string{"rules"}, Want: "a", Got: "c"}}
	if _, known := m.wait(key, fields, noon); known {
		t.Error("nothing was written yet")
	}
	now := noon
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		if got := m.note(key, fields, now); got != want*time.Second {
			t.Errorf("after one more try: want %s, got %s", want*time.Second, got)
		}
		if got, known := m.wait(key, fields, now.Add(time.Second)); !known || got != (want-1)*time.Second {
			t.Errorf("a second later: want %s, got %s, %t", (want-1)*time.Second, got, known)
		}
		now = now.Add(want * time.Second)
	}
	for sentence, tc := range map[string]struct {
		fields []drift.Field
		at     time.Time
		known  bool
	}{
		"what differs otherwise is somebody's doing":   {fields: other, at: noon},
		"a clock that is set back makes it tried once": {fields: fields, at: noon.Add(-time.Hour), known: true},
	} {
		if got, known := m.wait(key, tc.fields, tc.at); got != 0 || known != tc.known {
			t.Errorf("%s: got %s, %t", sentence, got, known)
		}
	}
	m.forget(key)
	if _, known := m.wait(key, fields, now); known || len(m.of) > 0 {
		t.Error("it is forgotten")
	}
}

func TestWhatSomebodyDeletesMeanwhileIsNotChangedByAdmission(t *testing.T) {
	want := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-dev"}}
	for sentence, tc := range map[string]struct {
		answer func(*rbacv1.Role)
		state  v1alpha1.DriftState
	}{
		"it is as it was written":       {func(*rbacv1.Role) {}, v1alpha1.Corrected},
		"a finalizer holds a deletion":  {func(o *rbacv1.Role) { o.DeletionTimestamp = &metav1.Time{Time: noon} }, v1alpha1.Corrected},
		"admission has changed a field": {func(o *rbacv1.Role) { o.Rules = []rbacv1.PolicyRule{{Verbs: []string{"get"}}} }, v1alpha1.Present},
	} {
		r := &NamespaceReconciler{Clock: testingclock.NewFakePassiveClock(noon), contests: newContests(DefaultContest), mutations: newMutations(DefaultContest), restored: newMutations(DefaultContest)}
		o := &drift.Outcome{Drift: *changed(baseline.Reference(want), "rules"), State: v1alpha1.Corrected, Recorded: true}
		o.Want = want
		answer := want.DeepCopy()
		tc.answer(answer)
		r.conclude(&pass{namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}, o, answer)
		if o.State != tc.state || len(o.Mutated) > 0 != (tc.state == v1alpha1.Present) {
			t.Errorf("%s: got %s, changed by admission: %v", sentence, o.State, o.Mutated)
		}
	}
}

func TestWhatIsDampedIsComeBackFor(t *testing.T) {
	for sentence, tc := range map[string]struct {
		waits  []time.Duration
		result time.Duration
		want   time.Duration
	}{
		"nothing waits":                   {result: time.Minute, want: time.Minute},
		"nothing else is to be looked at": {waits: []time.Duration{3, 2, 4}, want: 2},
		"something else comes sooner":     {waits: []time.Duration{3}, result: 1, want: 1},
		"what waits comes sooner":         {waits: []time.Duration{3}, result: time.Minute, want: 3},
	} {
		d := newDamping()
		for _, wait := range tc.waits {
			d.note("shop", wait)
		}
		if got := d.soonest("shop", reconcile.Result{RequeueAfter: tc.result}).RequeueAfter; got != tc.want {
			t.Errorf("%s: want %s, got %s", sentence, tc.want, got)
		}
		if got := d.soonest("shop", reconcile.Result{}).RequeueAfter; got != 0 {
			t.Errorf("%s: it is noted still: %s", sentence, got)
		}
	}
}
