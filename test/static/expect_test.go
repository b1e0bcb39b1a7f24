package static

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// byManifest ends the message of each policy by manifest.
const byManifest = "which is guarded by a manifest of the control plane"

// ExpectRefused expects that each of the requests was refused by a policy by manifest.
func ExpectRefused(what string, errs ...error) {
	GinkgoHelper()
	Expect(errs).NotTo(BeEmpty(), what)
	for i, err := range errs {
		Expect(err).To(HaveOccurred(), "%s: request %d", what, i)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: request %d: %v", what, i, err)
		Expect(err).To(MatchError(ContainSubstring(byManifest)), "%s: request %d", what, i)
	}
}

// EventuallyInForce waits until the profile is in force, its policies included.
func EventuallyInForce(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	EventuallyReady(profile)
	EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
}

// installed are the objects that config/default consists of.
func installed() []*unstructured.Unstructured {
	GinkgoHelper()
	objects, err := controlplane.Kustomized(ctx, "config/default")
	Expect(err).NotTo(HaveOccurred())
	return objects
}

// policies and bindings are those of the profile.
func policies() []admissionregistrationv1.ValidatingAdmissionPolicy {
	GinkgoHelper()
	list := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
	Expect(admin.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: fortress.Name})).To(Succeed())
	return list.Items
}

func bindings() []admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	GinkgoHelper()
	list := &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{}
	Expect(admin.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: fortress.Name})).To(Succeed())
	return list.Items
}

// picture is all that is guarded, but for what Kubernetes may write: statuses, and who wrote what.
func picture() map[string]string {
	GinkgoHelper()
	objects := installed()
	for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind(kind + "List"))
		Expect(admin.List(ctx, list)).To(Succeed())
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
	}
	profiles := &unstructured.UnstructuredList{}
	profiles.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SecurityProfileList"))
	Expect(admin.List(ctx, profiles)).To(Succeed())
	for i := range profiles.Items {
		objects = append(objects, &profiles.Items[i])
	}
	all := map[string]string{}
	for _, o := range objects {
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed(), o.GetName())
		delete(o.Object, "status")
		o.SetManagedFields(nil)
		o.SetResourceVersion("")
		content, err := json.Marshal(o)
		Expect(err).NotTo(HaveOccurred())
		all[o.GetKind()+" "+o.GetName()] = string(content)
	}
	return all
}
