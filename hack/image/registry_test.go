package main

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var platforms = []string{"linux/amd64", "linux/arm64"}

// pushed is what a registry on loopback has of the fixture.
type pushed struct {
	repository name.Repository
	digest     v1.Hash
	index      v1.ImageIndex
}

func pushTo(t *testing.T, f fixture, options ...registry.Option) pushed {
	t.Helper()
	server := httptest.NewServer(registry.New(append(options, registry.Logger(log.New(io.Discard, "", 0)))...))
	t.Cleanup(server.Close)
	tag, err := name.NewTag(strings.TrimPrefix(server.URL, "http://") + "/bulwark:v0.2.0")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := push(t.Context(), f.image, tag)
	if err != nil {
		t.Fatal(err)
	}
	tagged, err := remote.Head(tag)
	if err != nil || tagged.Digest != digest {
		t.Fatalf("the tag is of %v (%v), not of %s", tagged, err, digest)
	}
	index, err := remote.Index(tag.Context().Digest(digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	return pushed{tag.Context(), digest, index}
}

func TestARegistryHasTheImage(t *testing.T) {
	f := built(t)
	p := pushTo(t, f)
	if got := strings.TrimSpace(string(read(t, f.image, "digest"))); got != p.digest.String() {
		t.Errorf("the file says digest %s, the registry has %s", got, p.digest)
	}
	if err := validate.Index(p.index); err != nil {
		t.Error(err)
	}
	manifest, err := p.index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range manifest.Manifests {
		got = append(got, d.Platform.String())
		if d.ArtifactType != "" {
			t.Errorf("the image for %s is called an artifact, %s", d.Platform, d.ArtifactType)
		}
	}
	if diff := cmp.Diff(platforms, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	want := wantedAnnotations(t, f)
	if diff := cmp.Diff(want, manifest.Annotations); diff != "" {
		t.Errorf("annotations of the index (-want +got):\n%s", diff)
	}
	for _, d := range manifest.Manifests {
		t.Run(d.Platform.String(), func(t *testing.T) {
			image, err := p.index.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			expectImage(t, image, d.Platform, want)
		})
	}
}

// expectImage holds an image against what it shall be.
func expectImage(t *testing.T, image v1.Image, platform *v1.Platform, annotations map[string]string) {
	t.Helper()
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(annotations, manifest.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	created, err := time.Parse(time.RFC3339, fixtureTime)
	if err != nil {
		t.Fatal(err)
	}
	want := &v1.ConfigFile{
		OS:           platform.OS,
		Architecture: platform.Architecture,
		Created:      v1.Time{Time: created},
		History:      []v1.History{{Created: v1.Time{Time: created}, CreatedBy: "make image"}},
		RootFS:       v1.RootFS{Type: "layers", DiffIDs: config.RootFS.DiffIDs},
		Config: v1.Config{
			User:       "65532:65532",
			WorkingDir: "/",
			Entrypoint: []string{"/manager"},
			Labels:     annotations,
		},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers (%v), not 1", len(layers), err)
	}
	expectFiles(t, layers[0], created)
}

// expectFiles holds the files of a layer against those that an image has.
func expectFiles(t *testing.T, layer v1.Layer, created time.Time) {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	modes := map[string]int64{}
	r := tar.NewReader(content)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
		if header.Uid != 0 || header.Gid != 0 || !header.ModTime.Equal(created) {
			t.Errorf("%s belongs to %d:%d, of %s", header.Name, header.Uid, header.Gid, header.ModTime)
		}
	}
	want := map[string]int64{"etc/": 0o755, "etc/group": 0o644, "etc/passwd": 0o644, "manager": 0o755}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A registry lists what refers to an image, or leaves that to its clients, who keep a tag for the list.
func TestARegistryHasTheDocumentsBesideTheImage(t *testing.T) {
	f := built(t)
	for name, option := range map[string]registry.Option{
		"that lists referrers":            registry.WithReferrersSupport(true),
		"that leaves the list to clients": registry.WithReferrersSupport(false),
	} {
		t.Run(name, func(t *testing.T) {
			p := pushTo(t, f, option)
			manifest, err := p.index.IndexManifest()
			if err != nil {
				t.Fatal(err)
			}
			expectDocument(t, p, p.digest, inTotoType, read(t, f.image, "bulwark.provenance.json"))
			for _, d := range manifest.Manifests {
				sbom := read(t, f.image, "bulwark-linux-"+d.Platform.Architecture+".spdx.json")
				expectDocument(t, p, d.Digest, spdxType, sbom)
			}
		})
	}
}

// expectDocument holds that one document is about a subject, and which.
func expectDocument(t *testing.T, p pushed, subject v1.Hash, mediaType types.MediaType, want []byte) {
	t.Helper()
	referrers, err := remote.Referrers(p.repository.Digest(subject.String()))
	if err != nil {
		t.Fatal(err)
	}
	list, err := referrers.IndexManifest()
	if err != nil || len(list.Manifests) != 1 {
		t.Fatalf("%v (%v) refer to %s, not one document", list, err, subject)
	}
	document, err := remote.Image(p.repository.Digest(list.Manifests[0].Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(document); err != nil {
		t.Error(err)
	}
	manifest, err := document.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.ArtifactType != string(mediaType) || manifest.Subject == nil || manifest.Subject.Digest != subject {
		t.Errorf("the document is a %q about %v", manifest.ArtifactType, manifest.Subject)
	}
	if diff := cmp.Diff(string(want), string(contentOf(t, document))); diff != "" {
		t.Errorf("the document (-want +got):\n%s", diff)
	}
}

// contentOf is the one layer of an artifact.
func contentOf(t *testing.T, image v1.Image) []byte {
	t.Helper()
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers (%v), not 1", len(layers), err)
	}
	layer, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = layer.Close() }()
	content, err := io.ReadAll(layer)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestDockerLoadsTheArchives(t *testing.T) {
	f := built(t)
	p := pushTo(t, f)
	manifest, err := p.index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag("bulwark:v0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range manifest.Manifests {
		loaded, err := tarball.ImageFromPath(filepath.Join(f.image, "bulwark-linux-"+d.Platform.Architecture+".tar"), &tag)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(loaded); err != nil {
			t.Error(err)
		}
		image, err := p.index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := image.ConfigName()
		got, gotErr := loaded.ConfigName()
		if err := errors.Join(wantErr, gotErr); want != got || err != nil {
			t.Errorf("the archive for %s has config %s, the registry %s (%v)", d.Platform, got, want, err)
		}
	}
}

func wantedAnnotations(t *testing.T, f fixture) map[string]string {
	t.Helper()
	revision := strings.TrimSpace(must(t)(command(f.root, "git", "rev-parse", "HEAD")))
	return map[string]string{
		"org.opencontainers.image.title":         "bulwark",
		"org.opencontainers.image.description":   "Kubernetes operator for the security baselines of namespaces",
		"org.opencontainers.image.url":           "https://github.com/bulwark-dev/bulwark",
		"org.opencontainers.image.source":        "https://github.com/bulwark-dev/bulwark",
		"org.opencontainers.image.documentation": "https://github.com/bulwark-dev/bulwark/tree/main/docs",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       "v0.2.0",
		"org.opencontainers.image.revision":      revision,
		"org.opencontainers.image.created":       fixtureTime,
	}
}
