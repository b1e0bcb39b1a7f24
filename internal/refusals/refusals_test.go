package refusals_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/refusals"
)

func TestBy(t *testing.T) {
	const policy = `pods "p" is forbidden: ValidatingAdmissionPolicy 'bulwark-%' with binding 'bulwark-%' denied request: `
	by := func(name, words string) string { return strings.ReplaceAll(policy, "%", name) + words }
	for sentence, tc := range map[string]struct {
		words string
		want  []string
	}{
		"one rule": {
			by("web-workloads", "readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true (spec.workloads of SecurityProfile web)"),
			[]string{"admission/workloads/readOnlyRootFilesystem"},
		},
		"two rules": {
			by("web-images", "allowedRegistries: container app must have an image of one of registry.example.com; digest: containers a, b must have an image with a digest (spec.images of SecurityProfile web)"),
			[]string{"admission/images/allowedRegistries", "admission/images/digest"},
		},
		"too many rules to list": {
			by("web-workloads", "breaks rules of spec.workloads of SecurityProfile web, too many to list"), []string{"admission/workloads"},
		},
		"rules of before, which hold while others wait": {
			by("web-workloads-was-0123456789abcdef", "runAsNonRoot: container app must set x (spec.workloads of SecurityProfile web)"),
			[]string{"admission/workloads/runAsNonRoot"},
		},
		"a profile whose name ends as a section does": {
			by("web-images-workloads", "runAsNonRoot: container app must set x"), []string{"admission/workloads/runAsNonRoot"},
		},
		"the type of a Service": {
			by("web-services", "allowedServiceTypes: the type of a Service must be one of ClusterIP (spec.workloads of SecurityProfile web)"),
			[]string{"admission/workloads/allowedServiceTypes"},
		},
		"tampering": {by("web-tamper-objects", "the object is a part of the baseline: see x"), []string{"admission/tamper-objects"}},
		"the gate in front of the baseline, in the API server's own words": {
			by("web-pods-wait-for-report", "no params found for policy binding with `Deny` parameterNotFoundAction"),
			[]string{"admission/pods-wait-for-report"},
		},
		"a policy of somebody else": {
			strings.ReplaceAll(policy, "bulwark-%", "ours-workloads") + "runAsNonRoot: no", nil,
		},
		"Pod Security": {
			`pods "p" is forbidden: violates PodSecurity "restricted:v1.37": allowPrivilegeEscalation != false (container "a" must set x), ` +
				`unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), seccompProfile (pod or container "a" must set y)`,
			[]string{"pod-security/allowPrivilegeEscalation", "pod-security/capabilities_restricted", "pod-security/seccompProfile_restricted"},
		},
		"Pod Security of baseline": {
			`pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), hostPort (container "a" uses hostPort 80), seccompProfile (pod must not set z)`,
			[]string{"pod-security/hostNamespaces", "pod-security/hostPorts", "pod-security/seccompProfile_baseline"},
		},
		"a quota": {
			`pods "p" is forbidden: exceeded quota: bulwark-compute, requested: pods=1, used: pods=2, limited: pods=2`, []string{"quota/fits"},
		},
		"a quota of what is not said": {
			`pods "p" is forbidden: failed quota: bulwark-compute: must specify limits.cpu for: app`, []string{"quota/unspecified"},
		},
		"a LimitRange": {
			`pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2`, []string{"limits/bounds"},
		},
		"a default of a LimitRange below the request": {
			`Pod "p" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
			[]string{"api/resources"},
		},
		"no permission": {`pods is forbidden: User "tenant" cannot create resource "pods"`, nil},
		"nothing":       {},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, refusals.By(tc.words)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestIDsAreThoseOfTheCatalogue holds that a rule is called here as kubectl posture check calls it.
func TestIDsAreThoseOfTheCatalogue(t *testing.T) {
	var catalogue []string
	for _, rule := range check.Rules() {
		if strings.HasPrefix(rule.ID, "pod-security/") || strings.HasPrefix(rule.ID, "admission/") {
			catalogue = append(catalogue, rule.ID)
		}
	}
	ids := refusals.IDs()
	for _, other := range []string{"limits/bounds", "api/resources", "quota/fits", "quota/unspecified"} {
		if check.RuleOf(other).Title == other {
			t.Errorf("the catalogue does not know %s", other)
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == other })
	}
	if diff := cmp.Diff(catalogue, ids); diff != "" {
		t.Errorf("(-catalogue +here):\n%s", diff)
	}
}

func TestEveryPolicyHasASection(t *testing.T) {
	for _, o := range admission.Named("web") {
		if o.GetName() == "" {
			continue
		}
		words := `pods "p" is forbidden: ValidatingAdmissionPolicy '` + o.GetName() + `' with binding 'x' denied request: no`
		if len(refusals.By(words)) == 0 {
			t.Errorf("%s is no policy of a profile", o.GetName())
		}
	}
}

// TestEveryCheckOfPodSecurityIsRead has each check refuse a pod, in the words of Pod Security
// itself.
func TestEveryCheckOfPodSecurityIsRead(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	latest := func(level api.Level) api.LevelVersion {
		return api.LevelVersion{Level: level, Version: api.LatestVersion()}
	}
	read := map[string]bool{}
	for name, pod := range failingPods() {
		for _, level := range []api.LevelVersion{latest(api.LevelBaseline), latest(api.LevelRestricted)} {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &metav1.ObjectMeta{}, &pod))
			if result.Allowed {
				continue
			}
			words := `pods "p" is forbidden: violates PodSecurity "` + level.String() + `": ` + result.ForbiddenDetail()
			got := refusals.By(words)
			if len(got) != len(result.ForbiddenReasons) {
				t.Errorf("%s at %s: %q is read as %q", name, level, words, got)
			}
			for _, id := range got {
				read[strings.TrimPrefix(id, "pod-security/")] = true
			}
		}
	}
	for _, c := range policy.DefaultChecks() {
		if !read[string(c.ID)] {
			t.Errorf("the check %s refuses none of the pods, or is not read", c.ID)
		}
	}
}

// failingPods each fail a check of Pod Security, beside those that a pod fails which says nothing.
func failingPods() map[string]corev1.PodSpec {
	container := func(change func(*corev1.Container)) corev1.PodSpec {
		c := corev1.Container{Name: "a", SecurityContext: &corev1.SecurityContext{}}
		change(&c)
		return corev1.PodSpec{Containers: []corev1.Container{c, {Name: "b"}}}
	}
	pod := func(change func(*corev1.PodSpec)) corev1.PodSpec {
		spec := corev1.PodSpec{SecurityContext: &corev1.PodSecurityContext{}, Containers: []corev1.Container{{Name: "a"}}}
		change(&spec)
		return spec
	}
	return map[string]corev1.PodSpec{
		"nothing": pod(func(*corev1.PodSpec) {}),
		"AppArmor": container(func(c *corev1.Container) {
			c.SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
		}),
		"a capability": container(func(c *corev1.Container) {
			c.SecurityContext.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}
		}),
		"namespaces of the host": pod(func(s *corev1.PodSpec) { s.HostNetwork, s.HostPID = true, true }),
		"a path of the host": pod(func(s *corev1.PodSpec) {
			root := &corev1.HostPathVolumeSource{Path: "/"}
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: root}}}
		}),
		"a port of the host": container(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{HostPort: 80}} }),
		"a probe of a host": container(func(c *corev1.Container) {
			get := &corev1.HTTPGetAction{Host: "example.com"}
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: get}}
		}),
		"privileged": container(func(c *corev1.Container) { c.SecurityContext.Privileged = ptr.To(true) }),
		"the masks of /proc": container(func(c *corev1.Container) {
			c.SecurityContext.ProcMount = ptr.To(corev1.UnmaskedProcMount)
		}),
		"root":    container(func(c *corev1.Container) { c.SecurityContext.RunAsUser = ptr.To[int64](0) }),
		"SELinux": pod(func(s *corev1.PodSpec) { s.SecurityContext.SELinuxOptions = &corev1.SELinuxOptions{User: "u"} }),
		"seccomp": pod(func(s *corev1.PodSpec) {
			s.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		}),
		"a sysctl": pod(func(s *corev1.PodSpec) { s.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "kernel.msgmax"}} }),
		"a process of a Windows host": pod(func(s *corev1.PodSpec) {
			s.SecurityContext.WindowsOptions = &corev1.WindowsSecurityContextOptions{HostProcess: ptr.To(true)}
		}),
	}
}

func TestCalled(t *testing.T) {
	for name, want := range map[string][]string{
		"admission/workloads/readOnlyRootFilesystem": {"admission/workloads/readOnlyRootFilesystem"},
		"readOnlyRootFilesystem":                     {"admission/workloads/readOnlyRootFilesystem"},
		"runAsNonRoot":                               {"admission/workloads/runAsNonRoot", "pod-security/runAsNonRoot"},
		"seccompProfile":                             {"pod-security/seccompProfile_baseline", "pod-security/seccompProfile_restricted"},
		"seccompProfile_baseline":                    {"pod-security/seccompProfile_baseline"},
		"tamper-objects":                             {"admission/tamper-objects"},
		"readonlyrootfilesystem":                     nil,
		"":                                           nil,
	} {
		if diff := cmp.Diff(want, refusals.Called(name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}
