package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var selectsWeb = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}

func templateOf(pod *corev1.Pod) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selectsWeb.MatchLabels}, Spec: pod.Spec}
}

// workloads make pods, each in its own way.
var workloads = map[string]func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object{
	"Deployment": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selectsWeb, Template: template}}
	},
	"ReplicaSet": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		return &appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Selector: selectsWeb, Template: template}}
	},
	"ReplicationController": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		return &corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{
			Selector: selectsWeb.MatchLabels, Template: &template}}
	},
	"StatefulSet": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		return &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selectsWeb, Template: template}}
	},
	"DaemonSet": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selectsWeb, Template: template}}
	},
	"Job": func(meta metav1.ObjectMeta, template corev1.PodTemplateSpec) client.Object {
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: template}}
	},
}

// refusals are parts of a baseline that refuse a pod.
var refusals = map[string]struct {
	profile func(*v1alpha1.SecurityProfile)
	pod     func(*corev1.PodSpec)
	says    string
}{
	"its quota": {
		profile: func(p *v1alpha1.SecurityProfile) { p.Spec.Quotas[0].Spec.Hard["pods"] = *resourceQuantity("0") },
		pod:     func(*corev1.PodSpec) {},
		says:    "since ResourceQuota bulwark-compute refuses them: each pod asks for pods=1, and there may be pods=0",
	},
	"its level": {
		profile: func(*v1alpha1.SecurityProfile) {},
		pod:     func(s *corev1.PodSpec) { s.HostNetwork = true },
		says:    "since Pod Security restricted:v1.37 refuses them: host namespaces (hostNetwork=true)",
	},
	"its limits": {
		profile: func(*v1alpha1.SecurityProfile) {},
		pod: func(s *corev1.PodSpec) {
			s.Containers[0].Resources.Limits = corev1.ResourceList{
				"cpu":    *resourceQuantity("3"),
				"memory": *resourceQuantity("3Gi"),
			}
		},
		says: "usage per Container is 1",
	},
}

// EventuallyNotAdmitted waits for the finding on a workload.
func EventuallyNotAdmitted(namespace, kind, name string) v1alpha1.Finding {
	GinkgoHelper()
	return EventuallyFound(namespace, kind, name, v1alpha1.FindingIDWorkloadNotAdmitted)
}

var _ = Describe("A workload whose pods the baseline refuses", func() {
	for kind, workload := range workloads {
		It("is found if it is a "+kind+", and no more once it is gone", func() {
			if kind == "DaemonSet" {
				node := created(&corev1.Node{ObjectMeta: tenants("the-node")}).(*corev1.Node)
				Update(node, func(n *corev1.Node) { n.Spec.Taints = nil }) // It is not ready, and nobody will say that it is.
			}
			_, namespace := Governed()
			template := templateOf(fixture.PrivilegedPod(namespace, "web"))
			o := workload(metav1.ObjectMeta{Namespace: namespace, Name: "web"}, template)
			Expect(admin.Create(ctx, o)).To(Succeed())
			found := EventuallyNotAdmitted(namespace, kind, "web")
			Expect(found.Severity).To(Equal(v1alpha1.SeverityMedium))
			Expect(
				found.Message,
			).To(ContainSubstring(`since Pod Security restricted:v1.37 refuses them: privileged (container "app"`))
			Expect(ReportOn(Default, namespace).Findings).To(HaveLen(1))
			Expect(admin.Delete(ctx, o, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
			EventuallyNothingFound(namespace)
		})
	}

	for part, r := range refusals {
		It("is found with the words of "+part, func() {
			profile, namespace := Governed(r.profile)
			EventuallyEstablished(profile, namespace)
			pod := fixture.RestrictedPod(namespace, "web")
			r.pod(&pod.Spec)
			Expect(
				admin.Create(ctx, workloads["ReplicaSet"](metav1.ObjectMeta{Namespace: namespace, Name: "web"}, templateOf(pod))),
			).To(Succeed())
			Expect(EventuallyNotAdmitted(namespace, "ReplicaSet", "web").Message).To(ContainSubstring(r.says))
		})
	}

	It("is found where something puts a container in that breaks a rule, and no more once that ends", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec = v1alpha1.SecurityProfileSpec{
				NamespaceSelector: p.Spec.NamespaceSelector,
				RBAC:              &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
				Workloads:         &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire},
			}
		})
		EventuallyReady(profile)
		stop := injectSidecars(profile.Name, namespace)
		deployment := workloads["Deployment"](
			metav1.ObjectMeta{Namespace: namespace, Name: "web"},
			templateOf(fixture.HardenedPod(namespace, "web")),
		)
		Expect(admin.Create(ctx, deployment)).To(Succeed())
		found := EventuallyNotAdmitted(namespace, "Deployment", "web")
		Expect(found.Message).To(And(
			ContainSubstring("the rule bulwark-"+profile.Name+"-workloads refuses them"), ContainSubstring("mesh-proxy")))
		Expect(found.Remedy).To(ContainSubstring("mutating"))
		EventuallyCompliance(profile, metav1.ConditionFalse, v1alpha1.ReasonWeakened)

		EventuallyQuiet()
		before := operatorWrites() // It is tried again all the time, each time with another name.
		Consistently(
			func() []string { return unlike(before, operatorWrites()) },
		).WithTimeout(5 * time.Second).
			Should(BeEmpty())

		stop()
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
			g.Expect(deployment.(*appsv1.Deployment).Status.Replicas).To(BeEquivalentTo(1))
		}).WithTimeout(90 * time.Second).Should(Succeed())
		EventuallyNothingFound(namespace)
	})

	It("is none where an exception is about what something puts in, and about that alone", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec = v1alpha1.SecurityProfileSpec{
				NamespaceSelector: p.Spec.NamespaceSelector,
				RBAC:              &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}},
				Workloads:         &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire},
				Images:            &v1alpha1.Images{Digest: v1alpha1.RequirementRequire},
			}
		})
		EventuallyReady(profile)
		injectSidecars(profile.Name, namespace)
		mesh := v1alpha1.ExceptedContainers{Images: []string{"mesh.example.net"}, Reason: "the mesh puts it into each pod"}
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Workloads.Except = []v1alpha1.WorkloadException{
				{ExceptedContainers: mesh, Rules: []v1alpha1.WorkloadRule{v1alpha1.WorkloadRuleReadOnlyRootFilesystem}},
			}
			p.Spec.Images.Except = []v1alpha1.ImageException{
				{ExceptedContainers: mesh, Rules: []v1alpha1.ImageRule{v1alpha1.ImageRuleDigest}},
			}
		})
		EventuallyReady(profile)
		pod := fixture.HardenedPod(namespace, "web")
		pod.Spec.Containers[0].Image = "registry.example.com/web@sha256:" + strings.Repeat("0f", 32)
		deployment := workloads["Deployment"](metav1.ObjectMeta{Namespace: namespace, Name: "web"}, templateOf(pod))
		Expect(admin.Create(ctx, deployment)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
			g.Expect(deployment.(*appsv1.Deployment).Status.Replicas).To(BeEquivalentTo(1))
		}).Should(Succeed())

		loose := pod.DeepCopy()
		loose.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "loose"}
		loose.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
		Expect(admin.Create(ctx, loose)).To(MatchError(And(
			ContainSubstring("readOnlyRootFilesystem: container app must"), Not(ContainSubstring("mesh-proxy")))))

		running := &corev1.PodList{}
		Expect(admin.List(ctx, running, client.InNamespace(namespace))).To(Succeed())
		swapped := &running.Items[0]
		swapped.Spec.InitContainers[0].Image = "registry.example.com/mine"
		Expect(admin.Update(ctx, swapped)).To(MatchError(And(
			ContainSubstring("readOnlyRootFilesystem: container mesh-proxy must"))),
			"the image was the exception's ground")
		EventuallyNothingFound(namespace)
	})

	It("is found if it is a CronJob whose Jobs are refused", func() {
		profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) {
			p.Spec.Images = &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}
		})
		policy := "bulwark-" + profile.Name + "-images"
		cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "often"}}
		Expect(admin.Create(ctx, &corev1.Event{ // It would be due at the next full minute.
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace,
				Name:      "often.1",
			},
			Type:   corev1.EventTypeWarning,
			Reason: "FailedCreate",
			InvolvedObject: corev1.ObjectReference{
				APIVersion: "batch/v1",
				Kind:       "CronJob",
				Namespace:  namespace,
				Name:       cron.Name,
			},
			LastTimestamp: metav1.Now(),
			Message: fmt.Sprintf(
				"Error creating job: jobs.batch \"often-29\" is forbidden: ValidatingAdmissionPolicy '%s' with binding '%s' "+
					"denied request: digest: container app must name the image by its digest",
				policy,
				policy,
			),
		})).To(Succeed())
		Expect(
			EventuallyNotAdmitted(namespace, "CronJob", cron.Name).Message,
		).To(ContainSubstring("since the rule " + policy + " refuses them"))
	})

	It("is not found if what refuses them is not the baseline's", func() {
		_, namespace := Governed(fixture.OnlyNetwork)
		Expect(
			admin.Create(
				ctx,
				&corev1.ResourceQuota{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "theirs"},
					Spec: corev1.ResourceQuotaSpec{
						Hard: corev1.ResourceList{"pods": *resourceQuantity("0")},
					},
				},
			),
		).To(Succeed())
		for _, kind := range []string{"Deployment", "StatefulSet"} {
			o := workloads[kind](
				metav1.ObjectMeta{Namespace: namespace, Name: "web"},
				templateOf(fixture.RestrictedPod(namespace, "web")),
			)
			Expect(admin.Create(ctx, o)).To(Succeed())
		}
		Eventually(func(g Gomega) {
			var events corev1.EventList
			g.Expect(admin.List(ctx, &events, client.InNamespace(namespace))).To(Succeed())
			g.Expect(events.Items).
				To(ContainElement(And(HaveField("Reason", "FailedCreate"), HaveField("InvolvedObject.Kind", "StatefulSet"))))
		}).Should(Succeed())
		Consistently(func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings }).Should(BeEmpty())
	})
})

// injectSidecars puts a container into every pod of a namespace, as meshes do, until the spec or
// the caller ends it.
func injectSidecars(name, namespace string) (stop func()) {
	GinkgoHelper()
	skipWithoutMutatingPolicies()
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: tenants(name),
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			FailurePolicy: &fail, ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{
					{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
						Rule: admissionregistrationv1.Rule{
							APIGroups:   []string{""},
							APIVersions: []string{"v1"},
							Resources:   []string{"pods"},
						},
					}},
				},
			},
			Mutations: []admissionregistrationv1.Mutation{
				{
					PatchType: admissionregistrationv1.PatchTypeApplyConfiguration,
					ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{
						Expression: `Object{spec: Object.spec{initContainers: [
					Object.spec.initContainers{name: "mesh-proxy", image: "mesh.example.net/proxy:2.1", restartPolicy: "Always"}]}}`,
					},
				},
			},
		},
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: tenants(name), Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name},
	}
	created(policy)
	created(binding)
	Eventually(func(g Gomega) {
		pod := fixture.HardenedPod(namespace, "asks")
		err := admin.Create(ctx, pod, client.DryRunAll)
		g.Expect(err).To(MatchError(ContainSubstring("mesh-proxy")))
	}).Should(Succeed())
	return func() {
		GinkgoHelper()
		Expect(admin.Delete(ctx, binding)).To(Succeed())
	}
}

var _ = Describe("OpenShift's label syncer", func() {
	const label = "security.openshift.io/scc.podSecurityLabelSync"

	It("is found where the namespace asks for it, and not where it declines", func() {
		_, namespace := Governed()
		setLabel := func(value string) {
			GinkgoHelper()
			Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[label] = value })
		}
		setLabel("true")
		found := EventuallyFound(namespace, "Namespace", namespace, v1alpha1.FindingIDPodSecurityLabelSync)
		Expect(found.Severity).To(Equal(v1alpha1.SeverityMedium))
		Expect(found.Remedy).To(ContainSubstring(label + "=false"))
		setLabel("false")
		EventuallyNothingFound(namespace)
	})

	It("is found where it changes what the profile declares, until the namespace declines it", func() {
		_, namespace := Governed()
		patch := client.RawPatch(
			"application/merge-patch+json",
			[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`),
		)
		syncer := client.FieldOwner("pod-security-admission-label-synchronization-controller")
		Expect(admin.Patch(ctx, theNamespace(namespace), patch, syncer)).To(Succeed())
		found := EventuallyFound(namespace, "Namespace", namespace, v1alpha1.FindingIDPodSecurityLabelSync)
		Expect(found.Severity).To(Equal(v1alpha1.SeverityHigh))
		Expect(found.Message).To(ContainSubstring("pod-security-admission-label-synchronization-controller"))
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[label] = "false" })
		EventuallyNothingFound(namespace)
	})

	It("is not found where the profile declares no level", func() {
		_, namespace := Governed(fixture.OnlyNetwork)
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[label] = "true" })
		Consistently(
			func() []v1alpha1.Finding { return ReportOn(Default, namespace).Findings },
		).WithTimeout(time.Second).
			Should(BeEmpty())
	})
})
