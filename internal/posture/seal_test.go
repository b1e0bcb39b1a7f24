package posture

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

var (
	noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	key  = Key(bytes.Repeat([]byte("k"), KeyLength))
)

func aReport(changes ...func(*v1alpha1.NamespacePosture)) *v1alpha1.NamespacePosture {
	deny := v1alpha1.ObjectReference{
		APIVersion: "networking.k8s.io/v1",
		Kind:       "NetworkPolicy",
		Name:       "bulwark-default-deny",
	}
	managed := metav1.NewTime(noon.Add(-time.Second))
	report := &v1alpha1.NamespacePosture{
		ObjectMeta:        metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName},
		Profile:           "restricted",
		NamespaceUID:      "uid",
		ProfileGeneration: 3,
		Enforcement:       v1alpha1.EnforcementEnforce,
		Status:            posturetest.Readiness(true),
		Summary:           v1alpha1.PostureSummary{Compliant: 1},
		DriftTotal:        7,
		Objects:           []v1alpha1.ManagedObject{{ObjectReference: deny, State: v1alpha1.ObjectStateCompliant}},
		Drift: []v1alpha1.DriftEntry{{
			Object: deny, Change: v1alpha1.DriftChangeModified, Manager: "kubectl", ManagedAt: &managed,
			Fields:     []v1alpha1.FieldDrift{{Path: "spec.policyTypes", Want: `["Ingress"]`}},
			ObservedAt: metav1.NewTime(noon), State: v1alpha1.DriftStateCorrected,
		}},
	}
	for _, change := range changes {
		change(report)
	}
	return report
}

func TestASealHoldsWhatAReportSaysAndNothingElse(t *testing.T) {
	for sentence, tt := range map[string]struct {
		change func(*v1alpha1.NamespacePosture)
		sealed bool
	}{
		"as it was written":            {change: func(*v1alpha1.NamespacePosture) {}, sealed: true},
		"with somebody's label":        {change: func(r *v1alpha1.NamespacePosture) { r.Labels = map[string]string{"a": "b"} }, sealed: true},
		"in another namespace":         {change: func(r *v1alpha1.NamespacePosture) { r.Namespace = "bank" }},
		"of another namespace":         {change: func(r *v1alpha1.NamespacePosture) { r.NamespaceUID = "another" }},
		"of another profile":           {change: func(r *v1alpha1.NamespacePosture) { r.Profile = "loose" }},
		"of another generation":        {change: func(r *v1alpha1.NamespacePosture) { r.ProfileGeneration++ }},
		"under another enforcement":    {change: func(r *v1alpha1.NamespacePosture) { r.Enforcement = v1alpha1.EnforcementAudit }},
		"that is not ready":            {change: func(r *v1alpha1.NamespacePosture) { r.Status = posturetest.Readiness(false) }},
		"with another summary":         {change: func(r *v1alpha1.NamespacePosture) { r.Summary.Failed++ }},
		"without objects":              {change: func(r *v1alpha1.NamespacePosture) { r.Objects = nil }},
		"with something that waits":    {change: func(r *v1alpha1.NamespacePosture) { r.Blocked = make([]v1alpha1.BlockedObject, 1) }},
		"with something else in place": {change: func(r *v1alpha1.NamespacePosture) { r.OperatorState.InPlace = make([]v1alpha1.ObjectContent, 1) }},
		"with a finding":               {change: func(r *v1alpha1.NamespacePosture) { r.Findings = make([]v1alpha1.Finding, 1) }},
		"with findings counted":        {change: func(r *v1alpha1.NamespacePosture) { r.FindingTotals = make([]v1alpha1.FindingTotal, 1) }},
		"with pods unseen":             {change: func(r *v1alpha1.NamespacePosture) { r.PodsUnseen = true }},
		"with another truncation":      {change: func(r *v1alpha1.NamespacePosture) { r.Truncated++ }},
		"with another total":           {change: func(r *v1alpha1.NamespacePosture) { r.DriftTotal++ }},
		"with somebody else to blame":  {change: func(r *v1alpha1.NamespacePosture) { r.Drift[0].Manager = "alice" }},
		"without its seal":             {change: func(r *v1alpha1.NamespacePosture) { r.OperatorState.Seal = "" }},
		"with the seal of another key": {change: func(r *v1alpha1.NamespacePosture) {
			r.OperatorState.Seal = Key(bytes.Repeat([]byte("l"), KeyLength)).Seal(r)
		}},
		"with the seal of a key too short": {change: func(r *v1alpha1.NamespacePosture) { r.OperatorState.Seal = Key("short").Seal(r) }},
	} {
		report := aReport()
		report.OperatorState.Seal = key.Seal(report)
		tt.change(report)
		if got := key.Sealed(report); got != tt.sealed {
			t.Errorf("a report %s: sealed %t", sentence, got)
		}
	}
}

func TestNothingIsSealedWithoutAKey(t *testing.T) {
	report := aReport()
	if report.OperatorState.Seal = (Key)(nil).Seal(report); report.OperatorState.Seal != "" || (Key)(nil).Sealed(report) {
		t.Errorf("a report without a key has the seal %q", report.OperatorState.Seal)
	}
}

// An upgrade must not cost the history of every namespace.
func TestWhatAnEarlierVersionSealedIsSealed(t *testing.T) {
	const sealedBefore = "36U2XUnvNNqphtjuqp68U0cjSuUaB9iv4hLOfasYXNQ"
	if got := key.Seal(aReport()); got != sealedBefore {
		t.Errorf(
			"the seal was %s and is %s: what is added to a report must be left out of its JSON while it is empty",
			sealedBefore,
			got,
		)
	}
}

func TestAReportIsSealedAfterTheAPIServerHasStoredIt(t *testing.T) {
	for sentence, manager := range map[string]string{
		"no UTF-8": "a\xffb", "the character that stands for it": "a\ufffdb", "its escape": `a\ufffdb`,
		"control characters": "a\x00\x1b[31m\u2028", "markup": "<&>", "emoji": "🛡️",
	} {
		report := aReport(func(r *v1alpha1.NamespacePosture) {
			r.Drift[0].Manager, r.Drift[0].ObservedAt = manager, metav1.NewTime(noon.Add(123*time.Millisecond))
		})
		report.OperatorState.Seal = key.Seal(report)
		text, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		var stored v1alpha1.NamespacePosture
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		if !key.Sealed(&stored) {
			t.Errorf("a report with %s is not sealed when it is read back", sentence)
		}
	}
}

// A field that no seal covers could be forged.
func TestASealCoversEveryField(t *testing.T) {
	covered := map[string]bool{"metadata": true, "": true}
	statement := reflect.TypeFor[statement]()
	for i := range statement.NumField() {
		name, _, _ := strings.Cut(statement.Field(i).Tag.Get("json"), ",")
		covered[name] = true
	}
	fields := reflect.TypeFor[v1alpha1.NamespacePosture]()
	for i := range fields.NumField() {
		if name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ","); !covered[name] {
			t.Errorf("%s is not covered", name)
		}
	}
}
