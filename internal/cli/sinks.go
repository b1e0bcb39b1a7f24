package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/output"
)

// sink is one -o: a format, and a file or the standard output.
type sink struct {
	format output.Format
	name   string
	file   string // empty for the standard output
}

// sinks are the outputs that are asked for. One at most goes to the standard output.
func (w *World) sinks(wanted []string) ([]sink, error) {
	formats := output.Formats()
	if w.Terminal(w.Out) && w.Getenv("NO_COLOR") == "" && w.Getenv("TERM") != "dumb" {
		formats["table"] = output.Table(true)
	}
	var sinks []sink
	toStdout := 0
	for _, one := range wanted {
		name, file, toFile := strings.Cut(one, "=")
		format, known := formats[name]
		switch {
		case !known:
			return nil, fmt.Errorf("-o %s: there is no format %q; the formats are %s", one, name, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
		case toFile && file == "":
			return nil, fmt.Errorf("-o %s: no file is named behind the =", one)
		case toFile && name == "table":
			format = output.Table(false)
		case !toFile:
			toStdout++
		}
		sinks = append(sinks, sink{format, name, file})
	}
	if toStdout > 1 {
		return nil, errors.New("-o: only one format can go to the standard output; give the others a file, as in -o sarif=report.sarif")
	}
	return sinks, nil
}

// write writes a report to all sinks, each whole or not at all: everything is made before anything is
// written, and a file takes its name when it is complete.
func (w *World) write(sinks []sink, report *output.Report) error {
	texts := make([]bytes.Buffer, len(sinks))
	for i, s := range sinks {
		if err := s.format(&texts[i], report); err != nil {
			return fmt.Errorf("making the output %s: %w", s.name, err)
		}
	}
	for i, s := range sinks {
		if s.file == "" {
			continue
		}
		if err := w.replace(s.file, texts[i].Bytes()); err != nil {
			return fmt.Errorf("writing the output %s: %w", s.name, err)
		}
	}
	for i, s := range sinks {
		if s.file != "" {
			continue
		}
		if _, err := w.Out.Write(texts[i].Bytes()); err != nil {
			return fmt.Errorf("writing to the standard output: %w", err)
		}
	}
	return nil
}

// replace puts a text into the place of a file, or leaves the file as it is.
func (w *World) replace(name string, text []byte) (err error) {
	file := w.path(name)
	mode := os.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		if !info.Mode().IsRegular() { // Such as /dev/stdout, which cannot be replaced.
			return os.WriteFile(file, text, 0)
		}
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("%s: %w", name, cause(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", name, cause(err)), os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Chmod(mode), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
