package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/operator"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// holdingFinalizer is a finalizer that nobody ever takes off.
const holdingFinalizer = "tenants.example.com/hold"

// heldReport is a tenant's own report in the name of a profile, held by a finalizer.
func heldReport(namespace, profile string) *v1alpha1.NamespacePosture {
	return &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  namespace,
			Name:       v1alpha1.PostureName,
			Finalizers: []string{holdingFinalizer},
		},
		Profile:           profile,
		ProfileGeneration: 1,
		Enforcement:       v1alpha1.EnforcementEnforce,
		Status:            fixture.Ready(true),
	}
}

// ungovernedNamespace makes a namespace that no profile selects.
func ungovernedNamespace() string {
	GinkgoHelper()
	namespace := UniqueName() + "-ungoverned"
	ExpectCreated(fixture.Namespace(namespace, "none"))
	return namespace
}

// soon is well below all that a stuck report could be waited for.
const soon = 4 * time.Second

var _ = Describe("A finalizer on a report", func() {
	DescribeTable(
		"does not hold a profile's deletion: put",
		func(hold func(profile *v1alpha1.SecurityProfile, namespace string)) {
			profile, _ := Governed(fixture.OnlyNetwork)
			namespace := ungovernedNamespace()
			hold(profile, namespace)
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			EventuallyGoneWithin(soon, profile)
			EventuallyGoneWithin(soon, heldReport(namespace, profile.Name))
			ConsistentlyUntouched(namespace)
		},
		Entry("on a forged one in an ungoverned namespace", func(profile *v1alpha1.SecurityProfile, namespace string) {
			Expect(admin.Create(ctx, heldReport(namespace, profile.Name), asTenant)).To(Succeed())
		}),
		Entry(
			"on a forged one in an ungoverned namespace, which is deleted already",
			func(profile *v1alpha1.SecurityProfile, namespace string) {
				report := heldReport(namespace, profile.Name)
				Expect(admin.Create(ctx, report, asTenant)).To(Succeed())
				Expect(client.IgnoreNotFound(admin.Delete(ctx, report))).To(Succeed())
			},
		),
		Entry("on a forged one beside the label", func(profile *v1alpha1.SecurityProfile, namespace string) {
			Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = profile.Name })
			Expect(admin.Create(ctx, heldReport(namespace, profile.Name), asTenant)).To(Succeed())
		}),
		Entry("on several, one after the other", func(profile *v1alpha1.SecurityProfile, namespace string) {
			for range 3 {
				report := heldReport(namespace, profile.Name)
				Eventually(func() error { return admin.Create(ctx, report.DeepCopy(), asTenant) }).Should(Succeed())
				Expect(client.IgnoreNotFound(admin.Delete(ctx, report))).To(Succeed())
			}
		}),
	)

	It("does not hold a deletion in the foreground, which waits for what is owned", func() {
		profile, _ := Governed(fixture.OnlyNetwork, fixture.Retained)
		namespace := ungovernedNamespace()
		report := heldReport(namespace, profile.Name)
		owner := baseline.OwnerReference(profile)
		owner[0].BlockOwnerDeletion = ptr.To(true)
		report.OwnerReferences = owner
		Expect(admin.Create(ctx, report, asTenant)).To(Succeed())
		Expect(admin.Delete(ctx, profile, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		EventuallyGone(profile)
		EventuallyGoneWithin(soon, report)
	})

	It("does not hold a profile's deletion where it is put on again and again", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		namespace := ungovernedNamespace()
		tenant := bed.ClientOf(GinkgoTB(), plane.Config)
		done := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				select {
				case <-done:
					return
				default: // As fast as the API server answers.
					_ = tenant.Create(ctx, heldReport(namespace, profile.Name), asTenant)
				}
			}
		}()
		DeferCleanup(func() {
			close(done)
			<-ended
		})
		Eventually(func() error {
			return admin.Get(
				ctx,
				types.NamespacedName{Namespace: namespace, Name: v1alpha1.PostureName},
				&v1alpha1.NamespacePosture{},
			)
		}).
			Should(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
	})

	It("does not hold a namespace that leaves its profile", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		DeferCleanup(func() { bulwark.Stop(); bulwark = startOperator() })
		Update(ReportOn(Default, namespace), func(r *v1alpha1.NamespacePosture) { r.Finalizers = []string{holdingFinalizer} })
		Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") })
		bulwark = startOperatorWith(operatorConf, func(o *operator.Options) { o.RemovalDelay = time.Second })
		EventuallyUntouched(namespace)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.Namespaces.Selected).To(BeZero())
		}).Should(Succeed())
	})

	It("does not keep a governed namespace from a report that says what is", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		report := ReportOn(Default, namespace)
		Expect(admin.Patch(ctx, report.DeepCopy(), client.RawPatch(types.MergePatchType,
			[]byte(`{"metadata":{"finalizers":["`+holdingFinalizer+`"]}}`)), asTenant)).To(Succeed())
		Eventually(
			func(g Gomega) { g.Expect(ReportOn(g, namespace).Finalizers).To(BeEmpty()) },
		).WithTimeout(soon).
			Should(Succeed())

		bulwark.Stop()
		Update(report, func(r *v1alpha1.NamespacePosture) { r.Finalizers = []string{holdingFinalizer} })
		Expect(admin.Delete(ctx, report)).To(Succeed())
		bulwark = startOperator()
		Eventually(func(g Gomega) {
			now := ReportOn(g, namespace)
			g.Expect(now.UID).NotTo(Equal(report.UID))
			g.Expect(now.DeletionTimestamp).To(BeNil())
			g.Expect(now.Finalizers).To(BeEmpty())
			g.Expect(now.IsReady()).To(BeTrue())
		}).Should(Succeed())
	})

	It("does not hold a namespace that is deleted", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		Update(ReportOn(Default, namespace), func(r *v1alpha1.NamespacePosture) { r.Finalizers = []string{holdingFinalizer} })
		Expect(admin.Delete(ctx, theNamespace(namespace))).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(theNamespace(namespace))
	})

	It("is left alone in a protected namespace, and holds nobody there", func() {
		profile, _ := Governed(fixture.OnlyNetwork)
		namespace := "protected-" + UniqueName()
		report := heldReport(namespace, profile.Name)
		ExpectCreated(fixture.Namespace(namespace, "none"), report)
		Expect(admin.Delete(ctx, report)).To(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGoneWithin(soon, profile)
		Expect(ReportOn(Default, namespace).Finalizers).To(ConsistOf(holdingFinalizer))
		Update(report, func(r *v1alpha1.NamespacePosture) { r.Finalizers = nil })
	})
})
