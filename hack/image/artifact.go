package main

import (
	"encoding/json"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	emptyConfigType = types.MediaType("application/vnd.oci.empty.v1+json")
	emptyConfig     = "{}"
)

// document is something that is known of an image.
type document struct {
	mediaType types.MediaType
	name      string
	content   []byte
}

// artifact is a document as registries keep it beside the image that it is about (a referrer, by the OCI
// specification): the config is empty, the one layer is the document, the subject is the image.
type artifact struct {
	manifest []byte
	document v1.Layer
}

// artifactOf attaches a document to its subject, which is an image or an index of images.
func artifactOf(subject partial.Describable, d document, created time.Time) (v1.Image, error) {
	about, err := partial.Descriptor(subject)
	if err != nil {
		return nil, err
	}
	// A subject's descriptor says no more than which bytes it is about.
	about = &v1.Descriptor{MediaType: about.MediaType, Size: about.Size, Digest: about.Digest}
	layer := static.NewLayer(d.content, d.mediaType)
	content, err := partial.Descriptor(layer)
	if err != nil {
		return nil, err
	}
	content.Annotations = map[string]string{"org.opencontainers.image.title": d.name}
	config, err := partial.Descriptor(static.NewLayer([]byte(emptyConfig), emptyConfigType))
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  string(d.mediaType),
		Config:        *config,
		Layers:        []v1.Descriptor{*content},
		Subject:       about,
		Annotations:   map[string]string{"org.opencontainers.image.created": created.Format(time.RFC3339)},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(artifact{manifest, layer})
}

// RawManifest is the artifact's manifest.
func (a artifact) RawManifest() ([]byte, error) { return a.manifest, nil }

// RawConfigFile is a config that says nothing.
func (artifact) RawConfigFile() ([]byte, error) { return []byte(emptyConfig), nil }

// MediaType is that of an image's manifest, which every registry takes.
func (artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// LayerByDigest is the document, whatever the digest: there is no other layer.
func (a artifact) LayerByDigest(v1.Hash) (partial.CompressedLayer, error) { return a.document, nil }
