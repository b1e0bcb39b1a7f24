package findings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

func TestLevelOf(t *testing.T) {
	for sentence, tc := range map[string]struct {
		declared *v1alpha1.PodSecurity
		want     string
	}{
		"without podSecurity there is none":              {},
		"what only warns or audits refuses nothing":      {declared: &v1alpha1.PodSecurity{Warn: "restricted", Audit: "restricted"}},
		"privileged refuses nothing":                     {declared: &v1alpha1.PodSecurity{Enforce: "privileged"}},
		"a level without a version is the latest":        {&v1alpha1.PodSecurity{Enforce: "baseline"}, "baseline:latest"},
		"the version is that of all modes":               {&v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.25"}, "restricted:v1.25"},
		"the version of enforce goes first":              {&v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.25", EnforceVersion: "v1.30"}, "restricted:v1.30"},
		"the version of another mode is not enforced":    {&v1alpha1.PodSecurity{Enforce: "restricted", WarnVersion: "v1.25"}, "restricted:latest"},
		"the latest can be said, beside one for another": {&v1alpha1.PodSecurity{Enforce: "restricted", Version: "v1.25", EnforceVersion: "latest"}, "restricted:latest"},
		"a version that is not valid is none":            {declared: &v1alpha1.PodSecurity{Enforce: "restricted", Version: "1.25"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			level, declared := LevelOf(profile(v1alpha1.SecurityProfileSpec{PodSecurity: tc.declared}))
			got := ""
			if declared {
				got = level.String()
			}
			if got != tc.want || declared != (level != nil) {
				t.Errorf("want %q, got %q", tc.want, got)
			}
		})
	}
}

func TestViolation(t *testing.T) {
	hostNetwork := func(pod *corev1.Pod) { pod.Spec.HostNetwork = true }
	root := func(pod *corev1.Pod) { pod.Spec.SecurityContext.RunAsNonRoot = nil }
	privileged := &corev1.SecurityContext{Privileged: ptr.To(true)}
	rootOfItsOwn := func(pod *corev1.Pod) {
		root(pod)
		pod.Spec.HostUsers = ptr.To(false)
	}
	unmasked := func(pod *corev1.Pod) {
		pod.Spec.HostUsers = ptr.To(false)
		pod.Spec.Containers[0].SecurityContext.ProcMount = ptr.To(corev1.UnmaskedProcMount)
	}
	for sentence, tc := range map[string]struct {
		level, version string
		pod            func(*corev1.Pod)
		want           string // A part of it; nothing is no violation.
	}{
		"what is restricted violates nothing":        {level: "restricted", pod: func(*corev1.Pod) {}},
		"what may be root violates restricted":       {level: "restricted", pod: root, want: "runAsNonRoot != true"},
		"what may be root does not violate baseline": {level: "baseline", pod: root},
		"what is on the host's network violates":     {level: "baseline", pod: hostNetwork, want: "hostNetwork=true"},
		"what has ended well violates nothing any more": {level: "baseline", pod: func(pod *corev1.Pod) {
			hostNetwork(pod)
			pod.Status.Phase = corev1.PodSucceeded
		}},
		"what has failed violates nothing any more": {level: "baseline", pod: func(pod *corev1.Pod) {
			hostNetwork(pod)
			pod.Status.Phase = corev1.PodFailed
		}},
		"what does not run yet violates": {level: "baseline", want: "hostNetwork=true", pod: func(pod *corev1.Pod) {
			hostNetwork(pod)
			pod.Status.Phase = corev1.PodPending
		}},
		"what is not known to run violates": {level: "baseline", want: "hostNetwork=true", pod: func(pod *corev1.Pod) {
			hostNetwork(pod)
			pod.Status.Phase = corev1.PodUnknown
		}},
		"an init container violates": {level: "baseline", want: `container "early" must not set securityContext.privileged=true`, pod: func(pod *corev1.Pod) {
			pod.Spec.InitContainers = []corev1.Container{{Name: "early", SecurityContext: privileged}}
		}},
		"an ephemeral container violates": {level: "baseline", want: `container "debug" must not set securityContext.privileged=true`, pod: func(pod *corev1.Pod) {
			pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
				EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", SecurityContext: privileged},
			}}
		}},
		"a check that the version lacks is not violated": {level: "baseline", version: "v1.33", pod: probingAHost},
		"a check that the version has is":                {level: "baseline", version: "v1.34", pod: probingAHost, want: "probe"},
		"root in a user namespace violates v1.34":        {level: "restricted", version: "v1.34", pod: rootOfItsOwn, want: "runAsNonRoot != true"},
		"root in a user namespace is let in since":       {level: "restricted", version: "v1.35", pod: rootOfItsOwn},
		"an unmasked /proc violates v1.34":               {level: "restricted", version: "v1.34", pod: unmasked, want: "procMount"},
		"an unmasked /proc violates v1.35, too":          {level: "restricted", version: "v1.35", pod: unmasked, want: "procMount"},
		"all that is violated is named": {level: "restricted", want: "unrestricted capabilities", pod: func(pod *corev1.Pod) {
			hostNetwork(pod)
			pod.Spec.Containers[0].SecurityContext = nil
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			level, _ := LevelOf(profile(v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{
				Enforce: v1alpha1.PodSecurityLevel(tc.level), Version: v1alpha1.PodSecurityVersion(tc.version),
			}}))
			pod := fixture.RestrictedPod("team-a", "web-0")
			tc.pod(pod)
			before := pod.DeepCopy()
			got, violates := level.Violation(pod)
			if violates != (tc.want != "") || !strings.Contains(got, tc.want) {
				t.Errorf("want %q, got %t %q", tc.want, violates, got)
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("the pod was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// probingAHost makes a pod's container be probed at a host of its choice, which Pod Security
// forbids from v1.34 on.
func probingAHost(pod *corev1.Pod) {
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "169.254.169.254"}},
	}
}

func TestPodSecurityFindings(t *testing.T) {
	namespace := v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "team-a"}
	exempt := v1alpha1.Finding{
		ID: "PodSecurityExempt", Severity: "Critical", Object: namespace, Message: "it is exempt",
		Remedy: "take the namespace out of exemptions.namespaces in the API server's PodSecurity admission configuration",
	}
	violated := v1alpha1.Finding{
		ID:       "PodSecurityViolated",
		Severity: "High",
		Object:   v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Pod", Name: "web-0"},
		Message:  "it runs and violates restricted:latest: privileged",
		Remedy:   "change its security context and roll it out anew; a pod that runs is never ended by a stricter level",
	}
	unseen := v1alpha1.Finding{
		ID:       "PodSecurityViolated",
		Severity: "Low",
		Object:   namespace,
		Message:  "7 pods more than are looked at may violate restricted:latest",
		Remedy:   "mend those that are named; the next are looked at then",
	}
	all := PodFacts{Exempt: "it is exempt", Violations: map[string]string{"web-0": "privileged"}, Unseen: 7}
	for sentence, tc := range map[string]struct {
		level v1alpha1.PodSecurityLevel
		facts PodFacts
		want  []v1alpha1.Finding
	}{
		"without a level nothing matters":         {facts: all},
		"of privileged nothing matters":           {level: "privileged", facts: all},
		"where all pods are well nothing is said": {level: "restricted"},
		"an exemption is the gravest":             {"restricted", PodFacts{Exempt: "it is exempt"}, []v1alpha1.Finding{exempt}},
		"a pod that violates is named":            {"restricted", PodFacts{Violations: map[string]string{"web-0": "privileged"}}, []v1alpha1.Finding{violated}},
		"pods that are not looked at are counted": {"restricted", PodFacts{Unseen: 7}, []v1alpha1.Finding{unseen}},
		"all at once": {"restricted", all, []v1alpha1.Finding{exempt, violated, unseen}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := judged(
				v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{Enforce: tc.level}},
				Facts{Pods: tc.facts},
			)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodSecurityOutdated(t *testing.T) {
	for sentence, tc := range map[string]struct {
		level, version string
		lacks          []string
		has            []string
	}{
		"the latest lacks nothing":                  {level: "restricted", version: "latest"},
		"the version of these checks lacks nothing": {level: "restricted", version: "v1.37"},
		"a later version lacks nothing":             {level: "restricted", version: "v1.99"},
		"a version lacks the checks that are newer": {"restricted", "v1.33", []string{"hostProbesAndHostLifecycle (v1.34)"}, []string{"runAsUser (v1.23)", "seccomp", "procMount"}},
		"a version lacks no check that moved":       {level: "restricted", version: "v1.34"},
		"an old version lacks many":                 {"restricted", "v1.18", []string{"hostProbesAndHostLifecycle (v1.34)", "capabilities_restricted", "runAsUser"}, nil},
		"baseline lacks none of restricted":         {"baseline", "v1.18", []string{"hostProbesAndHostLifecycle (v1.34)"}, []string{"capabilities_restricted", "runAsUser"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := judged(v1alpha1.SecurityProfileSpec{PodSecurity: &v1alpha1.PodSecurity{
				Enforce: v1alpha1.PodSecurityLevel(tc.level), EnforceVersion: v1alpha1.PodSecurityVersion(tc.version),
			}}, Facts{})
			if len(tc.lacks) == 0 {
				if len(got) > 0 {
					t.Errorf("got %v", got)
				}
				return
			}
			if diff := cmp.Diff([]string{"Low PodSecurityOutdated Namespace/team-a"}, brief(got)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			for _, check := range tc.lacks {
				if !strings.Contains(got[0].Message, check) {
					t.Errorf("%s lacks in %q", check, got[0].Message)
				}
			}
			for _, check := range tc.has {
				if strings.Contains(got[0].Message, check) {
					t.Errorf("%s is in %q", check, got[0].Message)
				}
			}
		})
	}
}
