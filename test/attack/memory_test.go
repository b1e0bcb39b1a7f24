package attack

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/operator"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
)

// crowdOf is more than is held of a kind in a namespace.
const crowdOf = boundedcache.MaxUndesired + 32

// memoryAttacks would have the operator hold what a tenant writes. Its limit is 512Mi, and a
// replica that does not lead holds the same.
func memoryAttacks() []attack {
	labelled := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{
			v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: "nobodys",
		}}
	}
	return []attack{
		{
			name:    "makes objects of hundreds of kilobytes that bear Bulwark's label",
			as:      mallory,
			outcome: refused,
			why:     deniedByPolicy,
			do: func(as client.Client) []error {
				return ofEach(huge(labelled(shop, "hoard")), func(o client.Object) []error { return []error{as.Create(ctx, o)} })
			},
		},
		{
			name: "makes them in a namespace that no profile selects", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				answers := []error{as.Create(ctx, unselected("hoard"))}
				return append(
					answers,
					ofEach(huge(labelled("hoard", "hoard")), func(o client.Object) []error { return []error{as.Create(ctx, o)} })...)
			},
			then: func() { ExpectLittleHeld("hoard"); ExpectCorrection(binding()) },
		},
		{
			name: "makes many small ones there, and keeps them by finalizers", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				answers := []error{as.Create(ctx, unselected("crowd"))}
				for i := range crowdOf {
					meta := labelled("crowd", fmt.Sprint("one-of-many-", i))
					meta.Finalizers = []string{"tenants.example.com/keep"}
					answers = append(answers, as.Create(ctx, &rbacv1.Role{ObjectMeta: meta}))
				}
				return answers
			},
			then: func() {
				ExpectLittleHeld("crowd")
				ExpectCorrection(role())
				for i := range crowdOf { // They may go now.
					o := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "crowd", Name: fmt.Sprint("one-of-many-", i)}}
					Expect(
						changed(admin, o, func(o client.Object) { o.SetFinalizers(nil) }),
					).To(Or(Succeed(), Satisfy(apierrors.IsNotFound)))
				}
			},
		},
		{
			name:    "gives the default ServiceAccount tens of thousands of Secrets and image pull secrets",
			as:      mallory,
			outcome: harmless,
			do: func(as client.Client) []error {
				return []error{
					changed(
						as,
						&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: annex, Name: "default"}},
						func(o client.Object) {
							account := o.(*corev1.ServiceAccount)
							for i := range 20_000 {
								account.Secrets = append(account.Secrets, corev1.ObjectReference{Name: fmt.Sprint("s", i)})
								account.ImagePullSecrets = append(
									account.ImagePullSecrets,
									corev1.LocalObjectReference{Name: fmt.Sprint("s", i)},
								)
							}
						},
					),
				}
			},
			then: func() { ExpectLittleHeld(annex); ExpectCorrection(limits()) },
		},
		{
			name: "gives a namespace thousands of labels", as: labeller, outcome: harmless,
			do: func(as client.Client) []error {
				return []error{as.Create(ctx, unselected("labelled")), rewriteWith(as, "labelled", 5000)}
			},
			then: func() {
				var ns corev1.Namespace
				Expect(replica().Get(ctx, client.ObjectKey{Name: "labelled"}, &ns)).To(Succeed())
				Expect(len(ns.Labels)).To(BeNumerically("<", 16))
				ExpectCorrection(policy("bulwark-allow-dns", egressTo()))
			},
		},
	}
}

// huge are large in the way of their kind.
func huge(meta metav1.ObjectMeta) []client.Object {
	var subjects []rbacv1.Subject
	for i := range 5_000 {
		subjects = append(
			subjects,
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: fmt.Sprint("user-", i)},
		)
	}
	secrets := make([]corev1.LocalObjectReference, 20_000)
	for i := range secrets {
		secrets[i].Name = fmt.Sprint("s", i)
	}
	return []client.Object{
		&networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{"Ingress"}, Ingress: make([]networkingv1.NetworkPolicyIngressRule, 100_000),
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		},
		&corev1.ServiceAccount{ObjectMeta: meta, ImagePullSecrets: secrets},
	}
}

func rewriteWith(as client.Client, namespace string, count int) error {
	return changed(as, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(o client.Object) {
		all := o.GetLabels()
		for i := range count {
			all[fmt.Sprintf("many.example.com/label-%d", i)] = "x"
		}
		o.SetLabels(all)
	})
}

// replica are the caches of one more operator, which begins to read now.
func replica() cache.Cache {
	GinkgoHelper()
	standby, err := inprocess.StartStandby(ctx, operatorConf, admin)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(standby.Stop()).To(Succeed()) })
	return standby
}

// mostHeld is what 128 objects of a kind take without their content, and a baseline.
const mostHeld = 128 << 10

func ExpectLittleHeld(namespace string) {
	GinkgoHelper()
	caches, bytes := replica(), 0
	for i := range baseline.NamespacedKinds {
		kind := &baseline.NamespacedKinds[i]
		list, err := operator.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
		Expect(err).NotTo(HaveOccurred())
		Expect(caches.List(ctx, list.(client.ObjectList), client.InNamespace(namespace))).To(Succeed())
		bytes += list.(interface{ Size() int }).Size()
	}
	Expect(bytes).To(BeNumerically("<", mostHeld))
}

// ExpectCorrection has somebody who may break an object of annex, and waits until that is undone.
func ExpectCorrection(o client.Object) {
	GinkgoHelper()
	o.SetNamespace(annex)
	Expect(rescuer.client().Delete(ctx, o)).To(Succeed())
	EventuallyEstablished(fortress, annex)
}
