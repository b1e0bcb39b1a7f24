package integration

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

var _ = Describe("DNS at addresses of the host", func() {
	It("is allowed beside the cluster's, and stays so", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Network.AllowDNS = &v1alpha1.AllowDNS{CIDRs: []string{"fd00:10::10/128", "169.254.20.10/32"}}
		})
		EventuallyEstablished(profile, namespace)
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-allow-dns"}}
		key := client.ObjectKeyFromObject(policy)
		Expect(admin.Get(ctx, key, policy)).To(Succeed())
		want := policy.Spec.DeepCopy()
		Expect(want.PolicyTypes).To(ConsistOf(networkingv1.PolicyTypeEgress))
		Expect(want.Egress).To(HaveLen(1))
		Expect(want.Egress[0].Ports).To(HaveLen(2))
		Expect(want.Egress[0].To).To(ConsistOf(
			HaveField("PodSelector.MatchLabels", HaveKeyWithValue("k8s-app", "kube-dns")),
			HaveField("IPBlock", HaveValue(Equal(networkingv1.IPBlock{CIDR: "169.254.20.10/32"}))),
			HaveField("IPBlock", HaveValue(Equal(networkingv1.IPBlock{CIDR: "fd00:10::10/128"}))),
		))

		By("being corrected where somebody takes an address away")
		policy.Spec.Egress[0].To = policy.Spec.Egress[0].To[:2]
		Expect(admin.Update(ctx, policy)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, key, policy)).To(Succeed())
			g.Expect(policy.Spec).To(Equal(*want))
		}).Should(Succeed())

		By("being written no more when the profile only reorders them")
		EventuallyEstablished(profile, namespace)
		before := baselineWrites()
		Update(profile, func(p *v1alpha1.SecurityProfile) { slices.Reverse(p.Spec.Network.AllowDNS.CIDRs) })
		EventuallyReported(profile, namespace)
		Expect(baselineWrites()).To(Equal(before))
	})
})
