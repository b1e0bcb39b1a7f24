// Package manifests reads Kubernetes objects out of YAML and JSON, and knows where in the text each
// field stands. It decodes as kubectl does, so that a manifest means here what it means there.
//
// It is pure: it reads from what it is given, and may import nothing of Bulwark. It must never open
// a file, judge an object, or let what is wrong with one document keep another from being read.
package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	// MaxDocument is how many bytes one document has at most. The API server takes requests of 3
	// MiB.
	MaxDocument = 3 << 20
	// MaxFile is how many bytes one file has at most, all of its documents together.
	MaxFile = 256 << 20
)

// Document is one object, and where it comes from.
type Document struct {
	// File is the file that was read.
	File string
	// Line is the first line of the document in it, counted from one.
	Line int
	// Origin is the file that the object came from, if File holds the output of `helm template` or
	// `kustomize build` and says so.
	Origin string
	// Object is what was read; nil once it is forgotten.
	Object *unstructured.Unstructured

	text   []byte
	json   []byte // the same in JSON, of a document that is no List; nil once it is forgotten
	isJSON bool
	within []any // the path of the object in the document: that of an element of a List
}

// ReadError is what is wrong with a document, or with a whole file.
type ReadError struct {
	File         string
	Line, Column int // zero where it is not known
	Message      string
}

// Error is the problem with its place, as compilers write it.
func (p *ReadError) Error() string {
	switch {
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	case p.Column == 0:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// TooLarge is the problem of a file of so many bytes, or nil if it may be read.
func TooLarge(file string, size int64) *ReadError {
	if size <= MaxFile {
		return nil
	}
	return &ReadError{File: file, Message: fmt.Sprintf(
		"the file has %s, and at most %s are read: split it, or leave it out", Bytes(size), Bytes(MaxFile))}
}

// Read reads documents one after the other, each with its object or with what is wrong with it. It
// holds one document in memory at a time.
func Read(file string, from io.Reader) iter.Seq2[*Document, *ReadError] {
	return func(yield func(*Document, *ReadError) bool) {
		for source, problem := range Split(file, from) {
			if problem != nil {
				if !yield(nil, problem) {
					return
				}
				continue
			}
			if !source.read(yield) {
				return
			}
		}
	}
}

// read reads what one document holds: an object, the elements of a List, or nothing.
func (s *Source) read(yield func(*Document, *ReadError) bool) bool {
	value, converted, isJSON, problem := decode(s.text)
	if problem != nil {
		problem.File = s.file
		if problem.Line == 0 {
			problem.Line = 1
		}
		problem.Line += s.line - 1
		return yield(nil, problem)
	}
	if value == nil {
		return true
	}
	d := &Document{File: s.file, Line: s.line, text: s.text, json: converted, isJSON: isJSON, Origin: sourceOf(s.text)}
	object, ok := value.(map[string]any)
	if !ok {
		return yield(
			nil,
			&ReadError{File: s.file, Line: s.line, Message: "this is no Kubernetes object: a mapping with apiVersion and kind"},
		)
	}
	d.Object = &unstructured.Unstructured{Object: object}
	return d.each(yield)
}

// each yields the object of a document, or the elements of a List.
func (d *Document) each(yield func(*Document, *ReadError) bool) bool {
	apiVersion, _ := d.Object.Object["apiVersion"].(string)
	kind, _ := d.Object.Object["kind"].(string)
	if apiVersion == "" || kind == "" {
		place := d.Positions().Of()
		return yield(nil, &ReadError{File: d.File, Line: place.Line, Column: place.Column,
			Message: "this is no Kubernetes object: it lacks apiVersion or kind"})
	}
	items, isList := d.Object.Object["items"].([]any)
	if !isList || !strings.HasSuffix(kind, "List") {
		if from := originOf(d.Object); from != "" {
			d.Origin = from
		}
		return yield(d, nil)
	}
	for i, item := range items {
		element := *d
		element.json = nil
		element.within = append(append([]any{}, d.within...), "items", i)
		object, ok := item.(map[string]any)
		if !ok {
			place := d.Positions().Of("items", i)
			problem := &ReadError{
				File:    d.File,
				Line:    place.Line,
				Column:  place.Column,
				Message: "this element of a List is no object",
			}
			if !yield(nil, problem) {
				return false
			}
			continue
		}
		element.Object = &unstructured.Unstructured{Object: object}
		if !element.each(yield) {
			return false
		}
	}
	return true
}

// JSON is the object in JSON.
func (d *Document) JSON() ([]byte, error) {
	if d.json != nil {
		return d.json, nil
	}
	return json.Marshal(d.Object.Object)
}

// Forget drops the object, of which nothing more is to be asked but where its fields stand.
func (d *Document) Forget() { d.Object, d.json = nil, nil }

// SameElement reports whether two documents are the same element of the same List, or none of any.
func (d *Document) SameElement(other *Document) bool { return slices.Equal(d.within, other.within) }

// sourceOf is the template that a document was made from, as `helm template` says above it.
func sourceOf(text []byte) string {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.HasPrefix(line, []byte("---")) {
			return ""
		}
		if source, found := bytes.CutPrefix(line, []byte("# Source: ")); found {
			return string(bytes.TrimSpace(source))
		}
	}
	return ""
}

// originAnnotation is where kustomize says which file an object came from (buildMetadata:
// [originAnnotations]).
const originAnnotation = "config.kubernetes.io/origin"

func originOf(object *unstructured.Unstructured) string {
	origin, found, err := unstructured.NestedString(object.Object, "metadata", "annotations", originAnnotation)
	if !found || err != nil {
		return ""
	}
	remote, path := false, ""
	for line := range strings.Lines(origin) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "path":
			path = strings.Trim(value, `'"`)
		case "repo":
			remote = true
		}
	}
	if remote { // The file is in a repository that is not at hand.
		return ""
	}
	return path
}

// Bytes is a size as people read it.
func Bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

var errNotText = errors.New("this is no text: it is not encoded as UTF-8")

func checkText(text []byte) error {
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return errNotText
	}
	return nil
}
