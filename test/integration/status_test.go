package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// kstatus is what Flux, Argo CD's generic check and kpt make of a profile, by the library that they
// use.
func kstatus(profile *v1alpha1.SecurityProfile) status.Status {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(profile)
	Expect(err).NotTo(HaveOccurred())
	content["apiVersion"], content["kind"] = v1alpha1.GroupVersion.String(), "SecurityProfile"
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	Expect(err).NotTo(HaveOccurred())
	return result.Status
}

var _ = Describe("The status of a profile", func() {
	It(
		"is Current by kstatus when in place, Failed when stalled, InProgress when a new generation has not been seen",
		func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
			Expect(kstatus(profile)).To(Equal(status.CurrentStatus))

			newer := profile.DeepCopy()
			newer.Generation++
			Expect(kstatus(newer)).To(Equal(status.InProgressStatus))

			Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Roles[0].Rules[0].Resources = []string{"secrets"} })
			EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			Expect(kstatus(profile)).To(Equal(status.FailedStatus))
		},
	)

	It("lets kubectl wait for the generation that was just applied", func() {
		profile, _ := Governed()
		for range 3 {
			Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority++ })
			out, err := plane.Kubectl(ctx, "wait", "--for=condition=Ready", "securityprofile/"+profile.Name, "--timeout=20s").
				CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			generation := profile.Generation
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			Expect(profile.Status.ObservedGeneration).To(Equal(generation))
		}
	})

	It("lets kubectl wait for a namespace, however often its report was written", func() {
		profile, namespace := Governed()
		wait := func(condition string) {
			GinkgoHelper()
			out, err := plane.Kubectl(ctx, "wait", "--for=condition="+condition, "nspost/posture", "-n", namespace, "--timeout=20s").
				CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
		}
		wait("Ready")
		since := func() metav1.Time {
			report := ReportOn(Default, namespace)
			Expect(
				report.Generation,
			).To(BeNumerically(">", report.ProfileGeneration), "it counts how often the report was written")
			return meta.FindStatusCondition(report.Status.Conditions, v1alpha1.ConditionReady).LastTransitionTime
		}
		for range 3 {
			total := ReportOn(Default, namespace).DriftTotal
			Expect(admin.Delete(ctx, theDeny(namespace))).To(Succeed())
			Eventually(
				func(g Gomega) { g.Expect(ReportOn(g, namespace).DriftTotal).To(BeNumerically(">", total)) },
			).Should(Succeed())
			wait("Ready")
		}
		before := since()
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority++ })
		EventuallyReported(profile, namespace)
		Expect(since()).To(Equal(before), "it was ready all the time")

		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Roles[0].Rules[0].Resources = []string{"secrets"} })
		wait("Ready=false")
		ready := meta.FindStatusCondition(ReportOn(Default, namespace).Status.Conditions, v1alpha1.ConditionReady)
		Expect(ready.Reason).To(Equal(v1alpha1.ReasonFailed))
	})

	It("is Ready at once when the profile selects nothing", func() {
		profile := fixture.Profile(UniqueName())
		ExpectCreated(profile)
		EventuallyReady(profile)
		Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{}))
	})
})
