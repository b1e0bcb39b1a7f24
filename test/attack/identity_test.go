package attack

import (
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// nobody is an owner that is not there: what has no other, the garbage collector deletes.
var nobody = metav1.OwnerReference{
	APIVersion: "v1",
	Kind:       "ConfigMap",
	Name:       "nobody",
	UID:        types.UID("00000000-0000-0000-0000-000000000000"),
}

// ownershipAttacks let others than the attacker delete what is managed, or keep it from being
// deleted.
func ownershipAttacks() []attack {
	return []attack{
		{
			name: "takes an object of each managed kind from its owner", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(owned(), func(o client.Object) []error {
					return inEveryWayButApply(as, o, func(o client.Object) { o.SetOwnerReferences(nil) })
				})
			},
		},
		{
			name:    "gives an object of each managed kind to an owner who is gone, so that the garbage collector deletes it",
			as:      mallory,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(owned(), func(o client.Object) []error {
					return inEveryWay(as, o, func(o client.Object) { o.SetOwnerReferences(append(o.GetOwnerReferences(), nobody)) })
				})
			},
		},
		{
			name: "gives the service account default to an owner who is gone, so that the garbage collector deletes it", as: dev,
			outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(
					as,
					defaultAccount(),
					func(o *corev1.ServiceAccount) { o.OwnerReferences = []metav1.OwnerReference{nobody} },
				)
			},
		},
		{
			name: "adds an unmanaged finalizer to what is managed", as: mallory, outcome: harmless,
			do: func(as client.Client) []error {
				return ofEach(exclusive(), func(o client.Object) []error {
					return inEveryWay(as, o, func(o client.Object) { o.SetFinalizers([]string{keep}) })
				})
			},
			then: func() {
				Consistently(func(g Gomega) {
					for _, o := range exclusive() {
						g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
						g.Expect(o.GetFinalizers()).To(ConsistOf(keep), "%T", o)
					}
				}).Should(Succeed())
				EventuallyEstablished(fortress, shop)
				for _, o := range exclusive() { // To hold its deletion takes one.
					Expect(mallory.client().Delete(ctx, o)).To(MatchError(ContainSubstring(partOfBaseline)), "%T", o)
				}
				takeOff(exclusive()...)
			},
		},
		{
			name: "holds by a finalizer what somebody else deletes", as: rescuer, outcome: undone,
			do: func(as client.Client) []error {
				return ofEach(exclusive(), func(o client.Object) []error {
					return []error{
						as.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":["`+keep+`"]}}`))),
						as.Delete(ctx, o),
					}
				})
			},
			then: func() {
				for _, o := range exclusive() {
					Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
					Expect(o.GetDeletionTimestamp()).To(BeNil(), "%T is about to go", o)
				}
			},
		},
		{
			name: "writes labels and annotations of their own on what is managed", as: mallory, outcome: harmless,
			do: func(as client.Client) []error {
				return ofEach(exclusive(), func(o client.Object) []error {
					return inEveryWay(as, o, func(o client.Object) {
						o.GetLabels()["tenants.example.com/cost"] = "42"
						o.SetAnnotations(map[string]string{"tenants.example.com/note": "mine"})
					})
				})
			},
			then: func() { EventuallyEstablished(fortress, shop) },
		},
		{
			name: "deletes a RoleBinding and makes it anew, to another ClusterRole", as: mallory, outcome: refused,
			do: func(as client.Client) []error {
				other := bound(mallory, shop, "edit")
				other.GenerateName, other.Name = "", "bulwark-viewers"
				return []error{as.Delete(ctx, binding()), as.Create(ctx, other)}
			},
		},
	}
}

// keep is a finalizer of a tenant.
const keep = "tenants.example.com/keep"

// exclusive are an object of each managed kind that is Bulwark's alone.
func exclusive() []client.Object {
	return []client.Object{defaultDeny(), limits(), quota(), role(), binding()}
}

// takeOff takes all finalizers off objects.
func takeOff(objects ...client.Object) {
	for _, o := range objects {
		Expect(
			admin.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))),
		).To(Succeed())
	}
}

// nameAttacks take names that a baseline has, or may have one day.
func nameAttacks() []attack {
	return []attack{
		{
			name:    "takes a name that begins with bulwark-, of each managed kind",
			as:      mallory,
			outcome: refused,
			why:     nameIsReserved,
			do: func(as client.Client) []error {
				return ofEach(
					named(metav1.ObjectMeta{Name: "bulwark-next"}),
					func(o client.Object) []error { return []error{as.Create(ctx, o)} },
				)
			},
		},
		{
			name: "has such a name generated", as: mallory, outcome: refused, why: nameIsReserved,
			do: func(as client.Client) []error {
				return ofEach(
					named(metav1.ObjectMeta{GenerateName: "bulwark-"}),
					func(o client.Object) []error { return []error{as.Create(ctx, o)} },
				)
			},
		},
		{
			name:    "takes such a name by an update or an apply of what is not there",
			as:      mallory,
			outcome: refused,
			why:     nameIsReserved,
			do: func(as client.Client) []error {
				var answers []error
				for _, o := range named(metav1.ObjectMeta{Name: "bulwark-next"}) {
					switch o.(type) {
					case *corev1.LimitRange, *rbacv1.Role, *rbacv1.RoleBinding: // What a PUT can make.
						answers = append(answers, as.Update(ctx, o))
					}
				}
				for kind, group := range map[string]string{"NetworkPolicy": "networking.k8s.io/v1", "ServiceAccount": "v1", "ResourceQuota": "v1"} {
					u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group, "kind": kind}}
					u.SetNamespace(shop)
					u.SetName("bulwark-next")
					answers = append(
						answers,
						as.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.ForceOwnership, client.FieldOwner("attacker")),
					)
				}
				return answers
			},
		},
		{
			name:    "takes the names of a baseline before there is one, with objects of their own, and has the namespace selected then",
			as:      creator,
			outcome: harmless,
			do:      func(as client.Client) []error { return squatted(as, "squatted", nil) },
			then: func() {
				Eventually(func(g Gomega) {
					report := &v1alpha1.NamespacePosture{}
					g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: "squatted", Name: v1alpha1.PostureName}, report)).To(Succeed())
					g.Expect(report.Summary.Conflicted).To(BeEquivalentTo(2))
					g.Expect(report.IsReady()).To(BeFalse())
				}).Should(Succeed())
				Expect(
					admin.Create(ctx, compliantPod("squatted", "app")),
				).To(MatchError(ContainSubstring("wait until the baseline")))
			},
		},
		{
			name: "does so with Bulwark's labels on them", as: creator, outcome: undone,
			do: func(as client.Client) []error {
				return squatted(as, "squatted-labels", map[string]string{
					v1alpha1.ProfileLabel: "fortress", v1alpha1.ManagedByLabel: v1alpha1.ManagedBy,
				})
			},
			then: func() { EventuallyEstablished(fortress, "squatted-labels") },
		},
	}
}

// named are new objects of a tenant in shop, one of each managed kind.
func named(meta metav1.ObjectMeta) []client.Object {
	meta.Namespace = shop
	return []client.Object{
		&networkingv1.NetworkPolicy{
			ObjectMeta: meta,
			Spec:       ingressFrom(networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}}),
		},
		&corev1.LimitRange{
			ObjectMeta: meta,
		},
		&corev1.ResourceQuota{ObjectMeta: meta},
		&corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.Role{ObjectMeta: meta},
		&rbacv1.RoleBinding{
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		},
	}
}

// squatted fills a namespace that no profile governs with what the profile would put there, and
// then has it governed.
func squatted(as client.Client, namespace string, labels map[string]string) []error {
	ns := unselected(namespace)
	answers := []error{as.Create(ctx, ns)}
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}
	}
	answers = append(answers,
		as.Create(ctx, &networkingv1.NetworkPolicy{ObjectMeta: meta("bulwark-default-deny"), Spec: egressTo()}),
		as.Create(ctx, &corev1.ResourceQuota{ObjectMeta: meta("bulwark-compute")}))
	ns.Labels = selected(namespace).Labels
	return append(answers, as.Update(ctx, ns))
}

// labelAttacks strip and forge the labels by which Bulwark knows its own.
func labelAttacks() []attack {
	without := func(key string) func(client.Object) {
		return func(o client.Object) {
			labels := o.GetLabels()
			delete(labels, key)
			o.SetLabels(labels)
		}
	}
	own := func() client.Object { return policy("own", ingressFrom(namespaces(teamA))) }
	return []attack{
		{
			name:    "strips the label of the profile off an object of each managed kind",
			as:      mallory,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(append(owned(), defaultAccount()), func(o client.Object) []error {
					return inEveryWayButApply(as, o, without(v1alpha1.ProfileLabel))
				})
			},
		},
		{
			name:    "strips the label managed-by off an object of each managed kind",
			as:      mallory,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(
					owned(),
					func(o client.Object) []error { return inEveryWayButApply(as, o, without(v1alpha1.ManagedByLabel)) },
				)
			},
		},
		{
			name: "has an object of each managed kind belong to another profile", as: mallory, outcome: refused,
			do: func(as client.Client) []error {
				return ofEach(append(owned(), defaultAccount()), func(o client.Object) []error {
					return inEveryWay(as, o, func(o client.Object) {
						labels := o.GetLabels()
						labels[v1alpha1.ProfileLabel] = "another"
						o.SetLabels(labels)
					})
				})
			},
		},
		{
			name: "makes objects of their own with the label of the profile", as: dev, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error {
				forged, other := own(), own()
				forged.SetLabels(map[string]string{v1alpha1.ProfileLabel: "fortress"})
				other.SetLabels(map[string]string{v1alpha1.ProfileLabel: "another"})
				return []error{as.Create(ctx, forged), as.Create(ctx, other)}
			},
		},
		{
			name:    "makes an object of each managed kind with that label, and empty",
			as:      mallory,
			outcome: refused,
			why:     labelIsSet,
			do: func(as client.Client) []error {
				return ofEach(named(metav1.ObjectMeta{Name: "own", Labels: map[string]string{v1alpha1.ProfileLabel: ""}}),
					func(o client.Object) []error { return []error{as.Create(ctx, o)} })
			},
		},
		{
			name: "puts that label, and empty, on an object of their own later", as: robot, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error {
				return inEveryWay(as, &corev1.ServiceAccount{ObjectMeta: inShop("ci")}, func(o *corev1.ServiceAccount) {
					o.Labels = map[string]string{v1alpha1.ProfileLabel: ""}
				})
			},
		},
		{
			name: "has the label of an object of each managed kind empty", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(append(owned(), defaultAccount()), func(o client.Object) []error {
					return inEveryWay(as, o, func(o client.Object) { o.GetLabels()[v1alpha1.ProfileLabel] = "" })
				})
			},
		},
		{
			name: "puts the label of the profile on an object of their own later", as: robot, outcome: refused, why: labelIsSet,
			do: func(as client.Client) []error {
				account := &corev1.ServiceAccount{ObjectMeta: inShop("ci")}
				return inEveryWay(as, account, func(o *corev1.ServiceAccount) {
					o.Labels = map[string]string{v1alpha1.ProfileLabel: "fortress"}
				})
			},
		},
	}
}
