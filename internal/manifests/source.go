package manifests

import (
	"bytes"
	"io"
	"iter"
)

// Source is the text of one document, which is decoded when it is asked for: of many manifests, few
// objects are in memory at a time. It is not for several goroutines at once.
type Source struct {
	file string
	line int
	text []byte

	decoded   bool
	documents []*Document
	problems  []*ReadError
}

// Split takes a file apart into its documents, without decoding them.
func Split(file string, from io.Reader) iter.Seq2[*Source, *ReadError] {
	return func(yield func(*Source, *ReadError) bool) {
		texts := newSplitter(file, from)
		for {
			text, line, problem := texts.next()
			switch {
			case problem != nil:
				if !yield(nil, problem) || texts.ended {
					return
				}
			case text == nil:
				return
			case !yield(&Source{file: file, line: line, text: bytes.Clone(text)}, nil):
				return
			}
		}
	}
}

// Given is a source of documents that are decoded already.
func Given(documents ...*Document) *Source { return &Source{decoded: true, documents: documents} }

// File is the file that it is of.
func (s *Source) File() string { return s.file }

// Documents are the objects of the document: one, those of a List, or none. Their faults are among
// the problems.
func (s *Source) Documents() []*Document {
	if !s.decoded {
		s.decoded = true
		s.read(func(d *Document, problem *ReadError) bool {
			if problem != nil {
				s.problems = append(s.problems, problem)
				return true
			}
			s.documents = append(s.documents, d)
			return true
		})
	}
	return s.documents
}

// Problems are what is wrong with the document, once it is decoded.
func (s *Source) Problems() []*ReadError { return s.problems }

// Mentions reports whether the document may hold one of some words in a value. It is certain of it
// if not: a word cannot be spelled otherwise but by an escape, or in base 64.
func (s *Source) Mentions(words ...string) bool {
	if s.text == nil || bytes.IndexByte(s.text, '\\') >= 0 || bytes.Contains(s.text, []byte("binary")) {
		return true
	}
	for _, word := range words {
		if bytes.Contains(s.text, []byte(word)) {
			return true
		}
	}
	return false
}

// Release drops the documents. They are decoded no more, but for where their fields stand.
func (s *Source) Release() {
	if s.text == nil {
		return // They are somebody else's.
	}
	for _, d := range s.documents {
		d.Forget()
	}
	s.documents = nil
}
