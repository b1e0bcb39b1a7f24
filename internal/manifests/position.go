package manifests

import (
	"bytes"
	"strings"
	"unicode/utf8"

	nodes "go.yaml.in/yaml/v3"
)

// Precision says what a place is the place of.
type Precision string

const (
	// Exact is the place of the field itself.
	Exact Precision = "exact"
	// Parent is the place of what would hold the field, which is absent.
	Parent Precision = "parent"
	// Approximate is the place of the object, where no better one can be told.
	Approximate Precision = "approximate"
)

// Place is a range of a file, counted from one in lines and characters. EndColumn is that behind
// the last character.
type Place struct {
	Line, Column, EndLine, EndColumn int
	Precision                        Precision
}

// Positions are the places of a document's fields.
type Positions struct {
	document *Document
	object   *nodes.Node // nil if the text cannot be read for places
	lines    [][]byte
}

// Positions parses the document once more, for places.
func (d *Document) Positions() *Positions {
	p := &Positions{document: d, lines: bytes.Split(d.text, []byte("\n"))}
	var root nodes.Node
	if err := nodes.Unmarshal(d.text, &root); err != nil || len(root.Content) == 0 {
		return p
	}
	object := root.Content[0]
	for _, step := range d.within {
		if _, object = descend(object, step); object == nil {
			return p
		}
	}
	p.object = object
	return p
}

// Of is the place of a field, by its path from the object: keys are strings, indexes ints. Of a
// field that is absent it is the place of the nearest that is there.
func (p *Positions) Of(path ...any) Place {
	if p.object == nil {
		return p.approximate()
	}
	key, value := (*nodes.Node)(nil), resolve(p.object)
	found := 0
	for _, step := range path {
		k, v := descend(value, step)
		if v == nil {
			break
		}
		key, value = k, v
		found++
	}
	if found == 0 {
		key, value = nil, p.first()
	}
	place := p.between(key, value)
	place.Precision = Exact
	if found < len(path) {
		place.Precision = Parent
	}
	return place
}

// first is what stands for the whole object: its kind, or else its first key.
func (p *Positions) first() *nodes.Node {
	if key, value := descend(p.object, "kind"); value != nil {
		return key
	}
	if n := resolve(p.object); len(n.Content) > 0 {
		return n.Content[0]
	}
	return p.object
}

func (p *Positions) approximate() Place {
	for i, line := range p.lines {
		if text := strings.TrimSpace(string(line)); text != "" && text[0] != '#' {
			return Place{
				Line: p.document.Line + i, EndLine: p.document.Line + i, Column: 1,
				EndColumn: 1 + utf8.RuneCount(line), Precision: Approximate,
			}
		}
	}
	return Place{Line: p.document.Line, EndLine: p.document.Line, Column: 1, EndColumn: 1, Precision: Approximate}
}

// between is the range from a key to the end of its value, if the value ends on the same line. The
// key alone stands for what goes on below it. An element of a list has no key.
func (p *Positions) between(key, value *nodes.Node) Place {
	start := value
	if key != nil {
		start = key
	}
	offset := p.document.Line - 1
	place := Place{Line: start.Line + offset, Column: start.Column, EndLine: start.Line + offset, EndColumn: p.end(start)}
	if key != nil && value.Line == key.Line && value.Kind == nodes.ScalarNode {
		place.EndColumn = max(place.EndColumn, p.end(value))
	}
	return place
}

// end is the column behind a node, on the line that it begins on.
func (p *Positions) end(n *nodes.Node) int {
	if n.Line < 1 || n.Line > len(p.lines) {
		return n.Column + 1
	}
	line := []rune(strings.TrimRight(string(p.lines[n.Line-1]), " \t\r"))
	rest := string(line[min(n.Column-1, len(line)):])
	switch {
	case n.Kind == nodes.MappingNode && len(n.Content) > 0 && n.Content[0].Line == n.Line && n.Style&nodes.FlowStyle == 0:
		return p.end(n.Content[0])
	case n.Kind != nodes.ScalarNode || n.Style&(nodes.LiteralStyle|nodes.FoldedStyle) != 0:
		return n.Column + 1
	case n.Style&nodes.DoubleQuotedStyle != 0, n.Style&nodes.SingleQuotedStyle != 0:
		return n.Column + utf8.RuneCountInString(quoted(rest))
	case strings.HasPrefix(rest, n.Value):
		return n.Column + max(1, utf8.RuneCountInString(n.Value))
	}
	return n.Column + max(1, utf8.RuneCountInString(strings.TrimRight(rest, " ")))
}

// quoted is the quoted scalar that a text begins with, up to its end or that of the line.
func quoted(text string) string {
	// An anchor or a tag may stand before it.
	begin := strings.IndexAny(text, `"'`)
	if begin < 0 {
		return text
	}
	quote := text[begin]
	for i := begin + 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\', quote == '\'' && text[i] == quote && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return text[:i+1]
		}
	}
	return text
}

// descend is the key and the value of a step of a path, or nil. An alias stands for what it names,
// and a merged mapping for its keys.
func descend(from *nodes.Node, step any) (key, value *nodes.Node) {
	from = resolve(from)
	switch at := step.(type) {
	case int:
		if from.Kind == nodes.SequenceNode && at >= 0 && at < len(from.Content) {
			return nil, resolve(from.Content[at])
		}
	case string:
		if from.Kind != nodes.MappingNode {
			return nil, nil
		}
		for i := 0; i+1 < len(from.Content); i += 2 {
			if from.Content[i].Value == at {
				return from.Content[i], resolve(from.Content[i+1])
			}
		}
		return merged(from, at)
	}
	return nil, nil
}

// merged looks for a key in what a mapping merges (<<).
func merged(from *nodes.Node, key string) (*nodes.Node, *nodes.Node) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		if from.Content[i].Tag != "!!merge" {
			continue
		}
		sources := []*nodes.Node{resolve(from.Content[i+1])}
		if sources[0].Kind == nodes.SequenceNode {
			sources = sources[0].Content
		}
		for _, source := range sources {
			if k, v := descend(source, key); v != nil {
				return k, v
			}
		}
	}
	return nil, nil
}

func resolve(n *nodes.Node) *nodes.Node {
	for n.Kind == nodes.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}
