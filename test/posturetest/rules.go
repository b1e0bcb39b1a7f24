package posturetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// takenUp is what the API server says once it has taken up a marker, and so all before it.
const takenUp = "posturetest: taken up"

// awaitRules waits until the API server enforces the policies of a profile as it holds them. It
// takes up changes once a second, all at a time and in their order, and does not say when. So
// another policy is made last, a marker: once that refuses what it is to refuse, all before it are
// in force.
func (o *Operator) awaitRules(ctx context.Context, namespace, profile string) error {
	var policies admissionregistrationv1.ValidatingAdmissionPolicyList
	var bindings admissionregistrationv1.ValidatingAdmissionPolicyBindingList
	ofProfile := client.MatchingLabels{v1alpha1.ProfileLabel: profile}
	err := errors.Join(o.Client.List(ctx, &policies, ofProfile), o.Client.List(ctx, &bindings, ofProfile))
	if err != nil {
		return fmt.Errorf("listing admission policies: %w", err)
	}
	version := versionOf(&policies, &bindings)
	if o.hasTaken(profile, version) {
		return nil
	}
	marker := newMarker(namespace, reads(&policies))
	defer marker.remove(o.Client)
	if err := marker.place(ctx, o.Client); err != nil {
		return err
	}
	if err := marker.await(ctx, o.Client); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken[profile] = version
	return nil
}

// hasTaken reports whether the API server is known to have taken a profile's policies up.
func (o *Operator) hasTaken(profile, version string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return version == o.taken[profile]
}

// versionOf changes whenever one of these does. It is empty if there are none.
func versionOf(
	policies *admissionregistrationv1.ValidatingAdmissionPolicyList,
	bindings *admissionregistrationv1.ValidatingAdmissionPolicyBindingList,
) string {
	var b strings.Builder
	for i := range policies.Items {
		fmt.Fprintln(&b, policies.Items[i].Name, policies.Items[i].ResourceVersion)
	}
	for i := range bindings.Items {
		fmt.Fprintln(&b, bindings.Items[i].Name, bindings.Items[i].ResourceVersion)
	}
	return b.String()
}

// reads is the kind that one of the policies reads; nil if none reads any. The API server refuses
// what such a policy is about until it knows the kind, which can be some seconds later.
func reads(policies *admissionregistrationv1.ValidatingAdmissionPolicyList) *admissionregistrationv1.ParamKind {
	for i := range policies.Items {
		if kind := policies.Items[i].Spec.ParamKind; kind != nil {
			return kind
		}
	}
	return nil
}

// marker is a policy that refuses one ConfigMap, which nobody makes.
type marker struct {
	policy  *admissionregistrationv1.ValidatingAdmissionPolicy
	binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
	asked   *corev1.ConfigMap
}

func newMarker(namespace string, reads *admissionregistrationv1.ParamKind) *marker {
	name := "posturetest-" + rand.String(8)
	m := &marker{
		policy: &admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				ParamKind: reads,
				MatchConstraints: &admissionregistrationv1.MatchResources{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
					ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
						ResourceNames: []string{name},
						RuleWithOperations: admissionregistrationv1.RuleWithOperations{
							Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
							Rule: admissionregistrationv1.Rule{
								APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"},
							},
						},
					}},
				},
				Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: takenUp}},
			},
		},
		binding: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			},
		},
		asked: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}},
	}
	if reads != nil {
		m.binding.Spec.ParamRef = &admissionregistrationv1.ParamRef{
			Name: v1alpha1.PostureName, ParameterNotFoundAction: new(admissionregistrationv1.DenyAction),
		}
	}
	return m
}

func (m *marker) place(ctx context.Context, c client.Client) error {
	for _, o := range []client.Object{m.policy, m.binding} {
		if err := c.Create(ctx, o); err != nil {
			return fmt.Errorf("asking which admission policies are in force: %w", err)
		}
	}
	return nil
}

// await asks until the marker refuses.
func (m *marker) await(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, inProgress)
	defer cancel()
	answer := "it refused nothing"
	for {
		err := c.Create(ctx, m.asked.DeepCopy(), client.DryRunAll)
		if err != nil && strings.Contains(err.Error(), takenUp) {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			answer = err.Error()
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return fmt.Errorf("the API server has not taken up the profile's admission policies: %s", answer)
		}
	}
}

// remove removes the marker, also when the context of the test has ended.
func (m *marker) remove(c client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), needsHelp)
	defer cancel()
	for _, o := range []client.Object{m.binding, m.policy} {
		_ = c.Delete(ctx, o) // One that stays refuses nothing that anybody asks for.
	}
}
