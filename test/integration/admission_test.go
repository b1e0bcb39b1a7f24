package integration

import (
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// protected are the namespaces that the suite's operator never selects.
var protected = []string{
	metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease, "protected-*", v1alpha1.OperatorNamespace,
}

// policiesOf are the live policies and bindings that bear a profile's name.
func policiesOf(g Gomega, profile string) []baseline.Object {
	GinkgoHelper()
	var objects []baseline.Object
	for _, list := range []client.ObjectList{
		&admissionregistrationv1.ValidatingAdmissionPolicyList{}, &admissionregistrationv1.ValidatingAdmissionPolicyBindingList{},
	} {
		g.Expect(admin.List(ctx, list, client.MatchingLabels{v1alpha1.ProfileLabel: profile})).To(Succeed())
		items, err := meta.ExtractList(list)
		g.Expect(err).NotTo(HaveOccurred())
		for _, item := range items {
			objects = append(objects, item.(baseline.Object))
		}
	}
	return objects
}

// EventuallyPoliced waits until the policies are exactly those of the profile, beside others that
// outrank it, and its status says so.
func EventuallyPoliced(profile *v1alpha1.SecurityProfile, outranking ...*v1alpha1.SecurityProfile) {
	GinkgoHelper()
	EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
	Eventually(func(g Gomega) {
		g.Expect(policyDifferences(g, profile, outranking...)).To(BeEmpty())
	}).Should(Succeed())
}

func policyDifferences(
	g Gomega,
	profile *v1alpha1.SecurityProfile,
	outranking ...*v1alpha1.SecurityProfile,
) []drift.Drift {
	GinkgoHelper()
	g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
	desired := admission.Objects(admission.Render(profile, admission.Cluster{
		Outranking: outranking, Protected: protected, Operator: controlplane.OperatorUser, Proof: operatorProof(),
	}))
	return drift.Compare(desired, policiesOf(g, profile.Name), drift.Ours)
}

// operatorProof is by what policies know the operator beside its name.
func operatorProof() admission.Proof {
	GinkgoHelper()
	proof, err := plane.OperatorProof(ctx)
	Expect(err).NotTo(HaveOccurred())
	return proof
}

// EventuallyRefused waits until the API server refuses an object in these words: it hears of
// policies about a second after they are made. What it admits meanwhile is a dry run.
func EventuallyRefused(by client.Client, o client.Object, words string) {
	GinkgoHelper()
	Eventually(func() error {
		return by.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll)
	}).Should(MatchError(ContainSubstring(words)))
}

// writablePod keeps every rule but for readOnlyRootFilesystem.
func writablePod(namespace, name string) *corev1.Pod {
	pod := fixture.HardenedPod(namespace, name)
	pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
	return pod
}

func policyOf(profile *v1alpha1.SecurityProfile, concern string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "bulwark-" + profile.Name + "-" + concern},
	}
}

var _ = Describe("A profile with rules of admission", func() {
	It("has them in force, says so, and counts what it costs", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		EventuallyReady(profile)
		Expect(meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission).Message).To(MatchRegexp(
			`^8 admission policies are in force; judging the largest pod costs up to \d+ % of what the API server spends on a policy$`,
		))

		EventuallyRefused(
			admin,
			writablePod(namespace, "bad"),
			"readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true (spec.workloads of SecurityProfile "+profile.Name+")",
		)
		EventuallyAdmitted(fixture.HardenedPod(namespace, "good"))
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "open"},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		EventuallyRefused(admin, service, "allowedServiceTypes: the type of a Service must be one of ClusterIP")
		EventuallyRefused(admin, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "open"},
			Spec:       networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}},
		}, "the NetworkPolicy opens Ingress from every peer")
	})

	It("loses those that it no longer declares, and its condition with the last", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Images, p.Spec.Protection = nil, nil })
		EventuallyPoliced(profile)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Workloads, p.Spec.Network.TenantPolicies = nil, "" })
		Eventually(func(g Gomega) {
			g.Expect(policyDifferences(g, profile)).To(BeEmpty())
			g.Expect(policiesOf(g, profile.Name)).To(BeEmpty())
			g.Expect(meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission)).To(BeNil())
		}).Should(Succeed())
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "plain"))
	})

	It("only warns under Audit, has no gate, and leaves tampering to whoever may", func() {
		profile, namespace := Governed(fixture.Guarded, fixture.Audited)
		EventuallyPoliced(profile)
		for _, o := range policiesOf(Default, profile.Name) {
			if binding, ok := o.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding); ok {
				Expect(
					binding.Spec.ValidationActions,
				).To(Equal([]admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn}))
			}
			Expect(o.GetName()).NotTo(ContainSubstring("wait"))
		}
		Expect(admin.Create(ctx, fixture.RestrictedPod(namespace, "warned"))).To(Succeed())
	})

	It("gives way where another profile outranks it, as soon as that one comes, and judges again when it goes", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			fixture.Guarded(p)
			p.Spec.Protection = nil
		})
		bad := writablePod(namespace, "bad")
		EventuallyRefused(admin, bad, "readOnlyRootFilesystem")
		over := fixture.Profile(profile.Name+"-over", fixture.Selecting(profile.Name), fixture.WithPriority(9))
		ExpectCreated(over)
		EventuallyPoliced(profile, over)
		EventuallyAdmitted(bad.DeepCopy())
		Expect(admin.Delete(ctx, over)).To(Succeed())
		EventuallyGone(over)
		EventuallyPoliced(profile)
		bad.Name = "bad-again"
		EventuallyRefused(admin, bad, "readOnlyRootFilesystem")
	})

	It("gives way to the other also while it turns to other namespaces, at each write", func() {
		over, namespace := Governed(fixture.WithPriority(9))
		EventuallyEstablished(over, namespace)
		name := UniqueName()
		profile := fixture.Profile(name, fixture.Guarded, fixture.Selecting(over.Name))
		ExpectCreated(profile)
		EventuallyPoliced(profile, over)
		Expect(admin.Create(ctx, writablePod(namespace, "before"))).To(Succeed())

		proxy := behindProxy()
		held, release := holdNextWrite(proxy, "/validatingadmissionpolicies/"+policyOf(profile, "workloads").GetName())
		Update(profile, fixture.Selecting(name))
		Eventually(held).Should(BeClosed())
		Consistently(func() error { // It takes some seconds till what was written is in force.
			return admin.Create(ctx, writablePod(namespace, "meanwhile"), client.DryRunAll)
		}).WithTimeout(5 * time.Second).Should(Succeed())
		release()
		EventuallyPoliced(profile)
	})

	It("goes though somebody wants to keep its policies", func() {
		profile, _ := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		bulwark.Stop()
		for _, o := range policiesOf(Default, profile.Name) {
			Update(o.(client.Object), func(o client.Object) { o.SetFinalizers([]string{"example.com/keep"}) })
		}
		Expect(
			admin.Delete(ctx, policyOf(profile, "pods-wait-for-report")),
		).To(Succeed())
		// Its binding cannot be written without it.
		Update(client.Object(policyOf(profile, "pods-wait-for-report")), func(o client.Object) { o.SetFinalizers(nil) })
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		bulwark = startOperator()
		EventuallyGone(profile)
		Expect(policiesOf(Default, profile.Name)).To(BeEmpty())
	})

	It("keeps its policies until its baseline is gone, also when it retains that", func() {
		for _, change := range []func(*v1alpha1.SecurityProfile){fixture.Guarded, func(p *v1alpha1.SecurityProfile) {
			fixture.Guarded(p)
			fixture.Retained(p)
		}} {
			profile, namespace := Governed(change)
			EventuallyPoliced(profile)
			Expect(admin.Delete(ctx, profile)).To(Succeed())
			EventuallyGone(profile)
			Expect(policiesOf(Default, profile.Name)).To(BeEmpty())
			writes := operatorWrites()
			Expect(
				lastDeletion(writes, "validatingadmissionpolicies"),
			).To(BeNumerically(">", lastDeletion(writes, "namespacepostures")))
			EventuallyAdmitted(fixture.RestrictedPod(namespace, "free"))
		}
	})
})

var _ = Describe("A profile that cannot be read", func() {
	It("keeps its own namespaces from being judged by another, and no other profile from its policies", func() {
		broken, held := Governed(func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 9 })
		name := UniqueName()
		profile := fixture.Profile(name, fixture.Guarded, fixture.Selecting(broken.Name))
		ExpectCreated(profile)
		EventuallyPoliced(profile, broken)

		EventuallyOlderThanASecond(held)
		Update(broken, func(p *v1alpha1.SecurityProfile) {
			p.Spec.NamespaceSelector.MatchLabels = map[string]string{"not a label key": "a"}
		})
		EventuallyCondition(broken, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Images = nil })
		EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
		EventuallyGone(policyOf(profile, "images"))

		another := fixture.Namespace(name+"-b", broken.Name)
		ExpectCreated(another)
		EventuallyRefused(admin, writablePod(another.Name, "bad"), "readOnlyRootFilesystem")
		EventuallyAdmitted(writablePod(held, "free"))
	})

	It("leaves what is made since to be judged by another, though nobody edits that", func() {
		broken, _ := Governed(func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 9 })
		name := UniqueName()
		profile := fixture.Profile(name, fixture.Guarded, fixture.Selecting(broken.Name))
		ExpectCreated(profile)
		EventuallyPoliced(profile, broken)

		EventuallyQuiet() // So that no throttle has the policies look later than the status is written.
		Update(broken, func(p *v1alpha1.SecurityProfile) {
			p.Spec.NamespaceSelector.MatchLabels = map[string]string{"not a label key": "a"}
		})
		EventuallyCondition(broken, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		another := fixture.Namespace(name+"-b", broken.Name)
		ExpectCreated(another)
		EventuallyEstablished(profile, another.Name)
		EventuallyRefused(admin, writablePod(another.Name, "bad"), "readOnlyRootFilesystem")
	})
})

var _ = Describe("A profile that is being deleted", func() {
	It("judges no pod any more, and guards its baseline to the end", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		second := profile.Name + "-b"
		ExpectCreated(fixture.Namespace(second, profile.Name))
		EventuallyEstablished(profile, second)
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
		release := forbidDeletionOfRoles(second)
		Expect(admin.Delete(ctx, profile)).To(Succeed())
		Eventually(func(g Gomega) { // The one namespace is released, and its pods wait for nobody.
			g.Expect(admin.Create(ctx, writablePod(namespace, "free"), client.DryRunAll)).To(Succeed())
		}).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed(), "it is held by the other one")
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: second, Name: "bulwark-developer"}}
		Expect(
			admin.Get(ctx, client.ObjectKeyFromObject(policyOf(profile, "tamper-objects")), policyOf(profile, "tamper-objects")),
		).To(Succeed())
		Expect(admin.Delete(ctx, role, client.DryRunAll)).NotTo(Succeed())
		release()
		EventuallyGone(profile)
		Expect(policiesOf(Default, profile.Name)).To(BeEmpty())
	})
})

// forbidDeletionOfRoles has the API server refuse to delete Roles in a namespace, as another's
// policy may, until it is released.
func forbidDeletionOfRoles(namespace string) (release func()) {
	GinkgoHelper()
	meta := metav1.ObjectMeta{Name: "keep-roles-of-" + namespace}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{"DELETE"},
						Rule: admissionregistrationv1.Rule{
							APIGroups:   []string{rbacv1.GroupName},
							APIVersions: []string{"v1"},
							Resources:   []string{"roles"},
						},
					},
				}},
			},
			Validations: []admissionregistrationv1.Validation{
				{Expression: `request.namespace != "` + namespace + `"`, Message: "roles stay"},
			},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: meta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: meta.Name, ValidationActions: []admissionregistrationv1.ValidationAction{"Deny"},
		},
	}
	ExpectCreated(policy, binding)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-developer"}}
	Eventually(func() error {
		return impersonating("on-call", "system:masters", fixture.BreakGlass).Delete(ctx, role, client.DryRunAll)
	}).Should(
		MatchError(ContainSubstring("roles stay")))
	return func() {
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Expect(admin.Delete(ctx, policy)).To(Succeed())
	}
}

// lastDeletion is the place of the last deletion of a resource among writes.
func lastDeletion(writes []controlplane.Write, resource string) int {
	last := -1
	for i, w := range writes {
		if w.Resource == resource && w.Verb == "delete" && w.Stored() {
			last = i
		}
	}
	return last
}

var _ = Describe("Drift of admission policies", func() {
	for what, tamper := range map[string]func(*v1alpha1.SecurityProfile){
		"a validation that lets everything pass": func(p *v1alpha1.SecurityProfile) {
			Update(policyOf(p, "workloads"), func(o *admissionregistrationv1.ValidatingAdmissionPolicy) {
				o.Spec.Validations[0].Expression = "true"
			})
		},
		"a policy that was deleted": func(p *v1alpha1.SecurityProfile) {
			Expect(admin.Delete(ctx, policyOf(p, "workloads"))).To(Succeed())
		},
		"a policy stripped of what says that it is ours, its name aside": func(p *v1alpha1.SecurityProfile) {
			Update(policyOf(p, "workloads"), func(o *admissionregistrationv1.ValidatingAdmissionPolicy) {
				delete(o.Labels, v1alpha1.ProfileLabel)
				o.Spec.FailurePolicy = new(admissionregistrationv1.Ignore)
			})
		},
		"a policy stripped of all that says that it is ours": func(p *v1alpha1.SecurityProfile) {
			Update(policyOf(p, "workloads"), func(o *admissionregistrationv1.ValidatingAdmissionPolicy) {
				o.Labels, o.OwnerReferences = nil, nil
				o.Spec.FailurePolicy = new(admissionregistrationv1.Ignore)
			})
		},
		"a binding that only audits": func(p *v1alpha1.SecurityProfile) {
			binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: policyOf(p, "workloads").ObjectMeta}
			Update(binding, func(o *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
				o.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Audit}
			})
		},
	} {
		It("is corrected and recorded: "+what, func() {
			profile, _ := Governed(fixture.Guarded)
			EventuallyPoliced(profile)
			Expect(profile.Status.PolicyDriftTotal).To(BeZero())
			tamper(profile)
			Eventually(func(g Gomega) {
				g.Expect(policyDifferences(g, profile)).To(BeEmpty())
				g.Expect(profile.Status.PolicyDriftTotal).To(Equal(int64(1)))
				g.Expect(profile.Status.DriftTotal).To(Equal(int64(1)))
				g.Expect(profile.Status.Drift).To(ContainElement(And(
					HaveField("Namespace", ""), HaveField("State", v1alpha1.DriftStateCorrected),
					HaveField("Object.Name", "bulwark-"+profile.Name+"-workloads"))))
			}).Should(Succeed())
			Eventually(func() []string { return eventReasons("SecurityProfile", profile.Name) }).Should(
				ContainElements(v1alpha1.EventDrift, v1alpha1.EventCorrected))
			Expect(metric("bulwark_corrections_total", "profile", profile.Name)).To(BeEquivalentTo(1))
		})
	}

	It("is none after a restart of the operator, which writes nothing", func() {
		profile, _ := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		EventuallyReady(profile)
		before := baselineWrites()
		bulwark.Stop()
		bulwark = startOperator()
		Consistently(baselineWrites).Should(Equal(before))
		Expect(policyDifferences(Default, profile)).To(BeEmpty())
		Expect(profile.Status.PolicyDriftTotal).To(BeZero())
	})

	It("that happens while the operator is down is recorded by who did it", func() {
		profile, _ := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		bulwark.Stop()
		Update(policyOf(profile, "images"), func(o *admissionregistrationv1.ValidatingAdmissionPolicy) {
			o.Spec.Validations[0].Expression = "true"
		})
		bulwark = startOperator()
		Eventually(func(g Gomega) {
			g.Expect(policyDifferences(g, profile)).To(BeEmpty())
			g.Expect(profile.Status.PolicyDriftTotal).To(Equal(int64(1)))
			g.Expect(profile.Status.Drift[0].Manager).NotTo(BeEmpty())
		}).Should(Succeed())
	})
})

var _ = Describe("A policy of another maker that bears a name of the profile's", func() {
	stranger := func(name string) *admissionregistrationv1.ValidatingAdmissionPolicy {
		return &admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "bulwark-" + name + "-images"},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{
					ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
						RuleWithOperations: admissionregistrationv1.RuleWithOperations{
							Operations: []admissionregistrationv1.OperationType{"CREATE"},
							Rule: admissionregistrationv1.Rule{
								APIGroups:   []string{""},
								APIVersions: []string{"v1"},
								Resources:   []string{"secrets"},
							},
						},
					}},
				},
				Validations: []admissionregistrationv1.Validation{{Expression: "true"}},
			},
		}
	}

	It("is left alone; the profile says so and is not ready, until the policy is gone", func() {
		name := UniqueName()
		foreign := stranger(name)
		ExpectCreated(foreign, fixture.Namespace(name+"-a", name))
		profile := fixture.Profile(name, fixture.Guarded)
		ExpectCreated(profile)
		EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionFalse)
		EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionFalse)
		EventuallyCondition(profile, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		Expect(
			meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionReady).Message,
		).To(ContainSubstring(foreign.Name))
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.Namespaces.Compliant).To(BeEquivalentTo(1))
		}).Should(Succeed())
		before := profile.DeepCopy()
		Consistently(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.ResourceVersion).To(Equal(before.ResourceVersion), "written again: %s",
				cmp.Diff(before, profile, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})))
		}).Should(Succeed())
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
		Expect(
			apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(foreign), binding)),
		).To(BeTrue(), "another maker's policy is bound")
		live := foreign.DeepCopy()
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(foreign), live)).To(Succeed())
		Expect(live.Generation).To(Equal(foreign.Generation)) // Its status is kube-controller-manager's.
		Expect(live.ObjectMeta.Labels).To(BeEmpty())

		Expect(admin.Delete(ctx, policyOf(profile, "workloads"))).To(Succeed()) // All else is kept meanwhile.
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(policyOf(profile, "workloads")), policyOf(profile, "workloads"))).
				To(Succeed())
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
			g.Expect(profile.Status.PolicyDriftTotal).To(BeEquivalentTo(1))
		}).Should(Succeed())
		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 7 })
		EventuallyPoliced(profile)
		EventuallyReady(profile)
	})

	It("is taken over by a profile that adopts", func() {
		name := UniqueName()
		ExpectCreated(stranger(name), fixture.Namespace(name+"-a", name))
		profile := fixture.Profile(name, fixture.Guarded, fixture.Adopting)
		ExpectCreated(profile)
		EventuallyPoliced(profile)
		EventuallyReady(profile)
	})
})

var _ = Describe("Break-glass", func() {
	It("lets its group change what tamper protection guards, tells of it, and is corrected", func() {
		profile, namespace := Governed(fixture.Guarded)
		EventuallyPoliced(profile)
		loosened := func(by client.Client) error {
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-compute"}}
			return by.Patch(
				ctx,
				quota,
				client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"hard":{"pods":"50"}}}`)),
			)
		}
		Eventually(func() error {
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-compute"}}
			return admin.Delete(ctx, quota, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("the object is a part of the namespace's baseline")))
		// It is told from a change that policies did not know of yet by its coming a while after
		// they were in force.
		Eventually(func(g Gomega) {
			g.Expect(loosened(impersonating("on-call", "system:masters", fixture.BreakGlass))).To(Succeed())
			g.Expect(metric("bulwark_break_glass_total", "profile", profile.Name)).To(BeNumerically(">", 0))
		}).WithPolling(2 * time.Second).WithTimeout(30 * time.Second).Should(Succeed())
		EventuallyEstablished(profile, namespace)
		Eventually(
			func() []string { return eventReasons("SecurityProfile", profile.Name) },
		).Should(ContainElement(v1alpha1.EventBreakGlass))
		err := loosened(impersonating("mallory", "system:masters"))
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)

		writes, err := plane.WholeAuditTrail().Next()
		Expect(err).NotTo(HaveOccurred())
		var users []string
		for _, w := range writes {
			if user, broke := w.Annotations["bulwark-"+profile.Name+"-tamper-objects/"+admission.BreakGlassAnnotation]; broke {
				Expect(
					w,
				).To(And(HaveField("Namespace", namespace), HaveField("Name", "bulwark-compute"), HaveField("ResponseStatus", BeEquivalentTo(200))))
				users = append(users, user)
			}
		}
		Expect(
			users,
		).To(And(ContainElement("on-call"), HaveEach("on-call")), "the audit log names who broke the glass, and nobody else")
	})
})
