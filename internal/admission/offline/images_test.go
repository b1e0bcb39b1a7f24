package offline

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// imageName is an image's name in its parts, of which all but the last of the path may be empty.
type imageName struct {
	host, path, tag, digest string
}

func (r *imageName) String() string {
	name := r.path
	if r.host != "" {
		name = r.host + "/" + name
	}
	if r.tag != "" {
		name += ":" + r.tag
	}
	return name + r.digest
}

// repository is what the reference names, as a runtime pulls it.
func (r *imageName) repository() string {
	host, path := r.host, r.path
	first, rest, nested := strings.Cut(path, "/")
	if host == "" && nested &&
		(strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		host, path = first, rest // What was meant as a path is a host.
	}
	if host == "" || host == "index.docker.io" {
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return host + "/" + path
}

func (r *imageName) effectiveTag() string {
	if r.tag == "" && r.digest == "" {
		return "latest"
	}
	return r.tag
}

func references() *rapid.Generator[*imageName] {
	digest := "@sha256:" + strings.Repeat("0f", 32)
	return rapid.Custom(func(t *rapid.T) *imageName {
		return &imageName{
			host: drawn(
				t,
				"host",
				"",
				"docker.io",
				"index.docker.io",
				"localhost",
				"localhost:5000",
				"a.io",
				"a.io:443",
				"A.io",
				"LOCAL",
			),
			path: strings.Join(
				rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "library", "team", "team-evil", "docker.io", "a.io", "x__y"}), 1, 3).
					Draw(t, "path"),
				"/",
			),
			tag:    drawn(t, "tag", "", "latest", "v1", "a.io"),
			digest: drawn(t, "digest", "", digest),
		}
	})
}

var imageRules = []string{"allowedRegistries", "digest", "denyTags", "pullPolicy"}

// The expressions take references apart, and the parts are those that they were put together from.
func TestImagesAreTakenApartAsTheyArePutTogether(t *testing.T) {
	often(t, 3000)
	allowed := []string{
		"docker.io/library",
		"index.docker.io/team",
		"localhost:5000",
		"a.io/team",
		"a.io:443",
		"localhost/a/b",
	}
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	profile.Spec.Images = &v1alpha1.Images{
		AllowedRegistries: allowed,
		Digest:            v1alpha1.RequirementRequire,
		DenyTags:          []string{"latest"},
		PullPolicy:        corev1.PullAlways,
	}
	e, err := New(profile, bulwark.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		r := references().Draw(t, "reference")
		policy := drawn(t, "policy", "", corev1.PullAlways, corev1.PullNever)
		var want []string
		if !slices.ContainsFunc(allowed, func(registry string) bool {
			registry = strings.Replace(registry, "index.docker.io", "docker.io", 1)
			return r.repository() == registry || strings.HasPrefix(r.repository(), registry+"/")
		}) {
			want = append(want, "allowedRegistries")
		}
		if r.digest == "" {
			want = append(want, "digest")
		}
		if r.effectiveTag() == "latest" {
			want = append(want, "denyTags")
		}
		if policy == corev1.PullNever || policy == "" && r.effectiveTag() != "latest" {
			want = append(want, "pullPolicy")
		}
		if got := brokenBy(t, e, r.String(), policy); !slices.Equal(want, got) {
			t.Errorf("%s, of %s: want %v, got %v", r, r.repository(), want, got)
		}
	})
}

// podOf is a tenant's request for a pod with an image.
func podOf(image string) Request {
	return Request{
		Object: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1",
			"kind":       "Pod",
			"metadata":   map[string]any{"name": "x", "namespace": "shop"},
			"spec":       map[string]any{"containers": []any{map[string]any{"name": "c", "image": image}}},
		}},
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, User: tenant,
	}
}

// brokenBy are the rules that a pod with the image breaks.
func brokenBy(t *rapid.T, e *Evaluator, image string, policy corev1.PullPolicy) []string {
	request := podOf(image)
	if policy != "" {
		container := request.Object.Object["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)
		container["imagePullPolicy"] = string(policy)
	}
	violations, err := e.Evaluate(t.Context(), request)
	if err != nil || len(violations) > 1 {
		t.Fatal(violations, err)
	}
	var rules []string
	for _, v := range violations {
		for _, part := range strings.Split(v.Message, "; ") {
			rule, _, _ := strings.Cut(part, ": ")
			if !slices.Contains(imageRules, rule) {
				t.Fatalf("%s: %s", v.Policy, v.Message)
			}
			rules = append(rules, rule)
		}
	}
	return rules
}
