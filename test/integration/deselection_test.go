package integration

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// removalDelay is how long the two looks are apart in these specs.
const removalDelay = 3 * time.Second

func looksTwice(o *operator.Options) { o.RemovalDelay = removalDelay }

// appAccount is the ServiceAccount that the fixture's baseline makes.
func appAccount(namespace string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-app"}}
}

// uids are those of all managed objects of a namespace, and of its report.
func uids(namespace string) []string {
	GinkgoHelper()
	var ids []string
	for _, o := range Managed(Default, namespace) {
		ids = append(ids, fmt.Sprintf("%T %s %s", o, o.GetName(), o.GetUID()))
	}
	return append(ids, string(ReportOn(Default, namespace).UID))
}

// tokenOf is a token of a ServiceAccount, as pods that run have one.
func tokenOf(account *corev1.ServiceAccount) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{}
	Expect(admin.SubResource("token").Create(ctx, account, request)).To(Succeed())
	return request.Status.Token
}

// authenticates asks the API server whether a token is anybody's.
func authenticates(token string) bool {
	GinkgoHelper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	Expect(admin.Create(ctx, review)).To(Succeed())
	return review.Status.Authenticated
}

func deselect(namespace string) {
	GinkgoHelper()
	Update(theNamespace(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") })
}

func selectAgain(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = profile.Name })
}

// withoutStatus are the writes but for those of a profile's own status.
func withoutStatus(writes []controlplane.Write) []controlplane.Write {
	return slices.DeleteFunc(writes, func(w controlplane.Write) bool { return w.Resource == "securityprofiles" })
}

var _ = Describe("A namespace that its profile selects no more", thatLooksTwice, func() {
	// flaps is what takes a namespace out of the selection for a moment, and what puts it back.
	type flap struct {
		out, in func(*v1alpha1.SecurityProfile, string)
	}
	DescribeTable(
		"keeps all of its baseline, its history and its tokens, without a write, if that is undone",
		func(f flap) {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			tampers["drops a direction"].do(namespace)
			EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.State == v1alpha1.DriftStateCorrected })
			EventuallyReady(profile)
			token := tokenOf(appAccount(namespace))
			before, reported := uids(namespace), ReportOn(Default, namespace)
			EventuallyQuiet()
			writes := withoutStatus(operatorWrites())

			f.out(profile, namespace)
			Consistently(func(g Gomega) {
				g.Expect(uids(namespace)).To(Equal(before))
				g.Expect(unlike(writes, withoutStatus(operatorWrites()))).To(BeEmpty())
			}).WithTimeout(removalDelay - 1200*time.Millisecond).Should(Succeed())
			f.in(profile, namespace)
			Consistently(
				func(g Gomega) { g.Expect(uids(namespace)).To(Equal(before)) },
			).WithTimeout(removalDelay + time.Second).
				Should(Succeed())
			EventuallyEstablished(profile, namespace)
			Expect(ReportOn(Default, namespace).Drift).To(Equal(reported.Drift))
			Expect(authenticates(token)).To(BeTrue())
			Expect(eventReasons("Namespace", namespace)).NotTo(ContainElement(v1alpha1.EventBaselineRemoved))
		},
		Entry("its label is put back", flap{
			func(_ *v1alpha1.SecurityProfile, namespace string) { deselect(namespace) },
			selectAgain,
		}),
		Entry("its label has another value for a moment", flap{
			func(_ *v1alpha1.SecurityProfile, namespace string) {
				Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = "nobody" })
			},
			selectAgain,
		}),
		Entry("the selector is edited, and edited back", flap{
			func(p *v1alpha1.SecurityProfile, _ string) {
				Update(p, func(p *v1alpha1.SecurityProfile) { p.Spec.NamespaceSelector.MatchLabels["more"] = "yes" })
			},
			func(p *v1alpha1.SecurityProfile, _ string) {
				Update(p, func(p *v1alpha1.SecurityProfile) { delete(p.Spec.NamespaceSelector.MatchLabels, "more") })
			},
		}),
		Entry("it is excluded, and included again", flap{
			func(p *v1alpha1.SecurityProfile, namespace string) {
				Update(p, func(p *v1alpha1.SecurityProfile) { p.Spec.ExcludeNamespaces = []string{namespace} })
			},
			func(p *v1alpha1.SecurityProfile, _ string) {
				Update(p, func(p *v1alpha1.SecurityProfile) { p.Spec.ExcludeNamespaces = nil })
			},
		}),
		Entry("it flaps several times", flap{
			func(p *v1alpha1.SecurityProfile, namespace string) {
				for range 5 {
					deselect(namespace)
					selectAgain(p, namespace)
				}
				deselect(namespace)
			},
			selectAgain,
		}),
	)

	It("keeps it if a profile that only audits takes over for a moment", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		before := uids(namespace)
		audits := fixture.Profile(profile.Name+"-audit", fixture.Audited)
		ExpectCreated(audits)
		EventuallyReady(audits)
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = audits.Name })
		Consistently(func() []string { return uids(namespace) }).WithTimeout(time.Second).Should(Equal(before))
		selectAgain(profile, namespace)
		Consistently(func() []string { return uids(namespace) }).WithTimeout(removalDelay + time.Second).Should(Equal(before))

		By("and loses it if that goes on")
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = audits.Name })
		EventuallyGone(appAccount(namespace))
		EventuallyReported(audits, namespace)
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBaselineRemoved))
	})

	It("keeps it if a new operator protects it by mistake, and the next one does not", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		before := uids(namespace)
		bulwark.Stop()
		bulwark = startOperatorWith(operatorConf, looksTwice, func(o *operator.Options) {
			o.ProtectedNamespaces = append(o.ProtectedNamespaces, namespace)
		})
		Consistently(
			func() []string { return uids(namespace) },
		).WithTimeout(removalDelay - 1500*time.Millisecond).
			Should(Equal(before))
		bulwark.Stop()
		bulwark = startOperatorWith(operatorConf, looksTwice)
		Consistently(func() []string { return uids(namespace) }).WithTimeout(removalDelay + time.Second).Should(Equal(before))
		EventuallyEstablished(profile, namespace)
	})

	It("loses it after the second look, the ServiceAccounts last, and is told so", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		token := tokenOf(appAccount(namespace))
		writes := len(operatorWrites())
		began := time.Now()
		deselect(namespace)
		EventuallyUntouched(namespace)
		Expect(time.Since(began)).To(BeNumerically(">=", removalDelay))
		EventuallyGone(appAccount(namespace))
		Eventually(func() bool { return authenticates(token) }).WithTimeout(30 * time.Second).Should(BeFalse())

		var removed []string
		for _, w := range operatorWrites()[writes:] {
			if w.Namespace == namespace && w.Verb == "delete" {
				removed = append(removed, w.Resource)
			}
		}
		Expect(removed[len(removed)-2:]).To(Equal([]string{"serviceaccounts", "namespacepostures"}), "%v", removed)
		for kind, name := range map[string]string{"Namespace": namespace, "SecurityProfile": profile.Name} {
			Eventually(func() []string { return eventReasons(kind, name) }).Should(ContainElement(v1alpha1.EventBaselineRemoved))
		}
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{}))
		}).Should(Succeed())
	})

	It("keeps it, unmanaged, after the second look if the profile retains", func() {
		profile, namespace := Governed(fixture.Retained)
		EventuallyEstablished(profile, namespace)
		report := ReportOn(Default, namespace)
		deselect(namespace)
		Consistently(func() string { return string(ReportOn(Default, namespace).UID) }).
			WithTimeout(removalDelay - 1200*time.Millisecond).Should(BeEquivalentTo(report.UID))
		EventuallyUnreported(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(appAccount(namespace)), appAccount(namespace))).To(Succeed())
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBaselineRetained))
		Expect(eventReasons("Namespace", namespace)).NotTo(ContainElement(v1alpha1.EventBaselineRemoved))
	})

	It("does not wait where the profile is deleted", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		began := time.Now()
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyGone(profile)
		EventuallyUntouched(namespace)
		Expect(time.Since(began)).To(BeNumerically("<", removalDelay+2*time.Second))
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBaselineRemoved))
	})

	It("does not wait either where the profile is deleted meanwhile", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		deselect(namespace)
		began := time.Now()
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		EventuallyUntouched(namespace)
		EventuallyGone(profile)
		Expect(time.Since(began)).To(BeNumerically("<", removalDelay+2*time.Second))
	})

	It("goes to another profile at once", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		other := fixture.Profile(profile.Name+"-other", fixture.OnlyNetwork)
		ExpectCreated(other)
		began := time.Now()
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = other.Name })
		EventuallyGone(appAccount(namespace))
		Expect(time.Since(began)).To(BeNumerically("<", removalDelay))
		EventuallyEstablished(other, namespace)
		Expect(eventReasons("Namespace", namespace)).NotTo(ContainElement(v1alpha1.EventBaselineRemoved))
	})

	It("waits for a second look anew when an operator begins, and then finishes what the last one began", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		deselect(namespace)
		Expect(
			admin.Delete(
				ctx,
				&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"}},
			),
		).To(Succeed())
		began := time.Now()
		bulwark = startOperatorWith(operatorConf, looksTwice)
		EventuallyUntouched(namespace)
		Expect(time.Since(began)).To(BeNumerically(">=", removalDelay))
		EventuallyGone(appAccount(namespace))
	})

	It("loses it also if the API server does not answer at first", func() {
		_, namespace := Governed()
		proxy := behindProxy(looksTwice)
		failed := make(chan struct{})
		proxy.OnNextWrite(
			func(to string) bool { return strings.Contains(to, "/"+namespace+"/") },
			func() {
				proxy.Cut()
				close(failed)
			},
		)
		deselect(namespace)
		Eventually(failed).Should(BeClosed())
		EventuallyUntouched(namespace)
		EventuallyGone(appAccount(namespace))
	})
})

var _ = Describe("A profile that declares a ServiceAccount no more", func() {
	It("takes it away after all else", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		writes := len(operatorWrites())
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC, p.Spec.Quotas = nil, nil })
		EventuallyGone(appAccount(namespace))
		EventuallyEstablished(profile, namespace)
		var removed []string
		for _, w := range operatorWrites()[writes:] {
			if w.Namespace == namespace && w.Verb == "delete" {
				removed = append(removed, w.Resource)
			}
		}
		Expect(removed).To(HaveLen(5))
		Expect(removed[4]).To(Equal("serviceaccounts"), "%v", removed)
	})
})
