package attack

import (
	"strings"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// author may write SecurityProfiles, and nothing else.
var author = tenant{title: "a profile's author", user: "author"}

// authorAttacks are by who writes profiles and wants, by Bulwark's own permissions, what profiles
// must not grant.
func authorAttacks() []attack {
	var attacks []attack
	for _, wants := range []struct {
		what string
		rule rbacv1.PolicyRule
	}{
		{"writes NamespacePostures", rbacv1.PolicyRule{APIGroups: []string{"security.bulwark.dev"}, Resources: []string{"namespacepostures"}, Verbs: []string{"update"}}},
		{"writes RoleBindings", rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"create"}}},
		{"deletes NetworkPolicies", rbacv1.PolicyRule{APIGroups: []string{"networking.k8s.io"}, Resources: []string{"networkpolicies"}, Verbs: []string{"delete"}}},
		{"labels the namespace", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"patch"}}},
	} {
		name := UniqueName()
		attacks = append(attacks, attack{
			name:    "binds themselves to a ClusterRole that is there, which " + wants.what + " as the operator itself may",
			as:      author,
			outcome: harmless,
			do: func(as client.Client) []error {
				role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{wants.rule}}
				Expect(admin.Create(ctx, role)).To(Succeed())
				Expect(admin.Create(ctx, fixture.Namespace(name, name))).To(Succeed())
				return []error{as.Create(ctx, fixture.Profile(name, func(p *v1alpha1.SecurityProfile) {
					p.Spec.RBAC.Bindings[0].ClusterRole = name
					p.Spec.RBAC.Bindings[0].Subjects = []v1alpha1.Subject{{Kind: "User", Name: author.user}}
				}))}
			},
			then: func() {
				EventuallyRefused(name, "RoleBinding", "bulwark-viewers", wants.rule.Verbs[0]+" on "+wants.rule.Resources[0])
				ExpectNoBinding(name, "bulwark-viewers")
				Expect(admin.Delete(ctx, &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
			},
		})
	}
	return attacks
}

// EventuallyRefused waits until the report says of an object that it is refused, for the sake of a
// rule.
func EventuallyRefused(namespace, kind, name, rule string) {
	Eventually(func(g Gomega) {
		report := &v1alpha1.NamespacePosture{}
		g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)).To(Succeed())
		g.Expect(report.Objects).To(ContainElement(And(HaveField("Kind", kind), HaveField("Name", name),
			HaveField("State", v1alpha1.ObjectStateFailed), HaveField("Message", ContainSubstring(rule)))))
	}).Should(Succeed())
}

func ExpectNoBinding(namespace, name string) {
	key := client.ObjectKey{Namespace: namespace, Name: name}
	Expect(apierrors.IsNotFound(admin.Get(ctx, key, &rbacv1.RoleBinding{}))).To(BeTrue())
}

// textAttacks have texts that steer a terminal reach whoever reads reports.
func textAttacks() []attack {
	var attacks []attack
	for _, holds := range []struct{ what, text string }{
		{"a line break, to forge a finding", "team\nLow\tTokenMountedByDefault\tall-is-well\tnothing"},
		{"a terminal's sequences", "team\x1b[2J\u009b31m\a"},
		{"letters that turn the line round", "team\u202emaet\u2066\u200b"},
	} {
		text := holds.text
		attacks = append(attacks, attack{
			name: "binds admin to a group whose name, like the binding's, holds " + holds.what, as: mallory, outcome: harmless,
			do: func(as client.Client) []error {
				b := bound(mallory, annex, "admin")
				b.GenerateName, b.Name = "", text
				b.Subjects = []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: text}}
				return []error{as.Create(ctx, b)}
			},
			then: func() {
				Eventually(func(g Gomega) {
					report := &v1alpha1.NamespacePosture{}
					g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: annex, Name: v1alpha1.PostureName}, report)).To(Succeed())
					g.Expect(report.Findings).To(ContainElement(And(
						HaveField(
							"ID",
							v1alpha1.FindingIDPrivilegedBinding,
						),
						HaveField("Object.Name", HavePrefix(`team\`)),
						HaveField("Message", ContainSubstring(`"team\`)),
					)))
					for _, f := range report.Findings {
						g.Expect(strings.ContainsFunc(f.Object.Name+f.Message+f.Remedy, SteersTerminal)).To(BeFalse(), "%q", f)
					}
				}).Should(Succeed())
				Expect(
					admin.Delete(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: annex, Name: text}}),
				).To(Succeed())
			},
		})
	}
	return attacks
}
