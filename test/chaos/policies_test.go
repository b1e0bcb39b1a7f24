package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

// policyOperations are what administrators do to admission policies, which nothing but the operator
// guards.
var policyOperations = []operation{
	{"tamper with a policy", 14, (*world).tamperWithPolicy},
	{"forge a policy", 2, (*world).forgePolicy},
	{"create a foreign policy", 1, (*world).createForeignPolicy},
	{"occupy the name of a policy", 2, (*world).occupyPolicy},
	{"vacate the name of a policy", 1, (*world).vacatePolicy},
}

// policyTampering changes a policy or a binding of ours. One that strips takes away something of
// what says that it is ours.
type policyTampering struct {
	change tampering
	strips bool
}

var policyTamperings = []policyTampering{
	{change: loosenPolicy},
	{change: loosenPolicy},
	{change: muzzlePolicy},
	{change: muzzlePolicy},
	{change: func(o client.Object) { o.SetLabels(nil) }, strips: true},
	{change: func(o client.Object) { o.SetOwnerReferences(nil) }, strips: true},
	{change: func(o client.Object) { o.GetLabels()[v1alpha1.ManagedByLabel] = "somebody" }, strips: true},
	{change: func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = "nobody" }},
	{change: func(o client.Object) { o.GetLabels()["chaos.example.com/added"] = "yes" }},
	{change: func(o client.Object) { o.SetAnnotations(map[string]string{"chaos.example.com/added": "yes"}) }},
	{change: func(o client.Object) { o.SetFinalizers(append(o.GetFinalizers(), "chaos.example.com/keep")) }},
}

// loosenPolicy makes a policy let everything pass, and a binding apply nowhere.
func loosenPolicy(object client.Object) {
	switch o := object.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		o.Spec.Validations = []admissionregistrationv1.Validation{{Expression: "true"}}
	case *admissionregistrationv1.ValidatingAdmissionPolicyBinding:
		o.Spec.MatchResources = &admissionregistrationv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"chaos.example.com/no": "where"}},
		}
	}
}

// muzzlePolicy makes failures of a policy, and what it finds, refuse nothing.
func muzzlePolicy(object client.Object) {
	switch o := object.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		o.Spec.FailurePolicy = ptr.To(admissionregistrationv1.Ignore)
	case *admissionregistrationv1.ValidatingAdmissionPolicyBinding:
		o.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{
			admissionregistrationv1.Audit,
			admissionregistrationv1.Warn,
		}
	}
}

func (w *world) tamperWithPolicy(r *rand.Rand) (bool, error) {
	kind := &baseline.ClusterKinds[r.IntN(len(baseline.ClusterKinds))]
	n, way := r.IntN(1<<20), r.IntN(len(policyTamperings)+4)
	objects, err := w.labelled(kind, "")
	if err != nil || len(objects) == 0 {
		return true, err
	}
	object := objects[n%len(objects)].(client.Object)
	switch {
	case way < len(policyTamperings):
		if policyTamperings[way].strips {
			w.model.strippedPolicies[key(object)] = true
		}
		return w.tamper(object, policyTamperings[way].change)
	case way == len(policyTamperings):
		return w.substitutePolicy(object)
	}
	return false, w.delete(object)
}

// substitutePolicy puts a loose policy in the place of one of ours, with its labels, so that it
// poses as ours. The profile may have gone meanwhile: then it is a forgery of nobody's.
func (w *world) substitutePolicy(object client.Object) (bool, error) {
	if err := w.delete(object); err != nil {
		return false, err
	}
	substitute := object.DeepCopyObject().(client.Object)
	loosenPolicy(substitute)
	meta := metav1.ObjectMeta{Name: object.GetName(), Labels: object.GetLabels()}
	switch o := substitute.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		o.ObjectMeta = meta
	case *admissionregistrationv1.ValidatingAdmissionPolicyBinding:
		o.ObjectMeta = meta
	}
	w.model.forgedPolicies[key(substitute)] = true
	return w.create(substitute, func() {})
}

// forgedName is in the name of what was forged, which refuses nothing.
const forgedName = "-forged-"

// forgePolicy creates a policy or a binding that bears our labels and that no profile declares.
func (w *world) forgePolicy(r *rand.Rand) (bool, error) {
	w.foreigners++
	profile := w.model.prefix + choose.OneOf(r, profileNames...)
	forged := inert(r, fmt.Sprintf("%s%s%s%d", v1alpha1.NamePrefix, profile, forgedName, w.foreigners))
	forged.SetLabels(map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile})
	w.model.forgedPolicies[key(forged)] = true
	return w.create(forged, func() {})
}

// createForeignPolicy creates one that has nothing to do with us.
func (w *world) createForeignPolicy(r *rand.Rand) (bool, error) {
	w.foreigners++
	return w.createOwnPolicy(
		inert(r, fmt.Sprintf("%s%sadmins-%d", choose.OneOf(r, "", v1alpha1.NamePrefix), w.model.prefix, w.foreigners)),
		false,
	)
}

// occupyPolicy creates an administrator's own policy under a name that a profile may come to
// declare and does not now.
func (w *world) occupyPolicy(r *rand.Rand) (bool, error) {
	profile := w.model.prefix + choose.OneOf(r, profileNames...)
	name := v1alpha1.NamePrefix + profile + "-" + choose.OneOf(
		r,
		"tamper-objects",
		"workloads",
		"images",
		"tenant-network-policies",
		"pods-wait-for-report",
	)
	occupant := inert(r, name)
	if declared := w.model.profiles[profile]; declared != nil {
		for _, o := range admission.Objects(admission.Render(declared, admission.Cluster{})) {
			if o.GetName() == name {
				return true, nil
			}
		}
	}
	return w.createOwnPolicy(occupant, true)
}

func (w *world) createOwnPolicy(o client.Object, occupies bool) (bool, error) {
	skipped, err := w.create(o, func() {})
	if err == nil && !skipped {
		w.model.foreign[key(o)] = foreignObject{Object: o, occupies: occupies}
	}
	return skipped, err
}

// vacatePolicy deletes what occupies a name.
func (w *world) vacatePolicy(r *rand.Rand) (bool, error) {
	occupants := map[string]foreignObject{}
	for id, o := range w.model.foreign {
		if o.occupies && o.GetNamespace() == "" && !adoptsPolicies(o) {
			occupants[id] = o
		}
	}
	id, found := pick(r, occupants)
	if !found {
		return true, nil
	}
	delete(w.model.foreign, id)
	return false, w.delete(occupants[id].Object)
}

// deletePolicies deletes all policies of this run that are left: those that are not ours.
func (w *world) deletePolicies(t *testing.T) {
	t.Helper()
	c := w.newCheck()
	if err := c.read(); err != nil {
		t.Fatal(err)
	}
	for _, o := range c.policies {
		if !strings.Contains(o.GetName(), w.model.prefix) {
			continue
		}
		if len(o.GetFinalizers()) > 0 {
			if _, err := w.tamper(o, func(o client.Object) { o.SetFinalizers(nil) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.delete(o); err != nil {
			t.Fatal(err)
		}
	}
}

// adoptsPolicies reports whether what occupies the name of a policy may have been taken over.
func adoptsPolicies(o client.Object) bool { return strings.Contains(o.GetName(), "-adopts-") }

// inert is a policy about what does not exist, or a binding of a policy that does not.
func inert(r *rand.Rand, name string) client.Object {
	meta := metav1.ObjectMeta{Name: name}
	return choose.OneOf[client.Object](
		r,
		&admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{
					ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
						RuleWithOperations: admissionregistrationv1.RuleWithOperations{
							Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
							Rule: admissionregistrationv1.Rule{
								APIGroups: []string{"chaos.example.com"}, APIVersions: []string{"v1"}, Resources: []string{"nothings"},
							},
						},
					}},
				},
				Validations: []admissionregistrationv1.Validation{{Expression: "true"}},
			},
		},
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: meta,
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName:        "chaos-nothing",
				ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Audit},
			},
		},
	)
}

// untouched reports whether an object is as its maker left it. kube-controller-manager writes the
// status of policies.
func untouched(made, live client.Object) bool {
	if _, ok := made.(*admissionregistrationv1.ValidatingAdmissionPolicy); !ok {
		return live.GetUID() == made.GetUID() && live.GetResourceVersion() == made.GetResourceVersion()
	}
	return live.GetUID() == made.GetUID() && live.GetGeneration() == made.GetGeneration() &&
		equality.Semantic.DeepEqual(live.GetLabels(), made.GetLabels()) &&
		equality.Semantic.DeepEqual(live.GetAnnotations(), made.GetAnnotations()) &&
		equality.Semantic.DeepEqual(live.GetOwnerReferences(), made.GetOwnerReferences()) &&
		equality.Semantic.DeepEqual(live.GetFinalizers(), made.GetFinalizers())
}
