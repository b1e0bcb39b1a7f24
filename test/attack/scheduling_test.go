package attack

import (
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

const adminAccess = "by the label resource.kubernetes.io/admin-access the namespace would have administrative access to devices"

func onNode(spec *corev1.PodSpec) { spec.NodeName = "control-plane-1" }

func tolerating(t corev1.Toleration) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) { spec.Tolerations = append(spec.Tolerations, t) }
}

func ofPriority(class string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) { spec.PriorityClassName = class }
}

// unprobed is a pod whose container has no probe, and is restarted as its fields say.
func unprobed(
	pod corev1.RestartPolicy,
	container corev1.ContainerRestartPolicy,
	rules ...corev1.ContainerRestartRule,
) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		c := &spec.Containers[0]
		spec.RestartPolicy, c.LivenessProbe, c.RestartPolicyRules = pod, nil, rules
		if container != "" {
			c.RestartPolicy = &container
		}
	}
}

func restartRule(
	action corev1.ContainerRestartRuleAction,
	operator corev1.ContainerRestartRuleOnExitCodesOperator,
	codes ...int32,
) corev1.ContainerRestartRule {
	return corev1.ContainerRestartRule{
		Action:    action,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: operator, Values: codes},
	}
}

// anyNode, controlPlane and byNoEffect are tolerations by which a pod comes to nodes that are not
// for tenants.
var (
	anyNode      = corev1.Toleration{Operator: corev1.TolerationOpExists}
	controlPlane = corev1.Toleration{
		Key:      "node-role.kubernetes.io/control-plane",
		Operator: corev1.TolerationOpExists,
		Effect:   corev1.TaintEffectNoSchedule,
	}
	byNoEffect = corev1.Toleration{Key: "example.com/dedicated", Value: "another-team"}
)

// schedulingAttacks are on where pods run, whom they put out there, and on how they are restarted.
func schedulingAttacks() []attack {
	return []attack{
		{
			name:    "binds a pod to a node of the control plane by its nodeName, past the scheduler",
			as:      dev,
			outcome: refused,
			why:     "nodeName",
			do: func(as client.Client) []error {
				return append(created(as, onNode), as.Create(ctx, templated(onNode)))
			},
		},
		{
			name:    "starts a pod that tolerates the taint of the control plane, of another team or every taint",
			as:      dev,
			outcome: refused,
			why:     "tolerations",
			do: func(as client.Client) []error {
				return append(created(as, tolerating(controlPlane), tolerating(anyNode), tolerating(byNoEffect)),
					as.Create(ctx, templated(tolerating(controlPlane))))
			},
		},
		{
			name: "has a pod that is there tolerate every taint", as: mallory, outcome: refused, why: "tolerations",
			do: func(as client.Client) []error {
				return inEveryWay(
					as,
					compliantPod(shop, standing),
					func(o *corev1.Pod) { o.Spec.Tolerations = append(o.Spec.Tolerations, anyNode) },
				)
			},
		},
		{
			name:    "starts a pod of a priority that puts others' out of a full node",
			as:      dev,
			outcome: refused,
			why:     "priorityClasses",
			do: func(as client.Client) []error {
				return append(created(as, ofPriority("system-cluster-critical"), ofPriority("system-node-critical")),
					as.Create(ctx, templated(ofPriority("system-node-critical"))))
			},
		},
		{
			name:    "starts a container without a probe that is restarted though its pod is not, by its own restartPolicy or by a rule for its exit",
			as:      dev,
			outcome: refused,
			why:     "requireProbes",
			since:   "1.36",
			feature: "restart rules of containers (KEP-5307), and the restart of all by one (KEP-5532)",
			do: func(as client.Client) []error {
				return created(as,
					unprobed(corev1.RestartPolicyNever, corev1.ContainerRestartPolicyAlways),
					unprobed(corev1.RestartPolicyOnFailure, corev1.ContainerRestartPolicyAlways),
					unprobed(corev1.RestartPolicyNever, corev1.ContainerRestartPolicyNever,
						restartRule(corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleOnExitCodesOpNotIn, 255)),
					unprobed(
						corev1.RestartPolicyNever,
						corev1.ContainerRestartPolicyNever,
						restartRule(
							corev1.ContainerRestartRuleActionRestartAllContainers,
							corev1.ContainerRestartRuleOnExitCodesOpIn,
							0,
						),
					),
					unprobed("", ""))
			},
		},
		{
			name:    "labels the namespace, or one that they make or have selected, so that claims there have administrative access to devices",
			as:      creator,
			outcome: refused,
			why:     adminAccess,
			do: func(as client.Client) []error {
				grants := sets(resourcev1.DRAAdminNamespaceLabelKey, "true")
				made, entering := selected("devices"), unselected(UniqueName())
				grants(made.Labels)
				grants(entering.Labels)
				Expect(admin.Create(ctx, entering)).To(Succeed())
				defer func() { Expect(admin.Delete(ctx, entering)).To(Succeed()) }()
				answers := append(relabelled(as, grants, false), as.Create(ctx, made))
				return append(answers, inEveryWay(as, entering, func(ns *corev1.Namespace) { ns.Labels["suite"] = "fortress" })...)
			},
			then: func() {
				Expect(
					mallory.client().Create(ctx, deviceClaim(), client.DryRunAll),
				).To(MatchError(ContainSubstring("admin access to devices requires")))
				ns := Get(namespaceOf(shop), "", shop)
				ns.Labels[resourcev1.DRAAdminNamespaceLabelKey] = "true"
				Expect(owner.client().Update(ctx, ns, client.DryRunAll)).To(Succeed(), "who may update the profile can")
			},
		},
	}
}

// templated is a Deployment of such pods.
func templated(change func(*corev1.PodSpec)) client.Object {
	return &appsv1.Deployment{ObjectMeta: inShop("attack"), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"app": "tenants"},
		},
		Template: compliantTemplate(change),
	}}
}

func deviceClaim() *resourcev1.ResourceClaim {
	return &resourcev1.ResourceClaim{
		ObjectMeta: inShop("devices"),
		Spec: resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{
			Requests: []resourcev1.DeviceRequest{{Name: "all", Exactly: &resourcev1.ExactDeviceRequest{
				DeviceClassName: "gpu.example.com", AdminAccess: ptr.To(true), AllocationMode: resourcev1.DeviceAllocationModeAll,
			}}},
		}},
	}
}
