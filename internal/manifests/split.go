package manifests

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// splitter takes a file apart into its documents, and counts lines.
type splitter struct {
	file  string
	lines *bufio.Reader
	line  int   // of the next line to read
	read  int64 // bytes so far
	ended bool
}

func newSplitter(file string, from io.Reader) *splitter {
	return &splitter{file: file, lines: bufio.NewReaderSize(from, 64<<10), line: 1}
}

// next is the text of the next document and its first line; nil after the last one. After a problem
// it goes on with the document behind it, unless the splitter has ended.
func (s *splitter) next() (text []byte, first int, problem *ReadError) {
	var document bytes.Buffer
	first, size := s.line, int64(0)
	for !s.ended {
		line, err := s.readLine()
		if err != nil && !errors.Is(err, io.EOF) {
			s.ended = true
			return nil, 0, &ReadError{File: s.file, Line: s.line, Message: fmt.Sprintf("reading: %v", err)}
		}
		s.ended = err != nil
		if s.read > MaxFile {
			s.ended = true
			return nil, 0, &ReadError{File: s.file, Message: fmt.Sprintf("there is more than %s to read", Bytes(MaxFile))}
		}
		separates := Separates(line)
		if separates && size > 0 {
			if size > MaxDocument {
				return nil, 0, s.tooLarge(first, size)
			}
			return document.Bytes(), first, nil
		}
		if separates {
			first = s.line
			continue
		}
		if size += int64(len(line)); size <= MaxDocument {
			document.Write(line)
		}
	}
	switch {
	case size > MaxDocument:
		return nil, 0, s.tooLarge(first, size)
	case size == 0:
		return nil, 0, nil
	}
	return document.Bytes(), first, nil
}

func (s *splitter) tooLarge(first int, size int64) *ReadError {
	return &ReadError{File: s.file, Line: first, Message: fmt.Sprintf(
		"the document has %s, and the API server takes %s at most", Bytes(size), Bytes(MaxDocument))}
}

// readLine is the next line with its end. Of a line that is longer than a document may be it reads
// all and keeps the beginning, with one byte too many.
func (s *splitter) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := s.lines.ReadSlice('\n')
		s.read += int64(len(part))
		if room := MaxDocument + 1 - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) && s.read <= MaxFile {
			continue
		}
		if s.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return line, nil // More than may be read, which is for the caller to say.
		}
		if err == nil {
			s.line++
		}
		return line, err
	}
}

// Separates reports whether a line begins another document.
func Separates(line []byte) bool {
	rest, found := bytes.CutPrefix(line, []byte("---"))
	if !found {
		return false
	}
	rest = bytes.TrimRight(rest, " \t\r\n")
	return len(rest) == 0 ||
		(rest[0] == ' ' || rest[0] == '\t') && bytes.HasPrefix(bytes.TrimLeft(rest, " \t"), []byte("#"))
}
