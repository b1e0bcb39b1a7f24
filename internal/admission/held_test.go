package admission

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

func waiting(change func(*v1alpha1.SecurityProfileSpec)) *v1alpha1.SecurityProfile {
	p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha1.SecurityProfileSpec{
		Rollout: v1alpha1.RolloutWhenSafe,
		Workloads: &v1alpha1.Workloads{
			ReadOnlyRootFilesystem: v1alpha1.RequirementRequire,
			AllowedServiceTypes:    []corev1.ServiceType{"ClusterIP"},
		},
		Images: &v1alpha1.Images{AllowedRegistries: []string{"ghcr.io"}},
	}}
	change(&p.Spec)
	return p
}

func TestWhereRulesForPodsAreInForce(t *testing.T) {
	nothing, before := Waits("p", ""), Waits("p", `{"digest":"Require"}`)
	held := []Held{
		{Policy: "bulwark-p-images", Content: `{"digest":"Require"}`},
		{Policy: "bulwark-other-images", Content: `{"digest":"Require"}`},
	}
	in := func(label, operator string, values ...string) string {
		return label + " " + operator + " " + strings.Join(values, ",")
	}
	for sentence, tc := range map[string]struct {
		profile *v1alpha1.SecurityProfile
		held    []Held
		want    map[string]string
	}{
		"what does not wait hangs on no label": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Rollout = "" }), held: held,
			want: map[string]string{"workloads": "Deny: ", "images": "Deny: ", "services": "Deny: "},
		},
		"what only audits hangs on no label": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Enforcement = v1alpha1.EnforcementAudit }), held: held,
			want: map[string]string{"workloads": "Warn: ", "images": "Warn: ", "services": "Warn: "},
		},
		"a section that only warns has nothing to wait for": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) {
				s.Images, s.Workloads.Action = nil, v1alpha1.AdmissionActionWarn
			}),
			want: map[string]string{"workloads": "Warn: ", "services": "Warn: "},
		},
		"a section that waits somewhere": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Images = nil }),
			want: map[string]string{
				"workloads":         "Deny: " + in(v1alpha1.WorkloadsLabel, "NotIn", nothing),
				"workloads-waiting": "Warn,Audit: " + in(v1alpha1.WorkloadsLabel, "In", nothing), "services": "Deny: ",
			},
		},
		"what was in force before is in force where it says so": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Workloads = nil }), held: held,
			want: map[string]string{
				"images":         "Deny: " + in(v1alpha1.ImagesLabel, "NotIn", nothing, before),
				"images-waiting": "Warn,Audit: " + in(v1alpha1.ImagesLabel, "In", nothing, before),
				"images-was-" + strings.TrimPrefix(before, "waits-"): "Deny: " + in(v1alpha1.ImagesLabel, "In", before),
			},
		},
		"what cannot be read is in force nowhere": {
			profile: waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Workloads = nil }),
			held:    []Held{{Policy: "bulwark-p-images", Content: `{"digests":"Require"}`}, {Policy: "bulwark-p-images", Content: "{"}},
			want: map[string]string{
				"images": "Deny: " + in(v1alpha1.ImagesLabel, "NotIn", nothing), "images-waiting": "Warn,Audit: " + in(v1alpha1.ImagesLabel, "In", nothing),
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := map[string]string{}
			for _, p := range Render(tc.profile, Cluster{Held: tc.held}) {
				var actions, requirements []string
				for _, a := range p.Binding.Spec.ValidationActions {
					actions = append(actions, string(a))
				}
				for _, e := range p.Binding.Spec.MatchResources.NamespaceSelector.MatchExpressions {
					requirements = append(requirements, in(e.Key, string(e.Operator), e.Values...))
				}
				concern := strings.TrimPrefix(p.Name, "bulwark-p-")
				got[concern] = strings.Join(actions, ",") + ": " + strings.Join(requirements, "; ")
				if !IsNamed("p", p.Name) || JudgesPods("p", p.Name) != (concern != "services") ||
					IsHeld("p", p.Name) != strings.Contains(concern, "-was-") {
					t.Errorf("%s is not known by its name", p.Name)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got): %s", diff)
			}
		})
	}
}

func TestWhoseNamesAreNotThoseOfRulesForPods(t *testing.T) {
	for _, name := range []string{
		"bulwark-p-services", "bulwark-p-tamper-objects", "bulwark-p2-workloads", "bulwark-p-workloads-was-abc",
		"bulwark-p-workloads-was-0123456789abcdeg", "bulwark-p-workloads-was-0123456789abcdef-images",
	} {
		if JudgesPods("p", name) || IsHeld("p", name) {
			t.Errorf("%s counts as one of the rules for pods", name)
		}
	}
	if Waits("p", "") == Waits("q", "") || Waits("p", "") == Waits("p", "{}") {
		t.Error("what waits for different reasons bears one label")
	}
}

func TestExceptionsAloneAreNoRules(t *testing.T) {
	excepted := v1alpha1.ExceptedContainers{Images: []string{"ghcr.io/proxy"}}
	profile := waiting(func(s *v1alpha1.SecurityProfileSpec) {
		s.Workloads = &v1alpha1.Workloads{
			AllowedServiceTypes: []corev1.ServiceType{corev1.ServiceTypeClusterIP},
			Except:              []v1alpha1.WorkloadException{{ExceptedContainers: excepted, Rules: v1alpha1.WorkloadRules}},
		}
		s.Images = &v1alpha1.Images{
			Vulnerabilities: &v1alpha1.Vulnerabilities{},
			Except:          []v1alpha1.ImageException{{ExceptedContainers: excepted, Rules: v1alpha1.ImageRules}},
		}
	})
	for _, s := range PodSections(profile) {
		if s.Content != "" || s.Field != "spec.workloads" {
			t.Errorf("%s is said to have rules: %s", s.Field, s.Content)
		}
	}
}

func TestWhatWasInForceIsReadAgain(t *testing.T) {
	profile := waiting(func(s *v1alpha1.SecurityProfileSpec) {
		s.Workloads = &v1alpha1.Workloads{
			Action:        v1alpha1.AdmissionActionDeny,
			SELinux:       []string{"container_t"},
			RequireLimits: []corev1.ResourceName{"cpu"},
			RequireProbes: []v1alpha1.Probe{"Liveness"},
			HostPath: &v1alpha1.HostPath{
				Policy:  v1alpha1.AllowancePolicyAllowListed,
				Allowed: []v1alpha1.AllowedHostPath{{PathPrefix: "/var/log"}},
			},
			HostPort:        &v1alpha1.HostPort{Policy: v1alpha1.AllowancePolicyForbid},
			NodeName:        v1alpha1.ProhibitionForbid,
			PriorityClasses: &v1alpha1.PriorityClasses{Policy: v1alpha1.AllowancePolicyForbid},
			Tolerations: &v1alpha1.Tolerations{
				Policy:  v1alpha1.AllowancePolicyAllowListed,
				Allowed: []v1alpha1.AllowedToleration{{Key: "example.com/dedicated", Values: []string{"a", ""}}, {Key: "gpu"}},
			},
			Except: []v1alpha1.WorkloadException{
				{
					ExceptedContainers: v1alpha1.ExceptedContainers{
						Containers: []string{"proxy"},
						Images:     []string{"ghcr.io/proxy"},
						Reason:     "a mesh",
					},
					Rules: v1alpha1.WorkloadRules,
				},
			},
		}
		s.Images = &v1alpha1.Images{
			AllowedRegistries: []string{"ghcr.io/a"},
			DenyTags:          []string{"latest"},
			PullPolicy:        corev1.PullAlways,
			Except: []v1alpha1.ImageException{{
				ExceptedContainers: v1alpha1.ExceptedContainers{Images: []string{"ghcr.io/proxy"}, Reason: "a mesh"},
				Rules:              v1alpha1.ImageRules,
			}},
		}
	})
	sections := PodSections(profile)
	for i, s := range sections {
		again, err := s.Instead(waiting(func(*v1alpha1.SecurityProfileSpec) {}), s.Content)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.Content, "a mesh") {
			t.Errorf("a reason is remembered as a rule: %s", s.Content)
		}
		if got := PodSections(again)[i]; got.Content != s.Content {
			t.Errorf("%s is read as %s", s.Content, got.Content)
		}
	}
	images := sections[1]
	for _, content := range []string{
		`{`, `[]`, `sha256:00`, `{"allowedRegistries":["GHCR.io"]}`, `{"denyTags":["` + strings.Repeat("x", 129) + `"]}`, `{"pullPolicy":"Sometimes"}`, `{"unknown":true}`,
		`{"except":[{"rules":["digest"]}]}`, `{"except":[{"images":["ghcr.io"],"rules":["hostPort"]}]}`, `{"except":[{"images":["a\"b"],"rules":["digest"]}]}`,
		`{"except":[{"containers":["a"],"rules":["allowedRegistries"]}]}`,
		`{"allowedRegistries":["` + strings.Join(slices.Repeat([]string{"ghcr.io"}, 65), `","`) + `"]}`,
	} {
		if _, err := images.Instead(profile, content); err == nil {
			t.Errorf("%.80s is taken for rules", content)
		}
	}
	workloads := sections[0]
	for _, content := range []string{
		`{"requireLimits":["pods"]}`, `{"requireLimits":["cpu","cpu"]}`, `{"seLinux":["a b"]}`, `{"requireProbes":["Other"]}`, `{"seccomp":["Unconfined"]}`,
		`{"tolerations":{"policy":"AllowListed","allowed":[{"key":"a*"}]}}`, `{"tolerations":{"policy":"AllowListed","allowed":[{"key":"a","values":["a b"]}]}}`,
		`{"priorityClasses":{"policy":"AllowListed","allowed":["A"]}}`, `{"hostPath":{}}`, `{"hostPort":{"policy":"AllowListed"}}`,
		`{"tolerations":{"policy":"Forbid","allowed":[{"key":"a"}]}}`, `{"priorityClasses":{"policy":"Other","allowed":["a"]}}`,
		`{"except":[{"rules":["seccomp"]}]}`, `{"except":[{"containers":["A b"],"rules":["seccomp"]}]}`, `{"except":[{"containers":["a"],"rules":["hostNetwork"]}]}`,
		`{"appArmor":["x"]}`, `{"hostPath":{"policy":"AllowListed","allowed":[{"pathPrefix":"relative"}]}}`, `{"hostPort":{"policy":"AllowListed","allowed":[` + strings.TrimSuffix(strings.Repeat(`{"min":1,"max":2},`, 17), ",") + `]}}`,
	} {
		if _, err := workloads.Instead(profile, content); err == nil {
			t.Errorf("%.80s is taken for rules", content)
		}
	}
}

func TestASectionThatIsTooLargeToBeRememberedIsToldByItsDigest(t *testing.T) {
	var registries []string
	for range 64 {
		registries = append(registries, "ghcr.io/"+strings.Repeat("a", 247))
	}
	large := PodSections(waiting(func(s *v1alpha1.SecurityProfileSpec) { s.Workloads, s.Images.AllowedRegistries = nil, registries }))[0]
	if !strings.HasPrefix(large.Content, "sha256:") || len(large.Content) > v1alpha1.MaxContent {
		t.Errorf("it is remembered as %.40s, of %d characters", large.Content, len(large.Content))
	}
}
