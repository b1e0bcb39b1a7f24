package attack

import (
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// The API server says these of a request that it refuses.
const (
	deniedByPolicy = "denied request" // of the policies that do, any may be the first
	partOfBaseline = "the object is a part of the namespace's baseline and is changed by Bulwark alone"
	labelIsSet     = "is set by Bulwark alone"
	nameIsReserved = "names that begin with bulwark- are reserved"
)

func inShop(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: shop, Name: name} }

func defaultDeny() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: inShop("bulwark-default-deny")}
}
func limits() *corev1.LimitRange { return &corev1.LimitRange{ObjectMeta: inShop("bulwark-limits")} }
func quota() *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: inShop("bulwark-compute")}
}
func role() *rbacv1.Role           { return &rbacv1.Role{ObjectMeta: inShop("bulwark-developer")} }
func binding() *rbacv1.RoleBinding { return &rbacv1.RoleBinding{ObjectMeta: inShop("bulwark-viewers")} }
func account() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: inShop("bulwark-app")}
}
func defaultAccount() *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: inShop("default")}
}

// owned are an object of each managed kind that Bulwark made.
func owned() []client.Object {
	return []client.Object{defaultDeny(), limits(), quota(), account(), role(), binding()}
}

// ofEach makes the same attempt on each object.
func ofEach(objects []client.Object, attempt func(client.Object) []error) []error {
	var answers []error
	for _, o := range objects {
		answers = append(answers, attempt(o)...)
	}
	return answers
}

// automounts switches the token of a service account on.
func automounts(o *corev1.ServiceAccount) { o.AutomountServiceAccountToken = ptr.To(true) }

// objectAttacks change or delete what Bulwark manages, in every way that the API has.
func objectAttacks() []attack {
	return []attack{
		{
			name: "opens the default-deny NetworkPolicy", as: dev, outcome: refused, why: deniedByPolicy,
			do: func(as client.Client) []error {
				return inEveryWay(as, defaultDeny(), func(o *networkingv1.NetworkPolicy) {
					o.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
				})
			},
		},
		{
			name: "drops a direction of the default-deny NetworkPolicy", as: robot, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, defaultDeny(), func(o *networkingv1.NetworkPolicy) {
					o.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
				})
			},
		},
		{
			name: "has the default-deny NetworkPolicy select no pod", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, defaultDeny(), func(o *networkingv1.NetworkPolicy) {
					o.Spec.PodSelector.MatchLabels = map[string]string{"no": "pod"}
				})
			},
		},
		{
			name: "raises the LimitRange", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, limits(), func(o *corev1.LimitRange) {
					o.Spec.Limits[0].Max[corev1.ResourceCPU] = resource.MustParse("64")
				})
			},
		},
		{
			name: "raises the ResourceQuota", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, quota(), func(o *corev1.ResourceQuota) {
					o.Spec.Hard[corev1.ResourcePods] = resource.MustParse("5000")
				})
			},
		},
		{
			name: "forges the usage in the status of the ResourceQuota", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				w := writing(quota(), func(o *corev1.ResourceQuota) {
					o.Status.Used = corev1.ResourceList{
						corev1.ResourcePods:      resource.MustParse("0"),
						corev1.ResourceLimitsCPU: resource.MustParse("0"),
					}
				})
				w.subresource = "status"
				return append(w.withoutApply(as), w.applied(as))
			},
			then: func() {
				Expect(Get(&corev1.ResourceQuota{}, shop, "bulwark-compute").Status.Used.Pods().Value()).NotTo(BeZero())
			},
		},
		{
			name:    "raises the ResourceQuota in the copy that its status holds",
			as:      mallory,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				w := writing(
					quota(),
					func(o *corev1.ResourceQuota) { o.Status.Hard[corev1.ResourcePods] = resource.MustParse("5000") },
				)
				w.subresource = "status"
				return append(w.withoutApply(as), w.applied(as))
			},
		},
		{
			name: "adds a rule to the Role", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, role(), func(o *rbacv1.Role) {
					o.Rules = append(
						o.Rules,
						rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}},
					)
				})
			},
		},
		{
			name: "replaces the rules of the Role by none", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWayButApply(as, role(), func(o *rbacv1.Role) { o.Rules = nil })
			},
		},
		{
			name: "adds themselves to the RoleBinding", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWay(as, binding(), func(o *rbacv1.RoleBinding) { o.Subjects = append(o.Subjects, mallory.subject()) })
			},
		},
		{
			name: "has the token of the service account default mounted again", as: dev, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error { return inEveryWay(as, defaultAccount(), automounts) },
		},
		{
			name:    "has the token of the service account default mounted again, by leaving the field out",
			as:      robot,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				return inEveryWayButApply(
					as,
					defaultAccount(),
					func(o *corev1.ServiceAccount) { o.AutomountServiceAccountToken = nil },
				)
			},
		},
		{
			name: "has the token of the profile's service account mounted", as: dev, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error { return inEveryWay(as, account(), automounts) },
		},
		{
			name: "deletes an object of each managed kind", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(owned(), func(o client.Object) []error {
					return []error{
						as.Delete(ctx, o),
						as.Delete(ctx, o, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationOrphan)),
						as.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationForeground)),
					}
				})
			},
		},
		{
			name: "deletes the collection of each managed kind", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(owned(), func(o client.Object) []error {
					return []error{as.DeleteAllOf(ctx, o, client.InNamespace(shop), client.HasLabels{v1alpha1.ProfileLabel})}
				})
			},
		},
		{
			name: "deletes all NetworkPolicies and all service accounts", as: dev, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach([]client.Object{defaultDeny(), defaultAccount()}, func(o client.Object) []error {
					return []error{
						as.DeleteAllOf(ctx, o, client.InNamespace(shop), client.MatchingFields{"metadata.name": o.GetName()}),
					}
				})
			},
		},
		{
			name:    "deletes the service account default, to have it made anew with its token",
			as:      dev,
			outcome: refused,
			why:     partOfBaseline,
			do:      func(as client.Client) []error { return []error{as.Delete(ctx, defaultAccount())} },
		},
		{
			name: "tries all of it with dryRun, which has no other rules", as: mallory, outcome: refused, why: partOfBaseline,
			do: func(as client.Client) []error {
				return ofEach(owned(), func(o client.Object) []error {
					w := writing(o, func(o client.Object) { o.SetLabels(nil) })
					return []error{as.Delete(ctx, o, client.DryRunAll), as.Update(ctx, w.fresh(), client.DryRunAll)}
				})
			},
		},
		{
			name: "forgets who wrote what, in managedFields", as: mallory, outcome: harmless,
			do: func(as client.Client) []error {
				policy := defaultDeny()
				patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"managedFields":[{}]}}`))
				return []error{as.Patch(ctx, policy, patch)}
			},
			then: func() {
				EventuallyEstablished(fortress, shop)
				// It is still Bulwark's, and the next change is undone.
				Expect(rescuer.client().Delete(ctx, defaultDeny())).To(Succeed())
				EventuallyEstablished(fortress, shop)
			},
		},
	}
}
