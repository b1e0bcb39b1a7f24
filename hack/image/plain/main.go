// Command plain packs files as a container image that nobody publishes: the images that make node
// runs beside the operator.
//
// It knows tar and image configs. It may import go-containerregistry, and must never pack the
// operator, which its parent does.
//
//	plain -name coredns:1 -out coredns.tar -entrypoint /coredns bin/coredns=/coredns
//	plain -name busybox:1 -out busybox.tar /bin/busybox=/bin/busybox /bin/sh@busybox
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("plain", flag.ContinueOnError)
	reference := flags.String("name", "", "the name and tag of the image")
	out := flags.String("out", "", "the docker-archive that is written")
	entrypoint := flags.String("entrypoint", "", "the program that the image starts, with its arguments; empty is none")
	user := flags.String("user", "65532:65532", "the user and group that it runs as")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tag, err := name.NewTag(*reference)
	if err != nil {
		return err
	}
	content, err := layer(flags.Args())
	if err != nil {
		return err
	}
	packed, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		return err
	}
	config := v1.Config{User: *user, WorkingDir: "/", Env: []string{"PATH=/bin"}}
	if *entrypoint != "" {
		config.Entrypoint = strings.Fields(*entrypoint)
	}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, RootFS: v1.RootFS{Type: "layers"}, Config: config,
	})
	if err != nil {
		return err
	}
	if image, err = mutate.AppendLayers(image, packed); err != nil {
		return err
	}
	return tarball.WriteToFile(*out, tag, image)
}

// layer is a file system of the given entries: FILE=PATH is a file, PATH@TARGET a symbolic link.
func layer(entries []string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, entry := range entries {
		if path, target, isLink := strings.Cut(entry, "@"); isLink {
			link := &tar.Header{Typeflag: tar.TypeSymlink, Name: strings.TrimPrefix(path, "/"), Linkname: target, Mode: 0o777}
			if err := w.WriteHeader(link); err != nil {
				return nil, err
			}
			continue
		}
		from, path, isFile := strings.Cut(entry, "=")
		if !isFile {
			return nil, fmt.Errorf("%q is neither FILE=PATH nor PATH@TARGET", entry)
		}
		content, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		header := &tar.Header{Name: strings.TrimPrefix(path, "/"), Size: int64(len(content)), Mode: 0o755}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}
