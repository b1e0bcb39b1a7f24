package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	project    = "bulwark"
	repository = "https://github.com/bulwark-dev/bulwark"
	user       = "65532:65532" // nonroot, as in other images without a distribution
	entrypoint = "/manager"
)

// file is what the image holds beside the manager. There are no certificates, since the operator speaks
// to the API server alone, whose certificate Kubernetes mounts; and no /tmp, since it writes no file.
type file struct {
	name    string
	mode    int64
	content string
}

var accounts = []file{
	{"etc/", 0o755, ""},
	{"etc/group", 0o644, "root:x:0:\nnonroot:x:65532:\n"},
	{"etc/passwd", 0o644, "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"},
}

// annotationsOf say what an image is. They are its labels, and annotations of every manifest.
func annotationsOf(c commit, created time.Time) map[string]string {
	revision := c.revision
	if c.modified {
		revision += "-dirty"
	}
	return map[string]string{
		"org.opencontainers.image.title":         project,
		"org.opencontainers.image.description":   "Kubernetes operator for the security baselines of namespaces",
		"org.opencontainers.image.url":           repository,
		"org.opencontainers.image.source":        repository,
		"org.opencontainers.image.documentation": repository + "/tree/main/docs",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       c.version,
		"org.opencontainers.image.revision":      revision,
		"org.opencontainers.image.created":       created.Format(time.RFC3339),
	}
}

// imageOf is the image of one platform: a single layer from nothing.
func imageOf(b binary, annotations map[string]string, created time.Time) (v1.Image, error) {
	layer, err := layerOf(b.content, created)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err = mutate.ConfigFile(base, &v1.ConfigFile{
		OS:           b.platform.OS,
		Architecture: b.platform.Architecture,
		Created:      v1.Time{Time: created},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User:       user,
			WorkingDir: "/",
			Entrypoint: []string{entrypoint},
			Labels:     maps.Clone(annotations),
		},
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: created}, CreatedBy: "make image"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}

// layerOf is the file system of an image. Its bytes depend on the arguments alone.
func layerOf(manager []byte, created time.Time) (v1.Layer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range append(accounts[:len(accounts):len(accounts)], file{entrypoint[1:], 0o755, string(manager)}) {
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), ModTime: created}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression),
		tarball.WithCompressedCaching,
	)
}

// plain is an image that is no artifact. Else go-containerregistry names the type of the config as its
// artifactType in an index, which skopeo 1.9 drops, so that a copy has another digest.
type plain struct{ v1.Image }

// ArtifactType is none.
func (plain) ArtifactType() (string, error) { return "", nil }

// indexOf is the image of all platforms.
func indexOf(images []v1.Image, binaries []binary, annotations map[string]string) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, image := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        plain{image},
			Descriptor: v1.Descriptor{Platform: &binaries[i].platform},
		})
	}
	return mutate.Annotations(index, annotations).(v1.ImageIndex)
}

// compressedSize is how many bytes of an image a registry holds, and a node pulls.
func compressedSize(image v1.Image) (int64, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	size, err := partial.Size(image)
	size += manifest.Config.Size
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, err
}
