package main

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const layoutFolder = "oci"

// write writes into a folder, in which what it wrote before is deleted:
//
//	oci/                          the OCI layout: the index, each image, and the documents as referrers
//	bulwark-oci.tar               the same as one file, for containerd, Podman and skopeo
//	bulwark-linux-amd64.tar       a docker-archive, for docker load; one a platform
//	bulwark-linux-amd64.spdx.json the SBOM; one a platform
//	bulwark.provenance.json       the provenance
//	digest                        the digest of the index
func (p packed) write(folder string, tag name.Tag) error {
	former, err := filepath.Glob(filepath.Join(folder, project+"*"))
	if err != nil {
		return err
	}
	for _, path := range append(former, filepath.Join(folder, layoutFolder)) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := p.writeLayout(filepath.Join(folder, layoutFolder), tag); err != nil {
		return err
	}
	archive := filepath.Join(folder, project+"-oci.tar")
	if err := writeTar(archive, os.DirFS(filepath.Join(folder, layoutFolder)), p.created); err != nil {
		return err
	}
	for i, b := range p.binaries {
		begin := filepath.Join(folder, fileName(b))
		if err := os.WriteFile(begin+".spdx.json", p.sboms[i], 0o644); err != nil {
			return err
		}
		if err := tarball.WriteToFile(begin+".tar", tag, p.images[i]); err != nil {
			return err
		}
	}
	digest, err := p.index.Digest()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "digest"), []byte(digest.String()+"\n"), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, project+".provenance.json"), p.origin, 0o644)
}

// writeLayout writes an OCI layout, and reads it back.
func (p packed) writeLayout(folder string, tag name.Tag) error {
	written, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	if err := written.AppendIndex(p.index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": tag.TagStr(),
		// containerd, so that an import needs no name. Its names know Docker Hub by another host.
		"io.containerd.image.name": strings.Replace(tag.Name(), name.DefaultRegistry, "docker.io", 1),
	})); err != nil {
		return err
	}
	documents, err := p.documents()
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := written.AppendImage(document); err != nil {
			return err
		}
	}
	index, err := written.ImageIndex()
	if err != nil {
		return err
	}
	if err := validate.Index(index); err != nil {
		return fmt.Errorf("the layout in %s is not valid: %w", folder, err)
	}
	return nil
}

// documents are the artifacts: an SBOM whose subject is the image of its platform, for each, and the
// provenance, whose subject is the index.
func (p packed) documents() ([]v1.Image, error) {
	var all []v1.Image
	for i, b := range p.binaries {
		sbom, err := artifactOf(p.images[i], document{spdxType, fileName(b) + ".spdx.json", p.sboms[i]}, p.created)
		if err != nil {
			return nil, err
		}
		all = append(all, sbom)
	}
	origin, err := artifactOf(p.index, document{inTotoType, project + ".provenance.json", p.origin}, p.created)
	return append(all, origin), err
}

// writeTar writes the files of a folder, in the order of their names, each as if made at one moment.
func writeTar(path string, from fs.FS, created time.Time) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	w := tar.NewWriter(file)
	err = fs.WalkDir(from, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), ModTime: created}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return file.Close()
}
