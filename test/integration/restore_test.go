package integration

import (
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const backupTool = "system:serviceaccount:velero:velero"

// backupToolClient is a cluster's administrator by a service account.
func backupToolClient() client.Client {
	GinkgoHelper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "velero-"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "velero", Name: "velero"}},
	}
	ExpectCreated(binding)
	return impersonating(backupTool, "system:serviceaccounts", "system:serviceaccounts:velero", "system:authenticated")
}

// saved is a namespace and what it holds as a backup has it: without what the API server gives, and
// with its old owners.
func saved(namespace string) (*corev1.Namespace, []client.Object) {
	GinkgoHelper()
	var ns *corev1.Namespace
	var objects []client.Object
	report := &v1alpha1.NamespacePosture{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)).To(Succeed())
	for _, o := range append(Managed(Default, namespace), baseline.Object(nil)) {
		var object client.Object = report
		if o != nil {
			object = o.(client.Object)
		}
		object.SetUID("")
		object.SetResourceVersion("")
		object.SetCreationTimestamp(metav1.Time{})
		object.SetManagedFields(nil)
		if found, itself := object.(*corev1.Namespace); itself {
			found.Spec, found.Status = corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
			ns = found
		} else if object.GetName() != "default" { // Kubernetes makes that service account with the namespace.
			objects = append(objects, object)
		}
	}
	return ns, objects
}

// asVeleroRestores makes of a saved object what Velero creates: it names the backup and the restore,
// and has no owners.
func asVeleroRestores(o client.Object) {
	labels := maps.Clone(o.GetLabels())
	maps.Copy(labels, map[string]string{"velero.io/backup-name": "nightly", veleroRestore: "nightly-1"})
	o.SetLabels(labels)
	o.SetOwnerReferences(nil)
}

const veleroRestore = "velero.io/restore-name"

// disaster deletes a namespace, and waits until it is gone with all that it held.
func disaster(namespace string) {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	Expect(admin.Delete(ctx, ns)).To(Succeed())
	EventuallyGone(ns)
}

var _ = Describe("A backup that is restored", func() {
	guarded := func(change func(*v1alpha1.Protection)) (*v1alpha1.SecurityProfile, string) {
		GinkgoHelper()
		profile, namespace := Governed(fixture.Guarded, func(p *v1alpha1.SecurityProfile) { change(p.Spec.Protection) })
		EventuallyEstablished(profile, namespace)
		asTool := impersonating("somebody", "system:masters")
		Eventually(func() error { // The policies are in force.
			probe := fixture.Namespace("probe-"+namespace, "none")
			probe.Labels[v1alpha1.ProfileLabel] = profile.Name
			return asTool.Create(ctx, probe, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("is set by Bulwark alone")))
		return profile, namespace
	}
	workload := func(namespace string) *appsv1.Deployment {
		pod := fixture.HardenedPod(namespace, "app")
		labels := map[string]string{"app": "app"}
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app"},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec},
			},
		}
	}
	runs := func(namespace string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			pods := &corev1.PodList{}
			g.Expect(admin.List(ctx, pods, client.InNamespace(namespace))).To(Succeed())
			g.Expect(pods.Items).To(HaveLen(1))
		}).Should(Succeed())
	}

	It(
		"brings namespaces back under tamper protection: the operator makes anew what is its own, and workloads wait for it",
		func() {
			profile, namespace := guarded(func(*v1alpha1.Protection) {})
			ns, objects := saved(namespace)
			Expect(ns.Labels).To(HaveKeyWithValue(v1alpha1.ProfileLabel, profile.Name))
			disaster(namespace)
			tool := backupToolClient()
			Eventually(func() error { return tool.Create(ctx, ns) }).Should(Succeed()) // Once its binding is known.
			for _, o := range objects {
				err := tool.Create(ctx, o)
				Expect(apierrors.IsForbidden(err) || apierrors.IsAlreadyExists(err)).To(BeTrue(), "%T %s: %v", o, o.GetName(), err)
			}
			Expect(tool.Create(ctx, workload(namespace))).To(Succeed())
			EventuallyEstablished(profile, namespace)
			runs(namespace)
			report := EventuallyReported(profile, namespace)
			Expect(report.NamespaceUID).To(Equal(ns.UID))
			Expect(report.Drift).To(BeEmpty(), "what was restored is no tampering")
		},
	)

	It(
		"is taken as it was saved from a tool that breaks glass by name, and what is the operator's becomes so again",
		func() {
			profile, namespace := guarded(func(p *v1alpha1.Protection) { p.BreakGlassUsers = []string{backupTool} })
			ns, objects := saved(namespace)
			disaster(namespace)
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			EventuallyGone(profile)
			again := profile.DeepCopy() // From git: the owner of what is restored is gone.
			again.ObjectMeta = metav1.ObjectMeta{Name: profile.Name}
			again.Status = v1alpha1.SecurityProfileStatus{}
			ExpectCreated(again)
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(again), again)).To(Succeed())
				g.Expect(meta.IsStatusConditionTrue(again.Status.Conditions, v1alpha1.ConditionAdmission)).To(BeTrue())
			}).Should(Succeed())

			tool := backupToolClient()
			Eventually(func() error { return tool.Create(ctx, ns) }).Should(Succeed()) // Once its binding is known.
			uids := map[string]any{}
			for _, o := range objects {
				if _, ok := o.(*corev1.ServiceAccount); ok {
					o.SetOwnerReferences(
						nil,
					) // As Velero restores it. With an owner who is gone the garbage collector may be the first.
				}
				if err := tool.Create(ctx, o); !apierrors.IsAlreadyExists(err) { // The operator may be faster.
					Expect(err).NotTo(HaveOccurred(), "%T %s", o, o.GetName())
				}
				if account, ok := o.(*corev1.ServiceAccount); ok {
					Expect(admin.Get(ctx, client.ObjectKeyFromObject(account), account)).To(Succeed())
					uids[account.Name] = account.UID
				}
			}
			Expect(tool.Create(ctx, workload(namespace))).To(Succeed())
			EventuallyEstablished(again, namespace)
			runs(namespace)
			Expect(uids).NotTo(BeEmpty())
			for name, uid := range uids {
				account := &corev1.ServiceAccount{}
				Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, account)).To(Succeed())
				Expect(account.UID).To(Equal(uid), name)
			}
			Consistently(func(g Gomega) { g.Expect(Differences(g, again, namespace)).To(BeEmpty()) }).Should(Succeed())
		},
	)

	DescribeTable("comes back while the operator is stopped, with the labels that Velero adds,",
		func(change func(*v1alpha1.Protection), answer types.GomegaMatcher) {
			profile, namespace := guarded(change)
			ns, objects := saved(namespace)
			disaster(namespace)
			bulwark.Stop()
			DeferCleanup(func() {
				bulwark.Stop()
				bulwark = startOperator()
			})
			tool := backupToolClient()
			asVeleroRestores(ns)
			Eventually(func() error { return tool.Create(ctx, ns) }).Should(Succeed()) // Once its binding is known.
			for _, o := range objects {
				asVeleroRestores(o)
				Expect(tool.Create(ctx, o)).To(answer, "%T %s", o, o.GetName())
			}
			Expect(tool.Create(ctx, workload(namespace))).To(Succeed())
			Eventually(func() error { // Kubernetes makes the default service account in a moment.
				return tool.Create(ctx, fixture.HardenedPod(namespace, "bare"), client.DryRunAll)
			}).Should(MatchError(ContainSubstring("-pods-wait-for-report")), "no restored report opens the gate")

			bulwark = startOperator()
			EventuallyEstablished(profile, namespace)
			runs(namespace)
			Consistently(func(g Gomega) {
				g.Expect(Differences(g, profile, namespace)).To(BeEmpty())
				g.Expect(labelsOf(namespace)).To(HaveKey(veleroRestore), "a tool's own labels stay")
			}).Should(Succeed())
			Expect(EventuallyReported(profile, namespace).NamespaceUID).To(Equal(ns.UID))
		},
		Entry("by a tool that tamper protection holds", func(*v1alpha1.Protection) {},
			Satisfy(apierrors.IsForbidden)),
		Entry("by a tool that breaks glass by name",
			func(p *v1alpha1.Protection) { p.BreakGlassUsers = []string{backupTool} }, Succeed()),
	)
})
