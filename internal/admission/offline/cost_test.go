package offline

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// everyRule is a profile with every rule for pods, each as long as the API lets it be where its
// length costs.
func everyRule() *v1alpha1.SecurityProfile {
	profile := &v1alpha1.SecurityProfile{}
	profile.Name = "every-rule"
	workloads := &v1alpha1.Workloads{
		ReadOnlyRootFilesystem: v1alpha1.RequirementRequire,
		RunAsNonRoot:           v1alpha1.RequirementRequire,
		DropAllCapabilities:    v1alpha1.RequirementRequire,
		Seccomp:                []corev1.SeccompProfileType{"RuntimeDefault", "Localhost"},
		AppArmor:               []corev1.AppArmorProfileType{"RuntimeDefault", "Localhost"},
		RequireRequests:        []corev1.ResourceName{"cpu", "memory", "ephemeral-storage"},
		RequireLimits:          []corev1.ResourceName{"cpu", "memory", "ephemeral-storage"},
		RequireProbes:          []v1alpha1.Probe{v1alpha1.ProbeLiveness, v1alpha1.ProbeReadiness, v1alpha1.ProbeStartup},
		HostPath: &v1alpha1.HostPath{
			Policy: v1alpha1.AllowancePolicyAllowListed,
		},
		HostPort:                     &v1alpha1.HostPort{Policy: v1alpha1.AllowancePolicyAllowListed},
		HostNetwork:                  v1alpha1.ProhibitionForbid,
		AutomountServiceAccountToken: v1alpha1.ProhibitionForbid,
		NodeName:                     v1alpha1.ProhibitionForbid,
		Tolerations:                  &v1alpha1.Tolerations{Policy: v1alpha1.AllowancePolicyAllowListed},
		PriorityClasses:              &v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyAllowListed},
	}
	images := &v1alpha1.Images{Digest: v1alpha1.RequirementRequire, PullPolicy: corev1.PullAlways}
	for n := range 16 {
		workloads.PriorityClasses.Allowed = append(workloads.PriorityClasses.Allowed, name("class", n))
		allowed := v1alpha1.AllowedToleration{Key: name("key", n)}
		for v := range 16 {
			allowed.Values = append(allowed.Values, name("value", v))
		}
		workloads.Tolerations.Allowed = append(workloads.Tolerations.Allowed, allowed)
		workloads.SELinux = append(workloads.SELinux, name("type", n))
		workloads.HostPort.Allowed = append(
			workloads.HostPort.Allowed,
			v1alpha1.PortRange{Min: int32(1000 * n), Max: int32(1000*n + 10)},
		)
		workloads.HostPath.Allowed = append(workloads.HostPath.Allowed, v1alpha1.AllowedHostPath{
			PathPrefix: "/" + strings.Repeat("p", 63) + "/" + name("path", n), ReadOnly: v1alpha1.RequirementRequire,
		})
	}
	for n := range 8 {
		excepted := v1alpha1.ExceptedContainers{Reason: "a reason"}
		for c := range 8 {
			excepted.Containers = append(excepted.Containers, name("container", 8*n+c))
			excepted.Images = append(
				excepted.Images,
				"docker.io"+strings.Repeat("/"+strings.Repeat("e", 60), 3)+fmt.Sprint(8*n+c),
			)
		}
		workloads.Except = append(
			workloads.Except,
			v1alpha1.WorkloadException{ExceptedContainers: excepted, Rules: v1alpha1.WorkloadRules},
		)
		excepted.Containers = nil
		images.Except = append(
			images.Except,
			v1alpha1.ImageException{ExceptedContainers: excepted, Rules: v1alpha1.ImageRules},
		)
	}
	for n := range 64 {
		images.AllowedRegistries = append(
			images.AllowedRegistries,
			"docker.io"+strings.Repeat("/"+strings.Repeat("r", 60), 3)+fmt.Sprint(n),
		)
	}
	for n := range 32 {
		images.DenyTags = append(images.DenyTags, name("tag", n)+name("tag", n))
	}
	profile.Spec.Workloads, profile.Spec.Images = workloads, images
	profile.Spec.Protection = &v1alpha1.Protection{ReadyGate: v1alpha1.RequirementRequire}
	for n := range 256 {
		profile.Spec.ExcludeNamespaces = append(profile.Spec.ExcludeNamespaces, name("*", n))
	}
	return profile
}

// outranking are profiles that select other namespaces.
func outranking(n int) []*v1alpha1.SecurityProfile {
	var profiles []*v1alpha1.SecurityProfile
	for i := range n {
		p := everyRule()
		p.Name = fmt.Sprint("outranking-", i)
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": p.Name}
		p.Spec.ExcludeNamespaces = p.Spec.ExcludeNamespaces[:16]
		profiles = append(profiles, p)
	}
	return profiles
}

func TestTheHeaviestPodCostsLessThanTheAPIServerSpends(t *testing.T) {
	for sentence, cluster := range map[string]bulwark.Cluster{
		"where no other profile is":      {},
		"where others have the priority": {Outranking: outranking(16)},
	} {
		t.Run(sentence, func(t *testing.T) {
			e, err := New(everyRule(), cluster)
			if err != nil {
				t.Fatal(err)
			}
			for i, request := range HeaviestRequests() {
				want := []string{
					"bulwark-every-rule-workloads",
					"bulwark-every-rule-images",
					"bulwark-every-rule-pods-wait-for-report",
					"bulwark-every-rule-pods-wait-for-baseline",
				}
				if request.OldObject != nil {
					want = want[:2] // The gate is asked of new pods.
				}
				costs, err := e.Cost(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				for _, policy := range want {
					cost, held := costs[policy]
					t.Logf(
						"request %d, %s: %d, %.1f%% of the budget",
						i,
						policy,
						cost,
						float64(cost)*100/celconfig.RuntimeCELCostBudget,
					)
					if !held || cost > celconfig.RuntimeCELCostBudget/2 {
						t.Errorf(
							"%s costs %d (%t), which is more than half of the budget of %d",
							policy,
							cost,
							held,
							celconfig.RuntimeCELCostBudget,
						)
					}
				}
				if len(costs) != len(want) {
					t.Errorf("policies that are about request %d: %v", i, costs)
				}
			}
		})
	}
}

func TestAPolicyThatSpendsTooMuchIsAnError(t *testing.T) {
	profile := everyRule()
	e, err := New(profile, bulwark.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	pod := HeaviestPod()
	containers := pod.Object["spec"].(map[string]any)["containers"].([]any)
	for range 7 {
		containers = append(containers, containers...)
	}
	pod.Object["spec"].(map[string]any)["containers"] = containers
	costs, err := e.Cost(t.Context(), Request{Object: pod})
	if err == nil || !strings.Contains(err.Error(), "bulwark-every-rule-images") {
		t.Errorf("no error about the policy on images: %v, %v", costs, err)
	}
	if _, held := costs["bulwark-every-rule-pods-wait-for-baseline"]; !held {
		t.Errorf("the policies that do not spend too much have no cost: %v", costs)
	}
}

func TestCostIsThatOfThePoliciesOfTheNamespace(t *testing.T) {
	profile := everyRule()
	profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "prod"}
	profile.Spec.Limits = []v1alpha1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
	}}
	e, err := New(profile, bulwark.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	for tier, want := range map[string]int{"prod": 3, "dev": 0} {
		namespace := &corev1.Namespace{}
		namespace.Name, namespace.Labels = "shop", map[string]string{"tier": tier}
		costs, err := e.Cost(t.Context(), Request{Object: HeaviestPod(), Namespace: namespace})
		if err != nil || len(costs) != want {
			t.Errorf("in a namespace of tier %s: %v, %v", tier, costs, err)
		}
	}
}
