package attack

import (
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// Changes that break a rule.

func writableRoot(spec *corev1.PodSpec) {
	spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
}

func image(reference string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) { spec.Containers[0].Image = reference }
}

func asRoot(spec *corev1.PodSpec) { spec.Containers[0].SecurityContext.RunAsUser = ptr.To(int64(0)) }

func privileged(spec *corev1.PodSpec) {
	spec.Containers[0].SecurityContext.Privileged = ptr.To(true)
	spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
}

func onHostNetwork(spec *corev1.PodSpec) { spec.HostNetwork = true }

func onHostPort(spec *corev1.PodSpec) {
	spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
}

func withHostPath(spec *corev1.PodSpec) {
	spec.Volumes = []corev1.Volume{
		{Name: "host", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}},
	}
}

func withToken(spec *corev1.PodSpec) { spec.AutomountServiceAccountToken = ptr.To(true) }

func unconfined(spec *corev1.PodSpec) {
	spec.SecurityContext.SeccompProfile.Type = corev1.SeccompProfileTypeUnconfined
}

// inASecondContainer breaks rules in an init container, where a check of the first container would
// not look.
func inASecondContainer(spec *corev1.PodSpec) {
	second := *spec.Containers[0].DeepCopy()
	second.Name, second.Image, second.LivenessProbe = "second", "evil.example.com/app:v1", nil
	spec.InitContainers = append(spec.InitContainers, second)
}

// selfSufficient needs neither the limits nor the service account that a baseline gives.
func selfSufficient(spec *corev1.PodSpec) {
	spec.AutomountServiceAccountToken = ptr.To(false)
	spec.Containers[0].Resources.Limits = quantities("cpu", "200m", "memory", "128Mi")
}

// created makes a pod of each change.
func created(as client.Client, changes ...func(*corev1.PodSpec)) []error {
	var answers []error
	for _, change := range changes {
		answers = append(answers, as.Create(ctx, compliantPod(shop, "attack", change)))
	}
	return answers
}

// podAttacks start pods that the profile does not want.
func podAttacks() []attack {
	return []attack{
		{
			name:    "starts a pod that is privileged, has the host's network, port or files, or no seccomp profile",
			as:      dev,
			outcome: refused,
			why:     `violates PodSecurity "restricted:v1.37"`,
			do: func(as client.Client) []error {
				return created(as, privileged, onHostNetwork, onHostPort, withHostPath, unconfined)
			},
		},
		{
			name: "starts a pod with a writable root file system", as: robot, outcome: refused, why: "readOnlyRootFilesystem",
			do: func(as client.Client) []error { return created(as, writableRoot) },
		},
		{
			name: "starts a pod as root", as: dev, outcome: refused, why: "runAsUser",
			do: func(as client.Client) []error { return created(as, asRoot) },
		},
		{
			name:    "starts a pod with the token of its service account",
			as:      dev,
			outcome: refused,
			why:     "automountServiceAccountToken",
			do:      func(as client.Client) []error { return created(as, withToken) },
		},
		{
			name: "starts a pod as a service account of their own that has its token mounted", as: mallory, outcome: refused,
			why: "automountServiceAccountToken",
			do: func(as client.Client) []error {
				Expect(as.Create(ctx, &corev1.ServiceAccount{ObjectMeta: inShop("own")})).To(Succeed())
				defer func() { Expect(as.Delete(ctx, &corev1.ServiceAccount{ObjectMeta: inShop("own")})).To(Succeed()) }()
				return created(as, func(spec *corev1.PodSpec) { spec.ServiceAccountName = "own" })
			},
		},
		{
			name:    "starts a pod whose limits are above the LimitRange",
			as:      dev,
			outcome: refused,
			why:     "maximum cpu usage per Container is 1",
			do: func(as client.Client) []error {
				return created(as, func(spec *corev1.PodSpec) { spec.Containers[0].Resources.Limits = quantities("cpu", "2") })
			},
		},
	}
}

// templateAttacks leave it to a controller to start such pods.
func templateAttacks() []attack {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "tenants"}}
	kinds := func(template corev1.PodTemplateSpec) []client.Object {
		once := template
		once.Spec.RestartPolicy = corev1.RestartPolicyNever
		return []client.Object{
			&appsv1.Deployment{
				ObjectMeta: inShop("attack"),
				Spec:       appsv1.DeploymentSpec{Selector: selector, Template: template},
			},
			&appsv1.ReplicaSet{
				ObjectMeta: inShop("attack"),
				Spec:       appsv1.ReplicaSetSpec{Selector: selector, Template: template},
			},
			&appsv1.StatefulSet{
				ObjectMeta: inShop("attack"),
				Spec:       appsv1.StatefulSetSpec{Selector: selector, Template: template},
			},
			&appsv1.DaemonSet{ObjectMeta: inShop("attack"), Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}},
			&corev1.ReplicationController{ObjectMeta: inShop("attack"), Spec: corev1.ReplicationControllerSpec{
				Selector: selector.MatchLabels, Template: &template,
			}},
			&batchv1.Job{ObjectMeta: inShop("attack"), Spec: batchv1.JobSpec{Template: once}},
			&batchv1.CronJob{ObjectMeta: inShop("attack"), Spec: batchv1.CronJobSpec{
				Schedule: "* * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: once}},
			}},
		}
	}
	applied := func(as client.Client, template corev1.PodTemplateSpec) []error {
		return ofEach(kinds(template), func(o client.Object) []error { return []error{as.Create(ctx, o)} })
	}
	return []attack{
		{
			name:    "has a writable root file system in the template of a Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController, Job or CronJob",
			as:      dev,
			outcome: refused,
			why:     "readOnlyRootFilesystem",
			do:      func(as client.Client) []error { return applied(as, compliantTemplate(writableRoot)) },
		},
		{
			name: "has an image of another registry in such templates", as: dev, outcome: refused, why: "allowedRegistries",
			do: func(as client.Client) []error {
				return applied(as, compliantTemplate(image("evil.example.com/app:v1")))
			},
		},
		{
			name:    "has a privileged pod in the template of a Deployment that keeps to all other rules",
			as:      dev,
			outcome: harmless,
			do: func(as client.Client) []error {
				d := kinds(compliantTemplate(privileged))[0].(*appsv1.Deployment)
				d.Name = "privileged"
				return []error{as.Create(ctx, d)}
			},
			then: func() {
				// Pod Security warns of templates and refuses pods.
				d := &appsv1.Deployment{}
				Eventually(func(g Gomega) {
					g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: shop, Name: "privileged"}, d)).To(Succeed())
					g.Expect(d.Status.Conditions).To(ContainElement(And(
						HaveField(
							"Type",
							appsv1.DeploymentReplicaFailure,
						),
						HaveField("Message", ContainSubstring("violates PodSecurity")),
					)))
				}).Should(Succeed())
				Expect(podsOf("tenants")).To(BeEmpty())
				Expect(admin.Delete(ctx, d, client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
				EventuallyGone(d)
			},
		},
		{
			name:    "puts another image into a Deployment that is there, and undoes the rule for it by scaling",
			as:      dev,
			outcome: refused,
			why:     "allowedRegistries",
			do: func(as client.Client) []error {
				d := kinds(compliantTemplate())[0].(*appsv1.Deployment)
				d.Name, d.Spec.Replicas = "image", ptr.To(int32(0))
				Expect(as.Create(ctx, d)).To(Succeed())
				defer func() { Expect(as.Delete(ctx, d)).To(Succeed()) }()
				return inEveryWay(as, d, func(o *appsv1.Deployment) {
					o.Spec.Template.Spec.Containers[0].Image, o.Spec.Replicas = "evil.example.com/app:v1", ptr.To(int32(1))
				})
			},
		},
	}
}

// podsOf are the pods of shop with this label.
func podsOf(app string) []corev1.Pod {
	pods := &corev1.PodList{}
	Expect(admin.List(ctx, pods, client.InNamespace(shop), client.MatchingLabels{"app": app})).To(Succeed())
	return pods.Items
}
