package posture

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// FuzzAssemble takes one namespace through several passes that find and do whatever may be, from
// whatever report there was.
func FuzzAssemble(f *testing.F) {
	admitted, err := schemaOf("namespacepostures")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := choose.By(data)
		p := aPass()
		p.Memory = MemoryOf(someReport(c))
		for i := range 1 + c.Below(4) {
			p.Profile.Generation += int64(c.Below(2))
			p.Profile.Spec.Enforcement = choose.Of(c, "", v1alpha1.EnforcementEnforce, v1alpha1.EnforcementAudit)
			wanted, outcomes := somePass(c, p)
			now := posturetest.Noon.Add(time.Duration(i)*time.Hour + 300*time.Millisecond)
			report := assemble(p, wanted, outcomes, now)
			if said, err := refusals(admitted, report); err != nil || len(said) > 0 {
				t.Fatalf("the API server refuses the report: %v %v", err, said)
			}
			checkTotals(t, p.Report(), report, len(wanted))
			p.Memory = MemoryOf(asStored(t, report))
			checkLasts(t, p, wanted, outcomes, now)
		}
	})
}

// asStored is the report as the API server gives it back.
func asStored(t *testing.T, report *v1alpha1.NamespacePosture) *v1alpha1.NamespacePosture {
	data, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	stored := &v1alpha1.NamespacePosture{}
	if err := json.Unmarshal(data, stored); err != nil {
		t.Fatal(err)
	}
	if !Same(report, stored) {
		t.Fatalf("the report is not stored as it is (-report +stored):\n%s", cmp.Diff(report, stored))
	}
	return stored
}

// checkTotals checks that a report's counts are those of what it holds, and that its total only
// grows.
func checkTotals(t *testing.T, previous, report *v1alpha1.NamespacePosture, wanted int) {
	s := report.Summary
	if total := int(
		s.Compliant + s.Drifted + s.Conflicted + s.Failed,
	); min(
		total,
		v1alpha1.MaxObjects,
	) != len(
		report.Objects,
	) {
		t.Errorf("%d objects are counted, and %d listed", total, len(report.Objects))
	}
	var copies int32 // What is made again and again beyond the baseline takes nothing of it away.
	if len(report.Objects) < v1alpha1.MaxObjects {
		copies = contestedAmong(report.Objects[wanted:])
	}
	if len(report.Objects) < v1alpha1.MaxObjects && report.IsReady() != (s.Drifted+s.Conflicted+s.Failed-copies == 0) {
		t.Errorf("ready: %t, with %+v of which %d are beyond the baseline", report.IsReady(), s, copies)
	}
	var before int64
	if previous != nil {
		before = previous.DriftTotal
	}
	if report.DriftTotal < before || report.DriftTotal < int64(len(report.Drift)) {
		t.Errorf("a total of %d after %d, with %d held", report.DriftTotal, before, len(report.Drift))
	}
}

// checkLasts checks that a pass which finds what the last one left writes nothing new.
func checkLasts(t *testing.T, p *Pass, wanted []baseline.Object, outcomes []drift.Outcome, now time.Time) {
	lasting := slices.DeleteFunc(
		slices.Clone(outcomes),
		func(o drift.Outcome) bool { return o.State == v1alpha1.DriftStateCorrected },
	)
	again := assemble(p, wanted, lasting, now.Add(time.Minute))
	if !Same(p.Report(), again) {
		t.Fatalf("what lasts is written again (-previous +again):\n%s", cmp.Diff(p.Report(), again))
	}
	// The next passes judge anew what belongs in the history, and come to rest.
	var reports []*v1alpha1.NamespacePosture
	q := *p
	for i := range 3 {
		for j := range lasting {
			lasting[j].Recorded = q.Records(&lasting[j].Drift, nil)
		}
		q.Memory = MemoryOf(assemble(&q, wanted, lasting, now.Add(time.Duration(2+i)*time.Minute)))
		reports = append(reports, q.Report())
	}
	if !Same(reports[1], reports[2]) {
		t.Fatalf("what lasts is written without end (-second +third):\n%s", cmp.Diff(reports[1], reports[2]))
	}
}

// seeds are for choices to be made by.
func seeds() [][]byte {
	var out [][]byte
	for seed := range byte(16) {
		data := make([]byte, 512)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // It never fails.
		out = append(out, data)
	}
	return out
}

var (
	managers = []string{"", "kubectl-edit", strings.Repeat("é", 64), strings.Repeat("m", 128)}
	refusing = []error{
		nil, errors.New("refused by a webhook"), errors.New(strings.Repeat("é", 2000)), errors.New("\xff"),
		apierrors.NewForbidden(schema.GroupResource{Resource: "roles"}, "x", errors.New(strings.Repeat("long ", 500))),
		apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "x", errors.New("exceeded quota: q")),
		apierrors.NewNotFound(schema.GroupResource{Group: rbacv1.GroupName, Resource: "clusterroles"}, "view"),
	}
	differing = [][]drift.Field{
		posturetest.Fields(
			"spec.limits",
		),
		{{Path: []string{"metadata", "annotations", strings.Repeat("a", 317)}, Got: strings.Repeat("é", 400)}},
		slices.Repeat(posturetest.Fields("spec.hard"), 40),
		{{Path: []string{"rules"}, Want: `"\u0000<>&"`, Got: "\u2028"}},
	}
)

// somePass is what a namespace shall hold, and what a pass over it found and did.
func somePass(c *choose.Source, p *Pass) ([]baseline.Object, []drift.Outcome) {
	wanted := []baseline.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}}
	for i := range choose.Of(c, 0, 1, 3, 40) {
		meta := metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("bulwark-", i)}
		wanted = append(wanted, []baseline.Object{
			&corev1.LimitRange{ObjectMeta: meta}, &rbacv1.Role{ObjectMeta: meta},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "Role", Name: strings.Repeat("b", 63)}},
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "view"}},
		}[i%4])
	}
	var outcomes []drift.Outcome
	for _, want := range wanted {
		change := choose.Of(c, "", v1alpha1.DriftChangeMissing, v1alpha1.DriftChangeModified)
		if change != "" {
			outcomes = append(
				outcomes,
				someOutcome(c, p, drift.Drift{Object: baseline.Reference(want), Change: change, Want: want}),
			)
		}
	}
	for i := range choose.Of(c, 0, 1, 2, 3, 4, 5, 33, 0, 1, 2, 3, 4, 5, 6, 7, 520) {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i) + strings.Repeat("é", 250*(i%2)) + "\xff"}}
		d := drift.Drift{Object: baseline.Reference(role), Change: v1alpha1.DriftChangeUnexpected, Got: role}
		if i < 4 {
			outcomes = append(outcomes, someOutcome(c, p, d))
			continue
		}
		o := outcomes[len(outcomes)-4] // More of the same: what is drawn is not without end.
		o.Drift, o.Recorded = d, p.Records(&d, nil)
		outcomes = append(outcomes, o)
	}
	return wanted, outcomes
}

// someOutcome is one that a correction can come to.
func someOutcome(c *choose.Source, p *Pass, d drift.Drift) drift.Outcome {
	if d.Change == v1alpha1.DriftChangeModified {
		d.Fields = choose.Of(c, differing...)
		d.Foreign = d.Object.Kind != "Namespace" && c.Bool()
	}
	o := drift.Outcome{
		Drift:    d,
		Recorded: p.Records(&d, nil),
		By:       drift.Attribution{Manager: choose.Of(c, managers...)},
		State:    v1alpha1.DriftStateCorrected,
	}
	contested := p.Current() && c.Bool()
	switch {
	case d.Foreign && !p.Profile.Adopts():
		o.State = v1alpha1.DriftStateConflict
	case p.Audits():
		o.State = v1alpha1.DriftStatePresent
	case contested:
		o.State = v1alpha1.DriftStateContested
	default:
		if o.Err = choose.Of(c, refusing...); o.Err != nil {
			o.State = v1alpha1.DriftStatePresent
		}
	}
	return o
}

// someReport is one that the API server may hold; nil is none yet.
func someReport(c *choose.Source) *v1alpha1.NamespacePosture {
	if c.Bool() {
		return nil
	}
	report := posturetest.Report()
	report.Profile = choose.Of(c, "strict", "other")
	report.ProfileGeneration = int64(3 + c.Below(3))
	report.Enforcement = choose.Of(c, v1alpha1.EnforcementEnforce, v1alpha1.EnforcementAudit)
	for i := range choose.Of(c, 0, 1, 32) {
		report.Drift = append(report.Drift, v1alpha1.DriftEntry{
			Namespace:  "shop",
			Object:     posturetest.Reference("LimitRange", fmt.Sprint("bulwark-", 4*c.Below(4))),
			Change:     choose.Of(c, v1alpha1.DriftChangeMissing, "Modified", "Unexpected"),
			Fields:     drift.Report(choose.Of(c, differing...)),
			ObservedAt: metav1.NewTime(posturetest.Noon.Add(-time.Duration(i) * time.Minute)),
			State:      choose.Of(c, v1alpha1.DriftStatePresent, "Corrected", "Contested", "Conflict"),
		})
	}
	report.DriftTotal = int64(len(report.Drift) + c.Below(101))
	return report
}
