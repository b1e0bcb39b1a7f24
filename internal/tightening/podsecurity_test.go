package tightening

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/pod-security-admission/admission"
	admissionapi "k8s.io/pod-security-admission/admission/api"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/metrics"
	"k8s.io/pod-security-admission/policy"
)

const (
	enforce        = podsecurity.EnforceLevelLabel
	enforceVersion = podsecurity.EnforceVersionLabel
	warn           = podsecurity.WarnLevelLabel
	warnVersion    = podsecurity.WarnVersionLabel
	audit          = podsecurity.AuditLevelLabel
	auditVersion   = podsecurity.AuditVersionLabel
)

func TestStricterLabels(t *testing.T) {
	level := func(level, version string) map[string]string {
		return map[string]string{enforce: level, enforceVersion: version}
	}
	for sentence, tt := range map[string]struct {
		labels, than map[string]string
		want         bool
	}{
		"a level is stricter than none":                         {level("baseline", "latest"), nil, true},
		"a higher level is stricter":                            {level("restricted", "latest"), level("baseline", "latest"), true},
		"the same is not":                                       {level("restricted", "latest"), level("restricted", "latest"), false},
		"a lower level is not":                                  {level("baseline", "latest"), level("restricted", "latest"), false},
		"privileged is stricter than nothing":                   {level("privileged", "latest"), level("restricted", "latest"), false},
		"privileged is not stricter than privileged of another": {level("privileged", "v1.30"), level("privileged", "v1.20"), false},
		"another version of a level may be":                     {level("baseline", "v1.30"), level("baseline", "v1.20"), true},
		"an older version of a level may be, too":               {level("baseline", "v1.20"), level("baseline", "v1.30"), true},
		"a lower level of a newer version may be":               {level("baseline", "v1.37"), level("restricted", "v1.0"), true},
		"a lower level of an older version may be, too":         {level("baseline", "v1.0"), level("restricted", "v1.37"), true},
		"what cannot be read is restricted":                     {level("baseline", "latest"), level("none", "latest"), false},
		"no level is stricter than none":                        {nil, nil, false},
	} {
		if got := StricterLabels(tt.labels, tt.than); got != tt.want {
			t.Errorf("%s: want %t, got %t", sentence, tt.want, got)
		}
	}
}

// looking is a cluster that notes whether somebody looked at its pods.
type looking struct {
	pods
	looked bool
}

func (l *looking) ListPods(ctx context.Context, namespace string) ([]*corev1.Pod, error) {
	l.looked = true
	return l.pods.ListPods(ctx, namespace)
}

// TestStricterLabelsAsKubernetesDoes takes every level and version, readable or not, to every
// other.
func TestStricterLabelsAsKubernetesDoes(t *testing.T) {
	all := []map[string]string{nil, {"other": "label"}}
	for _, level := range []string{"privileged", "baseline", "restricted", "none", ""} {
		all = append(all, map[string]string{enforce: level})
		for _, version := range []string{"latest", "v1.0", "v1.25", "v1.37", "v2", ""} {
			all = append(all, map[string]string{enforce: level, enforceVersion: version})
		}
	}
	for _, from := range all {
		for _, to := range all {
			l := &looking{}
			if response := change(admitting(t, l), "shop", from, to); !response.Allowed {
				continue // No profile declares what cannot be read.
			}
			if got := StricterLabels(to, from); got != l.looked {
				t.Errorf("from %v to %v: stricter %t, and Kubernetes looks at pods: %t", from, to, got, l.looked)
			}
		}
	}
}

// TestInterimLabelsEnforceWhatWasEnforced holds every level against every other.
func TestInterimLabelsEnforceWhatWasEnforced(t *testing.T) {
	levels := []string{"", "privileged", "baseline", "restricted"}
	with := func(labels map[string]string, key, value string) map[string]string {
		if value != "" {
			labels[key], labels[key+"-version"] = value, "v1.30"
		}
		return labels
	}
	for _, held := range levels {
		for _, level := range levels[1:] {
			for _, mode := range levels {
				declared := with(with(map[string]string{enforce: level, enforceVersion: "v1.37"}, warn, mode), audit, mode)
				before := with(map[string]string{}, enforce, held)
				interim := InterimLabels(declared, before)
				if StricterLabels(before, interim) || StricterLabels(interim, before) {
					t.Errorf("%v held against %v enforces %v", declared, before, interim)
				}
				for _, m := range []string{warn, audit} {
					if podsecurity.CompareLevels(podsecurity.Level(interim[m]), podsecurity.Level(level)) < 0 ||
						mode != "" && podsecurity.CompareLevels(podsecurity.Level(interim[m]), podsecurity.Level(mode)) < 0 {
						t.Errorf("%v held against %v has %s at %q", declared, before, m, interim[m])
					}
				}
			}
		}
	}
}

func TestInterimLabels(t *testing.T) {
	const other = "example.com/other"
	for sentence, tt := range map[string]struct{ labels, held, want map[string]string }{
		"what is held stays enforced, and the level warns and audits": {
			labels: map[string]string{enforce: "restricted", enforceVersion: "v1.37", other: "x"},
			held:   map[string]string{enforce: "baseline", enforceVersion: "v1.30", "their": "label"},
			want: map[string]string{
				enforce: "baseline", enforceVersion: "v1.30", other: "x",
				warn: "restricted", warnVersion: "v1.37", audit: "restricted", auditVersion: "v1.37",
			},
		},
		"where nothing is held nothing is enforced": {
			labels: map[string]string{enforce: "baseline", enforceVersion: "latest"},
			want:   map[string]string{warn: "baseline", warnVersion: "latest", audit: "baseline", auditVersion: "latest"},
		},
		"a stricter mode that is declared stays, a looser one does not": {
			labels: map[string]string{
				enforce: "baseline", enforceVersion: "latest", warn: "restricted", warnVersion: "v1.20", audit: "privileged", auditVersion: "latest",
			},
			held: map[string]string{enforce: "privileged"},
			want: map[string]string{
				enforce: "privileged", enforceVersion: "latest", warn: "restricted", warnVersion: "v1.20", audit: "baseline", auditVersion: "latest",
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, InterimLabels(tt.labels, tt.held)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// pods are what Kubernetes' own admission finds in a namespace.
type pods []*corev1.Pod

func (p pods) ListPods(context.Context, string) ([]*corev1.Pod, error) { return p, nil }

func (pods) GetNamespace(_ context.Context, name string) (*corev1.Namespace, error) {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
}

// warnings are what Kubernetes' own admission warns of when a namespace with these pods is to
// enforce a level.
func (p pods) warnings(t *testing.T, namespace, level string) []string {
	t.Helper()
	response := change(admitting(t, p), namespace, nil, map[string]string{enforce: level})
	if !response.Allowed {
		t.Fatalf("refused: %v", response.Result)
	}
	return response.Warnings
}

// cluster is what Kubernetes' own admission reads.
type cluster interface {
	admission.PodLister
	admission.NamespaceGetter
}

// admitting is Kubernetes' own admission as it is configured by default, but for a namespace that
// is exempt.
func admitting(t *testing.T, c cluster) *admission.Admission {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &admission.Admission{
		Configuration: &admissionapi.PodSecurityConfiguration{
			Defaults: admissionapi.PodSecurityDefaults{
				Enforce:        "privileged",
				EnforceVersion: "latest",
				Audit:          "privileged",
				AuditVersion:   "latest",
				Warn:           "privileged",
				WarnVersion:    "latest",
			},
			Exemptions: admissionapi.PodSecurityExemptions{Namespaces: []string{"exempt"}},
		},
		Evaluator: evaluator, PodLister: c, NamespaceGetter: c, Metrics: &silent{},
		PodSpecExtractor: admission.DefaultPodSpecExtractor{},
	}
	if err := a.CompleteConfiguration(); err != nil {
		t.Fatal(err)
	}
	return a
}

// change changes the labels of a namespace.
func change(a *admission.Admission, namespace string, from, to map[string]string) *admissionv1.AdmissionResponse {
	labelled := func(labels map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}
	}
	return a.ValidateNamespace(context.Background(), &podsecurity.AttributesRecord{
		Name: namespace, Namespace: namespace, Kind: corev1.SchemeGroupVersion.WithKind("Namespace"),
		Resource:  schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
		Operation: admissionv1.Update, Object: labelled(to), OldObject: labelled(from),
	})
}

// silent counts nothing.
type silent struct{}

func (*silent) RecordEvaluation(metrics.Decision, podsecurity.LevelVersion, metrics.Mode, podsecurity.Attributes) {
}
func (*silent) RecordExemption(podsecurity.Attributes)   {}
func (*silent) RecordError(bool, podsecurity.Attributes) {}

func pod(name string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:v1"}}},
	}
	if change != nil {
		change(p)
	}
	return p
}

func onHostNetwork(p *corev1.Pod) { p.Spec.HostNetwork = true }

func TestRefusedByLevelReadsWhatKubernetesWarnsOf(t *testing.T) {
	var many pods
	for i := range 4000 {
		many = append(many, pod(fmt.Sprintf("pod-%04d", i), nil))
	}
	for sentence, tt := range map[string]struct {
		pods             pods
		namespace, level string
		names            []string
		total            int64
		says             string
		clean            bool
		exempt           bool
	}{
		"nothing runs":               {namespace: "shop", level: "restricted", clean: true},
		"what runs meets the level":  {pods: pods{pod("web", nil)}, namespace: "shop", level: "baseline", clean: true},
		"one pod violates it":        {pods: pods{pod("web", onHostNetwork)}, namespace: "shop", level: "baseline", names: []string{"web"}, total: 1, says: "host namespaces"},
		"two pods in the same way":   {pods: pods{pod("b", onHostNetwork), pod("a", onHostNetwork)}, namespace: "shop", level: "baseline", names: []string{"a"}, total: 2, says: "a (and 1 other pod): host namespaces"},
		"three pods in two ways":     {pods: pods{pod("a.x", onHostNetwork), pod("b", onHostNetwork), pod("c", nil)}, namespace: "shop", level: "restricted", names: []string{"a.x", "c"}, total: 3, says: "level restricted:latest"},
		"the namespace is exempt":    {pods: pods{pod("web", onHostNetwork)}, namespace: "exempt", level: "baseline", clean: true, exempt: true},
		"more pods than it looks at": {pods: many, namespace: "shop", level: "baseline"},
		"more pods, and all violate it": {pods: many, namespace: "shop", level: "restricted", names: []string{"pod-0000"}, total: 3000,
			says: "and 2999 other pods"},
	} {
		t.Run(sentence, func(t *testing.T) {
			warnings := tt.pods.warnings(t, tt.namespace, tt.level)
			refused := RefusedByLevel(warnings)
			if refused.Empty() != (tt.total == 0) || refused.Total != tt.total {
				t.Errorf("want %d refused, got %d of %q", tt.total, refused.Total, warnings)
			}
			if diff := cmp.Diff(
				tt.names,
				refused.Names(),
				cmp.Comparer(func(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") }),
			); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
			if !strings.Contains(refused.Message(), tt.says) {
				t.Errorf("%q is not said: %s", tt.says, refused.Message())
			}
			if got := Clean(warnings); got != tt.clean {
				t.Errorf("clean: want %t, got %t of %q", tt.clean, got, warnings)
			}
			if got := Exempt(warnings) != ""; got != tt.exempt {
				t.Errorf("exempt: want %t, got %t of %q", tt.exempt, got, warnings)
			}
		})
	}
}

// TestWhatIsRefusedWithoutNamesIsAlwaysTheSame takes the same violations with each of the pods as
// the one that is named.
func TestWhatIsRefusedWithoutNamesIsAlwaysTheSame(t *testing.T) {
	want := &Refused{Total: 5, Reasons: []string{
		"pods that run violate the Pod Security level restricted:latest",
		"allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile (pods: 4)",
		"host namespaces, allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile (pods: 1)",
	}}
	for _, host := range []string{"a", "z"} {
		for _, one := range []string{"b", "y"} {
			running := pods{pod(host, onHostNetwork), pod(one, nil), pod(one+"1", nil), pod(one+"2", nil), pod(one+"3", nil)}
			got := RefusedByLevel(running.warnings(t, "shop", "restricted")).Nameless()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("with %s and %s (-want +got):\n%s", host, one, diff)
			}
		}
	}
}

func TestOtherWarningsRefuseNothing(t *testing.T) {
	for _, warning := range []string{
		"metadata.finalizers: prefer a domain-qualified finalizer name", "web: host namespaces (hostNetwork=true)", "",
	} {
		if refused := RefusedByLevel([]string{warning}); !refused.Empty() {
			t.Errorf("%q: want nothing refused, got %v", warning, refused.Reasons)
		}
	}
}

func TestPodsThatCannotBeListedAreNotClean(t *testing.T) {
	warnings := []string{"failed to list pods while checking new PodSecurity enforce level"}
	if RefusedByLevel(warnings).Empty() || Clean(warnings) {
		t.Error("nobody has looked at the pods, and the level is said to refuse none")
	}
}

func TestNamesAreFewSortedAndUnique(t *testing.T) {
	r := &Refused{}
	for i := range 100 {
		r.Pods = append(r.Pods, fmt.Sprintf("pod-%02d", (99-i)/2))
	}
	names := r.Names()
	if len(names) != 16 || names[0] != "pod-00" || names[15] != "pod-15" {
		t.Errorf("got %v", names)
	}
	r.Reasons = []string{strings.Repeat("é", 5000)}
	if n := len([]rune(r.Message())); n != 1025 {
		t.Errorf("a message of %d characters", n)
	}
}
