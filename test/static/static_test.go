package static

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("Admission by manifest", Ordered, func() {
	It(
		"refuses the administrators of the cluster what weakens Bulwark, while the operator runs and while it does not",
		func() {
			Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: "alice"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
				Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "alice"}},
			})).To(Succeed())
			alice := user("alice")
			before := picture()
			for _, running := range []bool{true, false} {
				if !running {
					stopOperator()
				}
				for _, as := range []who{{admin, adminConf}, {clientOf(alice), alice}} {
					for _, a := range attempts() {
						ExpectRefused(a.name, a.do(as)...)
					}
				}
				Expect(picture()).To(Equal(before))
			}
			startOperator()
		},
	)

	It("lets pass what Kubernetes and its users do beside that", func() {
		By("the operator's ReplicaSet makes pods, and anybody who may drains nodes")
		Eventually(func(g Gomega) {
			pods := &corev1.PodList{}
			g.Expect(admin.List(ctx, pods, client.InNamespace(v1alpha1.OperatorNamespace))).To(Succeed())
			g.Expect(pods.Items).To(HaveLen(2))
		}).Should(Succeed())
		pod := operatorPod()
		Expect(admin.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})).To(Succeed())
		Eventually(func() string { return operatorPod().Name }).ShouldNot(Equal(pod.Name))

		By("others have policies, ClusterRoles, and objects in kube-system of their own")
		mine := ownPolicy("tenants.example.com")
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "plugin"}}
		plugin := fixture.RestrictedPod("kube-system", "plugin")
		plugin.Spec.ServiceAccountName = account.Name
		for _, o := range []client.Object{
			mine, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "tenants"}}, account, plugin, tokenSecret("kube-system", account.Name),
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "password"}},
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: "notes"}},
		} {
			Expect(admin.Create(ctx, o)).To(Succeed(), "%T", o)
		}
		Expect(tokenOf(who{admin, adminConf}, "kube-system", account.Name)).To(Succeed())
		Expect(admin.Delete(ctx, mine)).To(Succeed())

		By("the namespace of the operator is labelled by whoever may")
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.OperatorNamespace}}
		Expect(ofPatches(admin, namespace, `{"metadata":{"labels":{"team":"security"}}}`)).To(HaveEach(Succeed()))
	})

	It("lets the operator, and those who write profiles, do their work", func() {
		Expect(
			ofPatches(author, fortress, `{"spec":{"workloads":{"action":"Deny","hostNetwork":"Forbid"}}}`),
		).To(HaveEach(Succeed()))
		EventuallyInForce(fortress)
		Expect(policies()).To(ContainElement(HaveField("Name", "bulwark-fortress-workloads")))
		ExpectRefused(
			"an author lets go of a profile by hand",
			ofPatches(author, fortress, `{"metadata":{"finalizers":null}}`, ownerIsGone)...)
		b := bindings()[0]
		ExpectRefused("an author deletes a binding", author.Delete(ctx, &b))

		another := fixture.Profile("another", guarded)
		Expect(author.Create(ctx, another)).To(Succeed())
		EventuallyInForce(another)
		Expect(author.Delete(ctx, another)).To(Succeed())
		EventuallyGone(another)
	})

	It("lets break-glass pass and notes who used it, and the garbage collector takes what a profile owned", func() {
		stopOperator()
		b := bindings()[0]
		trail := plane.AuditTrail("rescuer")
		Expect(rescuer.Delete(ctx, &b)).To(Succeed())
		Eventually(func(g Gomega) {
			writes, err := trail.Next()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(writes).To(ContainElement(And(HaveField("Verb", "delete"), HaveField("Name", b.Name),
				HaveField("Annotations", HaveKeyWithValue("bulwark-admission-policies.static.k8s.io/break-glass", "rescuer")))))
		}).Should(Succeed())

		owner := fixture.Profile("abandoned", guarded)
		Expect(author.Create(ctx, owner)).To(Succeed())
		startOperator()
		EventuallyInForce(owner)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(&b), &b)).To(Succeed(), "the operator has made the binding anew")
		stopOperator()
		Expect(author.Delete(ctx, owner)).To(Succeed())
		Expect(ofPatches(rescuer, owner, `{"metadata":{"finalizers":null}}`)).To(HaveEach(Succeed()))
		Eventually(func(g Gomega) {
			list := &admissionregistrationv1.ValidatingAdmissionPolicyList{}
			g.Expect(admin.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: owner.Name})).To(Succeed())
			g.Expect(list.Items).To(BeEmpty())
		}).Should(Succeed())
		startOperator()
	})

	It("lets an administrator apply the same again, and a new version by break-glass alone", func() {
		apply := func(kubeconfig, folder string) error {
			return kubectl(kubeconfig, "apply", "--server-side", "--force-conflicts", "-k", folder)
		}
		Expect(apply(plane.Kubeconfig, "config/default")).To(Succeed())
		newer := newVersion()
		Expect(apply(plane.Kubeconfig, newer)).To(MatchError(ContainSubstring(byManifest)))
		Expect(apply(rescuerKubeconfig, newer)).To(Succeed())
		Eventually(func(g Gomega) { // Kubernetes rolls it out.
			pods := &corev1.PodList{}
			g.Expect(admin.List(ctx, pods, client.InNamespace(v1alpha1.OperatorNamespace))).To(Succeed())
			g.Expect(pods.Items).To(ContainElement(HaveField("Spec.Containers", HaveEach(HaveField("Image", "bulwark:v0.2.0")))))
		}).Should(Succeed())
		Eventually(func(g Gomega) { // And aggregates what profiles may grant.
			role := &rbacv1.ClusterRole{}
			g.Expect(admin.Get(ctx, client.ObjectKey{Name: v1alpha1.GrantableClusterRole}, role)).To(Succeed())
			g.Expect(role.Rules).To(ContainElement(
				And(HaveField("Resources", []string{"cronjobs"}), HaveField("Verbs", []string{"create"}))))
		}).Should(Succeed())
	})

	It("is lifted by an empty folder on the node, not by a folder that is gone, and put back without a restart", func() {
		folder := filepath.Dir(manifests)
		probe := func() error {
			deployment := object("apps/v1", "Deployment", v1alpha1.OperatorNamespace, "bulwark-manager")
			return admin.Patch(ctx, deployment, merging(`{"spec":{"replicas":1}}`), client.DryRunAll)
		}
		Expect(os.Remove(manifests)).To(Succeed())
		Eventually(probe).WithTimeout(90 * time.Second).Should(Succeed())
		place := func(content []byte) { // At once: a file that is being written could be read half.
			Expect(os.WriteFile(manifests+".new", content, 0o600)).To(Succeed())
			Expect(os.Rename(manifests+".new", manifests)).To(Succeed())
		}
		place(shipped)
		Eventually(probe).WithTimeout(90 * time.Second).ShouldNot(Succeed())
		ExpectRefused("once the file is back", probe())

		By("what cannot be read leaves in force what was")
		place([]byte(strings.Replace(string(shipped), ".static.k8s.io", "", 1)))
		Consistently(probe).WithTimeout(2 * time.Second).ShouldNot(Succeed())
		place(shipped)

		By("a folder that is gone cannot be read either")
		Expect(os.Rename(folder, folder+"-away")).To(Succeed())
		Consistently(probe).WithTimeout(2 * time.Second).ShouldNot(Succeed())
		Expect(os.Rename(folder+"-away", folder)).To(Succeed())
		ExpectRefused("after the folder was away", probe())
	})

	It("is in force from the first moment after a restart of the API server, which boots with it", func() {
		Expect(plane.RestartAPIServer(ctx)).To(Succeed())
		b := bindings()[0]
		ExpectRefused("after a restart", admin.Delete(ctx, &b))
		Eventually(func() error { return admin.Create(ctx, fixture.RestrictedPod("kube-system", "boots")) }).Should(Succeed())
	})

	It("does not keep Bulwark from being uninstalled, in the order of the guide", func() {
		Expect(kubectl(plane.Kubeconfig, "delete", "-k", "config/rbac")).To(MatchError(ContainSubstring(byManifest)))
		Expect(author.Delete(ctx, fortress)).To(Succeed())
		EventuallyGone(fortress)
		stopOperator()
		for _, folder := range []string{"config/crd", "config/manager", "config/rbac"} {
			Expect(
				kubectl(rescuerKubeconfig, "delete", "-k", folder, "--ignore-not-found", "--timeout=60s"),
			).To(Succeed(), folder)
		}
		EventuallyGone(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.OperatorNamespace}})
		Expect(policies()).To(BeEmpty())
	})
})

// newVersion is an overlay of config/default with another image, and with more that profiles may
// grant.
func newVersion() string {
	GinkgoHelper()
	folder := GinkgoT().TempDir()
	Expect(
		os.CopyFS(filepath.Join(folder, "config"), os.DirFS(filepath.Join(controlplane.Root(), "config"))),
	).To(Succeed())
	for name, content := range map[string]string{
		"kustomization.yaml": "{resources: [config/default, grants.yaml], images: [{name: bulwark, newTag: v0.2.0}]}",
		"grants.yaml": `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, ` +
			`metadata: {name: cronjobs, labels: {security.bulwark.dev/aggregate-to-grantable: "true"}}, ` +
			`rules: [{apiGroups: [batch], resources: [cronjobs], verbs: [create]}]}`,
	} {
		Expect(os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600)).To(Succeed())
	}
	return folder
}
