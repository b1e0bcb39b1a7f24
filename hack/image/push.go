package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func runPush(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	folder := flags.String("from", "bin/image", "the folder that pack has written")
	to := flags.String("to", "", "the name and tag in a registry, as in registry.example.com/bulwark:v0.1.0")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tag, err := name.NewTag(*to)
	if err != nil {
		return err
	}
	digest, err := push(ctx, *folder, tag, remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "pushed   %s\n", tag.Context().Digest(digest.String()))
	return nil
}

// push pushes everything in a layout: the index, by its digest and then by its tag, and the documents
// about it. It returns the digest of the index.
func push(ctx context.Context, folder string, tag name.Tag, options ...remote.Option) (v1.Hash, error) {
	var pushed v1.Hash
	index, err := layout.ImageIndexFromPath(filepath.Join(folder, layoutFolder))
	if err != nil {
		return pushed, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return pushed, err
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return pushed, err
	}
	for _, d := range manifest.Manifests {
		to := tag.Context().Digest(d.Digest.String())
		if !d.MediaType.IsIndex() {
			document, err := index.Image(d.Digest)
			if err != nil {
				return pushed, err
			}
			if err := pusher.Push(ctx, to, document); err != nil {
				return pushed, fmt.Errorf("pushing a document about the image: %w", err)
			}
			continue
		}
		image, err := index.ImageIndex(d.Digest)
		if err != nil {
			return pushed, err
		}
		pushed = d.Digest
		if err := pusher.Push(ctx, to, image); err != nil {
			return pushed, fmt.Errorf("pushing the image: %w", err)
		}
		if err := pusher.Push(ctx, tag, image); err != nil {
			return pushed, fmt.Errorf("tagging the image: %w", err)
		}
	}
	return pushed, nil
}
