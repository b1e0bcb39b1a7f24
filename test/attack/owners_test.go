package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

const endsWithOwners = "the namespace and its baseline would be deleted with its owners"

// goneOwner is a cluster-scoped owner that is not there: a namespace that has no other, the garbage
// collector deletes.
var goneOwner = metav1.OwnerReference{
	APIVersion: "rbac.authorization.k8s.io/v1",
	Kind:       "ClusterRole",
	Name:       "gone",
	UID:        types.UID("00000000-0000-0000-0000-000000000000"),
}

// liveOwner is one that is there, until somebody deletes it.
func liveOwner() metav1.OwnerReference {
	GinkgoHelper()
	owner := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{GenerateName: "owner-"}}
	Expect(admin.Create(ctx, owner)).To(Succeed())
	return metav1.OwnerReference{
		APIVersion: "rbac.authorization.k8s.io/v1",
		Kind:       "ClusterRole",
		Name:       owner.Name,
		UID:        owner.UID,
	}
}

// ownedNamespace makes one in the selection that has these owners.
func ownedNamespace(owners ...metav1.OwnerReference) *corev1.Namespace {
	GinkgoHelper()
	ns := selected(UniqueName())
	ns.OwnerReferences = owners
	Expect(admin.Create(ctx, ns)).To(Succeed())
	return ns
}

func setsOwners(owners ...metav1.OwnerReference) func(*corev1.Namespace) {
	return func(ns *corev1.Namespace) { ns.OwnerReferences = owners }
}

// ownerAttacks have the garbage collector delete a namespace, by who may not.
func ownerAttacks() []attack {
	return []attack{
		{
			name:    "gives the namespace an owner who is gone, so that the garbage collector deletes it and its baseline",
			as:      labeller,
			outcome: refused,
			why:     endsWithOwners,
			do:      func(as client.Client) []error { return rewritten(as, shop, setsOwners(goneOwner), false) },
		},
		{
			name:    "gives the namespace an owner who is there, to delete that one later",
			as:      labeller,
			outcome: refused,
			why:     endsWithOwners,
			do: func(as client.Client) []error {
				holding := liveOwner()
				holding.Controller, holding.BlockOwnerDeletion = ptr.To(true), ptr.To(true)
				return append(
					rewritten(as, shop, setsOwners(liveOwner()), false),
					rewritten(as, annex, setsOwners(goneOwner, holding), false)...)
			},
		},
		{
			name:    "has a namespace selected and gives it such an owner in one write",
			as:      labeller,
			outcome: refused,
			why:     endsWithOwners,
			do: func(as client.Client) []error {
				return inEveryWay(as, namespaceOf(outside), func(ns *corev1.Namespace) {
					ns.Labels = selected(outside).Labels
					ns.OwnerReferences = []metav1.OwnerReference{goneOwner}
				})
			},
		},
		{
			name: "leaves a namespace of two owners to one of them, exchanges one, or has one hold the other", as: labeller,
			outcome: refused, why: endsWithOwners,
			do: func(as client.Client) []error {
				owners := Get(&corev1.Namespace{}, "", inherited).OwnerReferences
				one, other := owners[0], owners[1]
				exchanged, holding := other, other
				exchanged.UID, holding.BlockOwnerDeletion = goneOwner.UID, ptr.To(true)
				answers := rewritten(as, inherited, setsOwners(other), true)
				answers = append(answers, rewritten(as, inherited, setsOwners(exchanged), true)...)
				answers = append(answers, rewritten(as, inherited, setsOwners(one, holding), true)...)
				Expect(Get(&corev1.Namespace{}, "", inherited).OwnerReferences).To(Equal(owners))
				return answers
			},
		},
	}
}

// namespaceOwners is what goes on under tamper protection.
func namespaceOwners() {
	owned := func(ns *corev1.Namespace, owners ...metav1.OwnerReference) {
		GinkgoHelper()
		Expect(Get(&corev1.Namespace{}, "", ns.Name).OwnerReferences).To(ConsistOf(owners))
	}

	It("who may delete a namespace gives it an owner, in every way", func() {
		ns, owner := ownedNamespace(), liveOwner()
		Eventually(func() map[string]string { // Else one that was read before is put without Bulwark's label.
			return Get(&corev1.Namespace{}, "", ns.Name).Labels
		}).Should(HaveKey(v1alpha1.ProfileLabel))
		for _, answer := range rewritten(creator.client(), ns.Name, setsOwners(owner), false) {
			Expect(answer).NotTo(HaveOccurred())
		}
		owned(ns, owner)
	})

	It("who may delete one namespace by a RoleBinding in it gives that one an owner, and no other", func() {
		ns, owner := ownedNamespace(), liveOwner()
		deleter := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "deleter-"},
			Rules: []rbacv1.PolicyRule{
				{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"delete"}},
			},
		}
		Expect(admin.Create(ctx, deleter)).To(Succeed())
		Expect(admin.Create(ctx, bound(labeller, ns.Name, deleter.Name))).To(Succeed())
		Eventually(func() error {
			return changed(
				labeller.client(),
				namespaceOf(ns.Name),
				func(o client.Object) { o.SetOwnerReferences([]metav1.OwnerReference{owner}) },
			)
		}).Should(Succeed())
		owned(ns, owner)
		Expect(
			changed(
				labeller.client(),
				namespaceOf(shop),
				func(o client.Object) { o.SetOwnerReferences([]metav1.OwnerReference{owner}) },
			),
		).
			To(MatchError(ContainSubstring(endsWithOwners)))
	})

	It(
		"who makes a namespace gives it an owner, as a controller of tenants has it, and changes it without being charged with that",
		func() {
			ns, owner := selected(UniqueName()), liveOwner()
			ns.OwnerReferences = []metav1.OwnerReference{owner}
			Expect(labeller.client().Create(ctx, ns)).To(Succeed())
			EventuallyEstablished(fortress, ns.Name)
			for _, answer := range rewritten(labeller.client(), ns.Name, func(ns *corev1.Namespace) {
				ns.Annotations = map[string]string{"tenants": "own"}
			}, false) {
				Expect(answer).NotTo(HaveOccurred())
			}
			owned(ns, owner)
		},
	)

	It("who may not delete a namespace takes all its owners off, with which nothing ends", func() {
		ns := ownedNamespace(liveOwner())
		Expect(
			changed(labeller.client(), namespaceOf(ns.Name), func(o client.Object) { o.SetOwnerReferences(nil) }),
		).To(Succeed())
		owned(ns)
	})

	It("the garbage collector takes an owner off that is gone where another is there", func() {
		owner := liveOwner()
		ns := ownedNamespace(goneOwner, owner)
		Eventually(func(g Gomega) {
			live := &corev1.Namespace{}
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), live)).To(Succeed())
			g.Expect(live.OwnerReferences).To(ConsistOf(owner))
		}).Should(Succeed())
		EventuallyEstablished(fortress, ns.Name)
	})

	It("a namespace whose owner is gone ends, which is why nobody else may set one", func() {
		ns := ownedNamespace()
		EventuallyEstablished(fortress, ns.Name)
		Expect(changed(creator.client(), namespaceOf(ns.Name), func(o client.Object) {
			o.SetOwnerReferences([]metav1.OwnerReference{goneOwner})
		})).To(Succeed())
		EventuallyGone(ns)
	})
}
