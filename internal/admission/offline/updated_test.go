package offline

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// The API server has defaulted what there is, and defaults what it becomes before it compares them:
// who leaves a default out changes nothing.
func TestUpdatesAreComparedWithTheirDefaults(t *testing.T) {
	p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	p.Spec.Images = &v1alpha1.Images{PullPolicy: corev1.PullNever}
	e, err := New(p, bulwark.Cluster{})
	if err != nil {
		t.Fatal(err)
	}
	const (
		deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n  template:\n    spec: "
		cronJob    = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a, namespace: shop}\nspec:\n  jobTemplate:\n" +
			"    spec:\n      template:\n        spec: "
		digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	)
	for sentence, tt := range map[string]struct {
		kind, before, after string
		refused             bool
	}{
		"latest":            {deployment, `{containers: [{name: a, image: a, imagePullPolicy: Always}]}`, `{containers: [{name: a, image: a}], hostPID: true}`, false},
		"another tag":       {deployment, `{containers: [{name: a, image: "a:1", imagePullPolicy: IfNotPresent}]}`, `{containers: [{name: a, image: "a:1"}], hostPID: true}`, false},
		"a digest":          {deployment, `{containers: [{name: a, image: "a` + digest + `", imagePullPolicy: IfNotPresent}]}`, `{containers: [{name: a, image: "a` + digest + `"}], hostPID: true}`, false},
		"both without":      {deployment, `{containers: [{name: a, image: a}]}`, `{containers: [{name: a, image: a}], hostPID: true}`, false},
		"an init container": {cronJob, `{initContainers: [{name: a, image: a, imagePullPolicy: Always}]}`, `{initContainers: [{name: a, image: a}], hostPID: true}`, false},
		"a volume":          {cronJob, `{volumes: [{name: a, image: {reference: a, pullPolicy: Always}}]}`, `{volumes: [{name: a, image: {reference: a}}], hostPID: true}`, false},
		"no default of it":  {deployment, `{containers: [{name: a, image: "a:1", imagePullPolicy: Always}]}`, `{containers: [{name: a, image: "a:1"}]}`, true},
		"another image":     {deployment, `{containers: [{name: a, image: a, imagePullPolicy: Always}]}`, `{containers: [{name: a, image: "a:1"}]}`, true},
		"a new container":   {deployment, `{containers: [{name: a, image: a, imagePullPolicy: Never}]}`, `{containers: [{name: b, image: a}]}`, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			violations, err := e.Evaluate(t.Context(), Request{
				Object: manifest(t, tt.kind+tt.after), OldObject: manifest(t, tt.kind+tt.before), User: tenant,
				Namespace: namespaceOf("shop", nil),
			})
			if err != nil {
				t.Fatal(err)
			}
			if refused := len(violations) > 0; refused != tt.refused ||
				refused && !strings.HasPrefix(violations[0].Message, "pullPolicy: ") {
				t.Errorf("%+v", violations)
			}
		})
	}
}

func manifest(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}
