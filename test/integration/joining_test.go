package integration

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// readiness follows a profile's conditions Ready and Compliant until it is asked what they were.
func readiness(profile *v1alpha1.SecurityProfile) (statuses func() []string) {
	GinkgoHelper()
	clients, err := client.NewWithWatch(plane.Config, client.Options{Scheme: admin.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	watch, err := clients.Watch(ctx, &v1alpha1.SecurityProfileList{}, client.MatchingFields{"metadata.name": profile.Name})
	Expect(err).NotTo(HaveOccurred())
	seen := make(chan []string)
	go func() {
		var statuses []string
		for e := range watch.ResultChan() {
			p, ok := e.Object.(*v1alpha1.SecurityProfile)
			if !ok {
				continue
			}
			for _, conditionType := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionCompliant} {
				if c := meta.FindStatusCondition(p.Status.Conditions, conditionType); c != nil {
					statuses = append(statuses, fmt.Sprint(c.Type, " ", c.Status))
				}
			}
			if meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReconciling) != nil {
				statuses = append(statuses, "Reconciling")
			}
		}
		seen <- statuses
	}()
	return func() []string { watch.Stop(); return <-seen }
}

// EventuallyCounted waits until the profile's status counts so.
func EventuallyCounted(profile *v1alpha1.SecurityProfile, counts v1alpha1.NamespaceCounts) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.Namespaces).To(Equal(counts))
	}).Should(Succeed())
}

var _ = Describe("A profile that is Ready", func() {
	It("stays so, and Compliant, while namespaces join", func() {
		profile, first := Governed()
		EventuallyEstablished(profile, first)
		EventuallyReady(profile)
		EventuallyCondition(profile, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		Expect(kstatus(profile).String()).To(Equal("Current"))
		statuses := readiness(profile)
		for i := range 5 {
			namespace := fmt.Sprint(profile.Name, "-joins-", i)
			ExpectCreated(fixture.Namespace(namespace, profile.Name))
			EventuallyEstablished(profile, namespace)
		}
		relabelled := profile.Name + "-relabelled"
		ExpectCreated(fixture.Namespace(relabelled, "nobody"))
		selectAgain(profile, relabelled)
		EventuallyEstablished(profile, relabelled)
		EventuallyCounted(profile, v1alpha1.NamespaceCounts{Selected: 7, Compliant: 7})
		Expect(statuses()).To(And(Not(BeEmpty()), HaveEach(BeElementOf("Ready True", "Compliant True"))))
	})

	It("stays so when a namespace is handed over to it, or made while the operator was down", func() {
		profile, first := Governed(fixture.WithPriority(5))
		EventuallyReady(profile)
		other, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(other, namespace)
		statuses := readiness(profile)
		selectAgain(profile, namespace)
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		late := first + "-late"
		ExpectCreated(fixture.Namespace(late, profile.Name))
		bulwark = startOperator()
		EventuallyEstablished(profile, late)
		EventuallyCounted(profile, v1alpha1.NamespaceCounts{Selected: 3, Compliant: 3})
		Expect(statuses()).To(And(Not(BeEmpty()), HaveEach(BeElementOf("Ready True", "Compliant True"))))
	})

	It("is not by a change of its spec, until that is carried out", func() {
		profile, namespace := Governed()
		EventuallyReady(profile)
		proxy := behindProxy()
		held, release := holdNextWrite(proxy, "/namespaces/"+namespace)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Network.AllowSameNamespace = nil })
		Eventually(held).Should(BeClosed())
		EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
		Expect(
			meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Reason,
		).To(Equal(v1alpha1.ReasonProgressing))
		release()
		EventuallyReady(profile)
	})

	It("is not at first, before each namespace that it finds has a report", func() {
		proxy := behindProxy()
		profile := fixture.Profile(UniqueName())
		barred, namespace := profile.Name+"-barred", profile.Name+"-a"
		ExpectCreated(fixture.Namespace(barred, profile.Name), fixture.Namespace(namespace, profile.Name))
		_, release := holdNextWrite(proxy, "/namespaces/"+barred)
		ExpectCreated(profile)
		EventuallyEstablished(profile, namespace)
		EventuallyCounted(profile, v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1})
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(meta.IsStatusConditionFalse(profile.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		}).Should(Succeed())
		release()
	})
})

var _ = Describe("A namespace that has joined and gets no report", func() {
	const grace = 5 * time.Second

	It("is pending, and takes Ready away in the end; then nothing more is written", func() {
		proxy := behindProxy(func(o *operator.Options) { o.JoinGrace = grace })
		profile, _ := Governed()
		EventuallyReady(profile)
		barred := profile.Name + "-barred"
		ExpectCreated(fixture.Namespace(barred, "nobody"))
		_, release := holdNextWrite(proxy, "/namespaces/"+barred)
		selectAgain(profile, barred)
		began := time.Now()
		EventuallyCounted(profile, v1alpha1.NamespaceCounts{Selected: 2, Pending: 1, Compliant: 1})
		Expect(
			meta.IsStatusConditionTrue(profile.Status.Conditions, v1alpha1.ConditionReady),
		).To(BeTrue(), "%+v", profile.Status.Conditions)
		Expect(
			meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Message,
		).To(ContainSubstring("but 1 that joined just now"))
		Expect(metric("bulwark_namespaces", "profile", profile.Name, "state", "pending")).To(Equal(1.0))
		EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
		Expect(time.Since(began)).To(BeNumerically(">", grace-time.Second))
		Expect(
			meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Reason,
		).To(Equal(v1alpha1.ReasonProgressing))

		version := profile.ResourceVersion
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.ResourceVersion).To(Equal(version))
		}).Should(Succeed())
		release()
	})
})

// quotaOfNone is a quota that admits none of a resource.
func quotaOfNone(namespace, resource string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "none"},
		Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{corev1.ResourceName(resource): *resourceQuantity("0")},
		},
	}
}
