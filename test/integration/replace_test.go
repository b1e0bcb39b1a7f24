package integration

import (
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const countBindings = "count/rolebindings.rbac.authorization.k8s.io"

func theViewers(namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-viewers"}}
}

func theQuota(namespace string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-compute"}}
}

// refuseBindings has a policy of a tenant refuse new bindings of a namespace for which the
// expression does not hold. What it returns ends that.
func refuseBindings(namespace, expression string) (end func()) {
	GinkgoHelper()
	return refuse(namespace, rbacv1.GroupName, "v1", "rolebindings", admissionregistrationv1.Create, expression)
}

// refuse has a policy of a tenant refuse requests in a namespace for which the expression does not
// hold. What it returns ends that.
func refuse(
	namespace, group, version, resource string, operation admissionregistrationv1.OperationType, expression string,
) (end func()) {
	GinkgoHelper()
	named := metav1.ObjectMeta{Name: "refuse-" + namespace}
	rule := func(
		group, version, resource string, operation admissionregistrationv1.OperationType,
	) (rule admissionregistrationv1.NamedRuleWithOperations) {
		rule.Operations = []admissionregistrationv1.OperationType{operation}
		rule.APIGroups, rule.APIVersions, rule.Resources = []string{group}, []string{version}, []string{resource}
		return rule
	}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: named, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{
					rule(group, version, resource, operation), rule("", "v1", "configmaps", admissionregistrationv1.Create),
				},
			},
			Validations: []admissionregistrationv1.Validation{
				{
					Expression: `request.kind.kind == "ConfigMap" || (` + expression + `)`, Message: "the tenant does not want it",
				},
				{
					Expression: `request.kind.kind != "ConfigMap" || object.metadata.name != "canary"`,
					Message:    "the policy is in force",
				},
			},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: named, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: named.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	ExpectCreated(policy, binding)
	end = sync.OnceFunc(func() {
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Expect(admin.Delete(ctx, policy)).To(Succeed())
	})
	DeferCleanup(end)
	canary := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "canary"}}
	Eventually(func() error { return admin.Create(ctx, canary.DeepCopy(), client.DryRunAll) }).
		Should(MatchError(ContainSubstring("in force")))
	return end
}

// fullQuota is a tenant's quota of which all is used.
func fullQuota(namespace, entry, most string) {
	GinkgoHelper()
	quota := quotaOfNone(namespace, entry)
	quota.Spec.Hard[corev1.ResourceName(entry)] = *resourceQuantity(most)
	Expect(admin.Create(ctx, quota)).To(Succeed())
	Eventually(func(g Gomega) {
		used := liveQuota(g, namespace, quota.Name).Status.Used[corev1.ResourceName(entry)]
		g.Expect(used.String()).To(Equal(most))
	}).WithTimeout(time.Minute).Should(Succeed())
}

// deletions are how often the operator has deleted a binding.
func deletions(binding *rbacv1.RoleBinding) (n int) {
	GinkgoHelper()
	for _, w := range operatorWrites() {
		if w.Verb == "delete" && w.Resource == "rolebindings" && w.ResponseStatus == http.StatusOK &&
			w.Namespace == binding.Namespace && w.Name == binding.Name {
			n++
		}
	}
	return n
}

var _ = Describe("What can only be replaced whole", func() {
	toEdit := func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = "edit" }
	toBestEffort := func(p *v1alpha1.SecurityProfile) {
		p.Spec.Quotas[0].Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	}
	for what, tt := range map[string]struct {
		before func(namespaces ...string)
		change func(*v1alpha1.SecurityProfile)
		object func(namespace string) client.Object
		kind   string
		words  string
	}{
		"a binding to a ClusterRole that does not exist": {
			change: func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = "absent" },
			words:  `"absent" not found`,
		},
		"a binding to a ClusterRole that may not be bound": {
			change: func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = "admin" },
			words:  "ClusterRole admin permits what a profile must not grant",
		},
		"a binding that a tenant's quota has no room for": {
			before: func(namespaces ...string) {
				for _, namespace := range namespaces {
					fullQuota(namespace, countBindings, "2")
				}
			},
			change: toEdit, words: "exceeded quota: none",
		},
		"a binding that a tenant's policy refuses": {
			before: func(namespaces ...string) {
				for _, namespace := range namespaces {
					refuseBindings(namespace, `object.roleRef.name != "edit"`)
				}
			},
			change: toEdit, words: "the tenant does not want it",
		},
		"a quota, of other scopes, that a policy refuses": {
			before: func(...string) { forbidObjectsOf("bulwark-compute") },
			change: toBestEffort, kind: "ResourceQuota", words: "forbid-bulwark-compute",
			object: func(namespace string) client.Object { return theQuota(namespace) },
		},
		"a quota, of other scopes, that a tenant's quota has no room for": {
			before: func(namespaces ...string) {
				for _, namespace := range namespaces {
					fullQuota(namespace, "resourcequotas", "2")
				}
			},
			change: toBestEffort, kind: "ResourceQuota", words: "exceeded quota: none",
			object: func(namespace string) client.Object { return theQuota(namespace) },
		},
	} {
		It("stays if the API server refuses the new one, in all namespaces at once: "+what, func() {
			profile, namespace := Governed()
			second := profile.Name + "-b"
			ExpectCreated(fixture.Namespace(second, profile.Name))
			object := func(namespace string) client.Object { return theViewers(namespace) }
			kind := "RoleBinding"
			if tt.object != nil {
				object, kind = tt.object, tt.kind
			}
			uids := map[string]types.UID{}
			for _, namespace := range []string{namespace, second} {
				EventuallyEstablished(profile, namespace)
				o := object(namespace)
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
				uids[namespace] = o.GetUID()
			}
			if tt.before != nil {
				tt.before(namespace, second)
			}
			Update(profile, tt.change)
			for namespace, uid := range uids {
				o := object(namespace)
				failed := EventuallyObject(namespace, kind, o.GetName(), v1alpha1.ObjectStateFailed)
				Expect(failed.Message).To(And(ContainSubstring(tt.words), ContainSubstring("what was there before stays")))
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
				Expect(o.GetUID()).To(Equal(uid), "the old one was deleted")
				Expect(ReportOn(Default, namespace).Drift).To(BeEmpty(), "a roll-out is not drift")
			}
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
				g.Expect(profile.Status.Namespaces.Failed).To(BeEquivalentTo(2))
				ready := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady)
				g.Expect(ready.Reason).To(Equal(v1alpha1.ReasonFailed))
				g.Expect(ready.Message).To(ContainSubstring(tt.words))
			}).Should(Succeed())
			Update(profile, func(p *v1alpha1.SecurityProfile) { // It heals with the profile.
				p.Spec.RBAC.Bindings[0].ClusterRole = "view"
				p.Spec.Quotas[0].Spec = fixture.Profile("").Spec.Quotas[0].Spec
			})
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
		})
	}

	It(
		"is put back as it was if the new one is refused only after the old one is gone, and not deleted again and again",
		func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			was := theViewers(namespace)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(was), was)).To(Succeed())
			end := refuseBindings(namespace, `request.dryRun || object.roleRef.name != "edit"`)
			Update(profile, toEdit)
			failed := EventuallyObject(namespace, "RoleBinding", was.Name, v1alpha1.ObjectStateFailed)
			Expect(failed.Message).To(And(ContainSubstring("the tenant does not want it"), ContainSubstring("put back")))
			Eventually(
				func() []string { return eventReasons("Namespace", namespace) },
			).Should(ContainElement(v1alpha1.EventPutBack))
			Eventually(func(g Gomega) {
				is := theViewers(namespace)
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(is), is)).To(Succeed())
				g.Expect(is.UID).NotTo(Equal(was.UID), "the spec proves nothing")
				g.Expect(is.RoleRef).To(Equal(was.RoleRef))
				g.Expect(is.Subjects).To(Equal(was.Subjects))
				g.Expect(is.Labels).To(Equal(was.Labels))
				g.Expect(is.OwnerReferences).To(Equal(was.OwnerReferences))
			}).Should(Succeed())
			Consistently(func() int { return deletions(was) }).
				WithTimeout(6 * time.Second).Should(BeNumerically("<=", 3))
			before := deletions(was)
			bulwark.Stop()
			bulwark = startOperator()
			Consistently(func() int { return deletions(was) }).
				WithTimeout(time.Second).Should(Equal(before))
			end()
			EventuallyEstablished(profile, namespace)
			EventuallyReady(profile)
		},
	)

	It("is made anew by the next leader if the operator dies between the two writes", func() {
		proxy := behindProxy()
		var next *RunningOperator
		DeferCleanup(func() { next.Stop() })
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		died := make(chan struct{})
		proxy.OnNextWrite(
			func(path string) bool { return strings.HasSuffix(path, "/"+namespace+"/rolebindings/bulwark-viewers") },
			func() {
				proxy.Isolate()
				close(died)
			},
		)
		Update(profile, toEdit)
		Eventually(died).Should(BeClosed())
		binding := theViewers(namespace)
		gone := admin.Get(ctx, client.ObjectKeyFromObject(binding), binding)
		Expect(apierrors.IsNotFound(gone)).To(BeTrue(), "%v", gone)
		before := deletions(theViewers(namespace))
		next = startOperatorWith(operatorConf)
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
		Consistently(func() int { return deletions(theViewers(namespace)) }).
			WithTimeout(time.Second).Should(Equal(before))
		Expect(ReportOn(Default, namespace).Drift).To(BeEmpty())
	})

	It("is deleted all the same if a tenant has made it, as a binding to another role", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		refuseBindings(namespace, `object.roleRef.name != "view"`)
		bulwark.Stop() // Else it may find that the binding is missing, and tell so before the tenant's is there.
		Expect(admin.Delete(ctx, theViewers(namespace))).To(Succeed())
		loose := theViewers(namespace)
		loose.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}
		Expect(admin.Create(ctx, loose)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(theViewers(namespace))
		EventuallyObject(namespace, "RoleBinding", "bulwark-viewers", v1alpha1.ObjectStateFailed)
		EventuallyReported(profile, namespace)
	})

	It("becomes the next profile's as it is, so that the former can go", func() {
		former, namespace := Governed()
		EventuallyEstablished(former, namespace)
		was := theViewers(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(was), was)).To(Succeed())
		toAbsent := func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Bindings[0].ClusterRole = "absent" }
		next := fixture.Profile(UniqueName(), fixture.Selecting(former.Name), fixture.WithPriority(1), toAbsent)
		ExpectCreated(next)
		EventuallyObject(namespace, "RoleBinding", was.Name, v1alpha1.ObjectStateFailed)
		Expect(admin.Delete(ctx, former)).To(Succeed())
		EventuallyGone(former)
		is := theViewers(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(is), is)).To(Succeed())
		Expect(is.UID).To(Equal(was.UID))
		Expect(is.Labels).To(HaveKeyWithValue(v1alpha1.ProfileLabel, next.Name))
	})
})
