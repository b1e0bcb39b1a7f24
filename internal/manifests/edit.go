package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	nodes "go.yaml.in/yaml/v3"
)

// Edit is the replacement of a range of a file by a text. Nothing else of the file changes.
type Edit struct {
	Line, Column, EndLine, EndColumn int
	Text                             string
}

// Why a field is not set by an edit.
var (
	errShared   = errors.New("the field is shared by an anchor, so that others would change with it")
	errMerged   = errors.New("the field is merged in, and to set a part of it would drop the rest")
	errNoPlace  = errors.New("there is no place where the field can be added with certainty")
	errNotTaken = errors.New("the text cannot be taken apart")
)

// Edit is the smallest edit that sets a field to a value. A list is not replaced: what the value
// has and the list lacks is added.
func (p *Positions) Edit(path []any, value any) (Edit, error) {
	if p.object == nil {
		return Edit{}, errNotTaken
	}
	at, rest, err := p.deepest(path)
	if err != nil {
		return Edit{}, err
	}
	var edit Edit
	switch {
	case len(rest) == 0 && at.Kind == nodes.ScalarNode:
		edit, err = p.replaceScalar(at, value)
	case len(rest) == 0 && at.Kind == nodes.SequenceNode:
		edit, err = p.addElements(at, value)
	case len(rest) == 0:
		err = errNoPlace
	case at.Kind == nodes.MappingNode:
		edit, err = p.addKey(at, rest, value)
	default:
		err = errNoPlace
	}
	if err != nil {
		return Edit{}, err
	}
	offset := p.document.Line - 1
	edit.Line, edit.EndLine = edit.Line+offset, edit.EndLine+offset
	return edit, nil
}

// deepest is the node of a path that is there, and the rest of the path. It goes through no alias
// and no merge, which others share.
func (p *Positions) deepest(path []any) (*nodes.Node, []any, error) {
	at := p.object
	for i, step := range path {
		if at.Kind == nodes.AliasNode || at.Anchor != "" {
			return nil, nil, errShared
		}
		_, next := explicit(at, step)
		if next == nil {
			return absent(at, path, i)
		}
		at = next
	}
	if at.Kind == nodes.AliasNode || at.Anchor != "" {
		return nil, nil, errShared
	}
	return at, nil, nil
}

// absent is the node at which a path ends before its step i, unless nothing can be added there.
func absent(at *nodes.Node, path []any, i int) (*nodes.Node, []any, error) {
	if key, isKey := path[i].(string); isKey && at.Kind == nodes.MappingNode {
		if _, inherited := merged(at, key); inherited != nil && i+1 < len(path) {
			return nil, nil, errMerged
		}
	}
	if isNull(at) && i > 0 { // A key without a value: its mapping begins below it.
		return nil, nil, errNoPlace
	}
	return at, path[i:], nil
}

// explicit is the key and value of a step, as they are written there.
func explicit(from *nodes.Node, step any) (key, value *nodes.Node) {
	switch at := step.(type) {
	case int:
		if from.Kind == nodes.SequenceNode && at >= 0 && at < len(from.Content) {
			return nil, from.Content[at]
		}
	case string:
		for i := 0; from.Kind == nodes.MappingNode && i+1 < len(from.Content); i += 2 {
			if from.Content[i].Value == at {
				return from.Content[i], from.Content[i+1]
			}
		}
	}
	return nil, nil
}

func isNull(n *nodes.Node) bool { return n.Kind == nodes.ScalarNode && n.Tag == "!!null" }

func (p *Positions) replaceScalar(at *nodes.Node, value any) (Edit, error) {
	if at.Value == "" && at.Style == 0 || at.Style&(nodes.LiteralStyle|nodes.FoldedStyle) != 0 {
		return Edit{}, errNoPlace
	}
	text, err := p.flow(value)
	if err != nil {
		return Edit{}, err
	}
	return Edit{at.Line, at.Column, at.Line, p.end(at), text}, nil
}

// addElements adds to a list what it lacks, at its beginning.
func (p *Positions) addElements(at *nodes.Node, value any) (Edit, error) {
	wanted, ok := value.([]any)
	if !ok {
		return Edit{}, errNoPlace
	}
	var lacking []any
	for _, element := range wanted {
		if !slices.ContainsFunc(at.Content, func(n *nodes.Node) bool { return resolve(n).Value == fmt.Sprint(element) }) {
			lacking = append(lacking, element)
		}
	}
	text, err := p.flow(lacking)
	if err != nil || len(lacking) == 0 {
		return Edit{}, errors.Join(err, errNoPlace)
	}
	elements := text[1 : len(text)-1]
	if at.Style&nodes.FlowStyle != 0 || p.document.isJSON {
		if len(at.Content) > 0 {
			elements += ", "
		}
		return insertion(at.Line, at.Column+1, elements), nil
	}
	if len(at.Content) == 0 {
		return Edit{}, errNoPlace
	}
	var lines strings.Builder
	for element := range strings.SplitSeq(elements, ", ") {
		lines.WriteString(strings.Repeat(" ", at.Column-1) + "- " + element + "\n")
	}
	return insertion(at.Line, 1, lines.String()), nil
}

// addKey adds a field to a mapping, with the mappings around it that are absent too.
func (p *Positions) addKey(at *nodes.Node, rest []any, value any) (Edit, error) {
	keys := make([]string, len(rest))
	for i, step := range rest {
		key, isKey := step.(string)
		if !isKey {
			return Edit{}, errNoPlace
		}
		keys[i] = key
	}
	if at.Style&nodes.FlowStyle != 0 || p.document.isJSON {
		nested := value
		for _, key := range slices.Backward(keys[1:]) {
			nested = map[string]any{key: nested}
		}
		text, err := p.flow(map[string]any{keys[0]: nested})
		if err != nil {
			return Edit{}, err
		}
		text = text[1 : len(text)-1]
		if len(at.Content) > 0 {
			text += ", "
		}
		return insertion(at.Line, at.Column+1, text), nil
	}
	text, err := p.flow(value)
	if err != nil {
		return Edit{}, err
	}
	line, column, ok := p.placeIn(at)
	if !ok {
		return Edit{}, errNoPlace
	}
	var lines strings.Builder
	for i, key := range keys {
		lines.WriteString(strings.Repeat(" ", column-1+2*i) + key + ":")
		if i < len(keys)-1 {
			lines.WriteString("\n")
		}
	}
	lines.WriteString(" " + text + "\n")
	return insertion(line, 1, lines.String()), nil
}

// placeIn is the line before which a key can be added to a mapping in block style, and the column
// of its keys: behind the last of them whose value is on its own line, or before the first one.
func (p *Positions) placeIn(at *nodes.Node) (line, column int, ok bool) {
	if len(at.Content) == 0 {
		return 0, 0, false
	}
	column = at.Content[0].Column
	for i := len(at.Content) - 2; i >= 0; i -= 2 {
		key, value := at.Content[i], at.Content[i+1]
		plain := value.Kind == nodes.ScalarNode && value.Style&(nodes.LiteralStyle|nodes.FoldedStyle) == 0 &&
			value.Value != "" ||
			value.Kind == nodes.AliasNode
		// A scalar may go on below its line, which the next key would tell, if there is one.
		if plain && value.Line == key.Line && key.Line < len(p.lines) && p.endsOn(key.Line, column) {
			return key.Line + 1, column, true
		}
	}
	first := at.Content[0]
	if strings.TrimSpace(string(p.lines[first.Line-1])[:min(first.Column-1, len(p.lines[first.Line-1]))]) == "" {
		return first.Line, column, true
	}
	return 0, 0, false
}

// endsOn reports whether what stands on a line, in a mapping with keys at a column, does not go on
// below it.
func (p *Positions) endsOn(line, column int) bool {
	for _, next := range p.lines[line:] {
		text := strings.TrimRight(string(next), " \t\r")
		if text == "" {
			continue
		}
		return len(text)-len(strings.TrimLeft(text, " ")) < column || strings.TrimLeft(text, " ")[0] == '#'
	}
	return true
}

func insertion(line, column int, text string) Edit { return Edit{line, column, line, column, text} }

// flow is a value on one line.
func (p *Positions) flow(value any) (string, error) {
	if p.document.isJSON {
		text, err := json.Marshal(value)
		return strings.ReplaceAll(string(text), ",", ", "), err
	}
	var n nodes.Node
	if err := n.Encode(value); err != nil {
		return "", fmt.Errorf("writing a value: %w", err)
	}
	if n.Kind != nodes.ScalarNode {
		n.Style = nodes.FlowStyle
	}
	text, err := nodes.Marshal(&n)
	if err != nil {
		return "", fmt.Errorf("writing a value: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Apply is a text with an edit carried out.
func Apply(text []byte, e Edit) ([]byte, error) {
	from, ok := offsetOf(text, e.Line, e.Column)
	to, alsoOK := offsetOf(text, e.EndLine, e.EndColumn)
	if !ok || !alsoOK || from > to {
		return nil, errNotTaken
	}
	return slices.Concat(text[:from], []byte(e.Text), text[to:]), nil
}

// offsetOf is where a line and a column begin.
func offsetOf(text []byte, line, column int) (int, bool) {
	offset := 0
	for range line - 1 {
		next := slices.Index(text[offset:], '\n')
		if next < 0 {
			return 0, false
		}
		offset += next + 1
	}
	rest := string(text[offset:])
	n := 1
	for i, r := range rest {
		if n == column {
			return offset + i, true
		}
		if r == '\n' {
			return 0, false
		}
		n++
	}
	return len(text), n == column
}
