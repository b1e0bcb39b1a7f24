package attack

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// impersonator is a cluster's administrator, in no break-glass group.
var impersonator = tenant{
	title:  "a cluster administrator",
	user:   "impersonator",
	groups: []string{user.SystemPrivilegedGroup},
}

const (
	namespaceController = "system:serviceaccount:kube-system:namespace-controller"
	garbageCollector    = "system:serviceaccount:kube-system:generic-garbage-collector"
	quotaController     = "system:serviceaccount:kube-system:resourcequota-controller"

	ofTamperProtection = "ValidatingAdmissionPolicy 'bulwark-fortress-"
)

// impersonating is a client that the API server takes for somebody, whom RBAC permits everything.
func impersonating(who rest.ImpersonationConfig) client.Client {
	GinkgoHelper()
	who.Groups = []string{user.AllAuthenticated, user.SystemPrivilegedGroup}
	return bed.Impersonating(GinkgoTB(), who)
}

// credential is one that somebody made up, as impersonation takes it.
func credential() map[string][]string {
	return map[string][]string{user.CredentialIDKey: {"JTI=00000000-0000-0000-0000-000000000000"}}
}

func operatorAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: "bulwark-manager"},
	}
}

// onShop changes and deletes what is managed in shop.
func onShop(as client.Client) []error {
	GinkgoHelper()
	answers := inEveryWay(as, role(), func(o *rbacv1.Role) { o.Rules[0].Verbs = []string{"*"} })
	answers = append(answers, inEveryWay(as, quota(), func(o *corev1.ResourceQuota) {
		o.Spec.Hard[corev1.ResourcePods] = resource.MustParse("1000")
	})...)
	return append(
		answers,
		as.Delete(ctx, defaultDeny()),
		as.Delete(ctx, account()),
		as.Delete(ctx, defaultAccount()),
		as.DeleteAllOf(
			ctx,
			&rbacv1.RoleBinding{},
			client.InNamespace(shop),
			client.MatchingLabels{v1alpha1.ProfileLabel: "fortress"},
		),
		as.Delete(ctx, &v1alpha1.NamespacePosture{ObjectMeta: inShop(v1alpha1.PostureName)}),
		as.Create(ctx, named(metav1.ObjectMeta{Name: "bulwark-next"})[0]),
	)
}

// onItsNamespace changes labels of the namespace shop.
func onItsNamespace(as client.Client) []error {
	return append(
		relabelled(as, sets(enforceLabel, "privileged"), false),
		relabelled(as, removes(v1alpha1.ProfileLabel), true)...)
}

// endsShop ends the namespace without having it emptied.
func endsShop(as client.Client) []error {
	w := writing(namespaceOf(shop), func(ns *corev1.Namespace) { ns.Spec.Finalizers = nil })
	w.subresource = "finalize"
	return []error{w.put(as)}
}

// impersonationAttacks take the names of those whom policies let pass. A token or a certificate of
// theirs has what the names lack.
func impersonationAttacks() []attack {
	asOperator := func(uid func() string, extra map[string][]string) func(client.Client) []error {
		return func(client.Client) []error {
			as := impersonating(rest.ImpersonationConfig{UserName: controlplane.OperatorUser, UID: uid(), Extra: extra})
			opened := as.Create(ctx, policy("own", ingressFrom()))
			return append(append(onShop(as), onItsNamespace(as)...), opened)
		}
	}
	own := func() string {
		return string(Get(operatorAccount(), v1alpha1.OperatorNamespace, "bulwark-manager").UID)
	}
	none := func() string { return "" }
	another := func() string { return string(nobody.UID) }
	attacks := []attack{
		{
			name: "impersonates the operator by its name", do: asOperator(none, nil),
		},
		{
			name: "impersonates the operator by its name and its uid", do: asOperator(own, nil),
		},
		{
			name: "impersonates the operator by its name and a credential", do: asOperator(none, credential()),
		},
		{
			name: "impersonates the operator by its name, the uid of another and a credential",
			do:   asOperator(another, credential()),
		},
		{
			name: "impersonates the operator by its name, its uid, and all that a token says but the credential",
			do: asOperator(
				own,
				map[string][]string{"authentication.kubernetes.io/pod-name": {"bulwark-0"}, "credential-id": {"JTI=0"}},
			),
		},
	}
	for _, part := range []struct{ words, name string }{
		{"the API server", user.APIServerUser}, {"kube-controller-manager", user.KubeControllerManager}, {"the garbage collector", garbageCollector},
		{"the quota controller", quotaController}, {"the namespace controller", namespaceController},
	} {
		attacks = append(attacks, attack{
			name: "impersonates " + part.words + " by its name",
			do: func(client.Client) []error {
				as := impersonating(rest.ImpersonationConfig{UserName: part.name})
				return append(append(onShop(as), onItsNamespace(as)...), endsShop(as)...)
			},
		})
		if !strings.HasPrefix(part.name, "system:serviceaccount:") {
			continue
		}
		attacks = append(attacks, attack{
			name: "impersonates " + part.words + " by its name and a uid, or by its name and a credential",
			do: func(client.Client) []error {
				as := impersonating(rest.ImpersonationConfig{UserName: part.name, UID: string(nobody.UID)})
				too := impersonating(rest.ImpersonationConfig{UserName: part.name, Extra: credential()})
				return append(append(onShop(as), endsShop(as)...), append(onShop(too), endsShop(too)...)...)
			},
		})
	}
	for i := range attacks {
		attacks[i].as, attacks[i].outcome, attacks[i].why = impersonator, refused, ofTamperProtection
	}
	return attacks
}

// operatorIdentity is what must hold for the operator itself.
func operatorIdentity() {
	tampers := func(as client.Client) error { return as.Delete(ctx, defaultDeny(), client.DryRunAll) }
	byName := func() client.Client {
		return impersonating(rest.ImpersonationConfig{UserName: controlplane.OperatorUser})
	}
	// corrects is seen by what somebody in a break-glass group does.
	corrects := func() {
		GinkgoHelper()
		Expect(rescuer.client().Delete(ctx, defaultDeny())).To(Succeed())
		EventuallyEstablished(fortress, shop)
	}

	It("and Kubernetes' controllers are told from whom somebody impersonates by what their tokens have", func() {
		for _, account := range []struct{ namespace, name string }{
			{v1alpha1.OperatorNamespace, "bulwark-manager"}, {"kube-system", "namespace-controller"}, {"kube-system", "generic-garbage-collector"},
		} {
			cfg, err := plane.ServiceAccountConfig(ctx, account.namespace, account.name)
			Expect(err).NotTo(HaveOccurred())
			as := bed.ClientOf(GinkgoTB(), cfg)
			Expect(tampers(as)).To(Succeed(), account.name)
			review := &authenticationv1.SelfSubjectReview{}
			Expect(as.Create(ctx, review)).To(Succeed())
			Expect(review.Status.UserInfo.UID).NotTo(BeEmpty())
			Expect(review.Status.UserInfo.Extra).To(HaveKey(user.CredentialIDKey))
		}
		review := &authenticationv1.SelfSubjectReview{}
		Expect(byName().Create(ctx, review)).To(Succeed())
		Expect(review.Status.UserInfo.UID).To(BeEmpty())
		Expect(review.Status.UserInfo.Extra).NotTo(HaveKey(user.CredentialIDKey))
	})

	It("has policies renewed that knew it by its name alone, and nobody gets through meanwhile", func() {
		drift := Get(fortress, "", fortress.Name).Status.PolicyDriftTotal
		bulwark.Stop()
		asOperator := client.WithFieldOwner(bed.ClientOf(GinkgoTB(), operatorConf), v1alpha1.FieldManager)
		for _, concern := range []string{"tamper-objects", "tamper-namespaces", "tenant-network-policies"} {
			old := &admissionregistrationv1.ValidatingAdmissionPolicy{}
			Expect(changed(asOperator, bearing(old, "bulwark-fortress-"+concern), func(client.Object) {
				for i := range old.Spec.MatchConditions {
					if c := &old.Spec.MatchConditions[i]; strings.HasPrefix(c.Name, "is-not-by-bulwark") {
						c.Expression = `!(request.userInfo.username in ["` + controlplane.OperatorUser + `", "` + garbageCollector + `", "` + namespaceController + `"])`
					}
				}
			})).To(Succeed())
		}
		Eventually(func() error { return tampers(byName()) }).Should(Succeed()) // The old policies are in force.

		bulwark = startOperator()
		attacker := mallory.client()
		Eventually(func(g Gomega) {
			Expect(tampers(attacker)).To(MatchError(ContainSubstring(partOfBaseline)), "somebody got through")
			g.Expect(tampers(byName())).To(MatchError(ContainSubstring(partOfBaseline)))
		}).Should(Succeed())
		EventuallyInForce(fortress)
		EventuallyEstablished(fortress, shop)
		Expect(Get(fortress, "", fortress.Name).Status.PolicyDriftTotal).To(Equal(drift), "an upgrade is no drift")
		corrects()
	})

	It("goes on after its service account was made anew while it was down, and the former uid lets nobody pass", func() {
		bulwark.Stop()
		account := Get(operatorAccount(), v1alpha1.OperatorNamespace, "bulwark-manager")
		former := string(account.UID)
		Expect(admin.Delete(ctx, account)).To(Succeed())
		EventuallyGone(account)
		Expect(admin.Create(ctx, operatorAccount())).To(Succeed())
		Expect(rescuer.client().Delete(ctx, defaultDeny())).To(Succeed())
		var err error
		operatorConf, err = plane.OperatorConfig(ctx)
		Expect(err).NotTo(HaveOccurred())

		bulwark = startOperator()
		attacker := mallory.client()
		Eventually(func(g Gomega) {
			Expect(
				attacker.Delete(ctx, quota(), client.DryRunAll),
			).To(MatchError(ContainSubstring(partOfBaseline)), "somebody got through")
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(defaultDeny()), defaultDeny())).To(Succeed())
		}).Should(Succeed())
		EventuallyEstablished(fortress, shop)
		EventuallyInForce(fortress)
		corrects()
		Eventually(func() error {
			return tampers(
				impersonating(rest.ImpersonationConfig{UserName: controlplane.OperatorUser, UID: former, Extra: credential()}),
			)
		}).Should(MatchError(ContainSubstring(partOfBaseline)))
	})
}

// bearing gives an object its name.
func bearing[T client.Object](o T, name string) T {
	o.SetName(name)
	return o
}
