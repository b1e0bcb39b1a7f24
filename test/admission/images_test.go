package admission

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var (
	digest = "@sha256:" + strings.Repeat("0123456789abcdef", 4)
	long   = "@sha512:" + strings.Repeat("0123456789abcdef", 8)
)

func image(name string) string { return "image: '" + name + "'" }

func pulled(name, policy string) string { return image(name) + ", imagePullPolicy: " + policy }

// imageRules are those about images.
var imageRules = []containerRule{
	{
		name:       "allowedRegistries",
		debuggable: true,
		spec:       "images: {allowedRegistries: [registry.example.com/team, docker.io/library, 'localhost:5000', ghcr.io, 'r.example.com:443/a/b']}",
		good:       image("registry.example.com/team/app:v1"),
		bad:        image("registry.example.com/other/app:v1"),
		more: slices.Concat(
			images(
				"allowedRegistries: container app must have an image from registry.example.com/team, docker.io/library, localhost:5000, ghcr.io, r.example.com:443/a/b (",
				map[string]bool{
					"x":                                    true,
					"x:tag":                                true,
					"x" + digest:                           true,
					"x:tag" + digest:                       true,
					"library/x":                            true,
					"docker.io/x":                          true,
					"docker.io/x:tag":                      true,
					"docker.io/library/x":                  true,
					"docker.io/library":                    true,
					"docker.io/other/x":                    false,
					"other/x":                              false,
					"docker.io/libraryx/y":                 false,
					"docker.io/library/x/y":                true,
					"index.docker.io/x":                    true,
					"index.docker.io/other/x":              false,
					"index.docker.io/library/x:v1":         true,
					"registry-1.docker.io/library/x":       false,
					"Docker.io/x":                          false,
					"registry.example.com/team":            true,
					"registry.example.com/team:v1":         true,
					"registry.example.com/team" + digest:   true,
					"registry.example.com/team/a/b:v1":     true,
					"registry.example.com/team-evil/x":     false,
					"registry.example.com/teamevil":        false,
					"registry.example.com/other/team/x":    false,
					"registry.example.com/x:team":          false,
					"registry.example.com:443/team/x":      false,
					"registry.example.com.evil.com/team/x": false,
					"evil.com/registry.example.com/team/x": false,
					"Registry.Example.com/team/x":          false,
					"REGISTRY/team/x":                      false,
					"registry/team/x":                      false,
					"localhost:5000/x":                     true,
					"localhost:5000/a/b:v1":                true,
					"localhost:5000/a/b:v1" + digest:       true,
					"localhost:50001/x":                    false,
					"localhost/x":                          false,
					"localhost:5000":                       true,  // An image of docker.io named localhost with the tag 5000.
					digest[1:]:                             false, // What is on the node, wherever it is from.
					digest[1:20]:                           false, // A runtime takes the first digits for all of it.
					"sha256:v1":                            true,  // An image of docker.io named sha256.
					"ghcr.io/any/thing":                    true,
					"ghcr.io":                              true, // An image of docker.io.
					"ghcr.iox/y":                           false,
					"r.example.com:443/a/b/c:v1":           true,
					"r.example.com:443/a/b:v1" + digest:    true,
					"r.example.com:443/a/bc":               false,
					"r.example.com/a/b/c":                  false,
					"r.example.com:443/a":                  false,
				},
			),
			[]testcase{
				creating("normalised in a template", "Deployment", only(image("x:v1")), ""),
				creating(
					"normalised in a template, of others",
					"Deployment",
					only(image("other/x:v1")),
					"allowedRegistries: container app",
				),
			},
		),
	},
	{
		name: "digest", spec: "images: {digest: Require}", debuggable: true,
		good: image("registry.example.com/app" + digest), bad: image("registry.example.com/app:v1"),
		more: images("digest: container app must name the image by its digest (", map[string]bool{
			"x":                                   false,
			"x:v1":                                false,
			"x" + digest:                          true,
			"x:v1" + digest:                       true,
			"localhost:5000/x" + digest:           true,
			"localhost:5000/x:v1":                 false,
			"x" + long:                            true,
			"x" + digest[:len(digest)-1]:          false,
			"x" + digest + "0":                    false,
			"x" + strings.ToUpper(digest):         false,
			"x@sha256:" + strings.Repeat("g", 64): false,
			"x@md5:" + strings.Repeat("0", 64):    false,
		}),
	},
	{
		name: "denyTags", spec: "images: {denyTags: [latest, dev]}", debuggable: true,
		good: image("app:v1"), bad: image("app:latest"),
		more: images("denyTags: container app must not have an image with the tag latest, dev (", map[string]bool{
			"x":                         false,
			"x:dev":                     false,
			"x:dev2":                    true,
			"x:DEV":                     true,
			"docker.io/library/x":       false,
			"localhost:5000/x":          false,
			"localhost:5000/x:v1":       true,
			"localhost:5000/a/b:latest": false,
			"latest/x:v1":               true,
			"dev:v1":                    true,
			"x" + digest:                true, // Named by a digest alone, it has no tag.
			"x:latest" + digest:         false,
			"x:v1" + digest:             true,
			"localhost:5000/x" + digest: true,
		}),
	},
	{
		name: "pullPolicy", spec: "images: {pullPolicy: Always}", debuggable: true,
		good: pulled("app:v1", "Always"), bad: pulled("app:v1", "IfNotPresent"),
		more: slices.Concat(
			images("pullPolicy: container app must have the imagePullPolicy Always (", map[string]bool{
				"x":                         true, // The tag is latest, of which Always is the default.
				"x:latest":                  true,
				"x:v1":                      false,
				"x" + digest:                false,
				"x:latest" + digest:         true,
				"localhost:5000/x":          true,
				"localhost:5000/x:v1":       false,
				"localhost:5000/x:latest":   true,
				"docker.io/library/x":       true,
				"index.docker.io/library/x": true,
				"localhost:5000/x" + digest: false,
			}),
			[]testcase{
				pod("never", only(pulled("app:latest", "Never")), "pullPolicy: container app"),
				pod("latest, if it is not present", only(pulled("app", "IfNotPresent")), "pullPolicy: container app"),
				pod("by digest, always", only(pulled("app"+digest, "Always")), ""),
				creating("not set in a template, of the tag latest", "DaemonSet", only(image("x")), ""),
				creating("not set in a template, of another tag", "DaemonSet", only(image("x:v1")), "pullPolicy: container app"),
			}),
	},
}

// imageScenarios are of several rules, or of rules that no single one of the above is.
var imageScenarios = []scenario{
	manyRegistries(),
	{
		name: "image-volumes", spec: "images: {allowedRegistries: [ghcr.io], denyTags: [latest], pullPolicy: Always}",
		needs: needs{"1.35", "image volumes (KEP-4639)"},
		cases: append(
			ofEveryKind([]testcase{
				pod(
					"a volume of another registry",
					only(pulled("ghcr.io/x:v1", "Always"), artifact("reference: 'quay.io/x:v1', pullPolicy: Always")),
					"allowedRegistries: container volume data must have an image from ghcr.io",
				),
				pod(
					"a volume of the registry",
					only(pulled("ghcr.io/x:v1", "Always"), artifact("reference: 'ghcr.io/x:v1', pullPolicy: Always")),
					"",
				),
			}),
			pod(
				"a volume of a denied tag",
				only(pulled("ghcr.io/x:v1", "Always"), artifact("reference: ghcr.io/x")),
				"denyTags: container volume data must",
			),
			pod(
				"a volume's policy is defaulted",
				only(pulled("ghcr.io/x:v1", "Always"), artifact("reference: 'ghcr.io/x:v1'")),
				"pullPolicy: container volume data must",
			),
			pod(
				"both break it",
				only(image("x:v1"), artifact("reference: x")),
				"allowedRegistries: containers app, volume data must",
			),
		),
	},
	{
		name: "pull-if-not-present", spec: "images: {pullPolicy: IfNotPresent}",
		cases: append(images("pullPolicy: container app must have the imagePullPolicy IfNotPresent (", map[string]bool{
			"x": false, "x:v1": true, "x:latest": false, "x" + digest: true, "x:latest" + digest: false,
		}), pod("always", only(pulled("x:v1", "Always")), "pullPolicy: container app"), pod("never", only(pulled("x:v1", "Never")), "pullPolicy: container app"),
			pod("latest, said", only(pulled("x", "IfNotPresent")), "")),
	},
	{
		name: "index", spec: "images: {allowedRegistries: [index.docker.io/library, index.docker.io/acme]}",
		cases: images("allowedRegistries: container app must", map[string]bool{
			"x":                      true,
			"docker.io/x":            true,
			"acme/x":                 true,
			"docker.io/acme/x:v1":    true,
			"index.docker.io/acme/x": true,
			"other/x":                false,
			"acme":                   true,
		}),
	},
	{
		name: "docker", spec: "images: {allowedRegistries: [index.docker.io]}",
		cases: images("allowedRegistries: container app must", map[string]bool{
			"x":                               true,
			"acme/x:v1":                       true,
			"index.docker.io/acme/x" + digest: true,
			"docker.io/a/b/c":                 true,
			"quay.io/x":                       false,
			"localhost/x":                     false,
			"ACME/x":                          false,
		}),
	},
	{
		name: "image-and-workload-rules",
		spec: "images: {allowedRegistries: [ghcr.io], digest: Require, denyTags: [latest], pullPolicy: Always}",
		cases: append(ofEveryKind([]testcase{
			pod(
				"everything is broken",
				only(pulled("quay.io/x", "Never"), initially(pulled("quay.io/y", "Never"))),
				"allowedRegistries: containers app, setup must have an image from ghcr.io; digest: containers app, setup must name the image by its digest; "+
					"denyTags: containers app, setup must not have an image with the tag latest; pullPolicy: containers app, setup must have the imagePullPolicy Always "+
					"(spec.images of SecurityProfile image-and-workload-rules)",
			),
			pod("nothing is broken", only(pulled("ghcr.io/x"+digest, "Always")), ""),
		}), pod("a tag beside the digest", only(pulled("ghcr.io/x:latest"+digest, "Always")), "denyTags: container app must")),
	},
}

// manyRegistries are more than a message lists.
func manyRegistries() scenario {
	var registries []string
	for i := range 40 {
		registries = append(registries, "registry.example.com"+strings.Repeat("/"+strings.Repeat("a", 60), 2)+fmt.Sprint(i))
	}
	return scenario{
		name: "many-registries", spec: "images: {allowedRegistries: [" + strings.Join(registries, ", ") + "]}",
		cases: ofEveryKind([]testcase{
			pod(
				"the first are said",
				only(image("x")),
				registries[7]+" and 32 more (spec.images of SecurityProfile many-registries)",
			),
			pod("nothing is said", only(image(registries[39]+"/x")), ""),
		}),
	}
}

// artifact is a field of a pod spec with one volume that is an image, named data.
func artifact(fields string) string { return "volumes: [{name: data, image: {" + fields + "}}]" }

// images are requests for pods with an image, and whether they pass.
func images(want string, passes map[string]bool) []testcase {
	var cases []testcase
	for _, name := range slices.Sorted(maps.Keys(passes)) {
		tc := pod("the image "+name, only(image(name)), want)
		if passes[name] {
			tc.want = ""
		}
		cases = append(cases, tc)
	}
	return cases
}
