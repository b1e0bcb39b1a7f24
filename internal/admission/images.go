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
	imageNews       = "i[2]" // what of it is new: newImage, newPolicy or both
	imageReference  = "i[3]"
	imageRepository = "i[4]" // the reference without tag and digest
	imageTag        = "i[5]" // empty if there is a digest and no tag

	newImage, newPolicy = "image", "policy"
)

// imageVariables take the references of images apart, as the distribution project's grammar has
// them. Each variable is a list with an element for each container and for each volume that is an
// image, if anything is new of it.
func imageVariables() []admissionregistrationv1.Variable {
	return []admissionregistrationv1.Variable{
		{Name: "references", Expression: fmt.Sprintf(`(variables.containers.map(c, %s) + `+
			`variables.podSpec.?volumes.orValue([]).filter(v, has(v.image)).map(v, `+
			`{"now": v, "before": dyn(variables.podSpecBefore.?volumes.orValue([]).filter(b, b.name == v.name && has(b.image)))}).map(c, %s)).filter(i, i[2] != "")`,
			reference(`string(c.now.name)`, "", "imagePullPolicy", "image"),
			reference(`"volume " + string(c.now.name)`, ".image", "pullPolicy", "reference"))},
		{Name: "hosted", Expression: fmt.Sprintf(
			`variables.references.map(i, [i[0], i[1], i[2], %s]).map(i, [i[0], i[1], i[2], %s])`,
			hosted("i[3]"),
			fromHub("i[3]"),
		)},
		{Name: "images", Expression: fmt.Sprintf(`variables.hosted.map(i, [i[0], i[1], i[2], %s])`, inLibrary("i[3]"))},
		// The repository is before the tag.
		{
			Name: "named",
			Expression: fmt.Sprintf(`variables.images.map(i, i + [i[3].split("@")[0]]).map(i, %s ? `+
				`[i[0], i[1], i[2], i[3], %s, i[4].substring(i[4].lastIndexOf(":") + 1)] : `+
				`i + [i[3].contains("@") ? "" : "latest"])`, tagged("i[4]"), untagged("i[4]")),
		},
	}
}

// hosted is a reference with its host. The part before the first slash is a host if it looks like
// one. A digest alone, however few of its digits there are, names an image of the node, wherever it
// is from.
func hosted(i string) string {
	return fmt.Sprintf(`%[1]s.matches("^sha[0-9]+:[0-9a-f]+$") || `+
		`%[1]s.contains("/") && %[1]s.split("/")[0].matches("[.:A-Z]|^localhost$") ? %[1]s : "docker.io/" + %[1]s`, i)
}

// fromHub is a reference with the one name that stands for the two of Docker's registry.
func fromHub(i string) string {
	return fmt.Sprintf(
		`%[1]s.startsWith("index.docker.io/") ? %[1]s.replace("index.docker.io/", "docker.io/", 1) : %[1]s`, i)
}

// inLibrary is a reference with the path that Docker's registry adds to one without.
func inLibrary(i string) string {
	return fmt.Sprintf(`%[1]s.startsWith("docker.io/") && %[1]s.split("@")[0].split("/").size() == 2 ? `+
		`%[1]s.replace("docker.io/", "docker.io/library/", 1) : %[1]s`, i)
}

// tagged is whether a reference without its digest has a tag, which a colon after the last slash
// begins.
func tagged(i string) string {
	return fmt.Sprintf(`%[1]s.lastIndexOf(":") > %[1]s.lastIndexOf("/")`, i)
}

// untagged is what is before the tag.
func untagged(i string) string { return fmt.Sprintf(`%[1]s.substring(0, %[1]s.lastIndexOf(":"))`, i) }

// repository is a list of one: the repository that an image's reference names.
func repository(reference string) string {
	return fmt.Sprintf(`[string(%s)].map(i, %s).map(i, %s).map(i, %s).map(i, i.split("@")[0]).map(i, %s ? %s : i)`,
		reference, hosted("i"), fromHub("i"), inLibrary("i"), tagged("i"), untagged("i"))
}

// reference is what names the image of c, which has its fields at a path, and what of it is new.
// The policy that is not set hangs on the image.
func reference(name, at, policy, image string) string {
	return fmt.Sprintf(`[%[1]s, string(c.now%[2]s.?%[3]s.orValue("")), `+
		`(c.before.exists(b, b%[2]s.?%[4]s == c.now%[2]s.?%[4]s) ? "" : %[5]s) + `+
		`(c.before.exists(b, b%[2]s.?%[3]s == c.now%[2]s.?%[3]s && (c.now%[2]s.?%[3]s.hasValue() || b%[2]s.?%[4]s == c.now%[2]s.?%[4]s)) ? "" : %[6]s), `+
		`string(c.now%[2]s.?%[4]s.orValue(""))]`, name, at, policy, image, quote(newImage), quote(newPolicy))
}

func (r *renderer) images() []Policy {
	return r.sectionPolicies(
		&PodSection{Field: "spec.images", Label: v1alpha1.ImagesLabel, concern: images},
		(*renderer).imageRules,
	)
}

// imageRules are the rules for pods of spec.images.
func (r *renderer) imageRules() (draft, []podRule) {
	im := r.spec.Images
	if im == nil {
		return draft{}, nil
	}
	return draft{concern: images, action: im.Action, variables: imageVariables()}, rulesOfImages(im)
}

func rulesOfImages(im *v1alpha1.Images) []podRule {
	var rules []podRule
	x := imageExceptions(im)
	add := func(name, judges, holds, must string) {
		rules = append(rules, podRule{name: name, what: "container", must: must, offenders: fmt.Sprintf(
			`variables.named.filter(i, %s && !(%s)%s).map(i, %s)`,
			x.judges(name, judges), holds, x.unlessImageIs(name), imageContainer)})
	}
	if len(im.AllowedRegistries) > 0 {
		var below []string
		for _, registry := range im.AllowedRegistries {
			registry = canonicalRegistry(registry)
			below = append(
				below,
				fmt.Sprintf(`%[1]s == %[2]s || %[1]s.startsWith(%[3]s)`, imageRepository, quote(registry), quote(registry+"/")),
			)
		}
		add("allowedRegistries", newImage, some(below), "must have an image from "+words(im.AllowedRegistries))
	}
	if im.Digest == v1alpha1.RequirementRequire {
		add(
			"digest",
			newImage,
			imageReference+`.matches("@sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")`,
			"must name the image by its digest",
		)
	}
	if len(im.DenyTags) > 0 {
		add(
			"denyTags",
			newImage,
			fmt.Sprintf(`!(%s in %s)`, imageTag, list(im.DenyTags)),
			"must not have an image with the tag "+words(im.DenyTags),
		)
	}
	if im.PullPolicy != "" {
		// Kubernetes defaults a policy that is not set.
		add(
			"pullPolicy",
			newPolicy,
			fmt.Sprintf(`(%[1]s != "" ? %[1]s : (%[2]s == "latest" ? %[3]s : %[4]s)) == %[5]s`, imagePullPolicy, imageTag,
				quote(string(corev1.PullAlways)), quote(string(corev1.PullIfNotPresent)), quote(string(im.PullPolicy))),
			"must have the imagePullPolicy "+string(im.PullPolicy),
		)
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
