package admission

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// The parts of a named image, which is a list of strings.
const (
	imageContainer  = "i[0]" // the name of the container, or of the volume that is an image
	imagePullPolicy = "i[1]" // empty if the container has none
	imageReference  = "i[2]"
	imageRepository = "i[3]" // the reference without tag and digest
	imageTag        = "i[4]" // empty if there is a digest and no tag
)

// imageVariables take the references of images apart, as the distribution project's grammar has them. Each variable is a list with an
// element for each container and for each volume that is an image.
func imageVariables() []admissionregistrationv1.Variable {
	return []admissionregistrationv1.Variable{
		{Name: "references", Expression: `variables.containers.map(c, ` +
			`[string(c.name), string(c.?imagePullPolicy.orValue("")), string(c.?image.orValue(""))]) + ` +
			`variables.podSpec.?volumes.orValue([]).filter(v, has(v.image)).map(v, ` +
			`["volume " + string(v.name), string(v.image.?pullPolicy.orValue("")), string(v.image.?reference.orValue(""))])`},
		// What is before the first slash is a host if it looks like one. A digest alone names an image of the node, wherever it is from.
		{Name: "hosted", Expression: `variables.references.map(i, [i[0], i[1], ` +
			`i[2].matches("^sha[0-9]+:[0-9a-f]{64,}$") || i[2].contains("/") && i[2].split("/")[0].matches("[.:A-Z]|^localhost$") ? i[2] : "docker.io/" + i[2]]).map(i, [i[0], i[1], ` +
			`i[2].startsWith("index.docker.io/") ? i[2].replace("index.docker.io/", "docker.io/", 1) : i[2]])`},
		{Name: "images", Expression: `variables.hosted.map(i, [i[0], i[1], ` +
			`i[2].startsWith("docker.io/") && i[2].split("@")[0].split("/").size() == 2 ? i[2].replace("docker.io/", "docker.io/library/", 1) : i[2]])`},
		// A colon after the last slash begins the tag, and what is before it is the repository.
		{Name: "named", Expression: `variables.images.map(i, i + [i[2].split("@")[0]]).map(i, i[3].lastIndexOf(":") > i[3].lastIndexOf("/") ? ` +
			`[i[0], i[1], i[2], i[3].substring(0, i[3].lastIndexOf(":")), i[3].substring(i[3].lastIndexOf(":") + 1)] : ` +
			`i + [i[2].contains("@") ? "" : "latest"])`},
	}
}

func (r *renderer) images() []Policy {
	im := r.spec.Images
	if im == nil {
		return nil
	}
	return r.podPolicy(draft{concern: images, action: im.Action, variables: imageVariables()}, "spec.images", imageRules(im))
}

func imageRules(im *v1alpha1.Images) []podRule {
	var rules []podRule
	add := func(name, holds, must string) {
		rules = append(rules, podRule{
			name: name, what: "container", must: must,
			offenders: fmt.Sprintf(`variables.named.filter(i, !(%s)).map(i, %s)`, holds, imageContainer),
		})
	}
	if len(im.AllowedRegistries) > 0 {
		var below []string
		for _, registry := range im.AllowedRegistries {
			registry = canonicalRegistry(registry)
			below = append(below, fmt.Sprintf(`%[1]s == %[2]s || %[1]s.startsWith(%[3]s)`, imageRepository, quote(registry), quote(registry+"/")))
		}
		add("allowedRegistries", some(below), "must have an image from "+words(im.AllowedRegistries))
	}
	if im.RequireDigest {
		add("requireDigest", imageReference+`.matches("@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")`, "must name the image by its digest")
	}
	if len(im.DenyTags) > 0 {
		add("denyTags", fmt.Sprintf(`!(%s in %s)`, imageTag, list(im.DenyTags)), "must not have an image with the tag "+words(im.DenyTags))
	}
	if im.PullPolicy != "" {
		// What is not set is as Kubernetes defaults it.
		add("pullPolicy", fmt.Sprintf(`(%[1]s != "" ? %[1]s : (%[2]s == "latest" ? %[3]s : %[4]s)) == %[5]s`, imagePullPolicy, imageTag,
			quote(string(corev1.PullAlways)), quote(string(corev1.PullIfNotPresent)), quote(string(im.PullPolicy))),
			"must have the imagePullPolicy "+string(im.PullPolicy))
	}
	return rules
}

// canonicalRegistry is a registry as images are compared with it.
func canonicalRegistry(registry string) string {
	if host, path, _ := strings.Cut(registry, "/"); host == "index.docker.io" {
		return strings.TrimSuffix("docker.io/"+path, "/")
	}
	return registry
}
