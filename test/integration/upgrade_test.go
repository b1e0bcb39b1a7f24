package integration

import (
	"bytes"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// theKeyMadeByAnotherReplica puts a new key in the place of the one that there is.
func theKeyMadeByAnotherReplica() {
	GinkgoHelper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: v1alpha1.SealSecret},
	}
	Expect(client.IgnoreNotFound(admin.Delete(ctx, secret))).To(Succeed())
	secret = secret.DeepCopy()
	secret.ResourceVersion, secret.UID = "", ""
	secret.Data = map[string][]byte{v1alpha1.SealKey: bytes.Repeat([]byte("k"), 32)}
	Expect(admin.Create(ctx, secret)).To(Succeed())
}

// withoutField has the CRD of a kind keep no such field until the spec ends, as that of an older
// release does.
func withoutField(kind string, path ...string) {
	GinkgoHelper()
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(
		schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	)
	key := client.ObjectKey{Name: kind + "." + v1alpha1.GroupVersion.Group}
	change := func(change func(properties map[string]any)) {
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, key, crd)).To(Succeed())
			versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
			at := versions[0].(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
			for _, name := range path[:len(path)-1] {
				at = at["properties"].(map[string]any)[name].(map[string]any)
			}
			change(at["properties"].(map[string]any))
			g.Expect(unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")).To(Succeed())
			g.Expect(admin.Update(ctx, crd)).To(Succeed())
		}).Should(Succeed())
	}
	field := path[len(path)-1]
	var kept any
	change(func(properties map[string]any) {
		kept = properties[field]
		delete(properties, field)
	})
	Expect(kept).NotTo(BeNil(), "the CRD has no such field")
	DeferCleanup(func() { // With each change of a CRD its watches end, and client-go waits longer before it begins anew.
		bulwark.Stop()
		change(func(properties map[string]any) { properties[field] = kept })
		bulwark = startOperator()
	})
}

var _ = Describe("An operator that is newer than what it finds", func() {
	It("takes reports of before the key for Bulwark's own, though another replica made that key", func() {
		profile, before := withHistory(fixture.OnlyNetwork)
		bulwark.Stop()
		Update(before.DeepCopy(), func(r *v1alpha1.NamespacePosture) { r.OperatorState.Seal = "" })
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Labels = map[string]string{"upgraded": "yes"} })
		profile.Status.Drift = nil // Of many namespaces it holds the newest 32.
		Expect(admin.Status().Update(ctx, profile)).To(Succeed())
		// Of two objects of the same second it is not known which was made first.
		Eventually(time.Now).Should(BeTemporally(">=", before.CreationTimestamp.Add(time.Second)))
		theKeyMadeByAnotherReplica()
		bulwark = startOperator()
		Eventually(func() string { return ReportOn(Default, before.Namespace).OperatorState.Seal }).ShouldNot(BeEmpty())
		Expect(said(ReportOn(Default, before.Namespace)).Drift).To(Equal(before.Drift))
		Expect(ReportOn(Default, before.Namespace).DriftTotal).To(Equal(before.DriftTotal))
		Expect(eventReasons("Namespace", before.Namespace)).NotTo(ContainElement(v1alpha1.EventReportForged))
	})

	It("believes what reports can say where their CRD keeps no seal", func() {
		bulwark.Stop()
		withoutField("namespacepostures", "operatorState", "seal")
		bulwark = startOperator()
		DeferCleanup(func() {
			bulwark.Stop()
			theKeyMadeByAnotherReplica()
			bulwark = startOperator()
		})
		_, report := withHistory(fixture.OnlyNetwork)
		Eventually(func() string { return ReportOn(Default, report.Namespace).OperatorState.Seal }).Should(BeEmpty())
		Expect(admin.Delete(ctx, theDeny(report.Namespace))).To(Succeed())
		Eventually(func(g Gomega) {
			now := ReportOn(g, report.Namespace)
			g.Expect(now.DriftTotal).To(BeEquivalentTo(2))
			g.Expect(now.Drift).To(HaveLen(2))
		}).Should(Succeed())
		Expect(eventReasons("Namespace", report.Namespace)).NotTo(ContainElement(v1alpha1.EventReportForged))
	})

	It("keeps baselines where the CRD of profiles remembers no selection", func() {
		bulwark.Stop()
		withoutField("securityprofiles", "status", "selection")
		bulwark = startOperator()
		profile, report := withHistory(fixture.OnlyNetwork)
		EventuallyReady(profile)
		Expect(profile.Status.Selection).To(BeNil())
		Consistently(func() string { return ReportOn(Default, report.Namespace).ResourceVersion }).
			Should(Equal(ReportOn(Default, report.Namespace).ResourceVersion))
	})
})
