package scanreport

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"reflect"
)

// stream reads a JSON text piece by piece: of a large report one element of a list is in memory at
// a time, and what nobody asks for is passed over.
type stream struct {
	*json.Decoder
	// field is the field of the report that is being read, and wrong by field the first error of a
	// value that is of another type than it should be.
	field string
	wrong map[string]error
}

// reader reads one value.
type reader func(*stream) error

// read reads a report.
func (s *stream) read(fields map[string]reader) error {
	named := map[string]reader{}
	for name, read := range fields {
		named[name] = func(s *stream) error {
			s.field = name
			return read(s)
		}
	}
	if err := s.fields(named); err != nil {
		return err
	}
	switch _, err := s.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errBehind
	default:
		return err
	}
}

var errBehind = errors.New("there is something behind the end of the scan report")

// fields reads an object, field by field.
func (s *stream) fields(of map[string]reader) error {
	if is, err := s.enter('{'); !is {
		return err
	}
	for s.More() {
		name, err := s.Token()
		if err != nil {
			return err
		}
		read := of[name.(string)]
		if read == nil {
			read = (*stream).passOver
		}
		if err := read(s); err != nil {
			return err
		}
	}
	_, err := s.Token()
	return err
}

// object is a value that is read field by field.
func object(of map[string]reader) reader { return func(s *stream) error { return s.fields(of) } }

// list is an array of which each element is read by itself.
func list(element reader) reader {
	return func(s *stream) error {
		if is, err := s.enter('['); !is {
			return err
		}
		for s.More() {
			if err := element(s); err != nil {
				return err
			}
		}
		_, err := s.Token()
		return err
	}
}

// elements are an array of which each element is decoded by itself.
func elements[T any](each func(*T)) reader {
	return list(func(s *stream) error {
		var one T
		err := s.value(&one)
		each(&one)
		return err
	})
}

// into decodes a value that is small.
func into(value any) reader { return func(s *stream) error { return s.value(value) } }

// present notes that a field is there, and reads it.
func present(is *bool, read reader) reader {
	return func(s *stream) error {
		*is = true
		return read(s)
	}
}

// value decodes a value. One of another type is noted, and the rest is read all the same: it may be
// no field of this format.
func (s *stream) value(into any) error {
	err := s.Decode(into)
	var syntax *json.SyntaxError
	if err == nil || errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return err
	}
	s.mistake(err)
	return nil
}

func (s *stream) mistake(err error) {
	if s.wrong[s.field] == nil {
		s.wrong[s.field] = err
	}
}

// enter reports whether an object or an array begins. Null is none, and anything else is passed
// over and noted.
func (s *stream) enter(bracket json.Delim) (bool, error) {
	token, err := s.Token()
	if err != nil || token == nil || token == bracket {
		return err == nil && token != nil, err
	}
	wrong := &json.UnmarshalTypeError{Value: "value", Offset: s.InputOffset(), Type: reflect.TypeFor[map[string]any]()}
	if bracket == '[' {
		wrong.Type = reflect.TypeFor[[]any]()
	}
	if opened, nested := token.(json.Delim); nested {
		wrong.Value = map[json.Delim]string{'{': "object", '[': "array"}[opened]
		err = s.leave(opened)
	}
	s.mistake(wrong)
	return false, err
}

// passOver leaves a value alone.
func (s *stream) passOver() error {
	token, err := s.Token()
	if opened, nested := token.(json.Delim); err == nil && nested {
		return s.leave(opened)
	}
	return err
}

// nothing is a value that is not decoded.
type nothing struct{}

// UnmarshalJSON takes any value.
func (*nothing) UnmarshalJSON([]byte) error { return nil }

// leave passes over the rest of an object or an array.
func (s *stream) leave(opened json.Delim) error {
	for s.More() {
		if opened == '{' {
			if _, err := s.Token(); err != nil {
				return err
			}
		}
		if err := s.Decode(&nothing{}); err != nil {
			return err
		}
	}
	_, err := s.Token()
	return err
}

// begin is where a text begins behind a byte order mark and white space, and its first byte; zero
// of an empty one.
func begin(from io.ReadSeeker) (offset int64, first byte, err error) {
	if _, err = from.Seek(0, io.SeekStart); err != nil {
		return 0, 0, err
	}
	text := bufio.NewReader(from)
	if mark, err := text.Peek(3); err == nil && string(mark) == "\ufeff" {
		n, _ := text.Discard(3) // They are in memory.
		offset = int64(n)
	}
	for {
		first, err = text.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return offset, 0, nil
		case err != nil:
			return 0, 0, err
		case first != ' ' && first != '\n' && first != '\t' && first != '\r':
			_, err = from.Seek(offset, io.SeekStart)
			return offset, first, err
		}
		offset++
	}
}

// brokenAt is the line at which a text is broken that begins at an offset, or that of its end. The
// decoder's own offsets do not hold where values are read one by one.
func brokenAt(from io.ReadSeeker, offset int64) (int, error) {
	if _, err := from.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	tokens := json.NewDecoder(from)
	for {
		_, err := tokens.Token()
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			return lineAt(from, offset+tokens.InputOffset())
		case err != nil:
			end, err := from.Seek(0, io.SeekEnd)
			if err != nil {
				return 0, err
			}
			return lineAt(from, end)
		}
	}
}

// lineAt is the line of an offset, from one on.
func lineAt(from io.ReadSeeker, offset int64) (int, error) {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	lines := &lineCounter{lines: 1}
	_, err := io.Copy(lines, io.LimitReader(from, offset))
	return lines.lines, err
}

type lineCounter struct{ lines int }

// Write counts the lines of a text.
func (c *lineCounter) Write(text []byte) (int, error) {
	for _, b := range text {
		if b == '\n' {
			c.lines++
		}
	}
	return len(text), nil
}
