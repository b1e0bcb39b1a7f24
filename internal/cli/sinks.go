package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
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
	if w.colour() {
		formats["table"] = output.Table(true)
	}
	var sinks []sink
	toStdout := 0
	for _, one := range wanted {
		name, file, toFile := strings.Cut(one, "=")
		format, known := formats[name]
		switch {
		case !known:
			return nil, fmt.Errorf(
				"-o %s: there is no format %q; the formats are %s",
				one,
				name,
				strings.Join(slices.Sorted(maps.Keys(formats)), ", "),
			)
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
		return nil, errors.New(
			"-o: only one format can go to the standard output; give the others a file, as in -o sarif=report.sarif",
		)
	}
	return sinks, nil
}

// write writes a report to all sinks, each whole or not at all: a file takes its name when all
// files are complete, and the standard output comes last.
func (w *World) write(sinks []sink, report *output.Report) error {
	var files []*staged
	var errs []error
	for _, s := range sinks {
		if s.file == "" {
			continue
		}
		file, err := w.stage(s.file, func(to io.Writer) error { return buffered(to, s.format, report) })
		if err != nil {
			errs = append(errs, fmt.Errorf("writing the output %s: %w", s.name, err))
			continue
		}
		files = append(files, file)
	}
	for _, file := range files {
		if len(errs) > 0 {
			errs = append(errs, file.drop())
			continue
		}
		if err := file.commit(); err != nil {
			errs = append(errs, fmt.Errorf("writing the output %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, s := range sinks {
		if s.file != "" {
			continue
		}
		if err := buffered(w.Out, s.format, report); err != nil {
			return fmt.Errorf("writing to the standard output: %w", err)
		}
	}
	return nil
}

func buffered(to io.Writer, format output.Format, report *output.Report) error {
	out := bufio.NewWriterSize(to, 64<<10)
	return errors.Join(format(out, report), out.Flush())
}

// replace puts a text into the place of a file, or leaves the file as it is.
func (w *World) replace(name string, text []byte) error {
	file, err := w.stage(name, func(to io.Writer) error {
		_, err := to.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	return file.commit()
}

// staged is what is written and has not taken the place of its file yet.
type staged struct {
	name      string // as it was given
	temporary string // empty of what is no regular file, such as /dev/stdout, and is written at once
	file      string
}

// stage writes what is to take the place of a file into a file beside it.
func (w *World) stage(name string, write func(io.Writer) error) (*staged, error) {
	s := &staged{name: name, file: w.path(name)}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(s.file); err == nil {
		if !info.Mode().IsRegular() {
			return s, s.writeThrough(write)
		}
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(s.file), "."+filepath.Base(s.file)+".*")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	s.temporary = temporary.Name()
	if err := errors.Join(write(temporary), temporary.Chmod(mode), temporary.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, cause(err)), s.drop())
	}
	return s, nil
}

// writeThrough writes to what cannot be replaced.
func (s *staged) writeThrough(write func(io.Writer) error) error {
	file, err := os.OpenFile(s.file, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, cause(err))
	}
	if err := errors.Join(write(file), file.Close()); err != nil {
		return fmt.Errorf("%s: %w", s.name, cause(err))
	}
	return nil
}

func (s *staged) commit() error {
	if s.temporary == "" {
		return nil
	}
	if err := os.Rename(s.temporary, s.file); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.name, cause(err)), s.drop())
	}
	return nil
}

func (s *staged) drop() error {
	if s.temporary == "" {
		return nil
	}
	return os.Remove(s.temporary)
}

// colour reports whether what is written is in colour.
func (w *World) colour() bool {
	return w.Terminal(w.Out) && w.Getenv("NO_COLOR") == "" && w.Getenv("TERM") != "dumb"
}
