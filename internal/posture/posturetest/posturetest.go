// Package posturetest holds reports, and what they are made of, for the tests of packages that read
// or write them. It may import what a pure package may, and must never hold an expectation.
package posturetest

import (
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

// Noon is when tests take place.
var Noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// EnforceLabel is the label of a Pod Security level that is enforced.
const EnforceLabel = "pod-security.kubernetes.io/enforce"

// Reference names an object, of whatever kind, as if that were of the core group.
func Reference(kind, name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: "v1", Kind: kind, Name: name}
}

// Profile is the profile strict in generation 4.
func Profile() *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{
		ObjectMeta: metav1.ObjectMeta{
			Name: "strict", UID: "uid-1", Generation: 4, Labels: map[string]string{"team": "a"},
		},
	}
}

// Namespace is the namespace shop.
func Namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
}

// Levelled is the namespace shop at a Pod Security level.
func Levelled(value string) *corev1.Namespace {
	ns := Namespace()
	ns.Labels = map[string]string{}
	if value != "" {
		ns.Labels[EnforceLabel] = value
	}
	return ns
}

// Limited is the LimitRange bulwark-limits, which allows a container so many cores.
func Limited(cpu string) *corev1.LimitRange {
	return &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-limits"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{"cpu": resource.MustParse(cpu)},
		}}},
	}
}

// Desired is a baseline of two objects.
func Desired() []baseline.Object {
	return []baseline.Object{
		Namespace(),
		&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-limits"}},
	}
}

// Readiness are the conditions of a report that has been ready, or not, since Noon, of which
// nothing else is known.
func Readiness(ready bool) v1alpha1.NamespacePostureStatus {
	condition := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInPlace,
		Message: "every object of the baseline is in place", LastTransitionTime: metav1.NewTime(Noon),
	}
	if !ready {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonProgressing
		condition.Message = "not every object of the baseline is in place: see objects"
	}
	return v1alpha1.NamespacePostureStatus{Conditions: []metav1.Condition{condition}}
}

// Report is the report on a pass for Profile that found the Desired objects as they should be.
func Report() *v1alpha1.NamespacePosture {
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
		Profile: "strict", ProfileGeneration: 4, Enforcement: v1alpha1.EnforcementEnforce, Status: Readiness(true),
		Summary: v1alpha1.PostureSummary{Compliant: 2},
		Objects: []v1alpha1.ManagedObject{
			{ObjectReference: Reference("Namespace", "shop"), State: v1alpha1.ObjectStateCompliant},
			{ObjectReference: Reference("LimitRange", "bulwark-limits"), State: v1alpha1.ObjectStateCompliant},
		},
	}
}

// Remembering is a change of a report: it remembers that an object is in place.
func Remembering(o baseline.Object) func(*v1alpha1.NamespacePosture) {
	return func(r *v1alpha1.NamespacePosture) {
		r.OperatorState.InPlace = append(r.OperatorState.InPlace, v1alpha1.ObjectContent{
			Object: baseline.Reference(o), Content: baseline.RefusingContent(o),
		})
	}
}

// Outcome is a drift of a LimitRange that is to be recorded.
func Outcome(name string, change v1alpha1.DriftChange, state v1alpha1.DriftState) drift.Outcome {
	return drift.Outcome{
		Drift: drift.Drift{Object: Reference("LimitRange", name), Change: change}, State: state, Recorded: true,
	}
}

// Unrecorded is an outcome that is not to be recorded.
func Unrecorded(o drift.Outcome) drift.Outcome {
	o.Recorded = false
	return o
}

// Failed is an outcome of which the API server refused the correction.
func Failed(o drift.Outcome) drift.Outcome {
	o.Err = errors.New("refused by a webhook")
	return o
}

// Fields are a field that differs.
func Fields(path string) []drift.Field {
	return []drift.Field{{Path: strings.Split(path, "."), Want: "1", Got: "2"}}
}
