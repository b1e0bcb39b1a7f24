package admission

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/test/framework/generate"
)

// profiles generates valid SecurityProfiles of which policies are rendered.
func profiles() *rapid.Generator[*v1alpha1.SecurityProfile] {
	return rapid.Custom(func(t *rapid.T) *v1alpha1.SecurityProfile {
		spec := v1alpha1.SecurityProfileSpec{
			Enforcement: generate.OneOf(t, "enforcement", "", v1alpha1.EnforcementEnforce, v1alpha1.EnforcementAudit),
			DeletionPolicy: generate.OneOf(
				t,
				"deletionPolicy",
				"",
				v1alpha1.DeletionPolicyDelete,
				v1alpha1.DeletionPolicyRetain,
			),
			NamespaceSelector: selector(t),
			ExcludeNamespaces: generate.SomeOrNil(t, "exclude", 0, "a", "b-*", "?", "**", "team-?-*"),
			Workloads:         workloads(t),
			Images:            generate.Optional(t, "images", imagesOf),
			Protection: generate.Optional(t, "protection", func(t *rapid.T) *v1alpha1.Protection {
				p := &v1alpha1.Protection{ReadyGate: required(t, "readyGate"), Tamper: forbidden(t, "tamper")}
				if p.Tamper != "" {
					p.BreakGlassGroups = generate.SomeOrNil(
						t,
						"breakGlass",
						0,
						"sre",
						"oidc:sre",
						"it's",
						"a b",
						"Zürich",
						"$(x)",
						"{{x}}",
						"\u2028",
					)
				}
				return p
			}),
			Network: generate.Optional(t, "network", func(t *rapid.T) *v1alpha1.Network {
				return &v1alpha1.Network{
					DefaultDeny: generate.SomeOrNil(
						t,
						"defaultDeny",
						1,
						networkingv1.PolicyTypeIngress,
						networkingv1.PolicyTypeEgress,
					),
					TenantPolicies: generate.OneOf(
						t,
						"tenantPolicies",
						"",
						v1alpha1.TenantPoliciesAllow,
						v1alpha1.TenantPoliciesWithin,
						v1alpha1.TenantPoliciesDeny,
					),
				}
			}),
			PodSecurity: generate.Optional(t, "podSecurity", func(t *rapid.T) *v1alpha1.PodSecurity {
				return &v1alpha1.PodSecurity{
					Enforce: generate.OneOf[v1alpha1.PodSecurityLevel](t, "enforce", "baseline", "restricted"),
					Audit: generate.OneOf[v1alpha1.PodSecurityLevel](
						t,
						"audit",
						"",
						"restricted",
					),
					Version: generate.OneOf[v1alpha1.PodSecurityVersion](t, "version", "", "v1.37"),
				}
			}),
		}
		if rapid.Bool().Draw(t, "limits") {
			spec.Limits = []v1alpha1.LimitRangeItem{
				{
					Type: corev1.LimitTypeContainer,
					Max:  corev1.ResourceList{generate.OneOf(t, "limited", resources...): resource.MustParse("1")},
				},
			}
		}
		return &v1alpha1.SecurityProfile{
			ObjectMeta: metav1.ObjectMeta{Name: generate.OneOf(t, "name", "p", "a-profile-with-a-name-of-some-length")},
			Spec:       spec,
		}
	})
}

var resources = []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}

func selector(t *rapid.T) v1alpha1.NamespaceSelector {
	s := v1alpha1.NamespaceSelector{}
	for i, key := range generate.SomeOrNil(t, "labels", 0, "team", "example.com/tier", "a_b.c") {
		value := generate.OneOf(t, fmt.Sprint("value", i), "x", "", "y.z_1")
		switch op := generate.OneOf(t, fmt.Sprint("operator", i), "", metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists,
			metav1.LabelSelectorOpDoesNotExist); op {
		case "":
			if s.MatchLabels == nil {
				s.MatchLabels = map[string]string{}
			}
			s.MatchLabels[key] = value
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			s.MatchExpressions = append(
				s.MatchExpressions,
				v1alpha1.LabelRequirement{Key: key, Operator: op, Values: []string{value, "other"}},
			)
		default:
			s.MatchExpressions = append(s.MatchExpressions, v1alpha1.LabelRequirement{Key: key, Operator: op})
		}
	}
	return s
}

func workloads(t *rapid.T) *v1alpha1.Workloads {
	return &v1alpha1.Workloads{
		Action:                 action(t),
		ReadOnlyRootFilesystem: required(t, "readOnlyRootFilesystem"),
		RunAsNonRoot:           v1alpha1.RequirementRequire,
		DropAllCapabilities:    required(t, "dropAllCapabilities"),

		Seccomp: generate.SomeOrNil(
			t,
			"seccomp",
			0,
			corev1.SeccompProfileTypeRuntimeDefault,
			corev1.SeccompProfileTypeLocalhost,
		),
		AppArmor: generate.SomeOrNil(
			t,
			"appArmor",
			0,
			corev1.AppArmorProfileTypeRuntimeDefault,
			corev1.AppArmorProfileTypeLocalhost,
			corev1.AppArmorProfileTypeUnconfined,
		),
		SELinux:         generate.SomeOrNil(t, "seLinux", 0, "container_t", "spc_t"),
		RequireRequests: generate.SomeOrNil(t, "requests", 0, resources...),
		RequireLimits:   generate.SomeOrNil(t, "limited", 0, resources...),
		RequireProbes: generate.SomeOrNil(
			t,
			"probes",
			0,
			v1alpha1.ProbeLiveness,
			v1alpha1.ProbeReadiness,
			v1alpha1.ProbeStartup,
		),
		HostPath: generate.Optional(t, "hostPath", func(t *rapid.T) *v1alpha1.HostPath {
			return generate.OneOf(t, "paths", &v1alpha1.HostPath{Policy: v1alpha1.AllowancePolicyForbid}, &v1alpha1.HostPath{
				Policy: v1alpha1.AllowancePolicyAllowListed,
				Allowed: []v1alpha1.AllowedHostPath{
					{PathPrefix: "/a.b/c"},
					{PathPrefix: "/d", ReadOnly: v1alpha1.RequirementRequire},
				},
			})
		}),
		HostPort: generate.Optional(t, "hostPort", func(t *rapid.T) *v1alpha1.HostPort {
			return generate.OneOf(t, "ports", &v1alpha1.HostPort{Policy: v1alpha1.AllowancePolicyForbid}, &v1alpha1.HostPort{
				Policy: v1alpha1.AllowancePolicyAllowListed, Allowed: []v1alpha1.PortRange{{Min: 1, Max: 1}, {Min: 2, Max: 65535}},
			})
		}),
		NodeName: forbidden(t, "nodeName"),
		Tolerations: generate.Optional(t, "tolerations", func(t *rapid.T) *v1alpha1.Tolerations {
			return generate.OneOf(
				t,
				"taints",
				&v1alpha1.Tolerations{Policy: v1alpha1.AllowancePolicyForbid},
				&v1alpha1.Tolerations{
					Policy:  v1alpha1.AllowancePolicyAllowListed,
					Allowed: []v1alpha1.AllowedToleration{{Key: "a.b/C_d"}, {Key: "e", Values: []string{"", "F.g"}}},
				},
			)
		}),
		PriorityClasses: generate.Optional(t, "priorityClasses", func(t *rapid.T) *v1alpha1.PriorityClasses {
			return generate.OneOf(
				t,
				"classes",
				&v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyForbid},
				&v1alpha1.PriorityClasses{
					Policy: v1alpha1.AllowancePolicyAllowListed, Allowed: generate.SomeOrNil(t, "classNames", 1, "batch", "a.b-c"),
				},
			)
		}),
		Except: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.WorkloadException {
			return v1alpha1.WorkloadException{
				ExceptedContainers: excepted(t), Rules: generate.Some(t, "exceptedRules", 1, v1alpha1.WorkloadRules...),
			}
		}), 0, 2).Draw(t, "exceptions"),
		HostNetwork:                  forbidden(t, "hostNetwork"),
		AutomountServiceAccountToken: forbidden(t, "automount"),
		AllowedServiceTypes: generate.SomeOrNil(
			t,
			"serviceTypes",
			0,
			corev1.ServiceTypeClusterIP,
			corev1.ServiceTypeNodePort,
			corev1.ServiceTypeExternalName,
		),
	}
}

func imagesOf(t *rapid.T) *v1alpha1.Images {
	return &v1alpha1.Images{
		Action: action(t),
		AllowedRegistries: generate.SomeOrNil(
			t,
			"registries",
			0,
			"ghcr.io",
			"localhost:5000",
			"index.docker.io/library",
			"r.example.com:443/a/b",
		),
		Digest:     required(t, "digest"),
		DenyTags:   generate.SomeOrNil(t, "tags", 1, "latest", "v1.0", "_x-y"),
		PullPolicy: generate.OneOf(t, "pullPolicy", "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever),
		Except: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.ImageException {
			e := v1alpha1.ImageException{
				ExceptedContainers: excepted(t),
				Rules:              generate.Some(t, "exceptedRules", 1, v1alpha1.ImageRules...),
			}
			e.Images = append(e.Images, "quay.io/always")
			return e
		}), 0, 2).Draw(t, "imageExceptions"),
	}
}

// excepted are the containers of an exception, by their names, their images or both.
func excepted(t *rapid.T) v1alpha1.ExceptedContainers {
	e := v1alpha1.ExceptedContainers{
		Reason:     generate.OneOf(t, "reason", "a mesh", `a "mesh"`),
		Containers: generate.SomeOrNil(t, "exceptedNames", 0, "proxy", "a-1"),
		Images:     generate.SomeOrNil(t, "exceptedImages", 0, "ghcr.io", "docker.io/library/x", "localhost:5000/a"),
	}
	if len(e.Containers)+len(e.Images) == 0 {
		e.Containers = []string{"proxy"}
	}
	return e
}

func required(t *rapid.T, name string) v1alpha1.Requirement {
	return generate.OneOf(t, name, "", v1alpha1.RequirementRequire)
}

func forbidden(t *rapid.T, name string) v1alpha1.Prohibition {
	return generate.OneOf(t, name, "", v1alpha1.ProhibitionForbid)
}

func action(t *rapid.T) v1alpha1.AdmissionAction {
	return generate.OneOf(
		t,
		"action",
		"",
		v1alpha1.AdmissionActionDeny,
		v1alpha1.AdmissionActionWarn,
		v1alpha1.AdmissionActionAudit,
	)
}

// clusters generates what there is beside the profile.
func clusters() *rapid.Generator[bulwark.Cluster] {
	return rapid.Custom(func(t *rapid.T) bulwark.Cluster {
		c := bulwark.Cluster{
			Operator:  "system:serviceaccount:bulwark-system:bulwark-manager",
			Proof:     bulwark.Proof{UID: generate.OneOf(t, "uid", "", "1"), Credential: rapid.Bool().Draw(t, "credential")},
			Protected: generate.SomeOrNil(t, "protected", 0, "kube-system", "kube-*", "[a-c]?", `x\-[^d]`, "[é-ü]*"),
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "outranking") {
			c.Outranking = append(c.Outranking, &v1alpha1.SecurityProfile{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("outranking-", i)},
				Spec: v1alpha1.SecurityProfileSpec{
					NamespaceSelector: selector(t),
					ExcludeNamespaces: generate.SomeOrNil(t, "excluded", 0, "a", "b-*"),
				},
			})
		}
		return c
	})
}
