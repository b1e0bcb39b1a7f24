package offline

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// running is a pod as the API server stores it, with the token mounted that it injected.
func running(changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1"}, Spec: corev1.PodSpec{
		ServiceAccountName: "default",
		NodeName:           "node",
		Containers: []corev1.Container{{
			Name: "web", Image: "registry.example.com/web:v1", ImagePullPolicy: corev1.PullIfNotPresent,
			VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-abcde", MountPath: bulwark.TokenPath, ReadOnly: true}},
		}},
		Volumes: []corev1.Volume{
			{Name: "kube-api-access-abcde", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
				Sources: []corev1.VolumeProjection{
					{
						ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: ptr.To(int64(3607))},
					},
				},
			}}},
		},
	}}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func TestWhatAPodBreaksIfItWereMadeAnew(t *testing.T) {
	noToken := &v1alpha1.Workloads{AutomountServiceAccountToken: v1alpha1.ProhibitionForbid}
	by := func(account string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.ServiceAccountName = account }
	}
	withoutToken := func(pod *corev1.Pod) { pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = nil, nil }
	for sentence, tc := range map[string]struct {
		spec v1alpha1.SecurityProfileSpec
		pod  *corev1.Pod
		want []string // a part of each word, in order
	}{
		"it breaks rules of both sections": {
			spec: v1alpha1.SecurityProfileSpec{
				Workloads: &v1alpha1.Workloads{ReadOnlyRootFilesystem: v1alpha1.RequirementRequire, RunAsNonRoot: v1alpha1.RequirementRequire}, Images: &v1alpha1.Images{Digest: v1alpha1.RequirementRequire},
			},
			pod:  running(),
			want: []string{"digest: container web must", "readOnlyRootFilesystem: container web must", "runAsNonRoot: container web must"},
		},
		"rules that only warn are asked too": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{Action: v1alpha1.AdmissionActionWarn, ReadOnlyRootFilesystem: v1alpha1.RequirementRequire}},
			pod:  running(), want: []string{"readOnlyRootFilesystem"},
		},
		"its node is where the scheduler has put it, and Kubernetes has it tolerate what befalls that": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{
				NodeName: v1alpha1.ProhibitionForbid, Tolerations: &v1alpha1.Tolerations{Policy: v1alpha1.AllowancePolicyForbid}, PriorityClasses: &v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyForbid},
			}},
			pod: running(func(pod *corev1.Pod) {
				pod.Spec.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}}
			}),
		},
		"it tolerates and is of a priority what it may not": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{Tolerations: &v1alpha1.Tolerations{Policy: v1alpha1.AllowancePolicyForbid}, PriorityClasses: &v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyForbid}}},
			pod: running(func(pod *corev1.Pod) {
				pod.Spec.Tolerations, pod.Spec.PriorityClassName = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, "system-node-critical"
			}),
			want: []string{"tolerations: toleration of every taint must", "priorityClasses: the pod must"},
		},
		"what has ended breaks nothing": {
			spec: v1alpha1.SecurityProfileSpec{Images: &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}},
			pod:  running(func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodSucceeded }),
		},
		"who debugs it is not made anew": {
			spec: v1alpha1.SecurityProfileSpec{Images: &v1alpha1.Images{AllowedRegistries: []string{"registry.example.com"}}},
			pod: running(func(pod *corev1.Pod) {
				pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "busybox"}}}
			}),
		},
		"the next one gets what the profile's LimitRange has a default for": {
			spec: v1alpha1.SecurityProfileSpec{
				Workloads: &v1alpha1.Workloads{RequireLimits: []corev1.ResourceName{"cpu", "memory"}},
				Limits:    []v1alpha1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: corev1.ResourceList{"cpu": resource.MustParse("1")}}},
			},
			pod: running(), want: []string{"requireLimitsMemory"},
		},
		"the token of a service account that the profile does not speak of is mounted again": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: noToken}, pod: running(by("builder")), want: []string{"automountServiceAccountToken"},
		},
		"one that was not mounted is not mounted again": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: noToken}, pod: running(by("builder"), withoutToken),
		},
		"the profile has the service account mount none": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: noToken, RBAC: &v1alpha1.RBAC{DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{}}}, pod: running(),
		},
		"the profile has the service account mount one": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: noToken, RBAC: &v1alpha1.RBAC{
				DefaultServiceAccount: &v1alpha1.DefaultServiceAccount{AutomountServiceAccountToken: ptr.To(true)},
			}},
			pod: running(withoutToken), want: []string{"automountServiceAccountToken"},
		},
		"the pod itself says so": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: noToken},
			pod:  running(func(pod *corev1.Pod) { pod.Spec.AutomountServiceAccountToken = ptr.To(true) }), want: []string{"automountServiceAccountToken"},
		},
		"a rule for Services is none for pods": {
			spec: v1alpha1.SecurityProfileSpec{Workloads: &v1alpha1.Workloads{AllowedServiceTypes: []corev1.ServiceType{"ClusterIP"}}}, pod: running(),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: tc.spec}
			profile.Spec.ExcludeNamespaces = []string{"a", "b-*"}
			rules, err := NewRules(profile)
			if err != nil {
				t.Fatal(err)
			}
			asked := rules.In(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
			before := tc.pod.DeepCopy()
			for range 2 { // The second is remembered.
				broken, err := asked.Of(t.Context(), tc.pod)
				if err != nil {
					t.Fatal(err)
				}
				var words []string
				for _, policy := range slices.Sorted(maps.Keys(broken)) {
					words = append(words, broken[policy]...)
				}
				if len(words) != len(tc.want) {
					t.Fatalf("want %q, got %q", tc.want, words)
				}
				for i := range words {
					if !strings.HasPrefix(words[i], tc.want[i]) {
						t.Errorf("want %q, got %q", tc.want, words)
					}
				}
			}
			if diff := cmp.Diff(before, tc.pod); diff != "" {
				t.Errorf("the pod was changed: %s", diff)
			}
		})
	}
}

func TestPodsOfOneTemplateAreAskedOnce(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{
		Spec: v1alpha1.SecurityProfileSpec{Images: &v1alpha1.Images{Digest: v1alpha1.RequirementRequire}},
	}
	rules, err := NewRules(profile)
	if err != nil {
		t.Fatal(err)
	}
	asked := rules.In(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	for _, pod := range []*corev1.Pod{
		running(), running(func(pod *corev1.Pod) {
			pod.Name, pod.Spec.NodeName, pod.Labels = "web-2", "another", map[string]string{"a": "b"}
		}),
		running(func(pod *corev1.Pod) {
			pod.Spec.Volumes[0].Name, pod.Spec.Containers[0].VolumeMounts[0].Name = "kube-api-access-fghij", "kube-api-access-fghij"
		}),
		running(func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "x" }),
	} {
		if _, err := asked.Of(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	if len(asked.known) != 2 {
		t.Errorf("two templates were asked as %d", len(asked.known))
	}
}
