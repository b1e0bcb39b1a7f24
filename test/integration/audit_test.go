package integration

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("A profile that audits", func() {
	It("writes nothing but reports, and shows what it would do", func() {
		before := baselineWrites()
		profile, namespace := Governed(fixture.Audited)
		report := ReportOn(Default, namespace)
		desired := baseline.Render(profile, namespace)
		Expect(report.Objects).To(HaveLen(len(desired)))
		Expect(report.IsReady()).To(BeFalse())
		Expect(report.Enforcement).To(Equal(v1alpha1.EnforcementAudit))
		Expect(report.Drift).To(HaveLen(len(desired)))
		for _, entry := range report.Drift {
			Expect(entry.State).To(Equal(v1alpha1.DriftStatePresent))
		}
		Expect(report.Drift).To(ContainElement(And(
			HaveField("Object.Name", "bulwark-default-deny"), HaveField("Change", v1alpha1.DriftChangeMissing))))
		Expect(report.Drift).To(ContainElement(And(
			HaveField("Object.Kind", "Namespace"), HaveField("Change", v1alpha1.DriftChangeModified),
			HaveField("Fields", ContainElement(v1alpha1.FieldDrift{
				Path: "metadata.labels[pod-security.kubernetes.io/enforce]", Want: `"restricted"`})))))
		EventuallyReady(profile)
		compliant := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionCompliant)
		Expect(compliant.Status).To(Equal(metav1.ConditionFalse))
		Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{Selected: 1, Drifted: 1}))
		Expect(baselineWrites()).To(Equal(before))
	})

	It("is switched to enforcing and back, which leaves the objects, and sees drift in them", func() {
		profile, namespace := Governed(fixture.Audited)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementEnforce })
		EventuallyEstablished(profile, namespace)
		for _, entry := range ReportOn(Default, namespace).Drift {
			Expect(entry.State).To(Equal(v1alpha1.DriftStateCorrected))
		}

		before := baselineWrites()
		Update(profile, fixture.Audited)
		EventuallyReported(profile, namespace)
		Expect(Differences(Default, profile, namespace)).To(BeEmpty())
		tampers["drops a direction"].do(namespace)
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
			return e.State == v1alpha1.DriftStatePresent && e.Object.Name == "bulwark-default-deny" &&
				e.Manager == string(asTenant)
		})
		policy := &networkingv1.NetworkPolicy{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-default-deny"}, policy)).To(Succeed())
		Expect(policy.Spec.PolicyTypes).To(HaveLen(1), "it was corrected")
		Expect(baselineWrites()).To(Equal(before))
		EventuallyReady(profile)

		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementEnforce })
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})

	It("leaves another profile's baseline in place as long as that one selects the namespace", func() {
		enforcing, namespace := Governed(fixture.WithPriority(1))
		EventuallyEstablished(enforcing, namespace)
		auditing := fixture.Profile(enforcing.Name+"-audit", fixture.OnlyNetwork, fixture.Audited,
			fixture.Selecting(enforcing.Name), fixture.WithPriority(2))
		auditing.Spec.NamespaceSelector = enforcing.Spec.NamespaceSelector
		ExpectCreated(auditing)
		EventuallyReported(auditing, namespace)
		Expect(
			admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-allow-dns"}, &networkingv1.NetworkPolicy{}),
		).To(Succeed())

		Expect(admin.Delete(ctx, enforcing)).To(Succeed())
		EventuallyGone(enforcing)
		Eventually(func(g Gomega) { g.Expect(Managed(g, namespace)).To(HaveLen(1)) }).Should(Succeed())
		EventuallyReported(auditing, namespace)
	})

	Context("and looks often", thatLooksOften, func() {
		It("reports objects that should not be there in one order, and writes no report twice", func() {
			profile, namespace := Governed(fixture.Audited)
			const forged = 8
			for i := range forged {
				Expect(admin.Create(ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
					Namespace: namespace, Name: fmt.Sprintf("forged-%d", i),
					Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile.Name},
				}}, asTenant)).To(Succeed())
			}
			unexpected := func(report *v1alpha1.NamespacePosture) (names []string) {
				for _, entry := range report.Drift {
					if entry.Change == v1alpha1.DriftChangeUnexpected {
						names = append(names, entry.Object.Name)
					}
				}
				return names
			}
			Eventually(func(g Gomega) { g.Expect(unexpected(ReportOn(g, namespace))).To(HaveLen(forged)) }).Should(Succeed())
			report := ReportOn(Default, namespace)
			Consistently(func(g Gomega) {
				g.Expect(ReportOn(g, namespace).ResourceVersion).To(Equal(report.ResourceVersion), "the report was written again")
			}, "9s", "500ms").Should(Succeed(), "over several looks")
		})
	})
})
