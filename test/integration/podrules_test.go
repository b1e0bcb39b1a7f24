package integration

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// onlyRules leaves a profile nothing but rules for pods, which wait until it is safe.
func onlyRules(p *v1alpha1.SecurityProfile) {
	p.Spec = v1alpha1.SecurityProfileSpec{
		NamespaceSelector: p.Spec.NamespaceSelector,
		Rollout:           v1alpha1.RolloutWhenSafe,
		Workloads:         &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire},
		Images:            &v1alpha1.Images{Digest: v1alpha1.RequirementRequire},
	}
}

func immediately(p *v1alpha1.SecurityProfile) { p.Spec.Rollout = v1alpha1.RolloutImmediate }

const (
	workloadsPolicy = "workloads"
	imagesPolicy    = "images"
)

// EventuallyRulesBlocked waits until a section of rules for pods waits.
func EventuallyRulesBlocked(profile *v1alpha1.SecurityProfile, namespace, section string) v1alpha1.BlockedObject {
	GinkgoHelper()
	var blocked v1alpha1.BlockedObject
	Eventually(func(g Gomega) {
		g.Expect(ReportOn(g, namespace).Blocked).To(ContainElement(And(
			HaveField(
				"Object.Kind",
				"ValidatingAdmissionPolicy",
			),
			HaveField("Object.Name", policyOf(profile, section).Name),
		), &blocked))
	}).Should(Succeed())
	return blocked
}

// EventuallyPolicedWith waits until the policies are exactly those of the profile, where other
// rules are in force in some namespaces.
func EventuallyPolicedWith(profile *v1alpha1.SecurityProfile, held ...admission.Held) {
	GinkgoHelper()
	EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
	Eventually(func(g Gomega) { g.Expect(heldDifferences(g, profile, held)).To(BeEmpty()) }).Should(Succeed())
}

// heldDifferences are what the live policies lack of those of a profile, or hold beyond them.
func heldDifferences(g Gomega, profile *v1alpha1.SecurityProfile, held []admission.Held) []drift.Drift {
	GinkgoHelper()
	g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
	desired := admission.Objects(admission.Render(profile, admission.Cluster{
		Protected: protected, Operator: controlplane.OperatorUser, Proof: operatorProof(), Held: held,
	}))
	return drift.Compare(desired, policiesOf(g, profile.Name), drift.Ours)
}

// warningsOf are what the API server warns of a pod.
func warningsOf(pod *corev1.Pod) []string {
	GinkgoHelper()
	heard := &heardWarnings{}
	cfg := rest.CopyConfig(plane.Config)
	cfg.WarningHandlerWithContext = heard
	Expect(bed.ClientOf(GinkgoTB(), cfg).Create(ctx, pod.DeepCopy(), client.DryRunAll)).To(Succeed())
	return heard.texts
}

type heardWarnings struct{ texts []string }

func (w *heardWarnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.texts = append(w.texts, text)
}

// refusedFor is what a request for a pod is refused for, as a dry run.
func refusedFor(pod *corev1.Pod) string {
	if err := admin.Create(ctx, pod.DeepCopy(), client.DryRunAll); err != nil {
		return err.Error()
	}
	return ""
}

func ExpectAdmittedForLong(pod *corev1.Pod) {
	GinkgoHelper()
	Consistently(func() string { return refusedFor(pod) }).WithTimeout(3 * time.Second).Should(BeEmpty())
}

// readOnlyPod keeps readOnlyRootFilesystem, and no rule for images.
func readOnlyPod(namespace, name string) *corev1.Pod {
	pod := fixture.HardenedPod(namespace, name)
	pod.Spec.Containers[0].Image = "app:v1"
	return pod
}

var _ = Describe("Rules for pods under the roll-out WhenSafe", thatLooksOften, func() {
	It("wait in the namespace in which what runs breaks them, and in no other", func() {
		name := UniqueName()
		namespace, clean := name+"-a", name+"-b"
		ExpectCreated(fixture.Namespace(namespace, name), fixture.Namespace(clean, name))
		old := writablePod(namespace, "old")
		EventuallyAdmitted(old)
		profile := fixture.Profile(name, onlyRules)
		ExpectCreated(profile)

		blocked := EventuallyRulesBlocked(profile, namespace, workloadsPolicy)
		Expect(blocked.Violators).To(ConsistOf("old"))
		Expect(blocked.ViolatorsTotal).To(BeEquivalentTo(1))
		Expect(
			blocked.Message,
		).To(And(
			ContainSubstring("pods that run break rules of spec.workloads: readOnlyRootFilesystem"),
			ContainSubstring(
				"pod old: readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true",
			),
		))
		EventuallyRefused(admin, writablePod(clean, "another"), "readOnlyRootFilesystem: container app must")
		ExpectAdmittedForLong(writablePod(namespace, "another"))
		Expect(
			refusedFor(readOnlyPod(namespace, "another")),
		).To(ContainSubstring("digest"), "the images of what runs keep the rules")
		Expect(ReportOn(Default, namespace).IsReady()).To(BeTrue())
		Expect(ReportOn(Default, namespace).Summary.Blocked).To(BeEquivalentTo(1))
		Expect(
			EventuallyObject(namespace, "Namespace", namespace, v1alpha1.ObjectStateBlocked).Message,
		).To(ContainSubstring("waits"))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonBlocked)
		Expect(profile.Status.Namespaces.Blocked).To(BeEquivalentTo(1))
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBlocked))
		EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDWorkloadRuleViolated)

		By("denying at once in a namespace that comes")
		late := name + "-c"
		ExpectCreated(fixture.Namespace(late, name))
		Expect(
			refusedFor(writablePod(late, "another")),
		).To(Or(ContainSubstring("readOnlyRootFilesystem"), ContainSubstring("serviceaccount")))
		EventuallyReported(profile, late)
		EventuallyRefused(admin, writablePod(late, "another"), "readOnlyRootFilesystem")

		By("warning meanwhile")
		Expect(
			warningsOf(writablePod(namespace, "another")),
		).To(ContainElement(ContainSubstring("readOnlyRootFilesystem: container app must")))

		By("writing nothing while it waits")
		EventuallyQuiet()
		before := operatorWrites()
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(3 * time.Second).
			Should(BeEmpty())

		By("denying once nothing breaks them")
		deleteNow(old)
		EventuallyRefused(admin, writablePod(namespace, "another"), "readOnlyRootFilesystem")
		EventuallyReady(profile)
		report := ReportOn(Default, namespace)
		Expect(report.Blocked).To(BeEmpty())
		Expect(report.Drift).To(BeEmpty(), "nobody tampered with anything")
		Expect(profile.Status.PolicyDriftTotal).To(BeZero())
	})

	It("are not denied for a moment before the namespaces have been looked at", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		profile := fixture.Profile(name, onlyRules)
		ExpectCreated(profile)
		ExpectAdmittedForLong(fixture.RestrictedPod(namespace, "another"))
		EventuallyRulesBlocked(profile, namespace, workloadsPolicy)
		EventuallyRulesBlocked(profile, namespace, imagesPolicy)
		EventuallyPolicedWith(profile)
		ExpectAdmittedForLong(fixture.RestrictedPod(namespace, "another"))
	})

	It("let what was in force deny on while stricter ones wait, also against whom somebody let in", func() {
		profile, namespace := Governed(onlyRules, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Images = &v1alpha1.Images{AllowedRegistries: []string{"registry.example.com", "ghcr.io"}}
		})
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
		running := fixture.HardenedPod(namespace, "running")
		running.Spec.Containers[0].Image = "ghcr.io/app:v1"
		EventuallyAdmitted(running)
		old := admission.PodSections(profile)[1]
		Update(
			profile,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Images.AllowedRegistries = []string{"registry.example.com"} },
		)

		blocked := EventuallyRulesBlocked(profile, namespace, imagesPolicy)
		Expect(blocked.Violators).To(ConsistOf("running"))
		EventuallyPolicedWith(profile, admission.Held{Policy: policyOf(profile, imagesPolicy).Name, Content: old.Content})
		foreign := fixture.HardenedPod(namespace, "foreign")
		foreign.Spec.Containers[0].Image = "quay.io/app:v1"
		EventuallyRefused(
			admin,
			foreign,
			"allowedRegistries: container app must have an image from registry.example.com, ghcr.io",
		)
		ExpectAdmittedForLong(fixture.HardenedPod(namespace, "another"))
		again := running.DeepCopy()
		again.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "again"}
		ExpectAdmittedForLong(again)
		Expect(
			refusedFor(writablePod(namespace, "bad")),
		).To(ContainSubstring("readOnlyRootFilesystem"), "the other section does not wait")

		deleteNow(running)
		EventuallyRefused(admin, again, "must have an image from registry.example.com (")
		EventuallyPolicedWith(profile)
		Expect(profile.Status.PolicyDriftTotal).To(BeZero())
	})

	It("stay in force where a pod got in that breaks them", func() {
		profile, namespace := Governed(onlyRules)
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
		slipIn(profile, writablePod(namespace, "slipped-in"), workloadsPolicy)
		Update(
			profile,
			func(p *v1alpha1.SecurityProfile) { p.Spec.Priority = 7 },
		) // A new generation, in which the rules are the same.
		EventuallyReported(profile, namespace)
		Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty())
		EventuallyRefused(admin, writablePod(namespace, "another"), "readOnlyRootFilesystem")

		By("also when another rule comes, which it breaks too")
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Workloads.RequireLimits = []corev1.ResourceName{corev1.ResourceMemory}
		})
		EventuallyReported(profile, namespace)
		Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty(), "a pod that was refused already is no reason to wait")
		limited := writablePod(namespace, "another")
		limited.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"memory": *resourceQuantity("1Mi")}
		EventuallyRefused(admin, limited, "readOnlyRootFilesystem")
		EventuallyRefused(admin, fixture.HardenedPod(namespace, "another"), "requireLimitsMemory")
	})

	It("stay in force when the profile waits from now on", func() {
		profile, namespace := Governed(onlyRules, immediately)
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
		slipIn(profile, writablePod(namespace, "slipped-in"), workloadsPolicy)
		Update(profile, whenSafe)
		EventuallyReported(profile, namespace)
		EventuallyPolicedWith(profile)
		Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty())
		EventuallyRefused(admin, writablePod(namespace, "another"), "readOnlyRootFilesystem")
	})

	It("are not opened by who forges the label", func() {
		profile, namespace := Governed(onlyRules)
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
		for _, value := range []string{admission.Waits(profile.Name, ""), "waits-0123456789abcdef", ""} {
			Update(theNamespace(namespace), func(o client.Object) {
				if o.GetLabels()[v1alpha1.WorkloadsLabel] = value; value == "" {
					delete(o.GetLabels(), v1alpha1.WorkloadsLabel)
				}
			})
			Eventually(func() string { return labelsOf(namespace)[v1alpha1.WorkloadsLabel] }).Should(Equal(admission.Enforced))
		}
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
			return e.Object.Kind == "Namespace" && e.State == v1alpha1.DriftStateCorrected &&
				strings.Contains(e.Fields[0].Path, "workloads")
		})
		EventuallyRefused(admin, writablePod(namespace, "bad"), "readOnlyRootFilesystem")
	})

	It("are not kept from denying by who makes a namespace that says they wait there", func() {
		profile, _ := Governed(onlyRules, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Protection = &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
		})
		EventuallyPoliced(profile)
		bulwark.Stop()
		DeferCleanup(func() { bulwark = startOperatorWith(operatorConf, looksOften) })
		forged := fixture.Namespace(profile.Name+"-forged", profile.Name)
		forged.Labels[v1alpha1.WorkloadsLabel] = admission.Waits(profile.Name, "")
		Expect(admin.Create(ctx, forged)).To(MatchError(ContainSubstring("are set by Bulwark alone")))
		restored := fixture.Namespace(profile.Name+"-restored", profile.Name)
		restored.Labels[v1alpha1.ProfileLabel], restored.Labels[v1alpha1.WorkloadsLabel] = profile.Name, admission.Enforced
		ExpectCreated(restored)
		EventuallyRefused(admin, writablePod(restored.Name, "bad"), "readOnlyRootFilesystem")
	})

	DescribeTable(
		"leave no label on a namespace that their profile leaves",
		func(leave func(*v1alpha1.SecurityProfile, string), changes ...func(*v1alpha1.SecurityProfile)) {
			profile, namespace := Governed(append([]func(*v1alpha1.SecurityProfile){onlyRules}, changes...)...)
			Eventually(func() string { return labelsOf(namespace)[v1alpha1.ImagesLabel] }).Should(Equal(admission.Enforced))
			leave(profile, namespace)
			EventuallyUnreported(namespace)
			Expect(
				labelsOf(namespace),
			).To(And(Not(HaveKey(v1alpha1.ProfileLabel)), Not(HaveKey(v1alpha1.WorkloadsLabel)), Not(HaveKey(v1alpha1.ImagesLabel))))
		},
		Entry("when it goes", func(p *v1alpha1.SecurityProfile, _ string) { deleteProfile(p) }),
		Entry(
			"when it goes, and whoever restored the namespace has set them too",
			func(p *v1alpha1.SecurityProfile, ns string) {
				restored := corev1ac.Namespace(ns).WithLabels(map[string]string{
					v1alpha1.ProfileLabel:   p.Name,
					v1alpha1.WorkloadsLabel: admission.Enforced,
					v1alpha1.ImagesLabel:    admission.Enforced,
				})
				Expect(admin.Apply(ctx, restored, client.FieldOwner("restorer"))).To(Succeed())
				deleteProfile(p)
			},
		),
		Entry("when it goes and retains", func(p *v1alpha1.SecurityProfile, _ string) { deleteProfile(p) }, fixture.Retained),
		Entry(
			"when it selects the namespace no more and retains",
			func(_ *v1alpha1.SecurityProfile, ns string) { deselect(ns) },
			fixture.Retained,
		),
	)

	It("deny at once when the profile says Immediate", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		profile := fixture.Profile(name, onlyRules)
		ExpectCreated(profile)
		EventuallyRulesBlocked(profile, namespace, workloadsPolicy)
		Update(profile, immediately)
		EventuallyPoliced(profile)
		EventuallyRefused(admin, fixture.RestrictedPod(namespace, "another"), "of SecurityProfile "+profile.Name)
		EventuallyReported(profile, namespace)
		Expect(ReportOn(Default, namespace).Blocked).To(BeEmpty())
		finding := EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDWorkloadRuleViolated)
		Expect(finding.Severity).To(Equal(v1alpha1.SeverityHigh))
	})

	It("survive a restart", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		profile := fixture.Profile(name, onlyRules)
		ExpectCreated(profile)
		EventuallyRulesBlocked(profile, namespace, workloadsPolicy)
		EventuallyPolicedWith(profile)
		EventuallyQuiet()
		before := operatorWrites()
		bulwark.Stop()
		bulwark = startOperatorWith(operatorConf, looksOften)
		Consistently(func() []string {
			return slices.DeleteFunc(
				unlike(before, operatorWrites()),
				func(w string) bool { return strings.Contains(w, "leases") },
			)
		}).WithTimeout(4 * time.Second).Should(BeEmpty())
		ExpectAdmittedForLong(fixture.RestrictedPod(namespace, "another"))
	})

	It("are previewed under Audit", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		profile := fixture.Profile(name, onlyRules, fixture.Audited)
		ExpectCreated(profile)
		Expect(
			EventuallyRulesBlocked(profile, namespace, imagesPolicy).Message,
		).To(ContainSubstring("digest: container app must name the image by its digest"))
		Expect(EventuallyRulesBlocked(profile, namespace, workloadsPolicy).Violators).To(ConsistOf("old"))
		Expect(ReportOn(Default, namespace).Summary.Blocked).To(BeZero(), "nothing waits, since nothing is written")
		Expect(labelsOf(namespace)).NotTo(HaveKey(v1alpha1.WorkloadsLabel))
		Expect(
			EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDWorkloadRuleViolated).Severity,
		).To(Equal(v1alpha1.SeverityLow))
	})
})

var _ = Describe("A pod that breaks rules for pods", thatLooksOften, func() {
	It("is found under Immediate too, in the rules' words, and goes with them", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		old := fixture.RestrictedPod(namespace, "old")
		EventuallyAdmitted(old)
		EventuallyAdmitted(fixture.HardenedPod(namespace, "fine"))
		profile := fixture.Profile(name, onlyRules, immediately)
		ExpectCreated(profile)
		finding := EventuallyFound(namespace, "Pod", "old", v1alpha1.FindingIDWorkloadRuleViolated)
		Expect(finding.Message).To(And(
			ContainSubstring("readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true"),
			ContainSubstring("digest: container app must name the image by its digest")))
		Expect(ReportOn(Default, namespace).FindingTotals).To(ConsistOf(
			v1alpha1.FindingTotal{ID: v1alpha1.FindingIDWorkloadRuleViolated, Severity: v1alpha1.SeverityHigh, Count: 1}))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)
		deleteNow(old)
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, namespace).Findings).To(BeEmpty()) }).Should(Succeed())
	})

	It("is not found where nobody wants to know", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		EventuallyAdmitted(fixture.RestrictedPod(namespace, "old"))
		profile := fixture.Profile(name, onlyRules, immediately, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Findings = &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDWorkloadRuleViolated}}
		})
		ExpectCreated(profile)
		EventuallyReported(profile, namespace)
		Consistently(
			func(g Gomega) { g.Expect(ReportOn(g, namespace).Findings).To(BeEmpty()) },
		).WithTimeout(3 * time.Second).
			Should(Succeed())
	})
})

// deploymentOf has a pod made by a Deployment.
func deploymentOf(pod *corev1.Pod) *appsv1.Deployment {
	labels := map[string]string{"app": pod.Name}
	return &appsv1.Deployment{ObjectMeta: pod.ObjectMeta, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec},
	}}
}

// EventuallyPodOf waits for the one pod that a Deployment has, which is another than this one.
func EventuallyPodOf(deployment *appsv1.Deployment, other string) *corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	Eventually(func(g Gomega) {
		g.Expect(admin.List(ctx, &pods, client.InNamespace(deployment.Namespace), client.MatchingLabels(deployment.Spec.Selector.MatchLabels))).
			To(Succeed())
		g.Expect(pods.Items).To(HaveLen(1))
		g.Expect(pods.Items[0].Name).NotTo(Equal(other))
	}).Should(Succeed())
	return &pods.Items[0]
}

var _ = Describe("Controllers under rules for pods", thatLooksOften, func() {
	It("replace a pod that breaks rules which wait for it", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(
			fixture.Namespace(namespace, name),
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "run"}},
		)
		web := fixture.RestrictedPod(namespace, "web")
		web.Spec.ServiceAccountName = "run"
		deployment := deploymentOf(web)
		ExpectCreated(deployment)
		pod := EventuallyPodOf(deployment, "")
		profile := fixture.Profile(name, onlyRules)
		ExpectCreated(profile)
		Expect(EventuallyRulesBlocked(profile, namespace, workloadsPolicy).Violators).To(ConsistOf(pod.Name))
		Expect(EventuallyRulesBlocked(profile, namespace, imagesPolicy).Violators).To(ConsistOf(pod.Name))
		EventuallyPolicedWith(profile)
		EventuallyFound(namespace, "Pod", pod.Name, v1alpha1.FindingIDWorkloadRuleViolated)
		for range 3 {
			deleteNow(pod)
			pod = EventuallyPodOf(deployment, pod.Name)
		}
		EventuallyFound(namespace, "Pod", pod.Name, v1alpha1.FindingIDWorkloadRuleViolated)
	})

	It("have pods with tokens of their own, where the service account mounts none", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec = v1alpha1.SecurityProfileSpec{
				NamespaceSelector: p.Spec.NamespaceSelector,
				RBAC: &v1alpha1.RBAC{
					DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{},
					ServiceAccounts:       []v1alpha1.ServiceAccount{{Name: "app"}},
				},
				Workloads: &v1alpha1.Workloads{AutomountServiceAccountToken: v1alpha1.ProhibitionForbid},
			}
		})
		EventuallyPoliced(profile)
		asking := fixture.RestrictedPod(namespace, "asking")
		asking.Spec.AutomountServiceAccountToken = ptr.To(true)
		EventuallyRefused(admin, asking, "automountServiceAccountToken")
		own := fixture.RestrictedPod(namespace, "own-token")
		own.Spec.ServiceAccountName = "bulwark-app"
		own.Spec.Volumes = []corev1.Volume{
			{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{
					{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr.To(int64(900))}},
				},
			}}},
		}
		own.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{
			{Name: "token", MountPath: admission.TokenPath, ReadOnly: true},
		}
		deployment := deploymentOf(own)
		deployment.Name = "deployed"
		EventuallyAdmitted(own)
		ExpectCreated(deployment)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
			g.Expect(deployment.Status.Replicas).To(BeEquivalentTo(1))
		}).Should(Succeed())
		Consistently(
			func(g Gomega) { g.Expect(ReportOn(g, namespace).Findings).To(BeEmpty()) },
		).WithTimeout(3 * time.Second).
			Should(Succeed())
	})

	It("let a pod go that was made before the rules", func() {
		name := UniqueName()
		namespace := name + "-a"
		ExpectCreated(fixture.Namespace(namespace, name))
		gated := fixture.RestrictedPod(namespace, "gated")
		gated.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "queue.example.com/admission"}}
		EventuallyAdmitted(gated)
		profile := fixture.Profile(name, onlyRules, immediately)
		ExpectCreated(profile)
		EventuallyRefused(admin, writablePod(namespace, "another"), "readOnlyRootFilesystem")
		Update(gated, func(p *corev1.Pod) { p.Spec.SchedulingGates = nil })
		Update(gated, func(p *corev1.Pod) {
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
		})
		debugger := fixture.HardenedPod(namespace, "").Spec.Containers[0]
		gated.Spec.EphemeralContainers = []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				Name: "debugger", Image: debugger.Image, SecurityContext: debugger.SecurityContext,
			}},
		}
		Expect(admin.SubResource("ephemeralcontainers").Update(ctx, gated)).To(Succeed())
		gated.Spec.EphemeralContainers = append(gated.Spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "writable", Image: debugger.Image},
		})
		Expect(
			admin.SubResource("ephemeralcontainers").Update(ctx, gated),
		).To(MatchError(ContainSubstring("container writable must")))
	})
})

// slipIn creates a pod that a policy of a profile refuses, while the operator is down and the
// policy is not there.
func slipIn(profile *v1alpha1.SecurityProfile, pod *corev1.Pod, section string) {
	GinkgoHelper()
	bulwark.Stop()
	policy := policyOf(profile, section)
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: policy.ObjectMeta}
	Expect(admin.Delete(ctx, binding)).To(Succeed())
	EventuallyAdmitted(pod)
	bulwark = startOperatorWith(operatorConf, looksOften)
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(binding), binding) }).Should(Succeed())
	EventuallyCondition(profile, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
	Expect(
		meta.FindStatusCondition(profile.Status.Conditions, v1alpha1.ConditionAdmission).Reason,
	).To(Equal(v1alpha1.ReasonInForce))
}
