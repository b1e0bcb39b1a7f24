package integration

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// weakness is something of a tenant's that weakens the baseline, and what must be found.
type weakness struct {
	object   client.Object
	id       v1alpha1.FindingID
	severity v1alpha1.Severity
	says     string
}

func tenants(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

func roleBinding(name, role string, subjects ...rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: tenants(
			name,
		),
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects: subjects,
	}
}

func group(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}
}

var weaknesses = map[string]weakness{
	"a policy that lets every namespace in": {
		object: &networkingv1.NetworkPolicy{ObjectMeta: tenants("open"), Spec: networkingv1.NetworkPolicySpec{
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}},
			}},
		}},
		id:       v1alpha1.FindingIDNetworkReopened,
		severity: v1alpha1.SeverityHigh,
		says:     "Ingress, and this opens it for all pods from: every namespace at all ports",
	},
	"a policy that lets out to the Internet": {
		object: &networkingv1.NetworkPolicy{ObjectMeta: tenants("internet"), Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{"Egress"},
			Egress: []networkingv1.NetworkPolicyEgressRule{
				{
					To: []networkingv1.NetworkPolicyPeer{
						{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8"}}},
					},
				},
			},
		}},
		id:       v1alpha1.FindingIDNetworkReopened,
		severity: v1alpha1.SeverityHigh,
		says:     "0.0.0.0/0 except 10.0.0.0/8 at all ports",
	},
	"a binding that gives an outsider cluster-admin": {
		object: roleBinding(
			"owner",
			"cluster-admin",
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: "mallory"},
		),
		id:       v1alpha1.FindingIDPrivilegedBinding,
		severity: v1alpha1.SeverityCritical,
		says:     "ClusterRole cluster-admin (cluster-admin) is given to mallory",
	},
	"a binding that gives everybody something": {
		object:   roleBinding("all", "view", group("system:authenticated")),
		id:       v1alpha1.FindingIDBroadBinding,
		severity: v1alpha1.SeverityHigh,
		says:     "ClusterRole view is given to system:authenticated",
	},
	"a service account that mounts its token": {
		object: &corev1.ServiceAccount{ObjectMeta: tenants("mounts")},
		id:     v1alpha1.FindingIDTokenMountedByDefault, severity: v1alpha1.SeverityLow, says: "mounted into every pod",
	},
	"a limit range with other defaults": {
		object: &corev1.LimitRange{
			ObjectMeta: tenants("defaults"),
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{"cpu": *resourceQuantity("1m")},
			}}},
		},
		id:       v1alpha1.FindingIDLimitDefaultsOverridden,
		severity: v1alpha1.SeverityMedium,
		says:     "request cpu 1m, declared 100m",
	},
}

// EventuallyFound waits until the report holds a finding on the object.
func EventuallyFound(namespace, kind, name string, id v1alpha1.FindingID) v1alpha1.Finding {
	GinkgoHelper()
	var found v1alpha1.Finding
	Eventually(func(g Gomega) {
		report := ReportOn(g, namespace)
		g.Expect(report.Findings).To(ContainElement(And(
			HaveField("ID", id), HaveField("Object.Kind", kind), HaveField("Object.Name", name)), &found))
		g.Expect(report.FindingTotals).To(ContainElement(And(HaveField("ID", id), HaveField("Severity", found.Severity))))
	}).Should(Succeed())
	Expect(found.Remedy).NotTo(BeEmpty())
	return found
}

func EventuallyNothingFound(namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		report := ReportOn(g, namespace)
		g.Expect(report.Findings).To(BeEmpty())
		g.Expect(report.FindingTotals).To(BeEmpty())
	}).Should(Succeed())
}

// EventuallyCompliance waits until the profile's Compliant has a status, for a reason.
func EventuallyCompliance(profile *v1alpha1.SecurityProfile, status metav1.ConditionStatus, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		condition := meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionCompliant)
		g.Expect(condition).To(And(HaveField("Status", status), HaveField("Reason", reason)))
	}).Should(Succeed())
}

var _ = Describe("Findings", func() {
	for what, w := range weaknesses {
		It("tell of "+what+", leave it alone, and go with it", func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			EventuallyCompliance(profile, metav1.ConditionTrue, v1alpha1.ReasonCompliant)
			o := w.object.DeepCopyObject().(client.Object)
			o.SetNamespace(namespace)
			Expect(admin.Create(ctx, o)).To(Succeed())
			kind := fmt.Sprintf("%T", o)[len("*v1."):]
			found := EventuallyFound(namespace, kind, o.GetName(), w.id)
			Expect(found.Severity).To(Equal(w.severity))
			Expect(found.Message).To(ContainSubstring(w.says))
			EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
			EventuallyReady(profile) // What is declared is in place all the same.
			Expect(profile.Status.Namespaces.Weakened).To(BeEquivalentTo(1))
			Expect(profile.Status.FindingTotals).To(ConsistOf(v1alpha1.FindingTotal{ID: w.id, Severity: w.severity, Count: 1}))
			Eventually(
				func() []string { return eventReasons("Namespace", namespace) },
			).Should(ContainElement(v1alpha1.EventFinding))
			Expect(
				metric("bulwark_findings", "profile", profile.Name, "id", string(w.id), "severity", string(w.severity)),
			).To(Equal(1.0))

			kept := o.DeepCopyObject().(client.Object)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), kept)).To(Succeed())
			Expect(kept.GetResourceVersion()).To(Equal(o.GetResourceVersion()))
			Expect(admin.Delete(ctx, o)).To(Succeed())
			EventuallyNothingFound(namespace)
			EventuallyCompliance(profile, metav1.ConditionTrue, v1alpha1.ReasonCompliant)
			Eventually(func() float64 {
				return metric("bulwark_findings", "profile", profile.Name, "id", string(w.id), "severity", string(w.severity))
			}).Should(BeZero())
		})
	}

	It("follow the role that a binding gives", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		name := "custom-" + namespace
		for _, o := range []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: tenants(name), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}},
			&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "local"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}},
		} {
			Expect(admin.Create(ctx, o)).To(Succeed())
		}
		DeferCleanup(func() { Expect(admin.Delete(ctx, &rbacv1.ClusterRole{ObjectMeta: tenants(name)})).To(Succeed()) })
		toCluster := roleBinding("to-cluster-role", name, group("others"))
		toCluster.Namespace = namespace
		Expect(admin.Create(ctx, toCluster)).To(Succeed())
		toLocal := roleBinding("to-role", "local", group("others"))
		toLocal.Namespace, toLocal.RoleRef.Kind = namespace, "Role"
		Expect(admin.Create(ctx, toLocal)).To(Succeed())
		Consistently(
			func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings },
		).WithTimeout(time.Second).
			Should(BeEmpty())

		Update(&rbacv1.ClusterRole{ObjectMeta: tenants(name)}, func(r *rbacv1.ClusterRole) {
			r.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}
		})
		Expect(
			EventuallyFound(namespace, "RoleBinding", "to-cluster-role", v1alpha1.FindingIDPrivilegedBinding).Severity,
		).To(Equal(v1alpha1.SeverityHigh))
		Update(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "local"}}, func(r *rbacv1.Role) {
			r.Rules = []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
		})
		Expect(
			EventuallyFound(namespace, "RoleBinding", "to-role", v1alpha1.FindingIDPrivilegedBinding).Severity,
		).To(Equal(v1alpha1.SeverityCritical))
		Expect(
			admin.Delete(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "local"}}),
		).To(Succeed())
		Update(&rbacv1.ClusterRole{ObjectMeta: tenants(name)}, func(r *rbacv1.ClusterRole) { r.Rules = nil })
		EventuallyNothingFound(namespace)
	})

	It("tell of a stranger who is given the profile's own powerful role", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		secrets := grantable("grant-" + namespace)
		Expect(admin.Create(ctx, secrets)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(ctx, secrets)).To(Succeed()) })
		EventuallyGrantable(ContainElement(secrets.Rules[0]))
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.RBAC.Roles[0].Rules[0].Resources = []string{"secrets"} })
		EventuallyEstablished(profile, namespace)
		stranger := roleBinding(
			"stranger",
			"bulwark-developer",
			rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: "mallory"},
		)
		stranger.Namespace, stranger.RoleRef.Kind = namespace, "Role"
		Expect(admin.Create(ctx, stranger)).To(Succeed())
		Expect(
			EventuallyFound(namespace, "RoleBinding", "stranger", v1alpha1.FindingIDPrivilegedBinding).Message,
		).To(ContainSubstring("access to Secrets"))
	})

	It("are written once: nothing is written at rest, nor after a restart", func() {
		profile, namespace := Governed()
		for _, w := range weaknesses {
			o := w.object.DeepCopyObject().(client.Object)
			o.SetNamespace(namespace)
			Expect(admin.Create(ctx, o)).To(Succeed())
		}
		Eventually(func() int { return len(ReportOn(Default, namespace).Findings) }).Should(Equal(len(weaknesses)))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		EventuallyQuiet()
		before := operatorWrites()
		bulwark.Stop()
		bulwark = startOperator()
		EventuallySynced(profile.Name)
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(4 * time.Second).
			Should(BeEmpty())
	})

	DescribeTable("are not looked for", func(change func(*v1alpha1.SecurityProfile), remain int) {
		profile, namespace := Governed(change)
		EventuallyEstablished(profile, namespace)
		for _, w := range []weakness{weaknesses["a binding that gives everybody something"], weaknesses["a service account that mounts its token"]} {
			o := w.object.DeepCopyObject().(client.Object)
			o.SetNamespace(namespace)
			Expect(admin.Create(ctx, o)).To(Succeed())
		}
		if remain > 0 {
			Eventually(func() int { return len(ReportOn(Default, namespace).Findings) }).Should(Equal(remain))
		}
		Consistently(
			func() int { return len(ReportOn(Default, namespace).Findings) },
		).WithTimeout(time.Second).
			Should(Equal(remain))
	},
		Entry("if the profile switches them off", func(p *v1alpha1.SecurityProfile) {
			p.Spec.Findings = &v1alpha1.Findings{Mode: v1alpha1.FindingsModeDisabled}
		}, 0),
		Entry("if the profile ignores them", func(p *v1alpha1.SecurityProfile) {
			p.Spec.Findings = &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDBroadBinding}}
		}, 1),
	)
})

var _ = Describe("Findings on pods", thatLooksOften, func() {
	It("tell of those that ran before the level was enforced, and go with them", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.PrivilegedPod(namespace, "old"))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "good"))
		profile := fixture.Profile(name)
		ExpectCreated(profile)
		found := EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDPodSecurityViolated)
		Expect(found.Message).To(And(ContainSubstring("restricted:v1.37"), ContainSubstring("privileged")))
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Findings).To(HaveLen(1))
		Expect(admin.Delete(ctx, fixture.PrivilegedPod(namespace, "old"), client.GracePeriodSeconds(0))).To(Succeed())
		EventuallyNothingFound(namespace)
	})

	It("tell of those that came in while somebody had taken the level away", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		bulwark.Stop()
		Update(
			theNamespace(namespace),
			func(o client.Object) { o.GetLabels()["pod-security.kubernetes.io/enforce"] = "privileged" },
		)
		EventuallyAdmitted(fixture.PrivilegedPod(namespace, "slipped-in"))
		bulwark = startOperatorWith(operatorConf, looksOften)
		EventuallyEstablished(profile, namespace)
		EventuallyFound(namespace, "Pod", "slipped-in", v1alpha1.FindingIDPodSecurityViolated)
	})

	It("tell of them under Audit", func() {
		_, namespace := Governed(fixture.Audited)
		EventuallyAdmitted(fixture.PrivilegedPod(namespace, "new"))
		EventuallyFound(namespace, "Pod", "new", v1alpha1.FindingIDPodSecurityViolated)
	})

	It("tell that the API server exempts the namespace, and that the version is old", func() {
		profile := fixture.Profile(UniqueName(), func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Version = "v1.20" })
		exempt := fixture.Namespace(controlplane.ExemptNamespace, profile.Name)
		ExpectCreated(exempt, profile)
		DeferCleanup(func() { Expect(admin.Delete(ctx, exempt)).To(Succeed()) })
		Expect(
			EventuallyFound(exempt.Name, "Namespace", exempt.Name, v1alpha1.FindingIDPodSecurityExempt).Severity,
		).To(Equal(v1alpha1.SeverityCritical))
		EventuallyFound(exempt.Name, "Namespace", exempt.Name, v1alpha1.FindingIDPodSecurityOutdated)
		Consistently(func(g Gomega) { // The next looks ask anew, and find the same.
			g.Expect(ReportOn(g, exempt.Name).Findings).To(HaveLen(2))
		}).WithTimeout(5 * time.Second).Should(Succeed())
	})

	It("are bounded, and counted beyond", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		const pods = v1alpha1.MaxFindings + 10
		for i := range pods {
			EventuallyAdmitted(fixture.PrivilegedPod(namespace, fmt.Sprintf("old-%03d", i)))
		}
		ExpectCreated(
			fixture.Profile(name, func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas = nil }),
		) // They would be exceeded.
		EventuallyFound(namespace, "Pod", "old-000", v1alpha1.FindingIDPodSecurityViolated)
		report := ReportOn(Default, namespace)
		Expect(report.Findings).To(HaveLen(v1alpha1.MaxFindings))
		Expect(report.Truncated).To(BeEquivalentTo(pods - v1alpha1.MaxFindings))
		Expect(
			report.FindingTotals,
		).To(ConsistOf(v1alpha1.FindingTotal{ID: v1alpha1.FindingIDPodSecurityViolated, Severity: v1alpha1.SeverityHigh, Count: pods}))
	})
})

var _ = Describe("With findings switched off", func() {
	restartedWith(func(o *operator.Options) { o.NoFindings = true })

	It("none is reported", func() {
		profile, namespace := Governed()
		account := &corev1.ServiceAccount{
			ObjectMeta:                   metav1.ObjectMeta{Namespace: namespace, Name: "mounts"},
			AutomountServiceAccountToken: ptr.To(true),
		}
		Expect(admin.Create(ctx, account)).To(Succeed())
		Consistently(
			func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings },
		).WithTimeout(time.Second).
			Should(BeEmpty())
		EventuallyCompliance(profile, metav1.ConditionTrue, v1alpha1.ReasonCompliant)
	})
})

var _ = Describe("Findings that cannot be made", thatLooksOften, func() {
	It("hold up no correction and no other finding, and are made later", func() {
		profile, namespace := unseen()
		tampers["appends a rule that lets everything in"].do(namespace)
		broad := weaknesses["a binding that gives everybody something"].object.DeepCopyObject().(client.Object)
		broad.SetNamespace(namespace)
		Expect(admin.Create(ctx, broad)).To(Succeed())
		EventuallyEstablished(profile, namespace)
		EventuallyFound(namespace, "RoleBinding", broad.GetName(), v1alpha1.FindingIDBroadBinding)
		Expect(ReportOn(Default, namespace).Findings).To(HaveLen(1), "it cannot be told whether the namespace is exempt")
		Expect(ReportOn(Default, namespace).PodsUnseen).To(BeTrue())

		permitDryRuns()
		EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDPodSecurityViolated)
		Expect(ReportOn(Default, namespace).PodsUnseen).To(BeFalse())
	})
})

var _ = Describe("Findings that could not be made before another began to lead", func() {
	It("are made at once", func() {
		_, namespace := unseen()
		Expect(ReportOn(Default, namespace).PodsUnseen).To(BeTrue())

		bulwark.Stop()
		permitDryRuns()
		Eventually(dryRunOf(namespace)).Should(Succeed())
		bulwark = startOperator()
		EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDPodSecurityViolated)
		Expect(ReportOn(Default, namespace).PodsUnseen).To(BeFalse())
	})
})

// unseen is a governed namespace in which the pod "old" violates the level, and of which the
// operator cannot tell.
func unseen() (profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	name := UniqueName()
	namespace = name + "-a"
	ExpectCreated(fixture.Namespace(namespace, name))
	EventuallyAdmitted(fixture.PrivilegedPod(namespace, "old"))
	refuseDryRuns(namespace)
	profile = fixture.Profile(name)
	ExpectCreated(profile)
	EventuallyEstablished(profile, namespace)
	return profile, namespace
}

const dryRunsRefused = "no-dry-runs"

// refuseDryRuns has the API server refuse dry runs of updates of a namespace, by which the operator
// asks whether it is exempt.
func refuseDryRuns(namespace string) {
	GinkgoHelper()
	fail := admissionregistrationv1.Fail
	Expect(admin.Create(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: tenants(dryRunsRefused),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionregistrationv1.MatchResources{
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					ResourceNames: []string{namespace},
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
						Rule: admissionregistrationv1.Rule{
							APIGroups:   []string{""},
							APIVersions: []string{"v1"},
							Resources:   []string{"namespaces"},
						},
					},
				}},
			},
			Validations: []admissionregistrationv1.Validation{{Expression: "!(has(request.dryRun) && request.dryRun)"}},
		},
	})).To(Succeed())
	Expect(admin.Create(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: tenants(dryRunsRefused),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        dryRunsRefused,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	})).To(Succeed())
	DeferCleanup(permitDryRuns)
	Eventually(dryRunOf(namespace)).Should(MatchError(ContainSubstring(dryRunsRefused)))
}

// dryRunOf is what the API server says to a dry run of an update of a namespace.
func dryRunOf(namespace string) func() error {
	return func() error {
		ns := theNamespace(namespace)
		if err := admin.Get(ctx, client.ObjectKeyFromObject(ns), ns); err != nil {
			return err
		}
		ns.SetAnnotations(map[string]string{"dry": "run"})
		return admin.Update(ctx, ns, client.DryRunAll)
	}
}

// permitDryRuns ends refuseDryRuns.
func permitDryRuns() {
	GinkgoHelper()
	for _, o := range []client.Object{
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: tenants(dryRunsRefused)},
		&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: tenants(dryRunsRefused)},
	} {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed())
	}
}
