package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/bulwark-dev/bulwark/internal/manifests"
)

// stdin is how what was read from the standard input is called.
const stdin = "stdin"

// read is what was read of files.
type read struct {
	sources   []*manifests.Source
	documents []*manifests.Document // once sources are decoded
	problems  []error
}

// path is a path where the world's directory is the working directory.
func (w *World) path(name string) string {
	if w.Dir == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(w.Dir, name)
}

// shown is a file as it is named in reports: relative to the directory if it is below it, with
// slashes.
func (w *World) shown(name string) string {
	if filepath.IsAbs(name) {
		dir := w.Dir
		if dir == "" {
			dir, _ = os.Getwd() // Without one, the path stays as it is.
		}
		if relative, err := filepath.Rel(dir, name); err == nil && filepath.IsLocal(relative) {
			name = relative
		}
	}
	return filepath.ToSlash(filepath.Clean(name))
}

// readManifests reads files, directories and - for the standard input, and decodes what they hold.
func (w *World) readManifests(names []string) read {
	all := w.split(names)
	decode(all.sources)
	for _, source := range all.sources {
		all.documents = append(all.documents, source.Documents()...)
	}
	all.problems = append(all.problems, problemsOf(all.sources)...)
	return all
}

// problemsOf are what is wrong with sources that were decoded.
func problemsOf(sources []*manifests.Source) []error {
	var problems []error
	for _, source := range sources {
		for _, problem := range source.Problems() {
			problems = append(problems, problem)
		}
	}
	return problems
}

// decode decodes sources, several at once.
func decode(sources []*manifests.Source) {
	each(len(sources), func(i int) { sources[i].Documents() })
}

// mostAhead is how many sources are decoded ahead: as many as take no longer than the schema of
// profiles does, and little memory.
const mostAhead = 1000

// decodeAhead decodes the first sources while something else is done. The function that it returns
// waits until they are decoded.
func decodeAhead(sources []*manifests.Source) (wait func()) {
	var decoding sync.WaitGroup
	decoding.Go(func() { decode(sources[:min(len(sources), mostAhead)]) })
	return decoding.Wait
}

// split reads files, directories and - for the standard input, several at once, in the order of
// their names, and decodes nothing yet.
func (w *World) split(names []string) read {
	var files []string
	var all read
	for _, name := range names {
		found, err := w.expand(name)
		if err != nil {
			all.problems = append(all.problems, err)
		}
		files = append(files, found...)
	}
	files = unique(files)
	perFile := make([]read, len(files))
	each(len(files), func(i int) { perFile[i] = w.readFile(files[i]) })
	for _, r := range perFile {
		all.sources = append(all.sources, r.sources...)
		all.problems = append(all.problems, r.problems...)
	}
	return all
}

// each does something for each index, on all processors.
func each(n int, do func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}

// unique is a list without what it holds twice, in its order.
func unique(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		known := seen[name]
		seen[name] = true
		return known
	})
}

// expand is a file, or the files of a directory that may hold manifests. A link to a directory
// below it is not followed.
func (w *World) expand(name string) ([]string, error) {
	directory, err := w.isDirectory(name)
	switch {
	case err != nil:
		return nil, err
	case !directory:
		return []string{name}, nil
	}
	return w.below(name)
}

// isDirectory reports whether a name is that of a directory: else it is a file's, or "-".
func (w *World) isDirectory(name string) (bool, error) {
	if name == "-" {
		return false, nil
	}
	info, err := os.Stat(w.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%s: there is no such file or directory", name)
	case err != nil:
		return false, fmt.Errorf("%s: %w", name, cause(err))
	}
	return info.IsDir(), nil
}

// below are the files below a directory that may hold manifests.
func (w *World) below(name string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(w.path(name), func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(w.path(name), at)
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && relative != "." {
			return fs.SkipDir
		}
		if mayHoldManifests(at) {
			files = append(files, filepath.Join(name, relative))
		}
		return nil
	})
	if err != nil {
		return files, fmt.Errorf("%s: %w", name, cause(err))
	}
	return files, nil
}

// mayHoldManifests reports whether a path is that of a file with one of the usual endings, or of a
// link to one.
func mayHoldManifests(at string) bool {
	switch strings.ToLower(filepath.Ext(at)) {
	case ".yaml", ".yml", ".json":
		info, err := os.Stat(at)
		return err != nil || !info.IsDir() // What is wrong with it is said when it is read.
	}
	return false
}

func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

func (w *World) readFile(name string) read {
	var r read
	from, shown := w.In, stdin
	if name != "-" {
		file, err := os.Open(w.path(name))
		if err != nil {
			return read{problems: []error{fmt.Errorf("%s: %w", name, cause(err))}}
		}
		defer file.Close() //nolint:errcheck // It was only read.
		info, err := file.Stat()
		if err != nil {
			return read{problems: []error{fmt.Errorf("%s: %w", name, cause(err))}}
		}
		if problem := manifests.TooLarge(w.shown(name), info.Size()); problem != nil {
			return read{problems: []error{problem}}
		}
		from, shown = io.Reader(file), w.shown(name)
	}
	for source, problem := range manifests.Split(shown, from) {
		if problem != nil {
			r.problems = append(r.problems, problem)
			continue
		}
		r.sources = append(r.sources, source)
	}
	return r
}
