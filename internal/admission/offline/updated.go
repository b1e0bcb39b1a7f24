package offline

import (
	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// updated is a manifest that changes an object, or the object itself: decoded, and with the
// defaults by which policies compare the two.
func updated(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	object := decoded(manifest)
	if object == nil {
		return nil
	}
	spec := podSpecOf(object)
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for container := range elements(spec[field]) {
			defaultPullPolicy(container, "imagePullPolicy", "image")
		}
	}
	for volume := range elements(spec["volumes"]) {
		if image, ok := volume["image"].(map[string]any); ok {
			defaultPullPolicy(image, "pullPolicy", "reference")
		}
	}
	return object
}

// podSpecOf is the spec of a pod, or that in the template of what makes pods; nil of another
// object.
func podSpecOf(object *unstructured.Unstructured) map[string]any {
	path := []string{"spec", "template", "spec"}
	switch object.GetKind() {
	case "Pod":
		path = []string{"spec"}
	case "CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	found, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	spec, _ := found.(map[string]any)
	return spec
}

// defaultPullPolicy sets when an image is pulled, unless it is said, as the API server does
// (k8s.io/kubernetes/pkg/apis/core/v1 SetDefaults_Container and SetDefaults_Volume).
func defaultPullPolicy(of map[string]any, policy, image string) {
	if said, _ := of[policy].(string); said != "" {
		return
	}
	name, _ := of[image].(string)
	of[policy] = string(corev1.PullIfNotPresent)
	if named, err := reference.ParseNormalizedNamed(name); err == nil {
		if tagged, ok := reference.TagNameOnly(named).(reference.Tagged); ok && tagged.Tag() == "latest" {
			of[policy] = string(corev1.PullAlways)
		}
	}
}
