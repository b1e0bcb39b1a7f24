package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const escalates = "attempting to grant RBAC permissions not currently held"

// permissionAttacks want to be somebody else, or to be allowed more. Most are refused by RBAC
// itself.
func permissionAttacks() []attack {
	to := func(role string) *rbacv1.RoleBinding {
		b := bound(mallory, shop, role)
		b.GenerateName, b.Name = "", "attack"
		return b
	}
	return append([]attack{
		{
			name:    "binds themselves to cluster-admin, or to the ClusterRole of the operator",
			as:      mallory,
			outcome: refused,
			why:     escalates,
			do: func(as client.Client) []error {
				return []error{
					as.Create(ctx, to("cluster-admin")),
					as.Create(ctx, to("bulwark-manager")),
					as.Create(ctx, to("bulwark-profile-editor")),
				}
			},
		},
		{
			name: "makes a Role that permits everything", as: mallory, outcome: refused, why: escalates,
			do: func(as client.Client) []error {
				return []error{as.Create(ctx, &rbacv1.Role{ObjectMeta: inShop("attack"), Rules: []rbacv1.PolicyRule{{
					APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"},
				}}})}
			},
		},
		{
			name: "changes or deletes the SecurityProfile", as: mallory, outcome: refused, why: `resource "securityprofiles"`,
			do: func(as client.Client) []error {
				w := writing(
					&v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "fortress"}},
					func(o *v1alpha1.SecurityProfile) { o.Spec.Protection = nil },
				)
				return append(w.withoutApply(as), as.Delete(ctx, w.fresh()))
			},
		},
		{
			name:    "makes a SecurityProfile of their own that governs the namespace before this one, and asks for nothing",
			as:      creator,
			outcome: refused,
			why:     `cannot create resource "securityprofiles"`,
			do: func(as client.Client) []error {
				lax := everything()
				lax.Name, lax.Spec.Priority, lax.Spec.Protection = "lax", 1000, nil
				return []error{as.Create(ctx, lax)}
			},
		},
		{
			name:    "deletes the ValidatingAdmissionPolicies and their bindings",
			as:      mallory,
			outcome: refused,
			why:     "validatingadmissionpolic",
			do: func(as client.Client) []error {
				name := metav1.ObjectMeta{Name: "bulwark-fortress-tamper-objects"}
				return []error{
					as.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: name}),
					as.Delete(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: name}),
				}
			},
		},
		{
			name:    "asks for a token of the operator's service account",
			as:      mallory,
			outcome: refused,
			why:     `cannot create resource "serviceaccounts/token"`,
			do: func(as client.Client) []error {
				account := &corev1.ServiceAccount{
					ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: "bulwark-manager"},
				}
				return []error{as.SubResource("token").Create(ctx, account, &authenticationv1.TokenRequest{})}
			},
		},
		{
			name:    "impersonates the operator or a controller of Kubernetes",
			as:      robot,
			outcome: refused,
			why:     "cannot impersonate",
			do: func(client.Client) []error {
				own, err := plane.ServiceAccountConfig(ctx, shop, "ci")
				Expect(err).NotTo(HaveOccurred())
				var answers []error
				for _, user := range []string{
					controlplane.OperatorUser, "system:serviceaccount:kube-system:namespace-controller", "system:apiserver", "system:kube-controller-manager",
				} {
					cfg := rest.CopyConfig(own)
					cfg.Impersonate = rest.ImpersonationConfig{UserName: user}
					answers = append(answers, bed.ClientOf(GinkgoTB(), cfg).Delete(ctx, defaultDeny()))
				}
				return answers
			},
		},
		{
			name: "impersonates a member of a break-glass group", as: robot, outcome: refused, why: "cannot impersonate",
			do: func(client.Client) []error {
				cfg, err := plane.ServiceAccountConfig(ctx, shop, "ci")
				Expect(err).NotTo(HaveOccurred())
				cfg.Impersonate = rest.ImpersonationConfig{UserName: robot.user, Groups: []string{breakGlass}}
				return []error{bed.ClientOf(GinkgoTB(), cfg).Delete(ctx, defaultDeny())}
			},
		},
	}, lookalikeAttacks()...)
}

// lookalikeAttacks are by service accounts that bear the names of those who may, or nearly. RBAC
// permits them as much as mallory.
func lookalikeAttacks() []attack {
	var attacks []attack
	for _, who := range []struct{ namespace, name string }{
		{shop, "generic-garbage-collector"}, {shop, "bulwark-manager"}, {"kube-system-", "namespace-controller"},
		{"xkube-system", "resourcequota-controller"}, {"bulwark-system2", "bulwark-manager"},
	} {
		alike := serviceAccount("system:serviceaccount:"+who.namespace+":"+who.name, who.namespace, who.name)
		attacks = append(attacks, attack{
			name:    "changes and deletes what is managed, under a name like that of one who may",
			as:      alike,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				permission := bound(alike, shop, "too-much")
				Expect(admin.Create(ctx, permission)).To(Succeed())
				defer func() { Expect(admin.Delete(ctx, permission)).To(Succeed()) }()
				return append(inEveryWayButApply(as, role(), func(o *rbacv1.Role) { o.Rules = nil }), as.Delete(ctx, quota()))
			},
		})
	}
	return attacks
}
