package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// governedNamespace is a new one with its baseline.
func governedNamespace() string {
	GinkgoHelper()
	name := UniqueName()
	Expect(admin.Create(ctx, selected(name))).To(Succeed())
	EventuallyEstablished(fortress, name)
	return name
}

func usedPods(g Gomega, namespace string) int64 {
	quota := &corev1.ResourceQuota{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "bulwark-compute"}, quota)).To(Succeed())
	return quota.Status.Used.Pods().Value()
}

func legitimate() {
	It("Kubernetes counts usage into the quota, up and down", func() {
		namespace := governedNamespace()
		pod := compliantPod(namespace, "counted")
		Expect(admin.Create(ctx, pod)).To(Succeed())
		Eventually(func(g Gomega) { g.Expect(usedPods(g, namespace)).To(BeEquivalentTo(1)) }).Should(Succeed())
		Expect(admin.Delete(ctx, pod)).To(Succeed()) // The controller counts it down, by the status.
		Eventually(func(g Gomega) { g.Expect(usedPods(g, namespace)).To(BeZero()) }).Should(Succeed())
	})

	It("a namespace that its creator deletes is emptied and ends", func() {
		namespace := governedNamespace()
		Expect(creator.client().Create(ctx, compliantPod(namespace, "app"))).To(Succeed())
		Expect(creator.client().Delete(ctx, namespaceOf(namespace))).To(Succeed())
		EventuallyGone(namespaceOf(namespace))
	})

	It("a profile that is deleted takes its baseline along, and what guards it", func() {
		profile, namespace := anotherProfile("leaves-by-operator")
		Expect(owner.client().Delete(ctx, profile)).To(Succeed())
		EventuallyBare(profile, namespace)
	})

	It("the garbage collector takes a baseline away whose profile went while the operator was down", func() {
		profile, namespace := anotherProfile("leaves-by-collector")
		bulwark.Stop()
		DeferCleanup(func() { bulwark = startOperator() })
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		profile.Finalizers = nil
		Expect(admin.Update(ctx, profile)).To(Succeed())
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		Eventually(func(g Gomega) {
			for _, o := range Managed(g, namespace)[1:] {
				g.Expect(o.GetName()).To(Equal("default"), "%T %s is still there", o, o.GetName())
			}
		}).Should(Succeed())
	})

	It("a tenant makes, changes and deletes objects of their own", func() {
		as := mallory.client()
		for _, o := range []client.Object{
			policy("own", ingressFrom(namespaces(teamA))), &corev1.LimitRange{ObjectMeta: inShop("own")}, &corev1.ResourceQuota{ObjectMeta: inShop("own")},
			&corev1.ServiceAccount{ObjectMeta: inShop("own")}, &corev1.ConfigMap{ObjectMeta: inShop("own")},
			&rbacv1.Role{ObjectMeta: inShop("own"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}},
			&rbacv1.RoleBinding{ObjectMeta: inShop("own"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}},
		} {
			Expect(as.Create(ctx, o)).To(Succeed())
			o.SetAnnotations(map[string]string{"tenants": "own"})
			o.SetLabels(map[string]string{"tenants": "own"})
			Expect(as.Update(ctx, o)).To(Succeed(), "%T", o)
			Expect(as.Delete(ctx, o)).To(Succeed(), "%T", o)
		}
	})

	It("a tenant adds NetworkPolicies for namespaces and narrow address blocks", func() {
		as := dev.client()
		for _, spec := range []networkingv1.NetworkPolicySpec{
			ingressFrom(namespaces(teamA)),
			ingressFrom(namespaces(requirement(corev1.LabelMetadataName, metav1.LabelSelectorOpIn, "ingress-nginx"))),
			egressTo(blocks("10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32")...),
		} {
			own := policy("own", spec)
			Expect(as.Create(ctx, own)).To(Succeed())
			Expect(as.Delete(ctx, own)).To(Succeed())
		}
	})

	It("a tenant gives the service accounts pull secrets, annotations and labels", func() {
		for _, account := range []*corev1.ServiceAccount{defaultAccount(), account()} {
			for _, answer := range inEveryWay(dev.client(), account, func(o *corev1.ServiceAccount) {
				o.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
				o.Annotations = map[string]string{"tenants": "own"}
				o.Labels["tenants"] = "own"
			}) {
				Expect(client.IgnoreNotFound(answer)).To(Succeed())
			}
			live := Get(account, shop, account.Name)
			Expect(live.ImagePullSecrets).To(HaveLen(1))
		}
		EventuallyEstablished(fortress, shop)
	})

	It("a creator of namespaces annotates and labels one", func() {
		as, ns := creator.client(), Get(&corev1.Namespace{}, "", shop)
		before := ns.DeepCopy()
		ns.Annotations = map[string]string{"tenants": "own"}
		ns.Labels["tenants"] = "own"
		Expect(as.Patch(ctx, ns, client.MergeFrom(before))).To(Succeed())
	})

	It("a compliant Deployment rolls out, and again", func() {
		namespace := governedNamespace()
		d := deployment(namespace, 3)
		Expect(creator.client().Create(ctx, d)).To(Succeed())
		Eventually(func() int { return podsIn(namespace) }).Should(Equal(3))
		answer := changed(creator.client(), d, func(o client.Object) {
			d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		})
		Expect(answer).NotTo(HaveOccurred())
		Eventually(func() int { return podsIn(namespace) }).Should(BeNumerically(">", 3))
	})

	It("a Deployment that comes with its namespace rolls out when the baseline is there", func() {
		namespace := UniqueName()
		Expect(creator.client().Create(ctx, selected(namespace))).To(Succeed())
		Expect(creator.client().Create(ctx, deployment(namespace, 2))).To(Succeed())
		Eventually(func() int { return podsIn(namespace) }).Should(Equal(2))
	})

	It("who may update the profile takes a namespace out of its selection, and it loses its baseline", func() {
		namespace := governedNamespace()
		Expect(
			changed(owner.client(), namespaceOf(namespace), func(o client.Object) { delete(o.GetLabels(), "suite") }),
		).To(Succeed())
		EventuallyBare(fortress, namespace)
	})

	It("somebody sets the Pod Security labels to what the profile declares", func() {
		namespace := UniqueName()
		ns := selected(namespace)
		ns.Labels[enforceLabel], ns.Labels[versionLabel] = "restricted", "v1.37"
		Expect(creator.client().Create(ctx, ns)).To(Succeed())
		EventuallyEstablished(fortress, namespace)
	})

	It(
		"a member of a break-glass group changes what is managed while the operator is down, and it stays until it is back",
		func() {
			namespace := governedNamespace()
			bulwark.Stop()
			deny := defaultDeny()
			deny.Namespace = namespace
			Expect(rescuer.client().Delete(ctx, deny)).To(Succeed())
			Consistently(
				func(g Gomega) { g.Expect(Differences(g, fortress, namespace)).To(HaveLen(1)) },
			).WithTimeout(second).
				Should(Succeed())
			bulwark = startOperator()
			EventuallyEstablished(fortress, namespace)
		},
	)
}

// anotherProfile is one that is guarded too, with a namespace that has its baseline.
func anotherProfile(name string) (*v1alpha1.SecurityProfile, string) {
	GinkgoHelper()
	profile := everything()
	profile.Name, profile.Spec.NamespaceSelector.MatchLabels["suite"] = name, name
	namespace := UniqueName()
	Expect(admin.Create(ctx, fixture.Namespace(namespace, name))).To(Succeed())
	Expect(admin.Create(ctx, profile)).To(Succeed())
	EventuallyEstablished(profile, namespace)
	return profile, namespace
}

// EventuallyBare waits until a namespace has nothing of a baseline, and if the profile went, what
// guards it is gone too.
func EventuallyBare(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		managed := Managed(g, namespace)
		g.Expect(managed).To(HaveLen(1))
		g.Expect(managed[0].GetLabels()).NotTo(HaveKey(v1alpha1.ProfileLabel))
		g.Expect(managed[0].GetLabels()).NotTo(HaveKey(enforceLabel))
	}).Should(Succeed())
	if profile.Name == fortress.Name {
		return
	}
	Eventually(func(g Gomega) {
		policies := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
		g.Expect(admin.List(ctx, policies, client.MatchingLabels{v1alpha1.ProfileLabel: profile.Name})).To(Succeed())
		g.Expect(policies.Items).To(BeEmpty())
	}).Should(Succeed())
}
