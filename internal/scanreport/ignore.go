package scanreport

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/package-url/packageurl-go"
	nodes "go.yaml.in/yaml/v3"
)

// Ignores are the entries of a .trivyignore.yaml.
type Ignores struct {
	File    string
	entries map[Kind][]ignore
}

// ignore is one entry: what is not to count, where, and until when.
type ignore struct {
	id        string
	paths     []string
	purls     []string
	expiredAt time.Time // zero if it never expires
	statement string
	line      int
}

// The sections of a .trivyignore.yaml. Licences are not judged.
var ignoreSections = map[string]Kind{
	"vulnerabilities": Vulnerability, "misconfigurations": Misconfiguration, "secrets": Secret, "licenses": "",
}

// ReadIgnores reads a .trivyignore.yaml. Trivy passes over keys that it does not know; here each is
// an error, by its name.
func ReadIgnores(file string, text []byte) (*Ignores, error) {
	var root nodes.Node
	if err := nodes.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	i := &Ignores{File: file, entries: map[Kind][]ignore{}}
	if len(root.Content) == 0 {
		return i, nil
	}
	top := root.Content[0]
	if top.Kind != nodes.MappingNode {
		return nil, fmt.Errorf("%s:%d: this is no .trivyignore.yaml: it has the keys %s; "+
			"a list of ids is of the format .trivyignore, which is not read", file, top.Line, names(ignoreSections))
	}
	var errs []error
	for at := 0; at+1 < len(top.Content); at += 2 {
		key, value := top.Content[at], top.Content[at+1]
		kind, known := ignoreSections[key.Value]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("%s:%d: the key %q is silently ignored by Trivy: it is one of %s",
				file, key.Line, key.Value, names(ignoreSections)))
		case value.Kind != nodes.SequenceNode && value.Tag != "!!null":
			errs = append(errs, fmt.Errorf("%s:%d: %s must be a list", file, value.Line, key.Value))
		default:
			for _, node := range value.Content {
				entry, problems := readIgnore(file, node)
				errs = append(errs, problems...)
				i.entries[kind] = append(i.entries[kind], entry)
			}
		}
	}
	return i, errors.Join(errs...)
}

func names(sections map[string]Kind) string {
	var all []string
	for name := range sections {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// readIgnore is one entry, and what is wrong with it.
func readIgnore(file string, node *nodes.Node) (ignore, []error) {
	entry := ignore{line: node.Line}
	if node.Kind != nodes.MappingNode {
		return entry, []error{fmt.Errorf("%s:%d: an entry is a mapping with an id", file, node.Line)}
	}
	var errs []error
	for at := 0; at+1 < len(node.Content); at += 2 {
		key, value := node.Content[at], node.Content[at+1]
		if err := entry.set(key.Value, value); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, key.Line, err))
		}
	}
	if entry.id == "" {
		errs = append(errs, fmt.Errorf("%s:%d: this entry has no id", file, node.Line))
	}
	return entry, errs
}

func (e *ignore) set(key string, value *nodes.Node) error {
	switch key {
	case "id":
		return value.Decode(&e.id)
	case "statement":
		return value.Decode(&e.statement)
	case "paths":
		return decodeEach(value, &e.paths, func(pattern string) error {
			if !doublestar.ValidatePattern(pattern) {
				return fmt.Errorf("paths: %q is no pattern", pattern)
			}
			return nil
		})
	case "purls":
		return decodeEach(value, &e.purls, func(purl string) error {
			if _, err := packageurl.FromString(purl); err != nil {
				return fmt.Errorf("purls: %q is no package URL: %w", purl, err)
			}
			return nil
		})
	case "expired_at":
		if err := value.Decode(&e.expiredAt); err != nil || value.Tag == "!!null" {
			return fmt.Errorf("expired_at: %q is no date that Trivy can read: "+
				"write 2026-12-31, without quotes, or a time with its zone", value.Value)
		}
		return nil
	}
	return fmt.Errorf("the key %q is silently ignored by Trivy: it is one of id, paths, purls, expired_at, statement%s",
		key, meant(key))
}

// decodeEach decodes a list of texts, each of which must be valid.
func decodeEach(value *nodes.Node, into *[]string, valid func(string) error) error {
	if err := value.Decode(into); err != nil {
		return err
	}
	for _, text := range *into {
		if err := valid(text); err != nil {
			return err
		}
	}
	return nil
}

// meant says what a key that there is not may be for.
func meant(key string) string {
	if strings.HasPrefix(key, "expire") {
		return "; the time when an entry ends is expired_at"
	}
	return ""
}

// expired reports whether an entry has ended. A date is its first moment, in UTC: one of today has
// ended.
func (e *ignore) expired(now time.Time) bool { return !e.expiredAt.IsZero() && e.expiredAt.Before(now) }

// covers reports whether an entry is about a finding.
func (e *ignore) covers(f *Finding) bool {
	if !f.has(e.id) {
		return false
	}
	inPath := func(pattern string) bool {
		for _, path := range []string{f.Target, f.Path} {
			if matches, err := doublestar.Match(pattern, path); err == nil && matches && path != "" {
				return true
			}
		}
		return false
	}
	isPackage := func(purl string) bool { return f.PURL != "" && meets(f.PURL, purl) }
	return (len(e.paths) == 0 || slices.ContainsFunc(e.paths, inPath)) &&
		(len(e.purls) == 0 || slices.ContainsFunc(e.purls, isPackage))
}

// exempts says why a finding does not count; empty if no entry is about it.
func (i *Ignores) exempts(f *Finding, now time.Time) string {
	if i == nil {
		return ""
	}
	for n := range i.entries[f.Kind] {
		if e := &i.entries[f.Kind][n]; !e.expired(now) && e.covers(f) {
			return strings.Join(nonEmpty(fmt.Sprintf("%s:%d ignores it", i.File, e.line), e.statement), ": ")
		}
	}
	return ""
}

// Expired are words on each entry that has ended.
func (i *Ignores) Expired(now time.Time) []string {
	if i == nil {
		return nil
	}
	var all []string
	for _, kind := range []Kind{Vulnerability, Misconfiguration, Secret} {
		for n := range i.entries[kind] {
			if e := &i.entries[kind][n]; e.expired(now) {
				all = append(all, fmt.Sprintf("%s:%d: the entry of %s has expired at %s, and counts no more",
					i.File, e.line, e.id, e.expiredAt.UTC().Format(time.RFC3339)))
			}
		}
	}
	return all
}
