package offline

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// excepting is a profile with rules of both sections, some of which a mesh's sidecar may break.
func excepting() *v1alpha1.SecurityProfile {
	p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	p.Spec.Workloads = &v1alpha1.Workloads{
		ReadOnlyRootFilesystem: v1alpha1.RequirementRequire,
		RunAsNonRoot:           v1alpha1.RequirementRequire,
		RequireProbes:          []v1alpha1.Probe{v1alpha1.ProbeLiveness},
		Except: []v1alpha1.WorkloadException{{
			ExceptedContainers: v1alpha1.ExceptedContainers{
				Containers: []string{"mesh-proxy"}, Images: []string{"mesh.example.net/proxy", "docker.io/library/mesh"},
			},
			Rules: []v1alpha1.WorkloadRule{
				v1alpha1.WorkloadRuleReadOnlyRootFilesystem, v1alpha1.WorkloadRuleRequireProbesLiveness,
			},
		}, {
			ExceptedContainers: v1alpha1.ExceptedContainers{Containers: []string{"scan"}},
			Rules:              []v1alpha1.WorkloadRule{v1alpha1.WorkloadRuleReadOnlyRootFilesystem},
		}},
	}
	p.Spec.Images = &v1alpha1.Images{
		Digest: v1alpha1.RequirementRequire, PullPolicy: "Always",
		Except: []v1alpha1.ImageException{{
			ExceptedContainers: v1alpha1.ExceptedContainers{Images: []string{"mesh.example.net"}},
			Rules:              []v1alpha1.ImageRule{v1alpha1.ImageRuleDigest, v1alpha1.ImageRulePullPolicy},
		}, {
			ExceptedContainers: v1alpha1.ExceptedContainers{Containers: []string{"scan"}, Images: []string{"scan.example.net"}},
			Rules:              []v1alpha1.ImageRule{v1alpha1.ImageRuleDigest},
		}},
	}
	return p
}

func TestExceptions(t *testing.T) {
	const (
		head   = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: "
		kept   = `imagePullPolicy: Always, securityContext: {readOnlyRootFilesystem: true, runAsNonRoot: true}, livenessProbe: {exec: {command: [x]}}`
		digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		loose  = `securityContext: {runAsNonRoot: true}`
	)
	sidecar := func(image string) string {
		return `{containers: [{name: mesh-proxy, image: "` + image + `", ` + loose + `}]}`
	}
	for sentence, tt := range map[string]struct {
		before, after string
		broken        []string
	}{
		"the sidecar":                                 {"", sidecar("mesh.example.net/proxy:2.1"), nil},
		"the sidecar as an init container":            {"", `{containers: [], initContainers: [{name: mesh-proxy, image: mesh.example.net/proxy, restartPolicy: Always, ` + loose + `}]}`, nil},
		"the sidecar beside one that keeps the rules": {"", `{containers: [{name: a, image: "a` + digest + `", ` + kept + `}, {name: mesh-proxy, image: mesh.example.net/proxy, ` + loose + `}]}`, nil},
		"below its repository":                        {"", sidecar("mesh.example.net/proxy/v2"), nil},
		"a rule that the exception does not name":     {"", `{containers: [{name: mesh-proxy, image: mesh.example.net/proxy}]}`, []string{"runAsNonRoot"}},
		"another name":                                {"", `{containers: [{name: mine, image: mesh.example.net/proxy, ` + loose + `}]}`, []string{"readOnlyRootFilesystem", "requireProbesLiveness"}},
		"another image":                               {"", sidecar("mesh.example.net/proxy-mine"), []string{"readOnlyRootFilesystem", "requireProbesLiveness"}},
		"another registry":                            {"", sidecar("evil.example.com/mesh.example.net/proxy"), []string{"digest", "readOnlyRootFilesystem", "requireProbesLiveness"}},
		"a short name of Docker's registry":           {"", sidecar("mesh" + digest), []string{"pullPolicy"}},
		"a name alone, where that is enough":          {"", `{containers: [{name: scan, image: "x` + digest + `", imagePullPolicy: Always, livenessProbe: {}, ` + loose + `}]}`, nil},
		"an image by its name and its registry":       {"", `{containers: [{name: scan, image: "scan.example.net/s:1", imagePullPolicy: Always, livenessProbe: {}, ` + loose + `}]}`, nil},
		"its registry under another name":             {"", `{containers: [{name: other, image: "scan.example.net/s:1", ` + kept + `}]}`, []string{"digest"}},
		"a change to an image that is excepted, too":  {sidecar("mesh.example.net/proxy:1"), sidecar("mesh.example.net/proxy:2"), nil},
		"a change to an image that is not":            {sidecar("mesh.example.net/proxy:1"), sidecar("evil.example.com/x"), []string{"digest", "readOnlyRootFilesystem", "requireProbesLiveness"}},
		"a change to it with the pull policy as it was": {
			strings.Replace(sidecar("mesh.example.net/proxy"), "{name", "{imagePullPolicy: Never, name", 1),
			strings.Replace(sidecar("x"+digest), "{name", "{imagePullPolicy: Never, name", 1),
			[]string{"pullPolicy", "readOnlyRootFilesystem", "requireProbesLiveness"},
		},
		"a change of something else": {sidecar("mesh.example.net/proxy"), strings.Replace(sidecar("mesh.example.net/proxy"), "{c", "{activeDeadlineSeconds: 5, c", 1), nil},
		"a change of the pull policy alone of what was never excepted": {
			`{containers: [{name: a, image: "a:1", imagePullPolicy: Never}]}`, `{containers: [{name: a, image: "a:1", imagePullPolicy: Always}]}`, nil,
		},
		"what was never excepted, unchanged": {
			`{containers: [{name: a, image: a}]}`, `{activeDeadlineSeconds: 5, containers: [{name: a, image: a}]}`, nil,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			e, err := New(excepting(), bulwark.Cluster{})
			if err != nil {
				t.Fatal(err)
			}
			request := Request{Object: manifest(t, head+tt.after), User: tenant, Namespace: namespaceOf("shop", nil)}
			if tt.before != "" {
				request.OldObject = manifest(t, head+tt.before)
			}
			violations, err := e.Evaluate(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got := rulesIn(violations); !slices.Equal(got, tt.broken) {
				t.Errorf("want %v, got %v: %+v", tt.broken, got, violations)
			}
		})
	}
}

// rulesIn are the names of the rules that violations say, in order.
func rulesIn(violations []Violation) []string {
	var rules []string
	for _, v := range violations {
		for _, part := range strings.Split(v.Message, "; ") {
			rule, _, _ := strings.Cut(part, ": ")
			rules = append(rules, rule)
		}
	}
	slices.Sort(rules)
	return rules
}

// Images are excepted as registries are allowed: an exception from a rule leaves out what a registry
// of the same name would allow, and nothing else.
func TestImagesAreExceptedAsRegistriesAreAllowed(t *testing.T) {
	often(t, 1500)
	registries := []string{
		"docker.io",
		"docker.io/library",
		"index.docker.io/team",
		"localhost:5000",
		"a.io/team",
		"a.io:443",
		"localhost/a/b",
	}
	profiles := map[string][2]*Evaluator{}
	for _, registry := range registries {
		allowing := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		allowing.Spec.Images = &v1alpha1.Images{AllowedRegistries: []string{registry}}
		excepting := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		excepting.Spec.Workloads = &v1alpha1.Workloads{
			RunAsNonRoot: v1alpha1.RequirementRequire,
			Except: []v1alpha1.WorkloadException{{
				ExceptedContainers: v1alpha1.ExceptedContainers{Images: []string{registry}},
				Rules:              []v1alpha1.WorkloadRule{v1alpha1.WorkloadRuleRunAsNonRoot},
			}},
		}
		var both [2]*Evaluator
		for i, p := range []*v1alpha1.SecurityProfile{allowing, excepting} {
			e, err := New(p, bulwark.Cluster{})
			if err != nil {
				t.Fatal(err)
			}
			both[i] = e
		}
		profiles[registry] = both
	}
	rapid.Check(t, func(t *rapid.T) {
		registry := rapid.SampledFrom(registries).Draw(t, "registry")
		r := references().Draw(t, "reference")
		both := profiles[registry]
		refusedBy := func(e *Evaluator) bool {
			violations, err := e.Evaluate(t.Context(), podOf(r.String()))
			if err != nil {
				t.Fatal(err)
			}
			return len(violations) > 0
		}
		if allows, excepts := !refusedBy(both[0]), !refusedBy(both[1]); allows != excepts {
			t.Errorf("%s allows %s: %t, and excepts it: %t", registry, r, allows, excepts)
		}
	})
}
