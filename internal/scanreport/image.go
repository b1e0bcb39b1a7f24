package scanreport

import (
	"path"
	"strings"

	"github.com/distribution/reference"
)

// Image is what names an image.
type Image struct {
	// Tags are names with tags, and Digests the digests of manifests (sha256:…). Names are whole:
	// docker.io/library/web:1.2.
	Tags, Digests []string
	// Repositories are the names of them all without tag and digest.
	Repositories []string
	// Architecture is what the image is built for; empty if the report does not say.
	Architecture string
}

// imageOf is an image by all references to it. A text that is no reference is left out: nil if none
// is left.
func imageOf(references ...string) *Image {
	image := &Image{}
	for _, text := range references {
		named, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			continue
		}
		image.Repositories = appendNew(image.Repositories, named.Name())
		digested, isDigested := named.(reference.Digested)
		if isDigested {
			image.Digests = appendNew(image.Digests, digested.Digest().String())
		}
		if tagged, isTagged := named.(reference.Tagged); isTagged {
			image.Tags = appendNew(image.Tags, named.Name()+":"+tagged.Tag())
		} else if !isDigested {
			image.Tags = appendNew(image.Tags, named.Name()+":latest")
		}
	}
	if len(image.Repositories) == 0 {
		return nil
	}
	return image
}

func appendNew(all []string, text string) []string {
	for _, known := range all {
		if known == text {
			return all
		}
	}
	return append(all, text)
}

// ImageOf is the image that a manifest names; nil if that is no reference.
func ImageOf(text string) *Image { return imageOf(text) }

// Same reports whether the image of a manifest is the one of a report. A digest decides, where the
// manifest has one: a tag beside it may have moved.
func (i *Image) Same(scanned *Image) bool {
	if scanned == nil {
		return false
	}
	if len(i.Digests) > 0 {
		return intersect(i.Digests, scanned.Digests)
	}
	return intersect(i.Tags, scanned.Tags)
}

// Alike reports whether the images are of one repository.
func (i *Image) Alike(scanned *Image) bool {
	return scanned != nil && intersect(i.Repositories, scanned.Repositories)
}

func intersect(a, b []string) bool {
	for _, one := range a {
		for _, other := range b {
			if one == other {
				return true
			}
		}
	}
	return false
}

// tag is the tag of a name with a tag.
func tag(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// base is the last step of a repository's name.
func base(repository string) string { return path.Base(repository) }

// canonicalRepository is a repository as names have it: docker.io has several hosts.
func canonicalRepository(repository string) string {
	repository = strings.TrimSuffix(repository, "/")
	repository = strings.TrimPrefix(strings.TrimPrefix(repository, "https://"), "http://")
	host, rest, _ := strings.Cut(repository, "/")
	switch strings.ToLower(host) {
	case "index.docker.io", "registry-1.docker.io", "docker.io":
		host = "docker.io"
	}
	if rest == "" {
		return host
	}
	return host + "/" + rest
}
