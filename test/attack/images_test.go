package attack

import (
	"strings"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// imageAttacks name images that may not be.
func imageAttacks() []attack {
	return []attack{
		{
			name:    "starts an image of another registry, or of one that only looks like the allowed one",
			as:      dev,
			outcome: refused,
			why:     "allowedRegistries",
			do: func(as client.Client) []error {
				var answers []error
				for _, reference := range []string{
					"evil.example.com/app:v1", "app:v1", "library/app:v1", "docker.io/registry.example.com/app:v1",
					registry + ".evil.example.com/app:v1", registry + "-evil/app:v1", registry + ":5000/app:v1", "evil.example.com/" + registry + "/app:v1",
					strings.ToUpper(registry) + "/app:v1", "evil.example.com:443/app@sha256:" + strings.Repeat("0", 64), registry,
				} {
					answers = append(answers, created(as, image(reference))...)
				}
				return answers
			},
		},
		{
			name:    "starts an image whose tag may not be, by name or by leaving it out",
			as:      dev,
			outcome: refused,
			why:     "denyTags",
			do: func(as client.Client) []error {
				return created(as, image(registry+"/app:latest"), image(registry+"/app"))
			},
		},
		{
			name: "hides another registry's image in an init container", as: robot, outcome: refused, why: "allowedRegistries",
			do: func(as client.Client) []error { return created(as, inASecondContainer) },
		},
		{
			name: "mounts another registry's image as a volume", as: dev, outcome: refused, why: "allowedRegistries",
			since: "1.35", feature: "image volumes (KEP-4639)",
			do: func(as client.Client) []error {
				return created(as, func(spec *corev1.PodSpec) {
					spec.Volumes = []corev1.Volume{{Name: "tools", VolumeSource: corev1.VolumeSource{
						Image: &corev1.ImageVolumeSource{Reference: "evil.example.com/tools:v1"},
					}}}
					spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "tools", MountPath: "/tools"}}
				})
			},
		},
	}
}

// runningPodAttacks are on a pod that is there already.
func runningPodAttacks() []attack {
	pod := func() *corev1.Pod { return &corev1.Pod{ObjectMeta: inShop(standing)} }
	ephemeral := func(image string, change func(*corev1.SecurityContext)) func(*corev1.Pod) {
		return func(o *corev1.Pod) {
			c := corev1.EphemeralContainerCommon{
				Name:            "debug",
				Image:           image,
				SecurityContext: o.Spec.Containers[0].SecurityContext.DeepCopy(),
			}
			change(c.SecurityContext)
			o.Spec.EphemeralContainers = append(
				o.Spec.EphemeralContainers,
				corev1.EphemeralContainer{EphemeralContainerCommon: c},
			)
		}
	}
	debugged := func(as client.Client, change func(*corev1.Pod)) []error {
		w := writing(pod(), change)
		w.subresource = "ephemeralcontainers"
		return []error{w.put(as), w.patched(as, client.StrategicMergeFrom(w.before))}
	}
	return []attack{
		{
			name: "changes the image of a pod that runs", as: dev, outcome: refused, why: "allowedRegistries",
			do: func(as client.Client) []error {
				return inEveryWay(as, pod(), func(o *corev1.Pod) { o.Spec.Containers[0].Image = "evil.example.com/app:v1" })
			},
		},
		{
			name:    "debugs a pod with an ephemeral container of another registry",
			as:      mallory,
			outcome: refused,
			why:     "allowedRegistries",
			do: func(as client.Client) []error {
				return debugged(as, ephemeral("evil.example.com/debug:v1", func(*corev1.SecurityContext) {}))
			},
		},
		{
			name:    "debugs a pod with a privileged ephemeral container",
			as:      mallory,
			outcome: refused,
			why:     "violates PodSecurity",
			do: func(as client.Client) []error {
				return debugged(as, ephemeral(registry+"/debug:v1", func(s *corev1.SecurityContext) {
					s.Privileged, s.AllowPrivilegeEscalation = new(true), nil
				}))
			},
		},
		{
			name:    "debugs a pod with an ephemeral container that can write its root file system",
			as:      mallory,
			outcome: refused,
			why:     "readOnlyRootFilesystem",
			do: func(as client.Client) []error {
				return debugged(
					as,
					ephemeral(registry+"/debug:v1", func(s *corev1.SecurityContext) { s.ReadOnlyRootFilesystem = nil }),
				)
			},
		},
		{
			name:    "resizes a pod above the LimitRange",
			as:      mallory,
			outcome: refused,
			why:     "maximum cpu usage per Container is 1",
			do: func(as client.Client) []error {
				w := writing(pod(), func(o *corev1.Pod) {
					o.Spec.Containers[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("2")
				})
				w.subresource = "resize"
				return []error{
					w.put(as),
					w.patched(as, client.StrategicMergeFrom(w.before)),
					w.patched(as, client.MergeFrom(w.before)),
				}
			},
		},
		{
			name: "evicts a pod, to have another admitted in its place", as: dev, outcome: harmless,
			do: func(as client.Client) []error {
				victim := compliantPod(shop, "evicted")
				return []error{
					as.Create(ctx, victim),
					as.SubResource("eviction").Create(ctx, victim, &policyv1.Eviction{ObjectMeta: inShop("evicted")}),
				}
			},
			then: func() {
				EventuallyGone(compliantPod(shop, "evicted"))
				Expect(created(dev.client(), privileged)).To(HaveEach(HaveOccurred()))
			},
		},
		{
			name:    "says in the status of a pod that it has ended, so that no quota counts it",
			as:      mallory,
			outcome: refused,
			why:     `cannot update resource "pods/status"`,
			do: func(as client.Client) []error {
				w := writing(pod(), func(o *corev1.Pod) { o.Status.Phase = corev1.PodSucceeded })
				w.subresource = "status"
				return []error{w.put(as)}
			},
		},
		{
			name: "labels a pod so that no NetworkPolicy selects it", as: dev, outcome: harmless,
			do: func(as client.Client) []error {
				return inEveryWay(as, pod(), func(o *corev1.Pod) { o.Labels = map[string]string{"app": "nobody"} })
			},
			then: func() {
				selector, err := metav1.LabelSelectorAsSelector(&Get(defaultDeny(), shop, "bulwark-default-deny").Spec.PodSelector)
				Expect(err).NotTo(HaveOccurred())
				Expect(selector.Matches(labelsOf(Get(pod(), shop, standing)))).To(BeTrue())
			},
		},
	}
}
