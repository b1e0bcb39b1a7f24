package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	intoto "github.com/in-toto/attestation/go/v1"
)

// packed is an image with the documents about it.
type packed struct {
	index    v1.ImageIndex
	images   []v1.Image // in the order of the binaries
	binaries []binary
	commit   commit
	created  time.Time
	sboms    [][]byte // one an image
	origin   []byte
}

func runPack(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	folder := flags.String("out", "bin/image", "the folder that is written into")
	reference := flags.String("name", "bulwark:v0.1.0", "the name and tag that an image store gives the image")
	want := flags.String("version", "", "the version that the binaries must be of; empty is any")
	limit := flags.Int64("limit", 35<<20, "how many bytes the images of all platforms may have together, compressed")
	var texts licences
	flags.StringVar(&texts.root, "root", ".", "the folder with the repository's LICENSE")
	flags.StringVar(&texts.modcache, "modcache", "", "go env GOMODCACHE, whose modules' licences are read")
	flags.StringVar(&texts.goroot, "goroot", "", "go env GOROOT, whose licence is read")
	if err := flags.Parse(args); err != nil {
		return err
	}
	tag, err := name.NewTag(*reference)
	if err != nil {
		return err
	}
	binaries, of, err := readBinaries(flags.Args())
	if err != nil {
		return err
	}
	if *want != "" && of.version != *want {
		return fmt.Errorf("the binaries are of version %s, not of %s", of.version, *want)
	}
	created, err := moment(of, os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	p, err := pack(binaries, of, created, texts)
	if err != nil {
		return err
	}
	if err := p.write(*folder, tag); err != nil {
		return err
	}
	return p.tell(out, *folder, *limit)
}

// moment is the time that everything in an image bears: the commit's, or that of SOURCE_DATE_EPOCH.
func moment(c commit, epoch string) (time.Time, error) {
	if epoch == "" {
		return c.time.UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// pack makes an image of binaries. It writes nothing.
func pack(binaries []binary, of commit, created time.Time, texts licences) (packed, error) {
	p := packed{binaries: binaries, commit: of, created: created}
	annotations := annotationsOf(of, created)
	var subjects []*intoto.ResourceDescriptor
	for _, b := range binaries {
		image, err := imageOf(b, annotations, created)
		if err != nil {
			return p, err
		}
		digest, err := image.Digest()
		if err != nil {
			return p, err
		}
		sbom, err := sbomOf(b, digest, texts, of, created)
		if err != nil {
			return p, err
		}
		p.images, p.sboms = append(p.images, image), append(p.sboms, sbom)
		subjects = append(subjects, subjectOf(fileName(b), digest))
	}
	p.index = indexOf(p.images, binaries, annotations)
	digest, err := p.index.Digest()
	if err != nil {
		return p, err
	}
	subjects = append([]*intoto.ResourceDescriptor{subjectOf(project, digest)}, subjects...)
	p.origin, err = provenanceOf(subjects, binaries, of, created)
	return p, err
}

func subjectOf(name string, digest v1.Hash) *intoto.ResourceDescriptor {
	return &intoto.ResourceDescriptor{Name: name, Digest: map[string]string{digest.Algorithm: digest.Hex}}
}

// fileName is what files about the image of a platform begin with.
func fileName(b binary) string {
	return project + "-" + b.platform.OS + "-" + b.platform.Architecture
}

// tell says what was packed, and fails if it is too large.
func (p packed) tell(out io.Writer, folder string, limit int64) error {
	fmt.Fprintf(out, "packed   %s %s, of %s\n", project, p.commit.version, p.created.Format(time.RFC3339))
	if p.commit.modified {
		fmt.Fprintln(out, "  of a tree with changes that are in no commit: nobody can build this image again")
	}
	var sum int64
	for i, image := range p.images {
		size, err := compressedSize(image)
		if err != nil {
			return err
		}
		digest, err := image.Digest()
		if err != nil {
			return err
		}
		sum += size
		fmt.Fprintf(out, "  %-12s %s %5.1f MiB, manager %5.1f MiB\n",
			p.binaries[i].platform, digest, mebibytes(size), mebibytes(int64(len(p.binaries[i].content))))
	}
	digest, err := p.index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  %-12s %s %5.1f MiB\n  in %s\n", "together", digest, mebibytes(sum), filepath.Clean(folder))
	if sum > limit {
		return errors.New("the images are larger than " + strconv.FormatFloat(mebibytes(limit), 'f', 1, 64) + " MiB")
	}
	return nil
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }
