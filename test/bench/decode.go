package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// decodeCommand is the argument by which the bench becomes the floor of check: what reads and
// decodes manifests and does nothing else.
const decodeCommand = "decode-manifests"

// decodeManifests reads the manifests below a directory and decodes them into Kubernetes' types, on
// all processors, with what client-go has for it. Objects that are of none of its kinds are passed
// over.
func decodeManifests(dir string, out io.Writer) error {
	files := make(chan string)
	var decoded atomic.Int64
	errs := make([]error, runtime.GOMAXPROCS(0))
	var workers sync.WaitGroup
	for i := range errs {
		workers.Go(func() {
			for file := range files {
				n, err := decodeFile(file)
				decoded.Add(int64(n))
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files <- path
		}
		return err
	})
	close(files)
	workers.Wait()
	fmt.Fprintf(out, "decoded %d objects\n", decoded.Load())
	return errors.Join(append(errs, err)...)
}

func decodeFile(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	decoder, n := scheme.Codecs.UniversalDeserializer(), 0
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("%s: %w", file, err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if _, _, err := decoder.Decode(document, nil, nil); err != nil && !kruntime.IsNotRegisteredError(err) {
			return n, fmt.Errorf("%s: %w", file, err)
		}
		n++
	}
}
